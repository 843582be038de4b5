#!/usr/bin/env python3
"""nexus dump and nexus run --profile: what is seen of programs that wait, block, spin, burn and crash."""
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import unittest
import warnings
import xml.etree.ElementTree as ElementTree

from support import HERE, NEXUS, App, free_port, read_response


def ask(app, path):
    """One answer, on a connection of its own."""
    with app.connect(timeout=120) as s:
        s.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
        return read_response(s.makefile("rb"))


SOURCE = os.path.join(HERE, "apps", "inside.c")
COMPILERS = [c for c in ("tcc", "gcc", "clang") if shutil.which(c)]


def line_of(text):
    with open(SOURCE) as f:
        return next(n for n, line in enumerate(f, 1) if text in line)


def nexus(*args, **kwargs):
    return subprocess.run([NEXUS, *args], capture_output=True, text=True, timeout=60, **kwargs)


def dump(pid):
    """The first process that is told, as JSON."""
    result = nexus("dump", "--json", str(pid))
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)[0]


def fibers(pid):
    return [f for loop in dump(pid)["loops"] for f in loop["fibers"]]


def functions(fiber):
    return [frame["function"] for frame in fiber["frames"]]


# The logs of programs are closed with them.
warnings.simplefilter("ignore", ResourceWarning)


class Asker(threading.Thread):
    """Asks once, in the background."""

    def __init__(self, app, path):
        super().__init__(daemon=True)
        self.app, self.path, self.answer = app, path, None
        self.start()

    def run(self):
        try:
            with self.app.connect(timeout=120) as s:
                s.sendall(f"GET {self.path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
                parts = []
                while part := s.recv(65536):
                    parts.append(part)
                self.answer = b"".join(parts).decode()
        except OSError as error:
            self.answer = repr(error)


def started(test, *args, flags=(), **kwargs):
    app = App("inside.c", *args, flags=("--allow-net", "--watchdog=0", *flags), **kwargs)
    test.addCleanup(app.kill)
    return app


class Dump(unittest.TestCase):
    def one(self, found, name):
        matching = [f for f in found if f["name"] == name]
        self.assertEqual(len(matching), 1, found)
        return matching[0]

    def test_what_fibers_wait_for(self):
        for compiler in COMPILERS:
            with self.subTest(compiler):
                app = started(self, flags=(f"--compiler={compiler}",))
                Asker(app, "/wait?q=1")
                time.sleep(0.3)
                found = fibers(app.process.pid)
                main, slow = self.one(found, "main"), self.one(found, "slow")
                self.assertIn("main", functions(main))
                self.assertEqual((slow["state"], slow["what"], slow["scope_of"]), ("waiting", "sleeping", "main"))
                self.assertTrue(980e9 < slow["left_ns"] < 1000e9, slow)
                self.assertTrue(0.2e9 < slow["since_ns"] < 20e9, slow)
                frame = next(f for f in slow["frames"] if f["function"] == "sleeper")
                self.assertTrue(frame["file"].endswith("apps/inside.c"), frame)
                self.assertEqual(frame["line"], line_of("return nx_sleep(NX_S(1000));"))
                joiner = self.one(found, "joiner")
                self.assertEqual((joiner["what"], joiner["joins"], joiner["detached"]), ('joining "slow"', "slow", True))
                receiver = self.one(found, "receiver")
                self.assertRegex(receiver["what"], r"^in nx_recv on channel 0x[0-9a-f]+ \(0 of 2\)$")
                self.assertIn("blocking call", self.one(found, "blocking")["what"])
                request = self.one(found, "http")
                self.assertEqual(request["request"], "GET /wait?q=1")
                self.assertEqual(functions(request)[-1], "wait_here")
                text = nexus("dump", str(app.app_pid())).stdout
                self.assertIn('fiber "joiner": joining "slow"', text)
                self.assertRegex(text, r"wait_here +\S+/apps/inside\.c:\d+")
                self.assertRegex(text, r"up \d.*\n.*MiB of memory.*\d descriptors of.*\n.*in flight.*watched\n.* turns?")
                app.kill()

    def test_handler_that_blocks(self):
        app = started(self)
        asker = Asker(app, "/block")
        time.sleep(0.4)
        for _ in range(3):
            result = dump(app.process.pid)
            running = [f for f in result["loops"][0]["fibers"] if f["state"] == "running"]
            self.assertEqual([f["request"] for f in running], ["GET /block"])
            # Looked at before, it goes on as another.
            self.assertIn(running[0]["system_call"], ("nanosleep", "clock_nanosleep", "restart_syscall"))
            self.assertIn("block", functions(running[0]))
            self.assertLess(result["looked_ns"], 1e9)
        asker.join(15)
        # The system call was not cut short.
        self.assertIn('{"failed":0}', asker.answer)

    def test_handler_that_spins(self):
        for compiler in COMPILERS:
            with self.subTest(compiler):
                app = started(self, flags=(f"--compiler={compiler}",))
                asker = Asker(app, "/spin")
                time.sleep(0.3)
                running = [f for f in fibers(app.process.pid) if f["state"] == "running"]
                self.assertEqual([f["request"] for f in running], ["GET /spin"])
                self.assertIn("spin", functions(running[0]))
                self.assertTrue(0.1e9 < running[0]["since_ns"] < 5e9)
                asker.join(10)
                self.assertIn("spun", asker.answer)
                app.kill()

    def test_many_fibers_are_told_together(self):
        app = started(self, "10000", flags=("--max-operations=20000",))
        result = dump(app.process.pid)
        self.assertEqual(len(result["loops"][0]["fibers"]), 10005)
        self.assertTrue(result["loops"][0]["complete"])
        self.assertLess(result["looked_ns"], 2e9)
        text = nexus("dump", str(app.process.pid)).stdout
        self.assertIn("×10,001 fibers", text)
        self.assertLess(text.count("\n"), 60)
        self.assertEqual(ask(app, "/").body, b"hello")

    def test_under_load_no_client_notices(self):
        app = started(self, "200")
        failures, answers, stop = [], [0], time.time() + 3

        def client():
            while time.time() < stop:
                answer = ask(app, "/")
                answers[0] += 1
                if answer.status != 200 or answer.body != b"hello":
                    failures.append(answer)

        clients = [threading.Thread(target=client) for _ in range(4)]
        for c in clients:
            c.start()
        dumps = 0
        while time.time() < stop:
            for loop in dump(app.process.pid)["loops"]:
                self.assertTrue(loop["complete"])
                self.assertGreater(len(loop["fibers"]), 200)
            dumps += 1
        for c in clients:
            c.join()
        self.assertEqual(failures, [])
        self.assertGreater(dumps, 3)
        self.assertGreater(answers[0], 100)

    def test_fibers_that_wait_for_each_other(self):
        source = r"""
            #include <nexus.h>
            static nx_channel *a, *b;
            static nx_err left(void *arg) { (void)arg; int v; NX_TRY(nx_recv(a, &v)); return nx_send(b, &v); }
            static nx_err right(void *arg) { (void)arg; int v; NX_TRY(nx_recv(b, &v)); return nx_send(a, &v); }
            static void beat(void *arg) { (void)arg; }
            int main(void)
            {
                NX_TRY(nx_channel_new(&a, sizeof(int), 0));
                NX_TRY(nx_channel_new(&b, sizeof(int), 0));
                NX_TRY(nx_spawn(NULL, left, NULL, .name = "left"));
                NX_TRY(nx_spawn(NULL, right, NULL, .name = "right"));
                nx_set_interval(beat, NULL, NX_S(1)); /* or it would be told of the deadlock */
                return 0;
            }"""
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "locked.c")
            with open(path, "w") as f:
                f.write(source)
            process = subprocess.Popen([NEXUS, "run", path], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            try:
                time.sleep(1.5)
                found = fibers(process.pid)
                for name in ("left", "right"):
                    fiber = self.one(found, name)
                    self.assertIn("in nx_recv on channel", fiber["what"])
                    self.assertEqual(functions(fiber)[-1], name)
            finally:
                process.kill()
                process.wait()

    def test_linked_program(self):
        libraries = os.path.join(os.path.dirname(NEXUS), "..", "lib")
        archive = os.path.join(libraries, "libnexus.a")
        if not os.path.exists(archive):
            self.skipTest("there is no libnexus.a here")
        include = os.path.join(HERE, "..", "..", "include")
        with tempfile.TemporaryDirectory() as folder:
            program = os.path.join(folder, "inside")
            for flags in (["-g"], ["-g", "-O2"], ["-s"]):
                with self.subTest(flags):
                    built = subprocess.run(["gcc", *flags, "-I", include, SOURCE, archive, "-o", program, "-pthread", "-ldl", "-lm",
                                            "-Wl,--wrap=main"], capture_output=True, text=True)
                    self.assertEqual(built.returncode, 0, built.stderr)
                    process = subprocess.Popen([program, str(free_port())], stdout=subprocess.DEVNULL,
                                               stderr=subprocess.DEVNULL)
                    try:
                        time.sleep(0.5)
                        found = fibers(process.pid)
                        self.assertEqual(self.one(found, "slow")["what"], "sleeping")
                        if "-s" not in flags: # at -O2 the sleeper's last call leaves no frame
                            self.assertIn("receiver", functions(self.one(found, "receiver")))
                        if "-s" not in flags and "-O2" not in flags:
                            self.assertEqual(functions(self.one(found, "slow"))[0], "nx_sleep")
                    finally:
                        process.kill()
                        process.wait()

    def test_test_run(self):
        with tempfile.TemporaryDirectory() as folder:
            with open(os.path.join(folder, "slow_test.c"), "w") as f:
                f.write('#include <nexus/test.h>\n#include <nexus/timer.h>\nNX_TEST("takes its time")\n'
                        "{\n    nx_expect_ok(nx_sleep(NX_S(5)));\n}\n")
            process = subprocess.Popen([NEXUS, "test"], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            try:
                end, text = time.time() + 10, ""
                while "slow_test.c:5" not in text and time.time() < end:
                    time.sleep(0.2)
                    text = nexus("dump", str(process.pid)).stdout
                self.assertRegex(text, r"slow_test\.c:5")
            finally:
                process.kill()
                process.wait()

    def test_stopped_program(self):
        app = started(self)
        pid = app.app_pid()
        for _ in range(20):
            os.kill(pid, signal.SIGSTOP)
            time.sleep(0.2)
            result = dump(pid)
            self.assertTrue(result["stopped"])
            what = self.one(result["loops"][0]["fibers"], "slow")["what"]
            if what == "sleeping":
                break
            os.kill(pid, signal.SIGCONT)  # its sleep was over in that very moment
            time.sleep(0.05)
        self.assertEqual(what, "sleeping")
        with open(f"/proc/{pid}/status") as f:
            self.assertRegex(f.read(), r"State:\s+T")
        os.kill(pid, signal.SIGCONT)
        self.assertEqual(ask(app, "/").body, b"hello")

    def test_errors_say_what_is_wrong(self):
        gone = subprocess.Popen(["true"])
        gone.wait()
        other = subprocess.Popen(["sleep", "60"])
        self.addCleanup(other.wait)
        self.addCleanup(other.kill)
        zombie = subprocess.Popen(["true"])
        self.addCleanup(zombie.wait)
        time.sleep(0.2)
        for args, code, said in (([str(gone.pid)], 8, f"there is no process {gone.pid}"),
                                 ([str(other.pid)], None, f"process {other.pid} (sleep) is no Nexus program"),
                                 ([str(zombie.pid)], 8, f"process {zombie.pid} has ended"),
                                 ([], 2, "nexus dump needs the number of a process"),
                                 (["app.c"], 2, "nexus dump needs the number of a process"),
                                 (["-1"], 2, None),
                                 (["1", "2"], 2, "takes one process"),
                                 (["--jsno", "1"], 2, "did you mean --json")):
            with self.subTest(args):
                result = nexus("dump", *args)
                self.assertNotEqual(result.returncode, 0)
                if code is not None:
                    self.assertEqual(result.returncode, code)
                self.assertEqual(result.stdout, "")
                if said:
                    self.assertIn(said, result.stderr)

    def test_another_user_is_refused(self):
        if os.geteuid() != 0:
            self.skipTest("only root can become another user")
        app = started(self)
        with tempfile.TemporaryDirectory() as folder:
            os.chmod(folder, 0o755)
            copy = os.path.join(folder, "nexus")
            shutil.copy(NEXUS, copy)
            os.chmod(copy, 0o755)
            for pid in (app.process.pid, app.app_pid()):
                result = subprocess.run([copy, "dump", str(pid)], capture_output=True, text=True, user=65534, group=65534,
                                        extra_groups=[], timeout=120)
                self.assertEqual(result.returncode, 7, result.stdout)
                self.assertIn("belongs to user root", result.stderr)
                self.assertEqual(result.stdout, "")

    def test_a_thread_of_another_process_is_left_alone(self):
        source = r"""
            #include <link.h>
            #include <nexus.h>
            #include <stdint.h>
            #include <stdlib.h>
            #include <unistd.h>
            static int numbers(struct dl_phdr_info *info, size_t size, void *arg)
            {
                (void)size;
                for (int i = 0; i < info->dlpi_phnum; i++) {
                    const ElfW(Phdr) *p = &info->dlpi_phdr[i];
                    if (p->p_type != PT_LOAD || !(p->p_flags & PF_W)) continue;
                    uintptr_t at = (info->dlpi_addr + p->p_vaddr + 4095) & ~(uintptr_t)4095;
                    for (; at < info->dlpi_addr + p->p_vaddr + p->p_memsz; at += 4)
                        if (*(volatile int *)at == gettid()) *(volatile int *)at = *(int *)arg;
                }
                return 1; /* nexus itself */
            }
            int main(int argc, char **argv)
            {
                int victim = atoi(argv[argc - 1]);
                dl_iterate_phdr(numbers, &victim);
                puts("ready");
                fflush(stdout);
                return nx_sleep(NX_S(60));
            }"""
        victim = subprocess.Popen(["sleep", "60"])
        self.addCleanup(victim.wait)
        self.addCleanup(victim.kill)
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "names.c")
            with open(path, "w") as f:
                f.write("#define _GNU_SOURCE\n#include <stdio.h>\n" + source)
            process = subprocess.Popen([NEXUS, "run", path, "--", str(victim.pid)], stdout=subprocess.PIPE)
            self.addCleanup(process.wait)
            self.addCleanup(process.kill)
            self.assertEqual(process.stdout.readline(), b"ready\n")
            result = nexus("dump", str(process.pid))
            self.assertNotEqual(result.returncode, 0, result.stdout)
            self.assertIn(f"it names thread {victim.pid}, which is none of its own", result.stderr)

    def test_debugger_has_it(self):
        app = started(self)
        if not shutil.which("strace"):
            self.skipTest("there is no strace here")
        tracer = subprocess.Popen(["strace", "-p", str(app.app_pid())], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(0.5)
        result = nexus("dump", str(app.app_pid()))
        tracer.kill()
        tracer.wait()
        self.assertEqual(result.returncode, 7)
        self.assertIn(f"a debugger has it (process {tracer.pid})", result.stderr)

    def test_quit_writes_it_to_stderr(self):
        app = started(self)
        app.process.send_signal(signal.SIGQUIT)
        end = time.time() + 10
        while "sleeper" not in app.output() and time.time() < end:
            time.sleep(0.1)
        self.assertRegex(app.output(), r'fibers? .*"slow".*: sleeping')
        self.assertEqual(ask(app, "/").body, b"hello")

    def test_broken_stack_harms_nobody(self):
        source = r"""
            #include <nexus.h>
            #include <stdint.h>
            #include <string.h>
            static nx_err breaks(void *arg)
            {
                volatile uintptr_t *frame = __builtin_frame_address(0);
                uintptr_t kept[2] = {frame[0], frame[1]};
                (void)arg;
                frame[0] = 0x4141414141414141; /* what a wild write leaves */
                nx_err err = nx_sleep(NX_S(3));
                frame[0] = kept[0];
                frame[1] = kept[1];
                return err;
            }
            int main(void) { NX_TRY(nx_spawn(NULL, breaks, NULL, .name = "broken")); return 0; }"""
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "broken.c")
            with open(path, "w") as f:
                f.write(source)
            process = subprocess.Popen([NEXUS, "run", "--compiler=gcc", path], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            found, end = [], time.time() + 15
            while not any(f["name"] == "broken" for f in found) and time.time() < end:
                time.sleep(0.1)
                result = nexus("dump", "--json", str(process.pid))
                found = json.loads(result.stdout)[0]["loops"][0]["fibers"] if result.returncode == 0 else []
            self.assertEqual(self.one(found, "broken")["what"], "sleeping")
            self.assertEqual(process.wait(60), 0)


class Profile(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def run_and_ask(self, *flags, paths=("/users/7", "/users/8"), times=40, signo=signal.SIGINT, compiler=None):
        if compiler:
            flags = (*flags, f"--compiler={compiler}")
        app = started(self, "-1", flags=flags)
        for _ in range(times):
            for path in paths:
                ask(app, path)
        app.stop(signo)
        return app

    def stacks(self, path):
        with open(path) as f:
            lines = [line.rpartition(" ") for line in f.read().splitlines()]
        return [(stack.split(";"), int(count)) for stack, _, count in lines]

    def test_hot_function_is_found_by_its_route(self):
        for compiler in COMPILERS:
            with self.subTest(compiler):
                path = self.path(f"{compiler}.folded")
                self.run_and_ask(f"--profile={path}", compiler=compiler)
                stacks = self.stacks(path)
                total = sum(count for _, count in stacks)
                hot = sum(count for stack, count in stacks
                          if stack[0] == "GET /users/:id" and stack[-1] == "hot_function" and "user" in stack)
                self.assertGreater(total, 20)
                self.assertGreater(hot, total * 0.6, stacks)

    def test_picture(self):
        path = self.path("app.svg")
        app = self.run_and_ask(f"--profile={path}", signo=signal.SIGTERM)
        self.assertRegex(app.output(), r"app\.svg: [\d.]+ s of CPU time, \d+ samples")
        root = ElementTree.parse(path).getroot()
        titles = [t.text for t in root.iter("{http://www.w3.org/2000/svg}title")]
        self.assertTrue(any(t.startswith("GET /users/:id (") for t in titles), titles)
        self.assertTrue(any(t.startswith("hot_function (") for t in titles), titles)
        with open(path) as f:
            text = f.read()
        self.assertNotRegex(text.replace("http://www.w3.org/2000/svg", ""), r"https?:|href|src=")

    def test_default_name_and_kernel(self):
        app = App("inside.c", "-1", flags=("--allow-net", "--profile"), wait=False)
        self.addCleanup(app.kill)
        app.kill()
        process = subprocess.Popen([NEXUS, "run", "--allow-net", "--profile", SOURCE, "--", str(app.port), "-1"],
                                   cwd=self.folder.name, stderr=subprocess.DEVNULL)
        app.process = process
        app.wait_listening()
        with app.connect() as s:
            for _ in range(20000):
                s.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                self.assertTrue(s.recv(65536).endswith(b"hello"))
        process.send_signal(signal.SIGINT)
        process.wait(60)
        with open(self.path("inside.svg")) as f:
            self.assertIn("[kernel]", f.read())

    def test_crash_keeps_what_was_sampled(self):
        path = self.path("crash.folded")
        app = started(self, "-1", flags=(f"--profile={path}",))
        Asker(app, "/crash").join(20)
        end = time.time() + 20
        while not os.path.exists(path) and time.time() < end:
            time.sleep(0.1)
        before = sum(count for stack, count in self.stacks(path) if stack[0] == "GET /crash")
        self.assertGreater(before, 20)
        if "AddressSanitizer" in app.output():
            self.skipTest("a sanitizer ends the program by exit, and so it is not started again")
        # The next one adds to it.
        app.wait_listening()
        for _ in range(20):
            ask(app, "/users/1")
        app.stop(signal.SIGTERM)
        routes = {stack[0] for stack, _ in self.stacks(path)}
        self.assertLessEqual({"GET /crash", "GET /users/:id"}, routes)

    def test_killed_at_the_second_signal(self):
        path = self.path("killed.folded")
        app = started(self, flags=(f"--profile={path}",))
        for _ in range(20):
            ask(app, "/users/1")
        app.process.send_signal(signal.SIGINT)
        time.sleep(0.5)
        app.stop(signal.SIGINT)
        self.assertTrue(any(stack[0] == "GET /users/:id" for stack, _ in self.stacks(path)))

    def test_exit(self):
        source = self.path("burn.c")
        with open(source, "w") as f:
            f.write("int main(void) { volatile unsigned long n = 0; while (n < 200000000) n++; return 3; }\n")
        result = nexus("run", f"--profile={self.path('burn.folded')}", source)
        self.assertEqual(result.returncode, 3)
        self.assertEqual({stack[0] for stack, _ in self.stacks(self.path("burn.folded"))}, {"main"})

    def test_hostile_names(self):
        source = self.path("names.c")
        with open(source, "w") as f:
            f.write('#include <nexus.h>\nstatic nx_err burn(void *a) { (void)a; volatile unsigned long n = 0;'
                    ' while (n < 100000000) n++; return NX_OK; }\n'
                    'int main(void) { return (int)nx_spawn(NULL, burn, NULL, .name = "</svg><script>;\\x01\\xff"); }\n')
        result = nexus("run", f"--profile={self.path('names.svg')}", source)
        self.assertEqual(result.returncode, 0, result.stderr)
        root = ElementTree.parse(self.path("names.svg")).getroot()
        titles = [t.text for t in root.iter("{http://www.w3.org/2000/svg}title")]
        self.assertTrue(any(t.startswith("</svg><script>") for t in titles), titles)

    def test_full_disk_is_told_and_leaves_no_rest(self):
        if os.geteuid() != 0:
            self.skipTest("only root can mount a small disk")
        small = self.path("small")
        os.mkdir(small)
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8k", "none", small], capture_output=True)
        if mounted.returncode != 0:
            self.skipTest("mounting is not allowed here")
        try:
            with open(os.path.join(small, "app.svg"), "w") as f:
                f.write("before")
            app = self.run_and_ask(f"--profile={small}/app.svg")
            self.assertRegex(app.output(), r'cannot write the profile to ".*/small/app\.svg": no space left on the disk')
            self.assertEqual(os.listdir(small), ["app.svg"])
            with open(os.path.join(small, "app.svg")) as f:
                self.assertEqual(f.read(), "before")
        finally:
            subprocess.run(["umount", small])

    def test_mistakes_are_told_at_once(self):
        for flag, said in (("--profile=/nowhere/app.svg", "no such file"), (f"--profile={self.folder.name}", "is a directory"),
                           ("--profile=", "needs a file"), ("--profile-rate=0", "samples a second"),
                           ("--profile-rate=99999", "samples a second"), ("--profile-rate", "samples a second")):
            with self.subTest(flag):
                result = nexus("run", flag, SOURCE)
                self.assertNotEqual(result.returncode, 0)
                self.assertIn(said, result.stderr.lower())


if __name__ == "__main__":
    unittest.main()
