#!/usr/bin/env python3
"""Runs http1_cases.py against Nexus, Node, nginx, Bun and Deno, those of them that are installed, and prints Markdown: how many
cases differ, and those about where a message ends in which one takes what the table refuses; with --all every one that differs.
Usage: http1_peers.py NEXUS [node_modules with Bun and Deno] [--all]"""
import concurrent.futures
import glob
import os
import shutil
import subprocess
import sys
import tempfile
import time
import socket

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "e2e"))

from http1_cases import CASES
from http1_wire import observe
from support import free_port

QUIET = 0.7
FRAMING = ("9112 2.2", "9112 3.2", "9112 5", "9112 6", "9112 7")

NODE = """
require("node:http").createServer((req, res) => {
  let size = 0;
  req.on("data", (data) => { size += data.length; });
  req.on("end", () => {
    const code = /^\\/status\\/(\\d+)/.exec(req.url);
    res.statusCode = code ? Number(code[1]) : 200;
    res.end(`${req.method} ${req.url} ${size}\\n`);
  });
}).listen(%d, "127.0.0.1");
"""
FETCH = """
async function answer(req) {
  const body = await req.arrayBuffer(), path = new URL(req.url).pathname, code = /^\\/status\\/(\\d+)/.exec(path);
  const status = code ? Number(code[1]) : 200;
  return new Response(status === 204 || status === 304 ? null : `${req.method} ${path} ${body.byteLength}\\n`, { status });
}
"""
BUN = FETCH + "Bun.serve({ port: %d, hostname: '127.0.0.1', fetch: answer });"
DENO = FETCH + "Deno.serve({ port: %d, hostname: '127.0.0.1', onListen() {} }, answer);"
NGINX = """
daemon off; master_process off; pid %(folder)s/pid; error_log %(folder)s/error.log;
events { worker_connections 256; }
http {
  access_log off; client_body_temp_path %(folder)s; proxy_temp_path %(folder)s; fastcgi_temp_path %(folder)s; uwsgi_temp_path %(folder)s; scgi_temp_path %(folder)s;
  server {
    listen 127.0.0.1:%(port)d;
    location / { return 200 "$request_method $request_uri\\n"; }
    location /status/204 { return 204; }
    location /status/304 { return 304; }
    location /status/404 { return 404; }
  }
}
"""


def commands(nexus, modules, folder, port):
    """Name, version and command of those that are there."""

    def file(name, text):
        path = os.path.join(folder, name)
        with open(path, "w") as f:
            f.write(text)
        return path

    def version(*command):
        r = subprocess.run(command, capture_output=True, text=True, check=False)
        return (r.stdout + r.stderr).strip().split("\n")[0].split("/")[-1].split(" (")[0].removeprefix("deno ").lstrip("v")

    found = [("Nexus", "", [nexus, "run", f"--allow-listen=:{port}", os.path.join(HERE, "http1.c"), "--", str(port)])]
    node, nginx = shutil.which("node"), shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    # The packages' own programs; those in .bin install themselves at first use.
    bun, deno = (shutil.which(name) or next(iter(glob.glob(f"{modules}/{where}")), None)
                 for name, where in (("bun", "@oven/bun-linux-*/bin/bun"), ("deno", "@deno/linux-*/deno")))
    if node:
        found.append(("Node", version(node, "--version"), [node, file("node.cjs", NODE % port)]))
    if nginx:
        found.append(("nginx", version(nginx, "-v"), [nginx, "-p", folder, "-c", file("nginx.conf", NGINX % {"port": port, "folder": folder})]))
    if bun:
        found.append(("Bun", version(bun, "--version"), [bun, file("bun.js", BUN % port)]))
    if deno:
        found.append(("Deno", version(deno, "--version"), [deno, "run", "--allow-net", file("deno.js", DENO % port)]))
    for name in ("Node", "nginx", "Bun", "Deno"):
        if name not in [n for n, *_ in found]:
            print(f"{name} is not installed", file=sys.stderr)
    return found


def run(command, port):
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            end = time.time() + 60
            while time.time() < end and process.poll() is None:
                try:
                    socket.create_connection(("127.0.0.1", port), timeout=60).close()
                    break
                except OSError:
                    time.sleep(0.05)
            else:
                log.seek(0)
                raise SystemExit(f"{command[0]} does not start: {log.read().decode(errors='replace')}")
            with concurrent.futures.ThreadPoolExecutor(12) as pool:
                return list(pool.map(lambda case: observe(("127.0.0.1", port), case[2], QUIET), CASES))
        finally:
            process.terminate()
            process.wait(60)


def refuses(outcome):
    """Whether the last answer, or the silent end, is a no."""
    statuses = [word for word in outcome.split() if word.isdigit()]
    return statuses[-1] >= "400" if statuses else outcome == "close"


def main():
    everything = "--all" in sys.argv
    nexus, modules = [*(arg for arg in sys.argv[1:] if arg != "--all"), "build/bench-peers/node_modules"][:2]
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        peers = commands(nexus, modules, folder, port)
        found = {name: run(command, port) for name, _, command in peers}
    names = [name for name, *_ in peers]
    wanted = [case[3] for case in CASES]
    print(f"{len(CASES)} cases: " + ", ".join(f"{name} {version}".strip() for name, version, _ in peers) + "\n")
    rows = [("as the table says", lambda a, b: a == b), ("takes what the table refuses", lambda a, b: refuses(b) and not refuses(a)),
            ("refuses what the table takes", lambda a, b: refuses(a) and not refuses(b))]
    print("| | " + " | ".join(names) + " |\n|---|" + "---|" * len(names))
    for text, fits in rows:
        print(f"| {text} | " + " | ".join(str(sum(fits(a, b) for a, b in zip(found[name], wanted))) for name in names) + " |")
    print("\n| case | RFC | " + " | ".join(names) + " |\n|---|---|" + "---|" * len(names))
    for i, (name, section, _, right) in enumerate(CASES):
        outcomes = [found[n][i] for n in names]
        differ = [outcome for outcome in outcomes if refuses(outcome) != refuses(right)]
        if differ if everything else refuses(right) and differ and section.startswith(FRAMING):
            print(f"| {name} | {section} | " + " | ".join(outcomes) + " |")


if __name__ == "__main__":
    main()
