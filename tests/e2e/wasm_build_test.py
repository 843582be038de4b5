#!/usr/bin/env python3
"""Whether WebAssembly is built, by cmake/NexusEngine.cmake: python3 tests/e2e/wasm_build_test.py [-k name]. Nothing is compiled."""
import os
import shutil
import subprocess
import unittest

from command import Base

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
PROJECT = """
cmake_minimum_required(VERSION 3.25)
project(nexus NONE)
include(%s/cmake/NexusEngine.cmake)
message("-- it is ${NEXUS_WASM}")
"""


class Build(Base):
    def configure(self, wasm, cargo, vendor=True):
        """What CMake says of WebAssembly, with a cargo of that version; None: there is none."""
        source = os.path.join(self.dir, "source")
        path = os.path.join(self.dir, "path")
        for folder in (source, path):
            shutil.rmtree(folder, ignore_errors=True)
            os.makedirs(folder)
        if vendor:
            os.makedirs(os.path.join(source, "engine/vendor"))
        with open(os.path.join(source, "CMakeLists.txt"), "w") as f:
            f.write(PROJECT % ROOT)
        os.symlink(shutil.which("cmake"), os.path.join(path, "cmake"))
        os.symlink(shutil.which("ninja"), os.path.join(path, "ninja"))
        if cargo:
            with open(os.path.join(path, "cargo"), "w") as f:
                f.write(f"#!/bin/sh\necho 'cargo {cargo} (d73d2caf9 2024-12-31)'\n")
            os.chmod(os.path.join(path, "cargo"), 0o755)
        return subprocess.run([os.path.join(path, "cmake"), "-G", "Ninja", "-S", source, "-B", os.path.join(source, "build"), f"-DNEXUS_WASM={wasm}"],
                              env={"PATH": path, "HOME": self.dir}, capture_output=True, text=True, timeout=120)

    def test_auto(self):
        for cargo, vendor, said in (("1.85.1", True, "cargo 1.95 or newer, and this one is 1.85.1. Install Rust"),
                                    (None, True, "and there is none. Install Rust"),
                                    ("1.95.0", False, "scripts/setup wasm")):
            result = self.configure("AUTO", cargo, vendor)
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assertEqual(result.stdout.count("-- WebAssembly is left out: "), 1, result.stdout)
            self.assertIn(said, result.stdout)
            self.assertIn("it is OFF", result.stderr)
        for cargo in ("1.95.0", "1.100.2", "2.0.0"):
            result = self.configure("AUTO", cargo)
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assertNotIn("left out", result.stdout)
            self.assertIn("it is ON", result.stderr)

    def test_forced(self):
        for cargo in ("1.85.1", None):
            result = self.configure("ON", cargo)
            self.assertNotEqual(result.returncode, 0)
            self.assertIn("which NEXUS_WASM=ON asks for", " ".join(result.stderr.split()))
            self.assertIn("Install Rust by https://rustup.rs", " ".join(result.stderr.split()))
        self.assertIn("it is ON", self.configure("ON", "1.95.0").stderr)
        result = self.configure("OFF", "1.95.0")
        self.assertIn("it is OFF", result.stderr)
        self.assertNotIn("WebAssembly", result.stdout)


if __name__ == "__main__":
    unittest.main()
