"""Logs of whole programs: what a line looks like, and that none is lost."""
import atexit
import json
import mmap
import os
import random
import re
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time
import unittest

from support import HERE, NEXUS, free_port, short_deadlines

APP = os.path.join(HERE, "apps", "log.c")
PLACE = tempfile.mkdtemp()  # of all files that the app is told of
atexit.register(shutil.rmtree, PLACE)
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"


def environment(**more):
    env = {k: v for k, v in os.environ.items() if k not in ("NEXUS_LOG", "NO_COLOR")}
    return {**env, **more}


def command(*args, flags=()):
    own = [f"--allow-listen=:{args[1]}"] if args[0] == "serve" else []
    if args[0] in ("bytes", "count"):
        own.append(f"--allow-read={PLACE}")
    own += [f"--allow-write={PLACE}", "--allow-env=LOG_FILE,LOG_MAX,LOG_JSON,LOG_DEBUG,LOG_BLOCK"]
    return [NEXUS, "run", *own, *flags, APP, "--", *map(str, args)]


def run(*args, flags=(), merge=False, timeout=200, **env):
    """Runs the app; with `merge` both its outputs are one pipe."""
    return subprocess.run(command(*args, flags=flags), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=timeout,
                          stderr=subprocess.STDOUT if merge else subprocess.PIPE, env=environment(**env))


def lines(data):
    assert data.endswith(b"\n"), data[-200:]
    return [json.loads(line) for line in data.decode().splitlines()]


class Folder(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(dir=PLACE)
        self.addCleanup(shutil.rmtree, self.folder)

    def path(self, name):
        return os.path.join(self.folder, name)

    def read(self, name):
        with open(self.path(name), "rb") as f:
            return f.read()

    def wait_for(self, test, what, seconds=60):
        end = time.time() + seconds
        while time.time() < end:
            if test():
                return
            time.sleep(0.01)
        self.fail(what)


class Lines(Folder):
    def test_levels(self):
        r = run("levels")
        self.assertEqual(r.stdout, b"evaluated 1\n", "a disabled line evaluates nothing")
        shown = [line.split(" ", 1)[1] for line in r.stderr.decode().splitlines()]
        self.assertEqual(shown, ["INFO  i", "WARN  w", "ERROR e", "FATAL f", "TRACE now"])
        for line in r.stderr.decode().splitlines():
            self.assertRegex(line, f"^{TIME} ")

    def test_who_says_the_level(self):
        def count(flags=(), **env):
            return len(run("levels", flags=flags, **env).stderr.splitlines())

        self.assertEqual(count(NEXUS_LOG="trace"), 7)
        self.assertEqual(count(NEXUS_LOG="off"), 1)  # but for what the program sets by itself later
        self.assertEqual(count(LOG_DEBUG="1"), 6)
        self.assertEqual(count(LOG_DEBUG="1", NEXUS_LOG="error"), 3, "who starts the program goes before it")
        self.assertEqual(count(("--log-level=trace",), NEXUS_LOG="error"), 7, "and the flag before the environment")

    def test_wrong_levels(self):
        r = run("say", "x", NEXUS_LOG="loud")
        self.assertIn(b'WARN  NEXUS_LOG has a word that is no level and no style word=loud', r.stderr)
        self.assertIn(b"said what=x", r.stderr)
        r = run("say", "x", flags=("--log-level=loud",))
        self.assertEqual(r.returncode, 2)
        self.assertIn(b"--log-level needs one of trace, debug", r.stderr)

    def test_time_is_now(self):
        before = time.time()
        line = lines(run("say", "x", NEXUS_LOG="json").stderr)[0]
        self.assertRegex(line["time"], f"^{TIME}$")
        second = time.mktime(time.strptime(line["time"][:19], "%Y-%m-%dT%H:%M:%S")) - time.timezone
        self.assertTrue(int(before) <= second <= time.time())

    def test_kinds(self):
        r = run("kinds", NEXUS_LOG="json")
        found = lines(r.stderr)
        for line in found:
            self.assertEqual((line.pop("level"), line.pop("fiber")), ("info", "main"))
            line.pop("time")
        self.assertEqual(found[0], {
            "msg": "fields", "int": -1, "uint": 1, "long": 1 << 40, "byte": 200, "double": 0.5, "bool": True,
            "string": 'Ann "B"', "null": None, "bytes": "a\nb", "list": [1, "two"], "object": {"k": None}})
        self.assertEqual(found[1], {"msg": "16", **{c: i + 1 for i, c in enumerate("abcdefghijklmnop")}})
        self.assertEqual(found[2], {"msg": 'Ann "B": 42 %'})
        self.assertEqual(found[3], {"msg": "if"})
        self.assertEqual(found[4], {"msg": "big", "big": "x" * 4999})
        self.assertEqual(found[5], {"msg": "x" * 4999})
        self.assertEqual(found[6].pop("truncated"), True)
        self.assertRegex(found[6].pop("huge"), "^y{60000,}…$")
        self.assertEqual(found[6], {"msg": "huge"})
        self.assertEqual(found[7], {"msg": "Permission denied"})
        self.assertEqual(r.stdout, b"errno 13\n")

    def test_text(self):
        first = run("kinds").stderr.decode().splitlines()[0]
        self.assertRegex(first, f"^{TIME} INFO  fields int=-1 ")
        self.assertTrue(first.endswith('byte=200 double=0.5 bool=true string="Ann \\"B\\"" null=null bytes="a\\nb" list=[1,"two"] object={"k":null}'))

    def test_any_bytes_are_one_valid_line(self):
        rng = random.Random(7)
        chunks = [rng.randbytes(64) for _ in range(300)]
        chunks += [bytes(rng.choice(b"\n\r\x1b\x00\"\\\x7f\x85{}[]\xc2\x9b\xe2\x80\xae\xff a") for _ in range(64)) for _ in range(300)]
        chunks += ["".join(rng.choice("aé日😀\u0300\"\\") for _ in range(64)).encode()[:64] for _ in range(200)]
        with open(self.path("bytes"), "wb") as f:
            f.write(b"".join(c.ljust(64, b".") for c in chunks))
        r = run("bytes", self.path("bytes"), NEXUS_LOG="json")
        found = r.stderr.split(b"\n")
        self.assertEqual(len(found), len(chunks) + 1)
        for chunk, line in zip(chunks, found):
            chunk = chunk.ljust(64, b".")
            self.assertFalse(re.search(rb"[\x00-\x1f\x7f]|\xc2[\x80-\x9f]|\xe2\x80[\xa8-\xae]", line))
            value = json.loads(line)
            try:
                self.assertEqual(value["value"], chunk.decode())
            except UnicodeDecodeError:
                self.assertIn("\ufffd", value["value"])
        text = run("bytes", self.path("bytes")).stderr
        self.assertEqual(text.count(b"\n"), len(chunks))
        self.assertFalse(re.search(rb"[\x00-\x09\x0b-\x1f\x7f]|\xc2[\x80-\x9f]|\xe2\x80[\xa8-\xae]", text))
        text.decode()

    def test_fibers_and_threads(self):
        found = lines(run("threads", NEXUS_LOG="json").stderr)
        self.assertEqual(found.pop()["fiber"], "worker")
        seen = [0] * 4
        for line in found:
            self.assertNotIn("fiber", line)
            self.assertEqual(line["i"], seen[line["thread"]])
            seen[line["thread"]] += 1
        self.assertEqual(seen, [1000] * 4)

    def test_compilers(self):
        for compiler in ("tcc", "gcc", "clang"):
            if shutil.which(compiler):
                with self.subTest(compiler):
                    r = run("kinds", flags=(f"--compiler={compiler}",), NEXUS_LOG="json")
                    self.assertEqual(len(lines(r.stderr)), 8)

    def test_requests(self):
        port = free_port()
        p = subprocess.Popen(command("serve", port), stderr=subprocess.PIPE, env=environment(NEXUS_LOG="json"))
        self.addCleanup(p.stderr.close)
        self.addCleanup(p.kill)

        def connect():
            try:
                return socket.create_connection(("127.0.0.1", port), timeout=120)
            except OSError:
                return None

        self.wait_for(lambda: (s := connect()) and not s.close(), "it does not listen")
        with connect() as s:
            s.sendall(b"GET /hello/a%0Ab?x=%1b HTTP/1.1\r\nhost: a\r\n\r\n")
            s.recv(1000)
            s.sendall(b"GET /fail HTTP/1.1\r\nhost: a\r\n\r\n")
            s.recv(1000)
            s.sendall(b"GET /exit HTTP/1.1\r\nhost: a\r\n\r\n")
            self.assertEqual(p.wait(60), 5)
        handled, failed, leaving = lines(p.stderr.read())
        self.assertEqual((failed["level"], failed["msg"], failed["request"]), ("error", "handler of GET /fail failed: no database", "GET /fail"))
        self.assertEqual((handled["fiber"], handled["request"]), ("http", "GET /hello/a%0Ab?x=%1b"))
        self.assertEqual((leaving["msg"], leaving["request"]), ("leaving", "GET /exit"))


class Ends(Folder):
    def whole(self, output, exits):
        text = output.decode()
        found = [int(n) for n in re.findall(r"line i=(\d+)", text)]
        self.assertEqual(found, list(range(1000)))
        self.assertEqual("at exit" in text, exits)
        return text

    def test_return(self):
        r = run("end", "return", merge=True)
        self.whole(r.stdout, True)
        self.assertEqual(r.returncode, 1)

    def test_exit_in_a_fiber(self):
        r = run("end", "exit", merge=True)
        text = self.whole(r.stdout, True)
        self.assertTrue(text.endswith("printed at exit\n"))
        self.assertEqual(r.returncode, 3)

    def test_quick_exit(self):
        r = run("end", "quick", merge=True)
        self.whole(r.stdout, False)
        self.assertEqual(r.returncode, 3)

    def test_abort_and_crash(self):
        for way, signo in (("abort", signal.SIGABRT), ("crash", signal.SIGSEGV)):
            with self.subTest(way):
                r = run("end", way, merge=True)
                text = self.whole(r.stdout, False)
                self.assertLess(text.rindex("line i=999"), text.index("nexus: the program crashed"), "lines come before the report")
                self.assertEqual(r.returncode, 128 + signo)

    def test_file(self):
        for way in ("return", "exit", "abort", "crash"):
            with self.subTest(way):
                path = self.path(way)
                run("end", way, LOG_FILE=path)
                with open(path, "rb") as f:
                    self.whole(f.read(), way in ("return", "exit"))

    def killed(self, signo, **env):
        """Ends a program that logs without a pause by a signal from outside, at any moment of a line."""
        with open(self.path("shared"), "wb") as f:
            f.write(bytes(8))
        with open(self.path("shared"), "r+b") as f, mmap.mmap(f.fileno(), 8) as shared:
            p = subprocess.Popen(command("count", self.path("shared")), stderr=subprocess.DEVNULL, env=environment(LOG_FILE=self.path("log"), **env))
            self.wait_for(lambda: struct.unpack("Q", shared[:])[0] > 1000, "it does not log")
            time.sleep(random.random() / 50)
            with open(f"/proc/{p.pid}/task/{p.pid}/children") as children:
                os.kill(int(children.read().split()[0]), signo)
            p.wait(60)
            logged = struct.unpack("Q", shared[:])[0]
        found = [int(n) for n in re.findall(rb"line i=(\d+)\n", self.read("log"))]
        self.assertTrue(self.read("log").endswith(b"\n"))
        self.assertEqual(found, list(range(len(found))))
        # The line at hand may be in the log already, and not yet noted.
        self.assertIn(len(found) - logged, (0, 1))
        os.unlink(self.path("log"))
        return p.returncode

    def test_killed_by_a_fault(self):
        for i in range(12):
            signo = (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS)[i % 3]
            self.assertEqual(self.killed(signo), 128 + signo)

    def test_fork(self):
        r = run("fork", merge=True)
        self.assertEqual(r.returncode, 0)
        text = [re.sub(f"^{TIME} ", "", line) for line in r.stdout.decode().splitlines()]
        self.assertEqual(sorted(text), sorted(["INFO  parent before", "printed before", "INFO  child", "printed by the child", "INFO  parent after"]))
        self.assertLess(text.index("INFO  child"), text.index("printed by the child"))


class Order(unittest.TestCase):
    def test_one_pipe_for_both(self):
        text = run("mixed", merge=True).stdout.decode().splitlines()
        self.assertEqual(len(text), 1500)
        for i in range(500):
            self.assertEqual(text[3 * i], f"print {i}")
            self.assertTrue(text[3 * i + 1].endswith(f"log i={i}"))
            self.assertEqual(text[3 * i + 2], f"eprint {i}")


class Readers(Folder):
    def test_nobody_reads(self):
        """Bounded memory, no blocked loop, and the gap is told once somebody reads."""
        p = subprocess.Popen(command("flood", 100000, 1500), stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment())
        self.addCleanup(p.stdout.close)
        self.addCleanup(p.stderr.close)
        self.addCleanup(p.kill)
        said = p.stdout.readline().decode()
        dropped = int(re.match(r"\d+ ms, worst \d+ ms, (\d+) dropped", said)[1])  # so it has not waited for anybody
        self.assertGreater(dropped, 50000)
        with open(f"/proc/{p.pid}/task/{p.pid}/children") as f, open(f"/proc/{f.read().split()[0]}/status") as status:
            self.assertLess(int(re.search(r"VmRSS:\s+(\d+)", status.read()).group(1)), 20000)
        text = p.stderr.read().decode().splitlines()
        self.assertEqual(p.wait(60), 0)
        found = [int(re.search(r"flood i=(\d+)", line).group(1)) for line in text if "flood" in line]
        self.assertEqual(found, list(range(len(found))))
        self.assertIn(f"WARN  log lines were dropped: nobody read them in time lines={dropped}", text[len(found)])
        self.assertEqual(len(found) + dropped, 100000)
        self.assertIn("afterwards", text[-1])

    def test_nobody_reads_at_the_end(self):
        """It ends all the same."""
        p = subprocess.Popen(command("flood", 20000), stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment())
        self.addCleanup(p.stdout.close)
        self.addCleanup(p.stderr.close)
        self.addCleanup(p.kill)
        p.stdout.readline()
        self.assertEqual(p.wait(60), 0)

    def test_blocks_when_asked(self):
        p = subprocess.Popen(command("flood", 30000), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment(LOG_BLOCK="1"))
        self.addCleanup(p.kill)
        time.sleep(0.5)
        self.assertIsNone(p.poll())
        found = re.findall(rb"flood i=(\d+)", p.stderr.read())
        p.stderr.close()
        self.assertEqual(p.wait(60), 0)
        self.assertEqual(list(map(int, found)), list(range(30000)))

    @short_deadlines
    def test_a_reader_that_keeps_up_loses_nothing(self):
        r = run("flood", 200000)
        self.assertIn(b" 0 dropped", r.stdout)
        self.assertEqual(r.stderr.count(b"flood"), 200000)

    def test_slow_standard_output(self):
        """What is printed is never dropped, and only who prints waits."""
        p = subprocess.Popen(command("much"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment())
        self.addCleanup(p.kill)
        ticks = p.stderr.read(5 * 20)  # while nobody reads the other
        self.assertEqual(ticks, b"tick\n" * 20)
        out, _ = p.communicate(timeout=60)
        self.assertEqual(p.returncode, 0)
        self.assertEqual([int(line.split()[0]) for line in out.splitlines()], list(range(40000)))

    def test_standard_output_that_is_left(self):
        p = subprocess.Popen(command("print"), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment())
        self.addCleanup(p.kill)
        self.assertEqual(p.stdout.readline(), b"0\n")
        p.stdout.close()
        self.assertEqual(p.wait(60), 128 + signal.SIGPIPE)

    def test_standard_error_that_is_left(self):
        """Logs nobody can read don't end a program."""
        p = subprocess.Popen(command("flood", 100000), stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment())
        p.stderr.close()
        self.assertRegex(p.stdout.read(), rb"\d+ dropped")
        p.stdout.close()
        self.assertEqual(p.wait(60), 0)


class File(Folder):
    def test_appends(self):
        for what in ("one", "two"):
            r = run("say", what, LOG_FILE=self.path("log"))
            self.assertEqual((r.stdout, r.stderr), (b"", b""))
        self.assertRegex(self.read("log").decode(), f"^{TIME} INFO  said what=one\n{TIME} INFO  said what=two\n$")

    def test_refusals(self):
        r = run("say", "x", LOG_FILE=self.path("none/log"))
        self.assertEqual(r.returncode, 8)
        self.assertIn(f'cannot write the log "{self.path("none/log")}": no such file'.encode(), r.stderr)
        r = run("say", "x", LOG_FILE=self.folder)
        self.assertIn(b"is a directory", r.stderr)
        r = run("say", "x", LOG_FILE=self.path("log"), LOG_MAX="100")
        self.assertEqual(r.returncode, 4)
        self.assertIn(b"max_size is less than 65536 bytes", r.stderr)
        os.mkfifo(self.path("fifo"))
        r = run("say", "x", LOG_FILE=self.path("fifo"))
        self.assertIn(b"cannot write the log", r.stderr)

    def test_permission(self):
        def attempt(*flags, **env):
            return subprocess.run([NEXUS, "run", "--allow-env", *flags, APP, "--", "say", "x"], stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
                                  env=environment(LOG_FILE=self.path("log"), **env))

        r = attempt()
        self.assertEqual(r.returncode, 7)
        self.assertIn(f"run with --allow-write={self.path('log')}".encode(), r.stderr)
        self.assertEqual(attempt(f"--allow-write={self.path('log')}").returncode, 0)
        r = attempt(f"--allow-write={self.path('log')}", LOG_MAX="65536")
        self.assertIn(f"run with --allow-write={self.path('log')}.1".encode(), r.stderr)
        self.assertEqual(attempt(f"--allow-write={self.folder}", LOG_MAX="65536").returncode, 0)

    def test_hangup_reopens(self):
        p = subprocess.Popen(command("reopen"), stderr=subprocess.PIPE, env=environment(LOG_FILE=self.path("log")))
        self.addCleanup(p.kill)
        self.wait_for(lambda: os.path.exists(self.path("log")) and b"tick" in self.read("log"), "no lines")
        os.rename(self.path("log"), self.path("old"))
        p.send_signal(signal.SIGHUP)  # the launcher passes it on
        self.wait_for(lambda: os.path.exists(self.path("log")) and b"tick" in self.read("log"), "not opened again")
        self.assertEqual(p.communicate(timeout=60)[1], b"")
        self.assertEqual(p.returncode, 0)
        self.assertIn(b"before", self.read("old"))
        self.assertEqual((self.read("old") + self.read("log")).count(b"tick"), 20)

    def test_full_files_move_on(self):
        r = run("flood", 3000, LOG_FILE=self.path("log"), LOG_MAX="65536")
        self.assertEqual(r.stderr, b"")
        self.assertEqual(sorted(os.listdir(self.folder)), ["log", "log.1", "log.2"])
        text = b"".join(self.read(name) for name in ("log.2", "log.1", "log"))
        for name in ("log", "log.1", "log.2"):
            self.assertLessEqual(os.path.getsize(self.path(name)), 65536)
            self.assertTrue(self.read(name).endswith(b"\n"))
        self.assertGreater(os.path.getsize(self.path("log.1")), 60000)
        found = [int(n) for n in re.findall(rb"flood i=(\d+)", text)]
        self.assertEqual(found, list(range(3000 - len(found), 3000)), "the last lines, in order")

    def test_full_disk(self):
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", self.folder], capture_output=True).returncode != 0:
            self.skipTest("a small file system cannot be mounted here")
        self.addCleanup(subprocess.run, ["umount", self.folder], check=True)
        p = subprocess.Popen(command("flood", 40000, 1000), stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(LOG_FILE=self.path("log")))
        self.addCleanup(p.kill)
        self.assertRegex(p.stdout.readline(), rb"[1-9]\d+ dropped")
        size = os.path.getsize(self.path("log"))
        self.assertGreater(size, 200000)
        os.truncate(self.path("log"), 0)
        self.wait_for(lambda: os.path.getsize(self.path("log")) > 1000, "it does not go on")
        end = time.time() + 60
        while p.poll() is None and time.time() < end:  # the rest needs room, too
            if os.path.getsize(self.path("log")) > 100000 and b"afterwards" not in self.read("log"):
                os.truncate(self.path("log"), 0)
            time.sleep(0.01)
        out, err = p.communicate(timeout=60)
        self.assertEqual(p.returncode, 0)
        self.assertRegex(err.decode(), f"^{TIME} ERROR cannot write the log file={self.path('log')} error=\"no space left on the disk\"\n")
        self.assertIn(b"afterwards", self.read("log"))


SAYS = """
#include <nexus.h>
#include <string.h>

static nx_err lost(void *arg)
{
    (void)arg;
    return nx_fail(NX_EIO, "gone\\nbad");
}

int main(int argc, char **argv)
{
    (void)argc;
    if (strchr(argv[1], 'l')) nx_log_info("first");
    if (strchr(argv[1], 'd')) {
        NX_TRY(nx_spawn(NULL, lost, NULL, .name = "worker", .detached = true));
        NX_TRY(nx_sleep(NX_MS(20)));
    }
    if (strchr(argv[1], 'w')) {
        nx_channel *channel;
        int n;
        NX_TRY(nx_channel_new(&channel, sizeof n, 0));
        NX_TRY(nx_recv(channel, &n));
    }
    return nx_fail(NX_EIO, "the end");
}
"""


class Runtime(Folder):
    """What the runtime itself has to say."""

    def say(self, what, code, **env):
        with open(self.path("says.c"), "w") as f:
            f.write(SAYS)
        r = subprocess.run([NEXUS, "run", self.path("says.c"), what], stdin=subprocess.DEVNULL, capture_output=True, timeout=60, env=environment(**env))
        self.assertEqual(r.returncode, code, r.stderr)
        return r.stderr

    def test_a_program_that_does_not_log(self):
        self.assertEqual(self.say("d", 15), b'nexus: fiber "worker" failed: gone\nbad\nnexus: the end\n')
        self.assertEqual(self.say("w", 26), b'nexus: the program waits for what nothing can bring: "main" in nx_recv\n')

    def test_a_program_that_logs(self):
        said = self.say("ld", 15).decode()
        self.assertRegex(said, rf'^{TIME} INFO  first\n{TIME} ERROR (\[\w+\] )?fiber "worker" failed: gone\\nbad\n{TIME} ERROR the end\n$')

    def test_json_stays_json(self):
        found = lines(self.say("d", 15, NEXUS_LOG="json"))
        self.assertEqual([(line["level"], line["msg"]) for line in found], [("error", 'fiber "worker" failed: gone\nbad'), ("error", "the end")])
        found = lines(self.say("w", 26, NEXUS_LOG="json"))
        self.assertEqual([(line["level"], line["msg"]) for line in found],
                         [("fatal", 'the program waits for what nothing can bring: "main" in nx_recv')])

    def test_levels_count(self):
        self.assertEqual(self.say("d", 15, NEXUS_LOG="fatal"), b"")


STANDARD = """
#include <nexus.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    (void)argc;
    FILE *file = fopen(argv[1], "w"); /* takes the lowest descriptor that is free */
    nx_log_error("for nobody");
    NX_IGNORE(nx_println("for nobody"));
    puts("for nobody");
    if (!file || fputs("mine", file) < 0 || fclose(file)) return NX_EIO;
    return nx_fail(NX_EEXIST, "for nobody");
}
"""


class Library(Folder):
    """Programs linked with libnexus.a."""

    def build(self, source):
        archive = os.path.join(os.path.dirname(NEXUS), "../lib/libnexus.a")
        if not os.path.exists(archive) or not shutil.which("cc"):
            self.skipTest("libnexus.a is not built")
        program = self.path("program")
        subprocess.run(["cc", "-O1", f"-I{HERE}/../../include", "-D_GNU_SOURCE", source, "-o", program, archive, "-Wl,--wrap=main", "-Wl,--gc-sections", "-pthread", "-ldl"],
                       check=True)
        return program

    def test_closed_standard_descriptors(self):
        with open(self.path("standard.c"), "w") as f:
            f.write(STANDARD)
        program = self.build(self.path("standard.c"))
        for closed in ("<&-", ">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"):
            with self.subTest(closed):
                code = subprocess.run(["sh", "-c", f'exec "{program}" "{self.path("file")}" {closed}'], stdout=subprocess.DEVNULL,
                                      stderr=subprocess.DEVNULL, timeout=60).returncode
                self.assertEqual((code, self.read("file")), (9, b"mine"))

    def test_without_the_command(self):
        """Such a program keeps its lines too."""
        program = self.build(APP)
        for way, code in (("exit", 3), ("abort", -signal.SIGABRT), ("crash", -signal.SIGSEGV)):
            r = subprocess.run([program, "end", way], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment())
            self.assertEqual(r.returncode, code)
            self.assertEqual([int(n) for n in re.findall(rb"line i=(\d+)", r.stdout)], list(range(1000)))


if __name__ == "__main__":
    unittest.main()
