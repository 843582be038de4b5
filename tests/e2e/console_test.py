"""The terminal: styles, tables, progress and questions, on a pseudo-terminal and off it."""
import codecs
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import tempfile
import termios
import time
import unittest

from support import HERE, NEXUS

APP = os.path.join(HERE, "apps", "console.c")
ESCAPE = re.compile(r"\x1b\[[0-9;]*[mK]")


def environment(**more):
    env = {k: v for k, v in os.environ.items() if k not in ("NEXUS_LOG", "NO_COLOR")}
    return {**env, "TERM": "xterm", **more}


def run(*args, **env):
    return subprocess.run([NEXUS, "run", APP, "--", *args], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          timeout=60, env=environment(**env), encoding="utf-8")


class Terminal:
    """The app on a pseudo-terminal of `columns`, as its controlling terminal."""

    def __init__(self, *args, columns=80, **env):
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        self.master, self.slave, self.text = master, slave, ""
        self.decoder = codecs.getincrementaldecoder("utf-8")()

        def prepare():
            os.setsid()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        self.process = subprocess.Popen([NEXUS, "run", APP, "--", *args], stdin=slave, stdout=slave, stderr=slave, preexec_fn=prepare,
                                        env=environment(**env))

    def read(self, until=None, seconds=60):
        """Reads until the text has come, or else until the program has ended; returns all so far."""
        end = time.time() + seconds
        while until is None or until not in self.text:
            ended = until is None and self.process.poll() is not None  # what it has written is there by then
            ready, _, _ = select.select([self.master], [], [], 0 if ended else 0.05)
            if ready:
                self.text += self.decoder.decode(os.read(self.master, 65536))
            elif ended:
                break
            elif time.time() > end:
                raise AssertionError(f"{until!r} did not come; what came is {self.text!r}")
        return self.text

    def type(self, text):
        os.write(self.master, text.encode())

    def echoes(self):
        return bool(termios.tcgetattr(self.slave)[3] & termios.ECHO)

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.master)
        os.close(self.slave)


class OnTerminal(unittest.TestCase):
    def start(self, *args, **options):
        terminal = Terminal(*args, **options)
        self.addCleanup(terminal.close)
        return terminal

    def rows(self, text):
        """What stays on the screen: what a line was before it was erased is gone."""
        rows = []
        for line in text.replace("\r\n", "\n").split("\n"):
            rows.append(ESCAPE.sub("", line.split("\r\x1b[K")[-1]))
        return rows


class Output(OnTerminal):
    def test_styles(self):
        text = self.start("styles", columns=91).read()
        self.assertIn("\x1b[0;1;91mred\x1b[0m \x1b[0;30;43mboth\x1b[0m\r\n", text)
        self.assertIn("\x1b[0;4merr\x1b[0m\r\n", text)
        self.assertRegex(text, r"\x1b\[2m[^ ]*Z\x1b\[0m \x1b\[33mWARN \x1b\[0m warned \x1b\[2mkey=\x1b\[0m1\r\n1 1 91\r\n")
        self.assertLess(text.index("err"), text.index("warned"))

    def test_no_color(self):
        for env in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
            self.assertNotIn("\x1b", self.start("styles", **env).read())

    def test_off_a_terminal(self):
        r = run("styles")
        self.assertEqual(r.stdout, "red both\n0 0 80\n")
        self.assertRegex(r.stderr, r"^err\n[^ ]*Z WARN  warned key=1\n")

    def test_table(self):
        wide = "né\\u001b[31m       -7"
        r = run("table")
        self.assertEqual(r.stdout.splitlines(), [
            "name             size  remark",
            "a.txt         1234567  the quick brown fox jumps over the lazy dog",
            "日本語              5  ",
            wide])
        text = self.start("table", columns=40).read()
        self.assertTrue(text.startswith("\x1b[0;1mname"), text)
        rows = self.rows(text)
        self.assertEqual(rows[0], "name             size  remark")
        self.assertEqual(rows[1], "a.txt         1234567  the quick brown …")
        self.assertEqual(rows[3], wide)
        narrow = self.rows(self.start("table", columns=20).read())
        self.assertTrue(all(len(row) <= 20 for row in narrow), narrow)

    def test_tables(self):
        lines = run("tables").stdout.splitlines()
        self.assertIn("more cells than there are headings", lines[0])
        self.assertEqual(lines[1:6], ["nothing  here", "kind    value", "double  0.5", "bool    true", 'list    [1,"a"]'])
        self.assertEqual(lines[6:9], ["   i    square", "   0         0", "   1         1"])
        self.assertEqual(lines[-1], "4999  24990001")
        self.assertEqual(len(lines), 5007)


class Progress(OnTerminal):
    def test_bar(self):
        terminal = self.start("progress")
        text = terminal.read()
        self.assertEqual(terminal.process.wait(), 0)
        drawn = re.findall(r"copying \[([=> ]*)\] +(\d+)%  ([\d.]+ \w+) of 10.0 MiB  [\d.]+ \w+/s(  [\d.:]+ s? ?left)?", text)
        self.assertGreater(len(drawn), 4)
        self.assertEqual([int(d[1]) for d in drawn], sorted(int(d[1]) for d in drawn))
        for line in re.split(r"[\r\n]+", text):
            self.assertLess(len(ESCAPE.sub("", line)), 80)
        rows = [row for row in self.rows(text) if row]
        self.assertEqual(rows[0], "counting: started", "beside another bar, lines")
        self.assertRegex(rows[1], r"Z INFO  at i=1$")
        self.assertRegex(rows[2], r"Z INFO  at i=4$")
        self.assertEqual(rows[3], "printed")
        self.assertRegex(rows[4], r"Z INFO  at i=7$")
        self.assertRegex(rows[5], r"^counting: 70 in (0\.[6-9]|[1-9][0-9.]*) s$")
        self.assertRegex(rows[6], r"^copying: 10\.0 MiB of 10\.0 MiB in (0\.[6-9]|[1-9][0-9.]*) s$")

    def test_narrow(self):
        for columns in (10, 30, 50, 300):
            text = self.start("progress", columns=columns).read()
            for line in re.findall(r"copying [^\r\n]*(?=\r\x1b)", text):
                self.assertLess(len(line), columns)

    def test_off_a_terminal(self):
        r = run("progress")
        err = [line for line in r.stderr.splitlines() if "INFO" not in line]
        self.assertEqual(err[:2], ["copying: 0 of 10.0 MiB", "counting: started"])
        self.assertRegex(err[3], r"^copying: 10\.0 MiB of 10\.0 MiB in (0\.[6-9]|[1-9][0-9.]*) s$")
        self.assertEqual(len(err), 5)
        self.assertNotIn("\r", r.stderr)

    def test_dumb_terminal(self):
        self.assertNotIn("\x1b", self.start("progress", TERM="dumb").read())

    def test_stopped(self):
        text = self.start("stopped").read()
        self.assertRegex(self.rows(text)[-3], r"^copying: stopped at 7\.0 MiB of 10\.0 MiB in ")


    def test_left(self):
        """A program that ends below its bar takes it away."""
        self.assertRegex("|".join(self.rows(self.start("left").read())), r"^ticks \w+\|$")
        rows = self.rows(self.start("left", "abort").read())
        self.assertTrue(rows[0].startswith("nexus: the program crashed"), rows)


class Questions(OnTerminal):
    def test_line(self):
        terminal = self.start("line")
        terminal.read("Your name: ")
        terminal.type("Zoé\n")
        terminal.read("From where? [nowhere] ")
        terminal.type("\n")
        text = terminal.read()
        self.assertIn("<Zoé> <nowhere>\r\n", text)
        self.assertEqual(terminal.process.wait(), 0)

    def test_others_run_meanwhile(self):
        terminal = self.start("line", "tell")
        terminal.read("Your name: ")
        terminal.read("11 ticks")
        terminal.type("a\nb\n")
        self.assertIn("ticks many", terminal.read())

    def test_end_of_input(self):
        terminal = self.start("line")
        terminal.read("Your name: ")
        terminal.type("\x04")
        self.assertIn("console.c: no answer: the input has ended", terminal.read())
        self.assertEqual(terminal.process.wait(), 12)

    def test_yes_and_no(self):
        terminal = self.start("yes")
        terminal.read("Sure? [y/N] ")
        terminal.type("\n")
        terminal.read("More? [y/n] ")
        terminal.type("maybe\n")
        terminal.read("Please answer yes or no.\r\nMore? [y/n] ")
        terminal.type("YES\n")
        self.assertIn("<0> <1>", terminal.read())

    def test_no_usable_answer(self):
        terminal = self.start("yes")
        terminal.read("Sure? [y/N] ")
        terminal.type("a\nb\nc\n")
        self.assertIn('console.c: no usable answer to "Sure?"', terminal.read())
        self.assertEqual(terminal.process.wait(), 4)

    def test_choice(self):
        for answer, wanted in (("3", "blue"), ("red", "red"), ("", "green"), ("0\nx\n2", "green")):
            terminal = self.start("choice")
            terminal.read("Which colour?\r\n  1) red\r\n  2) green\r\n  3) blue\r\nNumber or text [green]: ")
            terminal.type(answer + "\n")
            self.assertIn(f"<{wanted}>", terminal.read())

    def test_secret(self):
        terminal = self.start("secret")
        terminal.read("Password: ")
        self.assertFalse(terminal.echoes())
        terminal.type("hunter2\n")
        text = terminal.read()
        self.assertIn("<7>", text)
        self.assertNotIn("hunter2", text)
        self.assertTrue(terminal.echoes())

    def test_the_terminal_is_put_right(self):
        for what in ("\x03", signal.SIGTERM, signal.SIGSEGV, "\x04"):
            with self.subTest(what):
                terminal = self.start("crash")
                terminal.read("Password: ")
                self.assertFalse(terminal.echoes())
                if isinstance(what, str):
                    terminal.type(what)
                else:
                    with open(f"/proc/{terminal.process.pid}/task/{terminal.process.pid}/children") as f:
                        os.kill(int(f.read().split()[0]), what)
                terminal.read()
                code = terminal.process.wait()
                self.assertEqual(code, {"\x03": 130, "\x04": 12}.get(what) or 128 + what)
                self.assertTrue(terminal.echoes())

    def test_fibers(self):
        terminal = self.start("fibers")
        terminal.read("third: ")
        terminal.type("x\n")
        text = terminal.read()
        self.assertIn('NX_ESTATE cannot ask "second": another question is open', text)
        self.assertIn("NX_ECANCELED\r\n", text)
        self.assertIn("<x>", text)

    def test_no_terminal(self):
        r = run("line")
        self.assertEqual(r.returncode, 19)
        self.assertIn('cannot ask "Your name": the standard input is no terminal', r.stderr)
        r = run("secret")
        self.assertIn('cannot ask "Password": the standard input is no terminal', r.stderr)
        master, slave = pty.openpty()
        try:
            r = subprocess.run([NEXUS, "run", APP, "--", "line"], stdin=slave, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120)
        finally:
            os.close(master)
            os.close(slave)
        self.assertIn(b'cannot ask "Your name": the output is no terminal', r.stderr)


if __name__ == "__main__":
    unittest.main()
