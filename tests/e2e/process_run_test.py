#!/usr/bin/env python3
"""Programs that start programs: NEXUS=path/to/nexus python3 tests/e2e/process_run_test.py [-k name]."""
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import time
import unittest

from command import NEXUS, SLOW, Base, alive, wait_for

EXAMPLES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../examples")
# Starts a shell with a child of its own, says the numbers of both, and then what the argument says.
TREE = r"""
#include <nexus.h>
#include <stdio.h>
#include <stdlib.h>
int main(int argc, char **argv)
{
    nx_process *p;
    char text[100];
    size_t got, len = 0;
    bool detached = strcmp(argv[1], "detached") == 0;
    NX_TRY(nx_process_start(&p, NX_SHELL("sleep 1000 & echo $$ $!; wait"), .out = NX_IO_PIPE, .detached = detached));
    while (!memchr(text, '\n', len)) {
        NX_TRY(nx_stream_read(nx_process_out(p), text + len, sizeof text - len, &got));
        len += got;
    }
    printf("%.*s", (int)len, text);
    fflush(stdout);
    if (strcmp(argv[1], "exit") == 0) exit(3);
    if (strcmp(argv[1], "return") == 0 || detached) return 0;
    if (strcmp(argv[1], "crash") == 0) abort();
    return nx_process_wait(p, NULL);
}
"""


class Tree(Base):
    def start(self, what):
        self.write("app.c", TREE)
        process = subprocess.Popen([NEXUS, "run", "app.c", "--allow-run=/bin/sh", "--", what], cwd=self.dir, text=True,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        pids = [int(pid) for pid in process.stdout.readline().split()]
        self.assertEqual(len(pids), 2, pids or process.stderr.read())
        for pid in pids:
            self.addCleanup(lambda pid=pid: alive(pid) and os.kill(pid, signal.SIGKILL))
        return process, pids

    def gone(self, pid):
        wait_for(lambda: not alive(pid))

    def test_the_tree_ends_with_the_program(self):
        for what, code in (("return", 0), ("exit", 3)):
            process, pids = self.start(what)
            self.assertEqual(process.wait(60 * SLOW), code)
            for pid in pids:
                self.gone(pid)

    def test_the_tree_ends_by_the_signal_that_ends_the_program(self):
        for signo in (signal.SIGTERM, signal.SIGINT):
            process, pids = self.start("wait")
            process.send_signal(signo)
            process.wait(60 * SLOW)
            for pid in pids:
                self.gone(pid)

    def test_the_program_itself_ends_with_a_crash_and_a_kill(self):
        process, pids = self.start("crash")
        process.wait(60 * SLOW)
        self.gone(pids[0])
        process, pids = self.start("wait")
        process.kill()
        process.wait(60 * SLOW)
        self.gone(pids[0])

    def test_what_is_detached_lives(self):
        process, pids = self.start("detached")
        self.assertEqual(process.wait(60 * SLOW), 0)
        time.sleep(0.2 * SLOW)
        for pid in pids:
            self.assertTrue(alive(pid))
            os.kill(pid, signal.SIGKILL)


class Grants(Base):
    def app(self, call):
        self.write("app.c", f"""
#include <nexus.h>
#include <stdio.h>
int main(void)
{{
    nx_run_result r;
    NX_TRY(nx_run(&r, {call}, .check = true));
    printf("%.*s", NX_FMT(r.out));
    return 0;
}}""")

    def test_refused_with_the_flag(self):
        self.app('NX_ARGV("git", "--version")')
        for flags in ((), ("--allow-run=true",), ("--allow-read", "--allow-write", "--allow-env")):
            result = self.nexus("run", "app.c", *flags)
            self.assertEqual((result.returncode, result.stdout), (7, ""))
            self.assertIn('starting "git" is not allowed; run with --allow-run=git', result.stderr)
        result = self.nexus("run", "app.c", "--allow-run", "--deny-run=git")
        self.assertEqual(result.returncode, 7)
        self.assertIn('starting "git" is denied by --deny-run', result.stderr)

    def test_granted(self):
        self.app('NX_ARGV("echo", "hello")')
        for flag in ("--allow-run=echo", "--allow-run", f"--allow-run={shutil.which('echo')}"):
            result = self.nexus("run", "app.c", flag)
            self.assertEqual((result.returncode, result.stdout, result.stderr), (0, "hello\n", ""))

    def test_the_file_of_another_name_in_another_path_is_not_granted(self):
        self.write("echo", "#!/bin/sh\necho other\n")
        os.chmod(os.path.join(self.dir, "echo"), 0o755)
        self.app(f'NX_ARGV("echo", "hello"), .env = NX_ARGV("PATH={self.dir}")')
        result = self.nexus("run", "app.c", "--allow-run=echo")
        self.assertEqual(result.returncode, 7)
        self.assertIn(f"run with --allow-run={self.dir}/echo", result.stderr)
        result = self.nexus("run", "app.c", f"--allow-run={self.dir}/echo")
        self.assertEqual((result.returncode, result.stdout), (0, "other\n"))

    def test_what_is_started_has_the_granted_environment(self):
        self.app('NX_ARGV("env")')
        os.environ["NX_SECRET"] = "secret"
        self.addCleanup(os.environ.pop, "NX_SECRET")
        self.assertNotIn("secret", self.nexus("run", "app.c", "--allow-run=env").stdout)
        self.assertIn("NX_SECRET=secret\n", self.nexus("run", "app.c", "--allow-run=env", "--allow-env=NX_SECRET").stdout)

    def test_what_is_started_gains_no_rights_and_no_descriptors(self):
        self.app('NX_ARGV("grep", "NoNewPrivs", "/proc/self/status")')
        result = self.nexus("run", "app.c", "--allow-run=grep")
        self.assertEqual(result.stdout, "NoNewPrivs:\t1\n")
        self.app('NX_ARGV("ls", "/proc/self/fd")')
        result = self.nexus("run", "app.c", "--allow-run=ls")
        self.assertEqual(result.stdout.split(), ["0", "1", "2", "3"])


class Terminal(Base):
    def test_a_program_shares_the_terminal(self):
        """One that reads the terminal is not stopped by it, and Ctrl-C reaches it."""
        self.write("app.c", r"""
#include <nexus.h>
#include <stdio.h>
int main(void)
{
    nx_process *p;
    nx_process_end end;
    NX_TRY(nx_process_start(&p, NX_SHELL("read x; echo got $x; sleep 1000"), .in = NX_IO_INHERIT));
    NX_TRY(nx_process_wait(p, &end));
    return 0;
}""")
        self.nexus("run", "app.c")  # compiled
        pid, master = pty.fork()
        if pid == 0:
            os.chdir(self.dir)
            os.execv(NEXUS, [NEXUS, "run", "app.c", "--allow-run=/bin/sh"])
        self.addCleanup(os.close, master)

        def said(text):
            seen = b""
            end = time.monotonic() + 60 * SLOW
            while text not in seen and time.monotonic() < end:
                if select.select([master], [], [], 0.1)[0]:
                    seen += os.read(master, 1000)
            self.assertIn(text, seen)

        os.write(master, b"word\n")
        said(b"got word")
        os.write(master, b"\x03")
        wait_for(lambda: os.waitpid(pid, os.WNOHANG)[0] == pid)


class RunAll(Base):
    def setUp(self):
        super().setUp()
        shutil.copy(os.path.join(EXAMPLES, "run-all/app.c"), os.path.join(self.dir, "app.c"))

    def run_all(self, *args):
        return self.nexus("run", "app.c", "--allow-run=sh", "--", *args)

    def lines(self, text):
        return [re.sub("\x1b\\[[0-9;]*m", "", line) for line in text.splitlines()]

    def test_lines_have_names(self):
        result = self.run_all("echo one", "printf 'a\\nb'", "echo err >&2")
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertEqual(sorted(self.lines(result.stdout)),
                         sorted(["echo one     │ one", "printf 'a\\nb' │ a".replace("'a\\nb'", "'a\\nb"),
                                 "printf 'a\\nb │ b", "echo err >&2 │ err"]))

    def test_one_failure_stops_all(self):
        result = self.run_all("sleep 1000", "echo bad; exit 3")
        self.assertEqual(result.returncode, 1)
        self.assertIn("echo bad; exit 3: exit code 3", result.stderr)
        self.assertIn("bad", result.stdout)

    def test_an_interruption_stops_all_and_lets_them_end(self):
        self.write("job.sh", "trap 'sleep 0.1; touch ended; exit 0' TERM; touch begun; while :; do sleep 0.05; done\n")
        process = subprocess.Popen([NEXUS, "run", "app.c", "--allow-run=sh", "--", "exec sh job.sh", "sleep 1000"], cwd=self.dir,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        wait_for(lambda: os.path.exists(os.path.join(self.dir, "begun")))
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(60 * SLOW), 5)
        self.assertTrue(os.path.exists(os.path.join(self.dir, "ended")))

    def test_so_many_at_once(self):
        self.write("count.sh", "mkdir $1; ls | grep -c ^run; sleep 0.1; rmdir $1\n")
        result = self.run_all("-j2", *(f"sh count.sh run{i}" for i in range(6)))
        self.assertEqual(result.returncode, 0, result.stderr)
        counts = [int(line.split("│")[1]) for line in self.lines(result.stdout)]
        self.assertEqual(len(counts), 6)
        self.assertLessEqual(max(counts), 2)

    def test_usage_and_refusal(self):
        self.assertEqual(self.nexus("run", "app.c", "--allow-run=sh").returncode, 2)
        result = self.nexus("run", "app.c", "--", "true")
        self.assertEqual(result.returncode, 7)
        self.assertIn("run with --allow-run=sh", result.stderr)


if __name__ == "__main__":
    unittest.main()
