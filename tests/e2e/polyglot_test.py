#!/usr/bin/env python3
"""Guests in five languages, made by examples/polyglot/Makefile: NEXUS=path/to/nexus python3 tests/e2e/polyglot_test.py [-k name].

What npm and pip bring is in build/guests, where `scripts/setup test` puts it."""
import os
import re
import shutil
import subprocess
import unittest

from command import NEXUS, SLOW, Base, get

ROOT = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
TOOLS = os.path.join(ROOT, "build/guests")


def go_is_recent():
    said = subprocess.run(["go", "version"], capture_output=True, text=True, check=False).stdout if shutil.which("go") else ""
    version = re.search(r"go1\.(\d+)", said)
    return version and int(version[1]) >= 21


def clang_has_wasi():
    if not shutil.which("clang") or not os.path.exists("/usr/lib/wasm32-wasi/libc.a"):
        return False
    linker = subprocess.run(["clang", "-print-prog-name=wasm-ld"], capture_output=True, text=True, check=True).stdout.strip()
    return os.access(linker, os.X_OK)


# Why each can't be made here, empty if it can.
LACKS = {
    "c": "" if clang_has_wasi() else "clang, wasi-libc or lld is not installed",
    "go": "" if go_is_recent() else "there is no Go, or it is older than 1.21",
    "assemblyscript": "" if os.path.exists(os.path.join(TOOLS, "npm-installed")) else "build/guests has no npm packages: scripts/setup test",
    "python": "" if os.path.exists(os.path.join(TOOLS, "pip-installed")) else "build/guests has no Python packages: scripts/setup test",
}
LACKS["javascript"] = LACKS["assemblyscript"]


def served(test, path, *flags):
    """`nexus serve`, once it has said where."""
    app = test.start("serve", "--addr", "127.0.0.1:0", *flags, path)
    line = app.process.stdout.readline()
    if not line:
        app.wait()
    test.assertRegex(line, r"^http://127\.0\.0\.1:\d+\n$", app.errors)
    return app, int(line.rsplit(":", 1)[1])


class Polyglot(Base):
    def setUp(self):
        super().setUp()
        if not os.path.exists(os.path.join(os.path.dirname(NEXUS), "../lib/libnexus-engine.so")):
            self.skipTest("this Nexus is built without WebAssembly")

    def made(self, language, name=None):
        if LACKS[language]:
            self.skipTest(LACKS[language])
        out = os.path.join(TOOLS, "made")
        result = subprocess.run(["make", "-s", "-C", os.path.join(ROOT, "examples/polyglot"), f"OUT={out}", f"TOOLS={TOOLS}", name or language],
                                capture_output=True, text=True, check=False, timeout=600 * SLOW)
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        return os.path.join(out, f"{name or language}.wasm")

    def sorts(self, language, name):
        result = self.nexus("run", self.made(language), "--", "pear", "apple", "fig", "")
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertEqual(result.stdout, f"\napple\nfig\npear\nsorted by {name}\n")

    def serves(self, language, name):
        app, port = served(self, self.made(language, f"{language}-serve"), "--max-memory=256M")
        for path, lines in (("/?word=pear&word=apple&word=fig", "apple\nfig\npear\n"), ("/", ""), ("/?word=b&word=a", "a\nb\n")):
            self.assertEqual(get(port, path), f"{lines}sorted by {name}\n")
        self.assertEqual(app.stop(), 0)

    def test_c(self):
        self.sorts("c", "C")

    def test_go(self):
        self.sorts("go", "Go")

    def test_assemblyscript(self):
        self.sorts("assemblyscript", "AssemblyScript")

    def test_python(self):
        self.sorts("python", "Python")

    def test_javascript(self):
        self.sorts("javascript", "JavaScript")

    def test_python_serves(self):
        self.serves("python", "Python")

    def test_javascript_serves(self):
        self.serves("javascript", "JavaScript")

    def test_none_of_them_takes_more_than_it_may(self):
        for language in ("c", "go", "python"):
            if LACKS[language]:
                continue
            result = self.nexus("run", "--max-memory=64K", self.made(language))
            self.assertEqual(result.returncode, 13, result.stderr)
            self.assertIn("max_memory", result.stderr)


if __name__ == "__main__":
    unittest.main()
