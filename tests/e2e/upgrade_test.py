"""A restart that another version of nexus takes over."""
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
import unittest
import unittest.mock

from restarting import Base, GET, wait_for
from support import HERE, NEXUS

with open(os.path.join(HERE, "../../src/cli/takeover.c")) as f:
    MARK = re.search(r'"(nexus launcher state \d+)"', f.read())[1]


class Upgrade(Base):
    """Another version of nexus in the place of the one that runs: here the same program, copied."""

    def setUp(self):
        super().setUp()
        self.nexus = os.path.join(self.folder, "nexus")
        shutil.copy(NEXUS, self.nexus)
        self.write(1)

    def put(self, data=None):
        """In the place of the one that runs, as a package manager does it."""
        fresh = self.nexus + ".new"
        if data is None:
            shutil.copy(NEXUS, fresh)
        else:
            with open(fresh, "wb") as f:
                f.write(data)
            os.chmod(fresh, 0o755)
        os.rename(fresh, self.nexus)

    def runs_new(self):
        return os.stat(f"/proc/{self.process.pid}/exe").st_ino == os.stat(self.nexus).st_ino

    def start_copy(self, *args):
        with unittest.mock.patch("restarting.NEXUS", self.nexus):
            self.start(*args)

    def test_the_launcher_is_replaced_and_no_connection_is_closed(self):
        self.start_copy()
        idle, slow = self.client(), self.client()
        before = idle.json()["pid"]
        for generation in (2, 3):
            descriptors = len(os.listdir(f"/proc/{self.process.pid}/fd"))
            slow.send(b"GET /slow/500 HTTP/1.1\r\nhost: a\r\n\r\n")
            self.all_read()
            self.write(generation)
            self.put()
            self.assertFalse(self.runs_new())
            self.restart()
            self.assertTrue(self.runs_new())
            answer = self.moves(idle, generation)
            self.assertNotEqual(answer["pid"], before)
            self.assertEqual(json.loads(slow.read().body)["generation"], generation - 1)
            self.moves(slow, generation)
            wait_for(lambda: len(self.processes()) == 1)
            wait_for(lambda: len(os.listdir(f"/proc/{self.process.pid}/fd")) == descriptors, why="descriptors are left")
            self.assertEqual(idle.json("/stats")["told"], 0, "the program does not see how it came about")
        # What was handed over is held as ever: crashes, another restart, the stop.
        idle.send(b"GET /crash HTTP/1.1\r\nhost: a\r\n\r\n")
        self.said("crashed (Segmentation fault): starting it again")
        self.serves(3)
        self.restart()
        self.assertEqual(self.stop(), 0, self.output())
        self.assert_refused()

    def test_workers_and_a_unix_socket(self):
        self.address = os.path.join(self.folder, "s")
        self.start_copy("3")
        wait_for(lambda: len(self.processes()) == 3)
        idle = [self.client() for _ in range(9)]
        self.write(2)
        self.put()
        self.restart()
        self.assertTrue(self.runs_new())
        for client in idle:
            self.moves(client, 2)
        wait_for(lambda: len(self.processes()) == 3)
        self.assertEqual(self.stop(), 0, self.output())
        self.assertFalse(os.path.exists(self.address))

    def test_what_will_not_do_is_not_executed(self):
        self.start_copy()
        client = self.client()
        marked = f"#!/bin/sh\n# {MARK}\n".encode()
        for generation, data in ((2, b""), (3, b"#!/bin/sh\ntouch ran\n"), (4, marked + b"exit 1\n"), (5, marked + b"sleep 60\n")):
            self.put(data)
            self.write(generation)
            self.restart()
            self.assertEqual(self.output().count("cannot take over"), generation - 1)
            self.moves(client, generation)  # the one that runs does it
        self.assertFalse(os.path.exists(os.path.join(self.folder, "ran")))
        # One that says yes, and can't be executed then.
        self.put(marked + b"[ -e asked ] && exit 1\ntouch asked\nchmod -x \"$0\"\n")
        self.write(6)
        self.restart()
        self.assertIn("cannot execute", self.output())
        self.moves(client, 6)
        self.assertEqual(self.stop(), 0, self.output())

    def test_a_program_that_fails_under_the_new_version(self):
        self.start_copy()
        client = self.client()
        pid = client.json()["pid"]
        self.write(2, "return 3;")
        self.put()
        self.process.send_signal(signal.SIGHUP)
        self.said("the old one serves on")
        self.assertTrue(self.runs_new())
        self.assertEqual(client.json()["pid"], pid)
        self.write(3)
        self.restart()
        self.moves(client, 3)

    def test_rubbish_for_a_state(self):
        for value in ("", "x", "0", "2", "99999", "-1"):
            r = subprocess.run([NEXUS, "run", "app.c"], cwd=self.folder, capture_output=True, text=True, timeout=120,
                               env={**os.environ, "NEXUS_TAKE_OVER": value})
            self.assertEqual(r.returncode, 4, r.stderr)
            self.assertIn("NEXUS_TAKE_OVER is set to no state", r.stderr)
        for text in (f"{MARK}\n{line}\n" for line in
                     ("", "x", "generation 99 1 1 1 0 0 -1 x", "generation 0 1 65 1 0 0 -1 x", "process 0 0 1 1 1 0", "held 1 2",
                      "held 1 1 1 1 0 1 0 0 1 " + "x" * 400)):
            with tempfile.TemporaryFile() as f:
                f.write(text.encode())
                f.seek(0)
                r = subprocess.run([NEXUS, "run", "app.c"], cwd=self.folder, capture_output=True, text=True, timeout=120, pass_fds=[f.fileno()],
                                   env={**os.environ, "NEXUS_TAKE_OVER": str(f.fileno())})
                self.assertEqual(r.returncode, 4, text)


if __name__ == "__main__":
    unittest.main()
