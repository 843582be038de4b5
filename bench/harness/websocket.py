"""WebSocket rows."""
import json
import subprocess
import time

from . import peers, proc
from .peers import Server, TOOLS
from .proc import Failed
from .row import IDLE_CONNECTIONS, Group, Row, at_least, below, every


def _ws_server(name):
    def command(port):
        if name == "nexus":
            return [peers.program(name), "run", "--release", f"--allow-listen=127.0.0.1:{port}", str(peers.BENCH / "http" / "ws.c"), "--", str(port)]
        if name == "floor":
            return [str(TOOLS / "bench_floor_ws"), str(port)]
        if name == "bun":
            return [peers.program(name), str(peers.BENCH / "peers" / "ws.bun.js"), str(port)]
        package = peers.MODULES / "ws" / "wrapper.mjs"
        if not package.exists():
            raise Failed("the package ws is not installed; install it with: bench/setup")
        return [peers.program(name), str(peers.BENCH / "peers" / "ws.mjs"), str(port), str(package)]
    return Server(name, command, expect=b"hello", json_body=False)


def _ws_rate(server, quick, *arguments):
    """Messages that a second of the server's CPU carries."""
    def run(seconds):
        command = [str(TOOLS / "bench_ws"), arguments[0], str(server.port), *map(str, arguments[1:]), str(seconds)]
        return json.loads(proc.output(command, 120, proc.cores()[1]))["messages"]
    run(0.3 if quick else 1)
    before = proc.Cpu(server.pid)
    messages = run(0.4 if quick else 4)
    return messages / proc.Cpu(server.pid).since(before)[1]


def _ws_idle(server, path, count, quick):
    """Bytes of the server's memory for each connection that is held."""
    before, _ = proc.memory(server.pid)
    command = [str(TOOLS / "bench_ws"), "idle", str(server.port), path, str(count)]
    client = proc.start(command, proc.cores()[1], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        if not client.stdout.readline():
            raise Failed(f"could not hold {count} connections")
        time.sleep(0.2 if quick else 1)
        return (proc.memory(server.pid)[0] - before) / count
    finally:
        client.stdin.close()
        client.stdin = None
        proc.stop(client)


def _ws(name, wanted, quick):
    values = {}
    path = "/callbacks" if name == "nexus" else "/"
    count = min(IDLE_CONNECTIONS, proc.raise_file_limit() - 500)
    for row, depth, size in (("ws_echo_64", 1, 64), ("ws_echo_64_many", 64, 64), ("ws_echo_16k", 16, 16384)):
        if row in wanted:
            with _ws_server(name) as server:
                values[row] = _ws_rate(server, quick, "echo", path, 64, depth, size)
    for row, one in (("ws_idle_callbacks", path), ("ws_idle_loop", "/loop")):
        if row in wanted and (row == "ws_idle_callbacks" or name == "nexus"):
            with _ws_server(name) as server:
                values[row] = _ws_idle(server, one, count, quick)
    if "ws_publish_10k" in wanted and name != "floor":
        with _ws_server(name) as server:
            values["ws_publish_10k"] = _ws_rate(server, quick, "publish", "/publish", count, 64)
    return values


GROUPS = [
    Group([Row("ws_echo_64", "echo of 64 bytes, 64 WebSockets, one on the way", "messages/CPU s", "higher", "ahead of bun",
               lambda v: at_least(v, "bun", 1)),
           Row("ws_echo_64_many", "the same with 64 on the way", "messages/CPU s", "higher", "ahead of bun, 5 of ws on node",
               lambda v: every(at_least(v, "bun", 1), at_least(v, "node", 5))),
           Row("ws_echo_16k", "echo of 16 KiB, 64 WebSockets, 16 on the way", "messages/CPU s", "higher", "ahead of bun",
               lambda v: at_least(v, "bun", 1)),
           Row("ws_idle_callbacks", "memory of an idle WebSocket, of 10,000", "bytes", "lower", "at most 2,048 above plain", below(2900)),
           Row("ws_idle_loop", "the same, with a handler that loops", "bytes", "lower", "at most 12,288 above plain", below(13000)),
           Row("ws_publish_10k", "64 bytes to 10,000 listeners", "messages/CPU s", "higher", "ahead of bun", lambda v: at_least(v, "bun", 1))],
          ["nexus", "floor", "node", "bun"], _ws, not_for="only bun and the package ws are compared"),
]
