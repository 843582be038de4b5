"""WebAssembly components that answer HTTP."""
import resource
import selectors
import socket
import time

from . import peers, proc
from .http1 import _http_cpu
from .peers import BODY, Server
from .proc import Failed
from .row import Group, Row, below

WAITING = 10_000


def _command(*flags):
    def command(port):
        return [peers.program("nexus"), "serve", f"--addr=127.0.0.1:{port}", *flags, str(peers.BENCH / "http" / "component.wat")]
    return command


def _serve(_name, wanted, quick):
    values = {}
    if {"serve_component", "serve_reused"} & wanted:
        for row, flags in (("serve_component", []), ("serve_reused", ["--reuse=1000000"])):
            if row in wanted:
                with Server("nexus", _command(*flags), json_body=False) as server:
                    server.load("--seconds", 0.3 if quick else 1.5)
                    values[row] = _http_cpu(server, 0.4 if quick else 10)[0]["http_total_cpu"]
    if "serve_waiting_10k" in wanted:
        values["serve_waiting_10k"] = _waiting()
    return values


def _waiting():
    """Memory of each of so many requests that wait on a timer of their guest's at the same time."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, WAITING + 1000), most))
    flags = [f"--max-instances={WAITING}", f"--max-operations={3 * WAITING}"]
    with Server("nexus", _command(*flags), json_body=False) as server, selectors.DefaultSelector() as ready:
        before = proc.memory(server.pid)
        for _ in range(WAITING):
            connection = socket.create_connection(("127.0.0.1", server.port))
            ready.register(connection, selectors.EVENT_READ, bytearray())
        connections = [(key.fileobj, key.data) for key in ready.get_map().values()]
        for connection, _ in connections:
            connection.sendall(b"GET /wait HTTP/1.1\r\nHost: a\r\n\r\n")
        time.sleep(1)
        held = proc.memory(server.pid) - before
        until = time.monotonic() + 60
        left = WAITING
        while left and time.monotonic() < until:
            for key, _ in ready.select(1):
                key.data.extend(key.fileobj.recv(4096))
                if key.data.endswith(BODY):
                    left -= 1
                    ready.unregister(key.fileobj)
        wrong = sum(not data.startswith(b"HTTP/1.1 200 ") for _, data in connections)
        for connection, _ in connections:
            connection.close()
        if wrong:
            raise Failed(f"{wrong} of {WAITING} were not answered with 200")
        return held / WAITING


GROUPS = [
    Group([
        Row("serve_component", "nexus serve, an instance for each request", "µs", "lower", "at most 22", below(22)),
        Row("serve_reused", "the same, an instance for all", "µs", "lower"),
        Row("serve_waiting_10k", "10,000 requests that wait on a timer", "bytes", "lower", "at most 64 KiB each", below(64 << 10)),
    ], ["nexus"], _serve, not_for="no other runtime here serves components",
        lacks=lambda: "" if (peers.nexus_path.parent / "../lib/libnexus-engine.so").exists() else "it is built without WebAssembly"),
]
