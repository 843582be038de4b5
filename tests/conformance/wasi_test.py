#!/usr/bin/env python3
"""The official tests of WASI 0.1 and 0.3: NEXUS=path/to/nexus python3 tests/conformance/wasi_test.py.

WebAssembly/wasi-testsuite, branch prod/testsuite-base, is taken from the folder or archive that WASI_TESTSUITE names, or from an archive beside
the project. Skipped where it is neither, and where Nexus is built without WebAssembly."""
import concurrent.futures
import contextlib
import glob
import http.client
import http.server
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../e2e"))
from command import NEXUS, SLOW, Base, Running  # noqa: E402

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
SUITE = os.environ.get("WASI_TESTSUITE") or os.path.join(ROOT, "../shared/conformance/wasi-testsuite.tar.xz")
PROGRAMS = 72
# Of 0.3: commands, and services of wasi:http.
COMMANDS, SERVICES = 41, 14
# What Wasmtime itself does not pass: it wants a path where there is none, and takes a request that was never sent for one that was.
WASMTIME_FAILS = {"http-request.wasm", "http-client-path-none.wasm", "http-client-sent.wasm"}
# What Nexus does not: its client sends no trailers.
FAILS = {"http-client-trailers.wasm"}


class Peer(http.server.BaseHTTPRequestHandler):
    """What a service asks, as the suite describes it."""
    protocol_version = "HTTP/1.1"

    def body(self):
        if "chunked" not in (self.headers.get("Transfer-Encoding") or ""):
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return body

    def answer(self):
        body, status, fields, trailers = self.body(), 200, [], {}
        endpoint = self.server.endpoints.get((self.command, self.path), {"response": {"status": 404}})
        wanted = endpoint.get("response", {})
        pieces = wanted.get("chunks")
        if endpoint.get("mode") == "echo-headers":
            body = b""
            fields = [("x-request-method", self.command), ("x-request-path", self.path)]
            fields += [(f"x-echo-{name.lower()}", value) for name, value in self.headers.items()]
        elif endpoint.get("mode") != "echo-body":
            body, status, fields = wanted.get("body", "").encode(), wanted["status"], wanted.get("headers", {}).items()
            trailers = wanted.get("trailers", {})
        self.send_response(status)
        for name, value in fields:
            self.send_header(name, value)
        self.send_header(*(("Content-Length", str(len(body))) if pieces is None else ("Transfer-Encoding", "chunked")))
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        if self.command == "HEAD":
            return
        for piece in pieces or []:
            body += b"%x\r\n%s\r\n" % (len(piece), piece.encode())
        if pieces:
            body += b"0\r\n" + "".join(f"{name}: {value}\r\n" for name, value in trailers.items()).encode() + b"\r\n"
        with contextlib.suppress(ConnectionError):
            self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = do_OPTIONS = answer

    def log_message(self, *_):
        pass


class Wasi(Base):
    def setUp(self):
        super().setUp()
        if not os.path.exists(os.path.join(os.path.dirname(NEXUS), "../lib/libnexus-engine.so")):
            self.skipTest("this Nexus is built without WebAssembly")
        if not os.path.exists(SUITE):
            self.skipTest("there is no wasi-testsuite; WASI_TESTSUITE names its folder or archive")
        self.suite = SUITE
        if not os.path.isdir(SUITE):
            self.suite = os.path.join(self.dir, "suite")
            with tarfile.open(SUITE) as archive:
                archive.extractall(self.suite)

    def wanted(self, path):
        """What the suite says of a program."""
        if not os.path.exists(path[:-len(".wasm")] + ".json"):
            return {}
        with open(path[:-len(".wasm")] + ".json") as f:
            return json.load(f)

    def flags(self, path, wanted):
        flags = []
        for variable, value in wanted.get("env", {}).items():
            flags += ["--env", f"{variable}={value}"]
        if "root" in wanted:
            root = os.path.join(self.dir, "roots", os.path.basename(path))
            shutil.copytree(os.path.join(os.path.dirname(path), wanted["root"]), root, symlinks=True)
            flags += ["--dir", f"{root}::/"]
        return flags

    def run_one(self, path):
        """What is wrong with it, or None."""
        name = os.path.basename(path)[:-len(".wasm")]
        wanted = self.wanted(path)
        flags = self.flags(path, wanted)
        result = subprocess.run([NEXUS, "run", *flags, path, "--", *wanted.get("args", [])], capture_output=True, text=True, cwd=self.dir,
                                timeout=120 * SLOW, stdin=subprocess.DEVNULL)
        if result.returncode != wanted.get("exit_code", 0):
            return f"{name}: exit code {result.returncode}, not {wanted.get('exit_code', 0)}: {result.stderr[-400:]}"
        if "stdout" in wanted and result.stdout != wanted["stdout"]:
            return f"{name}: stdout is {result.stdout!r}, not {wanted['stdout']!r}"
        return None

    def operate(self, app, operation, sockets):
        """What is wrong after that operation, or None."""
        kind, payload = operation["type"], operation.get("payload", "").encode()
        stream = {"stdout": app.stdout, "stderr": app.stderr}.get(operation.get("id", "stdout"))
        got = wanted = None
        if kind == "write":
            app.stdin.write(payload)
            app.stdin.close()
        elif kind == "read":
            got, wanted = stream.read(len(payload)), payload
        elif kind == "connect":
            host, port = app.stdout.readline().decode().strip().split(":")
            sockets[operation["id"]] = socket.create_connection((host, int(port)), timeout=120 * SLOW)
        elif kind == "send":
            sockets[operation["id"]].sendall(payload)
        elif kind == "recv":
            got, wanted = sockets[operation["id"]].recv(len(payload), socket.MSG_WAITALL), payload
        elif kind == "wait":
            got, wanted = app.wait(120 * SLOW), operation.get("exit_code", 0)
        else:
            got = "an operation that is not known"
        return None if got == wanted else f"{kind}: {got!r}, not {wanted!r}"

    def run_operations(self, path):
        """What is wrong with one of 0.3, or None."""
        name = os.path.basename(path)[:-len(".wasm")]
        wanted = self.wanted(path)
        operations = wanted.get("operations", [{"type": "run"}, {"type": "wait"}])
        flags = self.flags(path, {**operations[0], **wanted})
        if "sockets" in wanted.get("proposals", []):
            flags.append("--allow-net")
        command = [NEXUS, "run", *flags, os.path.basename(path), "--", *operations[0].get("args", [])]
        sockets = {}
        with subprocess.Popen(command, cwd=os.path.dirname(path), bufsize=0, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as app:
            end = threading.Timer(120 * SLOW, app.kill)
            end.start()
            try:
                for operation in operations[1:]:
                    said = self.operate(app, operation, sockets)
                    if said:
                        app.kill()
                        return f"{name}: {said}: {app.stderr.read()[-400:].decode(errors='replace')}"
            finally:
                end.cancel()
                app.kill()
                for each in sockets.values():
                    each.close()
        return None

    def ask(self, port, operation):
        """What is wrong with the answer, or None."""
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120 * SLOW)
        try:
            connection.request(operation["method"], operation["path"], operation.get("body"), operation.get("headers", {}))
            answer, wanted = connection.getresponse(), operation["response"]
            body = answer.read().decode()
        finally:
            connection.close()
        got = {"status": answer.status, "body": body, "headers": {name: answer.headers[name] for name in wanted.get("headers", {})}}
        differ = {name: got[name] for name in wanted if got[name] != wanted[name]}
        return f"{operation['method']} {operation['path']}: {differ}, not {wanted}" if differ else None

    def peers(self, path):
        """Starts whom a service asks, and gives what it is told of them."""
        flags = []
        for described in self.wanted(path).get("servers", []):
            peer = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Peer)
            peer.endpoints = {(each["method"], each["path"]): each for each in described.get("endpoints", [])}
            host = f"127.0.0.1:{peer.server_address[1]}"
            flags += ["--env", f"HTTP_SERVER_{described['name'].upper()}={host}"]
            if described.get("kind") == "closed":
                peer.server_close()
                flags.append(f"--allow-connect={host}")
                continue
            thread = threading.Thread(target=peer.serve_forever, daemon=True)
            thread.start()
            self.addCleanup(peer.server_close)
            self.addCleanup(peer.shutdown)
            flags.append(f"--allow-connect={host}")
        return flags

    def serve_one(self, path, granted=True):
        """What is wrong with a service of 0.3, or None."""
        name = os.path.basename(path)[:-len(".wasm")]
        flags = [flag for flag in self.peers(path) if granted or not flag.startswith("--allow")]
        with Running("serve", "--addr=127.0.0.1:0", *flags, path, cwd=self.dir) as app:
            line = app.process.stdout.readline()
            if not line:
                app.wait()
                return f"{name}: {app.errors}"
            wrong = [self.ask(int(line.rsplit(":", 1)[1]), operation) for operation in self.wanted(path)["operations"] if operation["type"] == "request"]
            code = app.stop(signal.SIGINT)
        wrong = [said for said in wrong if said] + ([f"exit code {code}"] if code else [])
        return f"{name}: {wrong}: {app.errors[-4000:]}" if wrong else None

    def all_of(self, programs, run):
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            wrong = [said for said in pool.map(run, programs) if said]
        self.assertEqual(wrong, [], f"{len(wrong)} of {len(programs)} failed:\n" + "\n".join(wrong))

    def test_all_of_0_1(self):
        programs = sorted(glob.glob(os.path.join(self.suite, "tests/*/testsuite/wasm32-wasip1/*.wasm")))
        self.all_of(programs, self.run_one)
        self.assertEqual(len(programs), PROGRAMS)

    def test_commands_of_0_3(self):
        programs = sorted(glob.glob(os.path.join(self.suite, "tests/*/testsuite/wasm32-wasip3/*.wasm")))
        commands = [path for path in programs if self.wanted(path).get("world") != "wasi:http/service"]
        self.all_of([path for path in commands if os.path.basename(path) not in WASMTIME_FAILS], self.run_operations)
        self.assertEqual((len(commands), len(programs) - len(commands)), (COMMANDS, SERVICES))

    def test_services_of_0_3(self):
        programs = sorted(glob.glob(os.path.join(self.suite, "tests/*/testsuite/wasm32-wasip3/*.wasm")))
        services = [path for path in programs if self.wanted(path).get("world") == "wasi:http/service"]
        self.all_of([path for path in services if os.path.basename(path) not in WASMTIME_FAILS | FAILS], self.serve_one)
        # Who has no grant asks nobody.
        client = next(path for path in services if path.endswith("http-client-status.wasm"))
        self.assertIn("HttpRequestDenied", self.serve_one(client, granted=False) or "")


if __name__ == "__main__":
    unittest.main()
