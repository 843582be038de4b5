"""WebAssembly components that answer HTTP."""
import selectors
import socket
import time

from . import peers, proc
from .http1 import _http_cpu
from .peers import BODY, Server
from .proc import Failed
from .row import Group, Row, below
from .runtime import _wasm_lacks

WAITING = 10_000


def _command(*flags):
    def command(port):
        return [peers.program("nexus"), "serve", f"--addr=127.0.0.1:{port}", *flags, str(peers.BENCH / "http" / "component.wat")]
    return command


def _serve(_name, wanted, quick):
    values = {}
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
    proc.raise_file_limit()
    flags = [f"--max-instances={WAITING}", f"--max-operations={3 * WAITING}"]
    with Server("nexus", _command(*flags), json_body=False) as server, selectors.DefaultSelector() as ready:
        before = proc.memory(server.pid)[0]
        for _ in range(WAITING):
            ready.register(socket.create_connection(("127.0.0.1", server.port)), selectors.EVENT_READ, bytearray())
        connections = [(key.fileobj, key.data) for key in ready.get_map().values()]
        for connection, _ in connections:
            connection.sendall(b"GET /wait HTTP/1.1\r\nHost: a\r\n\r\n")
        most, left = before, WAITING
        until = time.monotonic() + 60
        while left and time.monotonic() < until:
            most = max(most, proc.memory(server.pid)[0])
            for key, _ in ready.select(0.2):
                got = key.fileobj.recv(4096)
                key.data.extend(got)
                if not got or key.data.endswith(BODY):
                    left -= 1
                    ready.unregister(key.fileobj)
        wrong = sum(not data.startswith(b"HTTP/1.1 200 ") for _, data in connections)
        for connection, _ in connections:
            connection.close()
        if wrong:
            raise Failed(f"{wrong} of {WAITING} were not answered with 200")
        return (most - before) / WAITING


GROUPS = [
    Group([
        Row("serve_component", "nexus serve, an instance for each request", "µs", "lower", "at most 22", below(22)),
        Row("serve_reused", "nexus serve, an instance for all requests", "µs", "lower"),
        Row("serve_waiting_10k", "10,000 requests that wait on a timer", "bytes", "lower", "at most 64 KiB", below(64 << 10)),
    ], ["nexus"], _serve, not_for="it serves no components", lacks=_wasm_lacks),
]
