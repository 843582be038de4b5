#!/usr/bin/env python3
"""The official tests of WASI 0.1: NEXUS=path/to/nexus python3 tests/conformance/wasi_test.py.

WebAssembly/wasi-testsuite, branch prod/testsuite-base, is taken from the folder or archive that WASI_TESTSUITE names, or from an archive beside
the project. Skipped where it is neither, and where Nexus is built without WebAssembly."""
import concurrent.futures
import glob
import json
import os
import shutil
import subprocess
import sys
import tarfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../e2e"))
from command import NEXUS, SLOW, Base  # noqa: E402

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
SUITE = os.environ.get("WASI_TESTSUITE") or os.path.join(ROOT, "../shared/conformance/wasi-testsuite.tar.xz")
PROGRAMS = 72


class Wasi(Base):
    def setUp(self):
        super().setUp()
        if not os.path.exists(os.path.join(os.path.dirname(NEXUS), "../lib/libnexus-engine.so")):
            self.skipTest("this Nexus is built without WebAssembly")
        if not os.path.exists(SUITE):
            self.skipTest("there is no wasi-testsuite; WASI_TESTSUITE names its folder or archive")

    def suite(self):
        if os.path.isdir(SUITE):
            return SUITE
        folder = os.path.join(self.dir, "suite")
        with tarfile.open(SUITE) as archive:
            archive.extractall(folder)
        return folder

    def run_one(self, path):
        """What is wrong with it, or None."""
        name = os.path.basename(path)[:-len(".wasm")]
        wanted = {}
        if os.path.exists(path[:-len(".wasm")] + ".json"):
            with open(path[:-len(".wasm")] + ".json") as f:
                wanted = json.load(f)
        flags = []
        for variable, value in wanted.get("env", {}).items():
            flags += ["--env", f"{variable}={value}"]
        if "root" in wanted:
            root = os.path.join(self.dir, "roots", name)
            shutil.copytree(os.path.join(os.path.dirname(path), wanted["root"]), root, symlinks=True)
            flags += ["--dir", f"{root}::/"]
        result = subprocess.run([NEXUS, "run", *flags, path, "--", *wanted.get("args", [])], capture_output=True, text=True, cwd=self.dir,
                                timeout=120 * SLOW, stdin=subprocess.DEVNULL)
        if result.returncode != wanted.get("exit_code", 0):
            return f"{name}: exit code {result.returncode}, not {wanted.get('exit_code', 0)}: {result.stderr[-400:]}"
        if "stdout" in wanted and result.stdout != wanted["stdout"]:
            return f"{name}: stdout is {result.stdout!r}, not {wanted['stdout']!r}"
        return None

    def test_all(self):
        programs = sorted(glob.glob(os.path.join(self.suite(), "tests/*/testsuite/wasm32-wasip1/*.wasm")))
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            wrong = [said for said in pool.map(self.run_one, programs) if said]
        self.assertEqual(wrong, [], f"{len(wrong)} of {len(programs)} failed:\n" + "\n".join(wrong))
        self.assertEqual(len(programs), PROGRAMS)


if __name__ == "__main__":
    unittest.main()
