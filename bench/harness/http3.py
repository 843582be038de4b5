"""HTTP/3 rows: requests and a file, by a client over ngtcp2."""
import json
import os
import subprocess
import time

from . import peers, proc, tls
from .peers import BENCH, BODY, ROOT, TOOLS, WORK, Server
from .proc import Failed
from .row import Group, Row, at_least, every

FILE = 1 << 20


def built(name):
    """A program on quic-go, made of peers/NAME.go."""
    path = WORK / name.replace("h3", "h3-go", 1)
    proc.output([peers.program("quic-go"), "build", "-o", str(path), str(BENCH / "peers" / f"{name}.go")], 300,
                env=dict(peers.environment(), GOCACHE=str(WORK / "go"), GOFLAGS="-mod=mod"), cwd=ROOT / "tests" / "peers" / "quic-go")
    return str(path)


def command(name, folder):
    """How the server of a peer is started at a port."""
    def of(port):
        arguments = peers.tls_arguments(port, folder)
        if name == "nexus":
            return [*peers.tls_command(name, port, folder), "h3"]
        if name == "aioquic":
            return [peers.program(name), str(BENCH / "peers" / "h3.py"), *arguments]
        if name == "nginx":
            said = subprocess.run([peers.program(name), "-V"], capture_output=True, check=False).stderr.decode()
            if "http_v3_module" not in said:
                raise Failed(f"this {said.split()[2]} is built without HTTP/3")
            return peers.nginx_tls(port, folder, "h3")
        return [built("h3"), *arguments]
    return of


class Http3Server(Server):
    def _verify(self, expect, timeout):
        until = time.monotonic() + timeout
        while True:
            try:
                self.h3(0.01, "--connections", "1", "--streams", "1", "--expect", expect.decode())
                return
            except Failed as failure:
                if self.process.poll() is not None:
                    raise Failed(f"the server ended: {proc.last_line(self.log.read_bytes())}") from None
                if time.monotonic() > until:
                    raise Failed(f"no right answer: {failure}") from None
                time.sleep(0.01)

    def h3(self, seconds, *options):
        """What the client saw, and the seconds of the server's CPU."""
        before = proc.Cpu(self.pid)
        command = [str(TOOLS / "bench_h3"), "--port", str(self.port), "--seconds", str(seconds), *options]
        seen = json.loads(proc.output(command, 120, proc.cores()[1]))
        return seen, proc.Cpu(self.pid).since(before)[1]


def _http3(name, wanted, quick):
    if not (TOOLS / "bench_h3").exists():
        raise Failed("the client is built with Nexus's own libraries: make")
    folder = tls.folder()
    values = {}
    env = dict(peers.environment(), PYTHONPATH=str(peers.PYTHON)) if name == "aioquic" else None
    with Http3Server(name, command(name, folder), env=env) as server:
        for row, options in (("http3_requests", ["--expect", BODY.decode()]),
                             ("http3_bulk", ["--connections", "1", "--streams", "4", "--path", "/files/1m.bin"])):
            if row not in wanted:
                continue
            server.h3(0.2 if quick else 1, *options)
            seen, cpu = server.h3(0.4 if quick else 4, *options)
            if row == "http3_bulk" and seen["bytes"] != seen["requests"] * FILE:
                raise Failed(f"{seen['requests']} answers have {seen['bytes']:.0f} bytes")
            values[row] = (seen["bytes"] / 1e6 if row == "http3_bulk" else seen["requests"]) / cpu
    return values


def _ahead(values):
    return every(at_least(values, "quic-go", 1), at_least(values, "aioquic", 1),
                 at_least(values, "nginx", 1) if "nginx" in values else True)


GROUPS = [
    Group([
        Row("http3_requests", "HTTP/3, 10 connections of 32 streams", "requests/CPU s", "higher", "ahead of quic-go, aioquic and nginx",
            _ahead),
        Row("http3_bulk", "file of 1 MiB by HTTP/3, 4 at a time", "MB/CPU s", "higher", "ahead of quic-go, aioquic and nginx", _ahead),
    ], ["nexus", "nginx", "quic-go", "aioquic"], _http3, not_for="it has no HTTP/3 of its own"),
]
