#!/usr/bin/env python3
"""docs/tutorial-wasm.md, as its reader goes through it: NEXUS=path/to/nexus python3 tests/e2e/tutorial_wasm_test.py. "…" on the page stands
for anything, ports are changed to free ones, and what pip would bring comes from build/guests."""
import os
import re
import shlex
import subprocess
import unittest

from command import NEXUS, SLOW, Base, wait_for
from polyglot_test import LACKS, ROOT, TOOLS
from support import free_port
from tutorial_test import pattern, steps

PAGE = os.path.join(ROOT, "docs/tutorial-wasm.md")


class Reader(Base):
    def setUp(self):
        super().setUp()
        self.server, self.served = None, 0
        if not os.path.exists(os.path.join(os.path.dirname(NEXUS), "../lib/libnexus-engine.so")):
            self.skipTest("this Nexus is built without WebAssembly")
        if LACKS["python"]:
            self.skipTest(LACKS["python"])
        self.addCleanup(self.stop)

    def stop(self):
        if self.server:
            self.server.terminate()
            self.server.communicate(timeout=60 * SLOW)
            self.server = None

    def serve(self, command, shown):
        """The next one stops the one before. It is asked by the next command, once it has said where it is."""
        self.stop()
        log = os.path.join(self.dir, f"served{self.served}")
        self.served += 1
        with open(log, "w", encoding="utf-8") as file:
            self.server = subprocess.Popen(command, cwd=self.dir, stdout=file, stderr=file)

        def said():
            self.assertIsNone(self.server.poll(), "the server has ended")
            with open(log, encoding="utf-8") as file:
                return file.read()

        wait_for(lambda: "http://" in said(), seconds=180)
        if shown:
            self.assertRegex(said(), pattern(shown))

    def run_command(self, command, shown):
        command = command.replace("3000", self.port)
        if command.startswith("cd "):
            self.dir = os.path.join(self.dir, command[3:])
        elif command.startswith("nexus serve"):
            if "--dir-ro texts" in command:
                os.mkdir(os.path.join(self.dir, "texts"))
            self.serve([NEXUS, *shlex.split(command)[1:]], shown.replace("3000", self.port))
        else:
            command = re.sub("^nexus ", f"{NEXUS} ", command)
            result = subprocess.run(command, shell=True, cwd=self.dir, capture_output=True, text=True, check=False, timeout=600 * SLOW,
                                    env=dict(os.environ, TOOLS=TOOLS))
            self.assertEqual(result.returncode, 0, f"{command}: {result.stdout}{result.stderr}")
            if shown:
                self.assertRegex(result.stdout, "^" + pattern(shown))

    def test_the_page(self):
        self.port = str(free_port())
        with open(PAGE, encoding="utf-8") as file:
            text = file.read()
        for kind, *rest in steps(text):
            if kind == "file":
                name, contents, before = rest
                if "Change" in before:
                    self.write(name, contents)
                else:
                    with open(os.path.join(self.dir, name), encoding="utf-8") as file:
                        self.assertEqual(file.read(), contents)
            elif kind == "commands":
                for command, shown in rest[0]:
                    self.run_command(command, shown)


if __name__ == "__main__":
    unittest.main()
