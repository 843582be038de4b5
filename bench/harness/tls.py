"""TLS rows."""
import json
import os
import subprocess
import time

from . import peers, proc
from .peers import Server, TOOLS, WORK
from .proc import Failed
from .row import IDLE_CONNECTIONS, Group, Row, at_least, every


def folder():
    """Where the certificate is, and what is served."""
    path = WORK / "tls"
    path.mkdir(parents=True, exist_ok=True)
    if not (path / "1m.bin").exists():
        (path / "1m.bin").write_bytes(os.urandom(1 << 20))
    return path


def _tls(name, wanted, quick):
    """What a second of the server's CPU does: connections with a handshake and a request each, megabytes of a file."""
    values = {}
    with Server(name, lambda port: peers.tls_command(name, port, folder()), tls=True) as server:
        def load(*options, seconds):
            before = proc.Cpu(server.pid)
            command = [str(TOOLS / "bench_tls"), "--port", str(server.port), "--seconds", str(seconds), *options]
            seen = json.loads(proc.output(command, 120, proc.cores()[1]))
            return seen, proc.Cpu(server.pid).since(before)[1]

        load(seconds=0.2 if quick else 1)
        for row, options in (("tls_handshake", []), ("tls_resumed", ["--resume"]), ("tls_bulk", ["--path", "/files/1m.bin"])):
            if row not in wanted:
                continue
            seen, cpu = load(*options, seconds=0.4 if quick else 5)
            if row == "tls_resumed" and seen["resumed"] < seen["requests"] - 2:
                raise Failed(f"only {seen['resumed']} of {seen['requests']} sessions were taken up again")
            values[row] = (seen["bytes"] / 1e6 if row == "tls_bulk" else seen["requests"]) / cpu
        if "tls_idle_10k" in wanted:
            count = min(1000 if quick else IDLE_CONNECTIONS, proc.raise_file_limit() - 500)
            before, _ = proc.memory(server.pid)
            client = proc.start([str(TOOLS / "bench_tls"), "--port", str(server.port), "--idle", str(count)], proc.cores()[1],
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            try:
                if not client.stdout.readline():
                    raise Failed(f"could not hold {count} connections")
                time.sleep(0.2 if quick else 1)
                values["tls_idle_10k"] = (proc.memory(server.pid)[0] - before) / count
            finally:
                client.stdin.close()
                client.stdin = None
                proc.stop(client)
    return values


GROUPS = [
    Group([
        Row("tls_handshake", "connections with TLS 1.3 and a request each", "1/CPU s", "higher", "ahead of nginx, 5 of node",
            lambda v: every(at_least(v, "nginx", 1), at_least(v, "node", 5))),
        Row("tls_resumed", "the same, sessions taken up again", "1/CPU s", "higher", "ahead of nginx, 5 of node",
            lambda v: every(at_least(v, "nginx", 1), at_least(v, "node", 5))),
        Row("tls_bulk", "file of 1 MiB by HTTPS", "MB/CPU s", "higher", "ahead of nginx, 3 of node",
            lambda v: every(at_least(v, "nginx", 1), at_least(v, "node", 3))),
        Row("tls_idle_10k", "process memory of an idle connection with TLS, of 10,000", "bytes", "lower"),
    ], ["nexus", "node", "bun", "nginx"], _tls, not_for="it has no TLS of its own"),
]
