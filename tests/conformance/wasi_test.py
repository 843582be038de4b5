#!/usr/bin/env python3
"""The official tests of WASI 0.1 and 0.3: NEXUS=path/to/nexus python3 tests/conformance/wasi_test.py.

WebAssembly/wasi-testsuite, branch prod/testsuite-base, is taken from the folder or archive that WASI_TESTSUITE names, or from an archive beside
the project. Skipped where it is neither, and where Nexus is built without WebAssembly."""
import concurrent.futures
import glob
import http.client
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
# Of 0.3: those that are commands, and services of wasi:http. Of these, those that ask other servers are left out: Nexus refuses that.
COMMANDS, SERVICES, SERVERS = 41, 14, 3
# What Wasmtime itself does not pass: it takes a path for one that the program has for none.
WASMTIME_FAILS = {"http-request.wasm"}


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

    def serve_one(self, path):
        """What is wrong with a service of 0.3, or None."""
        name = os.path.basename(path)[:-len(".wasm")]
        with Running("serve", "--addr=127.0.0.1:0", path, cwd=self.dir) as app:
            line = app.process.stdout.readline()
            if not line:
                app.wait()
                return f"{name}: {app.errors}"
            wrong = [self.ask(int(line.rsplit(":", 1)[1]), operation) for operation in self.wanted(path)["operations"] if operation["type"] == "request"]
            code = app.stop(signal.SIGINT)
        wrong = [said for said in wrong if said] + ([f"exit code {code}"] if code else [])
        return f"{name}: {wrong}: {app.errors[-400:]}" if wrong else None

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
        services = sorted(glob.glob(os.path.join(self.suite, "tests/*/testsuite/wasm32-wasip3/http-service*.wasm")))
        self.all_of(services, self.serve_one)
        self.assertEqual(len(services), SERVERS)


if __name__ == "__main__":
    unittest.main()
