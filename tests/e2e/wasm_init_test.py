#!/usr/bin/env python3
"""The WebAssembly templates of `nexus init`, used as their README says: NEXUS=path/to/nexus python3 tests/e2e/wasm_init_test.py [-k name].

What npm and pip would bring comes from build/guests, where `scripts/setup test` has put it."""
import http.server
import os
import subprocess
import threading
import unittest

from command import NEXUS, SLOW, Base, get
from polyglot_test import LACKS, TOOLS, served


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("content-length", "6")
        self.end_headers()
        self.wfile.write(b"a page")

    def log_message(self, *args):
        pass


class Init(Base):
    def setUp(self):
        super().setUp()
        if not os.path.exists(os.path.join(os.path.dirname(NEXUS), "../lib/libnexus-engine.so")):
            self.skipTest("this Nexus is built without WebAssembly")

    def begin(self, language, *files):
        """Makes the project, and goes there."""
        if LACKS[language]:
            self.skipTest(LACKS[language])
        name = {"javascript": "wasm-js"}.get(language, f"wasm-{language}")
        result = self.nexus("init", f"--template={name}", "hello")
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertIn("nexus run build/app.wasm", result.stdout)
        self.dir = os.path.join(self.dir, "hello")
        self.assertEqual(sorted(name for name in os.listdir(self.dir) if name != "compile_commands.json"),
                         sorted([".gitignore", "README.md", "nexus.toml", *files]))

    def build(self, *command):
        result = subprocess.run(command, cwd=self.dir, capture_output=True, text=True, check=False, timeout=600 * SLOW)
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)

    def greets(self):
        for args, said in ((["run", "build/app.wasm"], "Hello, world!\n"), (["run", "build/app.wasm", "--", "Ada"], "Hello, Ada!\n"),
                           (["run"], "Hello, world!\n")):
            result = self.nexus(*args)
            self.assertEqual((result.returncode, result.stdout, result.stderr), (0, said, ""))

    def serves(self):
        app, port = served(self, "build/serve.wasm")
        self.assertEqual(get(port, "/?name=Ada"), "Hello, Ada!\n")
        self.assertEqual(get(port, "/"), "Hello, world!\n")
        self.assertEqual(get(port, "/none"), "There is nothing here.\n")
        self.assertEqual(app.stop(), 0)

    def test_c(self):
        self.begin("c", "app.c", "nexus-guest.h", "Makefile")
        self.build("make")
        self.greets()
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        url = f"http://127.0.0.1:{server.server_address[1]}/"
        result = self.nexus("run", "--allow-net", "build/app.wasm", "--", url)
        self.assertEqual((result.returncode, result.stdout, result.stderr), (0, "a page", ""))
        result = self.nexus("run", "build/app.wasm", "--", url)
        self.assertEqual((result.returncode, result.stdout), (1, ""))
        self.assertIn("--allow-", result.stderr)

    def test_go(self):
        self.begin("go", "app.go", "go.mod", "Makefile")
        self.build("make")
        self.greets()

    def test_javascript(self):
        self.begin("javascript", "app.js", "serve.js", "app.wit", "build.mjs", "package.json")
        os.symlink(os.path.join(TOOLS, "node_modules"), os.path.join(self.dir, "node_modules"))
        self.build("npm", "run", "build")
        self.greets()
        self.serves()

    def test_python(self):
        self.begin("python", "app.py", "serve.py", "greeting.py", "app.wit", "Makefile")
        self.build("make", f"TOOLS={TOOLS}")
        self.greets()
        self.serves()


if __name__ == "__main__":
    unittest.main()
