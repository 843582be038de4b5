"""Who is measured: how each runs a server and the small programs, and whether it is there."""
import json
import os
import shutil
import socket
import ssl
import subprocess
import time
from pathlib import Path

from . import proc
from .proc import Failed

ROOT = Path(__file__).resolve().parents[2]
BENCH = ROOT / "bench"
WORK = ROOT / "build" / "bench-work"
TOOLS = ROOT / "build" / "bench-tools" / "bench"
MODULES = ROOT / "build" / "bench-peers" / "node_modules"
PYTHON = ROOT / "build" / "peers" / "python"
BODY = b'{"message":"Hello from Nexus!"}'

nexus_path = ROOT / "dist" / "bin" / "nexus"
NAMES = ["nexus", "floor", "node", "bun", "deno", "nginx", "go", "quic-go", "aioquic"]
GUESTS = {"go", "quic-go", "aioquic"}  # who is in some rows alone, and in the others not even missed


def _in_packages(pattern):
    found = sorted(MODULES.glob(pattern))
    return str(found[0]) if found else None


def program(name):
    """The path of a peer's program, or None."""
    if name == "nexus":
        return str(nexus_path) if nexus_path.exists() else None
    if name == "bun":
        return _in_packages("@oven/bun-linux-*/bin/bun")
    if name == "deno":
        return _in_packages("@deno/linux-*/deno")
    if name == "floor":
        return str(TOOLS / "bench_floor")
    if name in ("go", "quic-go"):
        return shutil.which("go", path=os.environ.get("PATH", "") + ":/usr/local/go/bin")
    if name == "aioquic":
        return shutil.which("python3") if (PYTHON / "aioquic").is_dir() else None
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin")


def absent(name):
    """Why a peer can't be measured, or None."""
    if program(name):
        return None
    if name == "nexus":
        return f"{nexus_path} does not exist; build it with: make"
    if name == "aioquic":
        return f"{name} is not in build/peers; install it with: scripts/setup test"
    if name in ("go", "quic-go"):
        return f"{name} is not measured: there is no go in the path or /usr/local/go"
    return f"{name} is not installed; install it with: bench/setup"


def environment():
    env = dict(os.environ, NO_COLOR="1", DENO_NO_UPDATE_CHECK="1", DENO_DIR=str(WORK / "deno"))
    env.pop("CC", None)
    return env


def server_command(name, port):
    """The command of a peer's server for the HTTP rows, with the one permission that it needs where it takes any."""
    path = program(name)
    if name == "nexus":
        return [path, "run", "--release", f"--allow-listen=127.0.0.1:{port}", str(BENCH / "http" / "app.c"), "--", str(port)]
    if name == "deno":
        return [path, "run", "--allow-net", str(BENCH / "peers" / "deno.js"), str(port)]
    if name == "nginx":
        text = (BENCH / "peers" / "nginx.conf").read_text().replace("@PORT@", str(port)).replace("@DIR@", str(WORK))
        conf = WORK / f"nginx-{port}.conf"
        conf.write_text(text)
        return [path, "-c", str(conf), "-p", str(WORK), "-e", "stderr"]
    if name == "floor":
        return [path, str(port)]
    return [path, str(BENCH / "peers" / f"{name}.js"), str(port)]


def static_command(name, port, folder):
    """The command of a peer's server of the files in `folder`."""
    path = program(name)
    if name == "nexus":
        return [path, "run", "--release", f"--allow-listen=127.0.0.1:{port}", f"--allow-read={folder}", str(BENCH / "http" / "static.c"), "--", str(port), str(folder)]
    if name == "nginx":
        # As root its worker becomes a user who may not read the folder.
        user = "user root;\n" if os.geteuid() == 0 else ""
        text = user + (BENCH / "peers" / "static.nginx.conf").read_text()
        for key, value in (("@PORT@", port), ("@DIR@", WORK), ("@ROOT@", folder)):
            text = text.replace(key, str(value))
        conf = WORK / f"nginx-static-{port}.conf"
        conf.write_text(text)
        return [path, "-c", str(conf), "-p", str(WORK), "-e", "stderr"]
    return [path, str(BENCH / "peers" / ("static.bun.js" if name == "bun" else "static.js")), str(port), str(folder)]


def tls_arguments(port, folder):
    """PORT CERT KEY FOLDER, as all servers with TLS take them; the certificate is in `folder`."""
    cert, key = folder / "localhost.crt", folder / "localhost.key"
    if not cert.exists():
        proc.output([program("nexus"), "cert", "localhost"], env={**environment(), "XDG_DATA_HOME": str(WORK)}, cwd=folder)
    return [str(port), str(cert), str(key), str(folder)]


def nginx_tls(port, folder, what):
    """nginx with peers/`what`.nginx.conf."""
    _, cert, key, _ = tls_arguments(port, folder)
    text = ("user root;\n" if os.geteuid() == 0 else "") + (BENCH / "peers" / f"{what}.nginx.conf").read_text()
    for part, value in (("@PORT@", port), ("@DIR@", WORK), ("@CERT@", cert), ("@KEY@", key), ("@FOLDER@", folder)):
        text = text.replace(part, str(value))
    conf = WORK / f"nginx-{what}-{port}.conf"
    conf.write_text(text)
    return [program("nginx"), "-c", str(conf), "-p", str(WORK), "-e", "stderr"]


def tls_command(name, port, folder):
    """The command of a peer's server with TLS: JSON at /, the files in `folder` below /files."""
    path, arguments = program(name), tls_arguments(port, folder)
    if name == "nexus":
        return [path, "run", "--release", f"--allow-listen=127.0.0.1:{port}", f"--allow-read={folder}", str(BENCH / "http" / "tls.c"), "--", *arguments]
    if name == "nginx":
        return nginx_tls(port, folder, "tls")
    return [path, str(BENCH / "peers" / ("tls.bun.js" if name == "bun" else "tls.js")), *arguments]


def script_command(name, script, native, *args):
    """The command that runs a small program: `native` (below bench/) on Nexus, `script` on the JavaScript peers."""
    path = program(name)
    args = [str(a) for a in args]
    if name == "nexus":
        return [path, "run", "--release", str(BENCH / native), "--", *args]
    return [path, *(["run"] if name == "deno" else []), str(BENCH / "peers" / script), *args]


def files_command(name, folder, *args):
    """The command that reads, writes or walks files in `folder`, as micro/files.c has it, and may use no others."""
    args = [str(a) for a in args]
    if name == "floor":
        return [str(TOOLS / "bench_floor_files"), *args]
    path = program(name)
    if name == "nexus":
        return [path, "run", "--release", f"--allow-read={folder}", f"--allow-write={folder}", str(BENCH / "micro" / "files.c"), "--", *args]
    grants = ["run", f"--allow-read={folder}", f"--allow-write={folder}"] if name == "deno" else []
    return [path, *grants, str(BENCH / "peers" / "files.mjs"), *args]


def crypto_command(name, *args):
    """The command of micro/crypto.c, or of what stands for it."""
    if name == "floor":
        return [str(TOOLS / "bench_floor_crypto"), *map(str, args)]
    return script_command(name, "crypto.mjs", "micro/crypto.c", *args)


_next_port = 7000 + os.getpid() % 1000 * 10


def free_port():
    """A port that nobody listens on, below the range from which the system gives ports to clients."""
    global _next_port
    while True:
        _next_port = _next_port + 1 if _next_port < 30000 else 7000
        with socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                s.bind(("127.0.0.1", _next_port))
                return _next_port
            except OSError:
                continue


def ask(port, timeout=5, tls=False):
    """One request on a connection of its own: (head, body). OSError when nobody answers."""
    with socket.create_connection(("127.0.0.1", port), timeout) as s:
        if tls:
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            s = context.wrap_socket(s)
        s.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n" % port)
        data = b""
        while b"\r\n\r\n" not in data:
            more = s.recv(65536)
            if not more:
                raise ConnectionResetError("closed before the answer was whole")
            data += more
        head, _, body = data.partition(b"\r\n\r\n")
        length = 0
        for line in head.split(b"\r\n")[1:]:
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        while len(body) < length:
            more = s.recv(65536)
            if not more:
                raise ConnectionResetError("closed before the answer was whole")
            body += more
        return head, body


class Server:
    """A peer's server, started on the server's core and found to answer rightly; a context manager."""

    def __init__(self, name, command=None, core=True, env=None, expect=BODY, timeout=30, json_body=True, tls=False):
        self.name = name
        self.json_body, self.tls = json_body, tls
        self.port = free_port()
        self.log = WORK / f"{name}.log"
        command = command(self.port) if command else server_command(name, self.port)
        with open(self.log, "wb") as log:
            self.process = proc.start(command, proc.cores()[0] if core else None, stdin=subprocess.DEVNULL,
                                      stdout=log, stderr=log, env=env or environment(), cwd=WORK)
        try:
            self._verify(expect, timeout)
        except BaseException:
            proc.stop(self.process)
            raise

    def _verify(self, expect, timeout):
        until = time.monotonic() + timeout
        while True:
            try:
                head, body = ask(self.port, tls=self.tls)
                break
            except OSError as error:
                if self.process.poll() is not None:
                    why = proc.last_line(self.log.read_bytes()) or f"exit {self.process.returncode}"
                    raise Failed(f"the server ended: {why}") from None
                if time.monotonic() > until:
                    raise Failed(f"no answer within {timeout} s: {error}") from None
                time.sleep(0.002)
        status, fields = head.split(b"\r\n")[0], head.lower()
        if not status.startswith(b"HTTP/1.1 200 ") or body != expect:
            raise Failed(f"it answers wrongly: {status!r} {body[:80]!r}")
        if not self.json_body:
            return
        if b"content-type: application/json" not in fields or b"content-length:" not in fields:
            raise Failed(f"its answer lacks content-type or content-length: {head!r}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        proc.stop(self.process)

    @property
    def pid(self):
        return self.process.pid

    def load(self, *options, expect=BODY, timeout=120):
        """Runs the load generator on the client's core; returns what it saw. Failed if an answer was wrong."""
        command = [str(TOOLS / "bench_load"), "--port", str(self.port), "--expect", expect.decode()]
        seen = json.loads(proc.output(command + [str(o) for o in options], timeout, proc.cores()[1]))
        if seen["wrong"] or seen["lost"] > seen["requests"] // 1000:
            raise Failed(f"{seen['wrong']} wrong answers, {seen['lost']} lost connections of {seen['requests']}")
        return seen
