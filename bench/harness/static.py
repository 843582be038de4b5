"""Files that a server sends."""
import json
import os

from . import peers, proc
from .peers import Server, TOOLS, WORK
from .row import Group, Row, at_least

STATIC = {"static_1k": ("1k.bin", 1 << 10, 64), "static_1m": ("1m.bin", 1 << 20, 8), "static_1g": ("1g.bin", 1 << 30, 2)}


def _static(name, wanted, quick):
    """What a second of the server's CPU sends: requests of the small file, megabytes of the others."""
    folder = WORK / "static"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "index.html").write_bytes(peers.BODY)
    values = {}
    for row, (file, size, _) in STATIC.items():
        if row in wanted and not ((folder / file).exists() and (folder / file).stat().st_size == size):
            with open(folder / file, "wb") as out:
                for _ in range(0, size, 1 << 20):
                    out.write(os.urandom(min(size, 1 << 20)))
    with Server(name, lambda port: peers.static_command(name, port, folder), json_body=False) as server:
        for row, (file, size, connections) in STATIC.items():
            if row not in wanted:
                continue
            if size > 1 << 10:
                tool = [str(TOOLS / "bench_stream"), str(server.port), f"/{file}", str(connections)]
            else:
                tool = [str(TOOLS / "bench_load"), "--port", str(server.port), "--path", f"/{file}", "--connections",
                        str(connections), "--seconds"]
            core = proc.cores()[1]
            proc.output(tool + [str(0.3 if quick else 1)], 120, core)
            before = proc.Cpu(server.pid)
            seen = json.loads(proc.output(tool + [str(0.5 if quick else 4)], 120, core))
            _, used = proc.Cpu(server.pid).since(before)
            values[row] = (seen["bytes"] / 1e6 if size > 1 << 10 else seen["requests"]) / used
    return values


GROUPS = [
    Group([
        Row("static_1k", "file of 1 KiB, 64 connections", "requests/CPU s", "higher", "ahead of nginx",
            lambda v: at_least(v, "nginx", 1)),
        Row("static_1m", "file of 1 MiB, 8 connections", "MB/CPU s", "higher", "ahead of nginx",
            lambda v: at_least(v, "nginx", 1)),
        Row("static_1g", "file of 1 GiB, 2 connections", "MB/CPU s", "higher", "ahead of nginx",
            lambda v: at_least(v, "nginx", 1)),
    ], ["nexus", "node", "bun", "nginx"], _static, not_for="no file server of its own is measured"),
]
