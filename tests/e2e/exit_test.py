"""What is done before a program ends, and signals as channels, under nexus run."""
import os
import signal
import subprocess
import time
import unittest

from support import HERE, NEXUS, free_port, grants, without_reports

APP = os.path.join(HERE, "apps", "exit.c")
CLOSED = "closed the second\nclosed the first\n"


class Exit(unittest.TestCase):
    def start(self, *how):
        process = subprocess.Popen([NEXUS, "run", *grants(how[0] if isinstance(how[0], int) else None), APP, "--", *map(str, how)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   text=True)
        self.addCleanup(lambda: (process.poll() is None and process.kill(), process.stdout.close(), process.stderr.close()))
        return process

    def end(self, process):
        out, err = process.communicate(timeout=60)
        return process.returncode, out, without_reports(err)

    def wait_for(self, process, line):
        for got in process.stdout:
            if got == line + "\n":
                return
        self.fail(f"it has not said {line}: {process.stderr.read()}")

    def test_by_itself(self):
        self.assertEqual(self.end(self.start("exit")), (7, CLOSED, ""))
        self.assertEqual(self.end(self.start("plain")), (5, "", ""))
        code, out, err = self.end(self.start("cut"))
        self.assertEqual((code, out), (3, "hangs\n" + CLOSED))
        self.assertRegex(err, r"hangs \(.*apps/exit\.c:\d+\) at the end was cut: it takes longer than 0.01 s\n")

    def test_a_crash(self):
        code, out, _ = self.end(self.start("crash"))
        self.assertEqual((code, out), (134, ""))

    def test_by_signals(self):
        for signo in (signal.SIGTERM, signal.SIGINT):
            process = self.start("wait")
            self.wait_for(process, "ready")
            process.send_signal(signo)
            self.assertEqual(self.end(process), (128 + signo, CLOSED, ""))

    def test_by_a_second_signal(self):
        process = self.start("hang")
        self.wait_for(process, "ready")
        process.send_signal(signal.SIGTERM)
        self.wait_for(process, "hangs")
        time.sleep(0.3)  # sooner it would be the same one
        process.send_signal(signal.SIGTERM)
        self.assertEqual(self.end(process)[:2], (128 + signal.SIGTERM, ""))

    def serve_and_stop(self, *more):
        port = free_port()
        process = self.start(port, *more)
        end = time.time() + 60
        while time.time() < end:
            if subprocess.run(["curl", "-so", os.devnull, f"http://127.0.0.1:{port}/"]).returncode == 0:
                break
            time.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        return self.end(process)

    def test_of_a_server(self):
        code, out, err = self.serve_and_stop()
        self.assertEqual((code, out), (0, "stopped\n" + CLOSED), err)

    def test_the_same_signal_while_it_ends(self):
        for _ in range(10):
            ended = self.serve_and_stop("asked again")
            if ended[0] == 0:
                break  # else the machine was busy: after 0.2 s it is another one
        self.assertEqual(ended, (0, "stopped\n" + CLOSED, ""))

    def test_signals_as_a_channel(self):
        process = self.start("signals")
        self.wait_for(process, "ready")
        process.send_signal(signal.SIGUSR1)
        self.wait_for(process, "signal 10")
        process.send_signal(signal.SIGTERM)
        self.assertEqual(self.end(process), (0, "signal 15\n" + CLOSED, ""))


if __name__ == "__main__":
    unittest.main()
