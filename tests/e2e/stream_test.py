#!/usr/bin/env python3
"""Streams from outside: the examples, and the standard input and output, whatever they are. NEXUS=path/to/nexus
python3 tests/e2e/stream_test.py [-k name]."""
import fcntl
import gzip
import os
import pty
import shutil
import signal
import subprocess
import tty
import unittest

from command import NEXUS, SLOW, Base

EXAMPLES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../examples")
COPY = r"""
#include <nexus.h>
int main(void)
{
    nx_err err = nx_pipe(nx_stdin(), nx_stdout());
    if (err) nx_eprintln("%s", nx_error_last()->message);
    return err;
}
"""
ENDLESS = r"""
#include <nexus.h>
int main(void)
{
    static const char zeros[65536];
    for (;;) NX_TRY(nx_pipe(nx_memory_reader(nx_slice(zeros, sizeof zeros)), nx_stdout()));
}
"""


class Example(Base):
    def test_log_filter(self):
        shutil.copy(os.path.join(EXAMPLES, "log-filter/app.c"), os.path.join(self.dir, "app.c"))
        lines = "".join(f"{i} {'error' if i % 10 == 0 else 'fine'}\n" for i in range(50000))
        wanted = "".join(f"{i} error\n" for i in range(0, 50000, 10))
        self.write("plain.log", lines)
        with gzip.open(os.path.join(self.dir, "packed.log"), "wb") as f:
            f.write(lines.encode())
        run = subprocess.run([NEXUS, "run", "app.c", "--allow-read=.", "--", "error", "plain.log", "packed.log"], cwd=self.dir,
                             capture_output=True, timeout=60 * SLOW)
        self.assertEqual((run.returncode, run.stderr), (0, b""))
        self.assertEqual(gzip.decompress(run.stdout).decode(), wanted * 2)
        run = subprocess.run([NEXUS, "run", "app.c", "--", "error"], cwd=self.dir, input=gzip.compress(lines.encode()),
                             capture_output=True, timeout=60 * SLOW)
        self.assertEqual((run.returncode, gzip.decompress(run.stdout).decode()), (0, wanted))
        run = subprocess.run([NEXUS, "run", "app.c", "--", "error", "plain.log"], cwd=self.dir, capture_output=True, timeout=60 * SLOW)
        self.assertEqual(run.returncode, 7)
        self.assertIn(b"--allow-read", run.stderr)


class Standard(Base):
    def copy(self, stdin, stdout=subprocess.PIPE, **more):
        self.write("app.c", COPY)
        return subprocess.run([NEXUS, "run", "app.c"], cwd=self.dir, stdin=stdin, stdout=stdout, stderr=subprocess.PIPE,
                              timeout=60 * SLOW, **more)

    def test_files(self):
        text = os.urandom(3 << 20)
        with open(os.path.join(self.dir, "in"), "wb") as f:
            f.write(text)
        with open(os.path.join(self.dir, "in"), "rb") as f, open(os.path.join(self.dir, "out"), "wb") as out:
            run = self.copy(f, out)
        self.assertEqual((run.returncode, run.stderr), (0, b""))
        with open(os.path.join(self.dir, "out"), "rb") as out:
            self.assertEqual(out.read(), text)

    def test_pipes(self):
        text = os.urandom(3 << 20)
        self.write("app.c", COPY)
        run = subprocess.run([NEXUS, "run", "app.c"], cwd=self.dir, input=text, capture_output=True, timeout=60 * SLOW)
        self.assertEqual((run.returncode, run.stderr), (0, b""))
        self.assertEqual(run.stdout, text)

    def test_nothing(self):
        run = self.copy(subprocess.DEVNULL)
        self.assertEqual((run.returncode, run.stdout, run.stderr), (0, b"", b""))
        run = self.copy(None, preexec_fn=lambda: os.close(0))  # closed
        self.assertEqual((run.returncode, run.stdout), (0, b""))

    def test_terminal(self):
        """What is typed comes out, and the terminal is left as it was."""
        self.write("app.c", COPY)
        master, slave = pty.openpty()
        self.addCleanup(os.close, master)
        self.addCleanup(os.close, slave)
        tty.setraw(slave)
        mode = tty.tcgetattr(slave)
        mode[3] |= tty.ICANON  # an end can be typed
        tty.tcsetattr(slave, tty.TCSANOW, mode)
        before = fcntl.fcntl(slave, fcntl.F_GETFL)
        app = subprocess.Popen([NEXUS, "run", "app.c"], cwd=self.dir, stdin=slave, stdout=slave, stderr=subprocess.PIPE)
        self.addCleanup(app.stderr.close)
        os.write(master, b"typed\n")
        shown = b""
        while len(shown) < 6:
            shown += os.read(master, 100)
        self.assertEqual(shown, b"typed\n")
        self.assertEqual(fcntl.fcntl(slave, fcntl.F_GETFL), before)
        os.write(master, b"\x04")
        self.assertEqual(app.wait(30 * SLOW), 0)
        self.assertEqual(fcntl.fcntl(slave, fcntl.F_GETFL), before)

    def test_reader_gone(self):
        """As other programs do, it ends by SIGPIPE, and says nothing."""
        self.write("app.c", ENDLESS)
        app = subprocess.Popen([NEXUS, "run", "app.c"], cwd=self.dir, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(app.stderr.close)
        app.stdout.read(1 << 20)
        app.stdout.close()
        self.assertIn(app.wait(30 * SLOW), (-signal.SIGPIPE, 128 + signal.SIGPIPE))
        self.assertEqual(app.stderr.read(), b"")


if __name__ == "__main__":
    unittest.main()
