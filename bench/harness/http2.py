"""HTTP/2 rows: h2load, and connections that are held."""
import re
import socket
import subprocess
import time

from . import peers, proc
from .peers import BENCH, BODY, WORK, Server
from .proc import Failed
from .row import IDLE_CONNECTIONS, Group, Row, at_least, every

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0"
REQUEST = b"\0\0\6\1\5\0\0\0\1\x82\x86\x84\x41\1a"  # GET / of "a"


def command(name):
    """How a peer's server of HTTP/2 with prior knowledge is started."""
    def of(port):
        if name == "node":
            return [peers.program(name), str(BENCH / "peers" / "http2.mjs"), str(port)]
        told = peers.server_command(name, port)
        if name == "nginx":
            conf = WORK / f"nginx-{port}.conf"
            conf.write_text(conf.read_text().replace(" backlog=4096", " http2 backlog=4096"))
        return told
    return of


class Http2Server(Server):
    def _verify(self, expect, timeout):
        until = time.monotonic() + timeout
        while True:
            asked = subprocess.run(["curl", "-sS", "-m", "2", "--http2-prior-knowledge", f"http://127.0.0.1:{self.port}/"],
                                   capture_output=True, check=False)
            if asked.stdout == expect:
                return
            if self.process.poll() is not None or time.monotonic() > until:
                raise Failed(f"no right answer: {asked.stdout[:80]!r} {asked.stderr[:80]!r}")
            time.sleep(0.01)

    def h2load(self, requests):
        """Requests for each second of the server's CPU: 10 connections, 32 streams each."""
        before = proc.Cpu(self.pid)
        said = proc.output(["taskset", "-c", str(proc.cores()[1]), "h2load", "-c", "10", "-m", "32", "-n", str(requests),
                            f"http://127.0.0.1:{self.port}/"])
        _, used = proc.Cpu(self.pid).since(before)
        if not re.search(rf"\b{requests} succeeded, 0 failed, 0 errored", said):
            raise Failed(f"h2load: {re.search('requests: .*', said)[0]}")
        return requests, used


def requests(name, quick):
    with Http2Server(name, command(name), expect=BODY) as server:
        server.h2load(1_000 if quick else 50_000)
        count, done, used = 2_000 if quick else 100_000, 0, 0.0
        while used < (0.05 if quick else 3):
            n, cpu = server.h2load(count)
            done, used = done + n, used + cpu
        return done / used


def idle(name, quick, count):
    with Http2Server(name, command(name), expect=BODY) as server:
        before, _ = proc.memory(server.pid)
        held = []
        try:
            for _ in range(count):
                s = socket.create_connection(("127.0.0.1", server.port), timeout=10)
                held.append(s)
                s.sendall(PREFACE + REQUEST)
                said = b""
                while BODY not in said:
                    piece = s.recv(4096)
                    if not piece:
                        raise Failed("a connection was closed")
                    said += piece
            time.sleep(0.2 if quick else 1)
            return (proc.memory(server.pid)[0] - before) / count
        finally:
            for s in held:
                s.close()


def _http2(name, wanted, quick):
    values = {}
    if "http2_requests" in wanted:
        values["http2_requests"] = requests(name, quick)
    if "http2_idle_10k" in wanted:
        count = min(IDLE_CONNECTIONS, proc.raise_file_limit() - 500)
        values["http2_idle_10k"] = idle(name, quick, count)
    return values


GROUPS = [
    Group([
        Row("http2_requests", "HTTP/2, 10 connections of 32 streams", "requests/CPU s", "higher", "ahead of nginx, 10 of node",
            lambda v: every(at_least(v, "nginx", 1), at_least(v, "node", 10))),
        Row("http2_idle_10k", "process memory of an idle connection of HTTP/2, of 10,000", "bytes", "lower"),
    ], ["nexus", "node", "nginx"], _http2, not_for="HTTP/2 with prior knowledge is not measured there"),
]
