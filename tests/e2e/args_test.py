"""Programs with command lines: examples/cli-tool, from outside."""
import fcntl
import os
import pty
import struct
import subprocess
import tempfile
import termios
import unittest

from support import HERE, NEXUS

EXAMPLE = os.path.abspath(os.path.join(HERE, "../../examples/cli-tool/app.c"))


class Notes(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def notes(self, *words, flags=("--allow-read=.", "--allow-write=."), **more):
        return subprocess.run([os.path.abspath(NEXUS), "run", *flags, EXAMPLE, "--", *words], cwd=self.folder, timeout=60,
                              env={**os.environ, "NO_COLOR": "1", "NOTES": "other.txt"}, text=True,
                              **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more})

    def test_it_keeps_notes(self):
        self.assertEqual(self.notes("add", "buy", "milk", "--tag=shop").returncode, 0)
        self.assertEqual(self.notes("add", "Sell", "bread").returncode, 0)
        self.assertEqual(self.notes("list").stdout, "  1   buy milk\n  2   Sell bread\n")
        self.assertEqual(self.notes("list", "-tshop").stdout, "  1   buy milk\n")
        self.assertEqual(self.notes("find", "-i", "MILK").stdout, "  1   buy milk\n")
        none = self.notes("find", "MILK")
        self.assertEqual((none.returncode, none.stderr), (8, 'nexus: no note has "MILK" in it\n'))
        self.assertTrue(os.path.exists(os.path.join(self.folder, "notes.txt")))

    def test_the_environment_where_it_is_granted(self):
        flags = ("--allow-read=.", "--allow-write=.", "--allow-env=NOTES")
        self.assertEqual(self.notes("add", "there", flags=flags).returncode, 0)
        self.assertTrue(os.path.exists(os.path.join(self.folder, "other.txt")))
        self.assertFalse(os.path.exists(os.path.join(self.folder, "notes.txt")))

    def test_wrong_lines(self):
        for words, message, where in ((["fnid"], 'unknown command "fnid"; did you mean find?', "notes"),
                                      (["list", "--mots=3"], "unknown option --mots; did you mean --most?", "notes list"),
                                      (["list", "-n0"], "cannot use -n 0: expected a whole number of at least 1", "notes list")):
            run = self.notes(*words)
            self.assertEqual((run.returncode, run.stdout, run.stderr), (2, "", f'notes: {message}\nTry "{where} --help".\n'))

    def test_help_and_version(self):
        run = self.notes("--help")
        self.assertEqual((run.returncode, run.stderr), (0, ""))
        self.assertIn("Usage: notes [OPTIONS] COMMAND\n", run.stdout)
        self.assertEqual(self.notes("--version").stdout, "notes 1.0\n")

    def test_help_on_a_narrow_terminal(self):
        master, slave = pty.openpty()
        try:
            fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 50, 0, 0))
            self.assertEqual(self.notes("find", "--help", stdout=slave).returncode, 0)
            text = os.read(master, 1 << 16).decode().replace("\r\n", "\n")
        finally:
            os.close(master)
            os.close(slave)
        self.assertIn("-f, --file=FILE    where they are (default:\n                     notes.txt, or $NOTES)\n", text)


if __name__ == "__main__":
    unittest.main()
