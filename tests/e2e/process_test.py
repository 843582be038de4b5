"""Signals, crashes, deadlines and limits of a running program."""
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest

from support import HERE, NEXUS, App, ServerTest, eventually, free_port, read_response, short_deadlines

GET = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"


def ask(app, path):
    with app.connect() as s:
        s.sendall(f"GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n".encode())
        with s.makefile("rb") as f:
            return read_response(f)


def listening(port):
    """A connection, once somebody listens there."""
    end = time.time() + 60
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port))
        except OSError:
            if time.time() > end:
                raise
            time.sleep(0.02)


class Stopping(unittest.TestCase):
    def setUp(self):
        self.app = App("http.c")
        self.addCleanup(self.app.kill)

    def test_what_is_in_flight_is_answered(self):
        s = self.app.connect()
        s.sendall(b"GET /slow/3000 HTTP/1.1\r\nhost: a\r\n\r\n")
        ask(self.app, "/")  # the loop takes connections in turn: that one has been read
        self.app.process.send_signal(signal.SIGTERM)
        r = read_response(s.makefile("rb"))
        self.assertEqual((r.body, r.headers["connection"]), (b"slept", "close"))
        self.assertEqual(self.app.process.wait(60), 0)

    def test_interrupt_stops_gracefully(self):
        self.assertEqual(self.app.stop(signal.SIGINT), 0)

    def test_second_signal_ends_it_at_once(self):
        s = self.app.connect()
        s.sendall(b"GET /slow/60000 HTTP/1.1\r\nhost: a\r\n\r\n")
        ask(self.app, "/")
        self.app.process.send_signal(signal.SIGTERM)
        eventually(lambda: self.assertRaises(OSError, self.app.connect))  # it has come
        time.sleep(0.4)
        self.app.process.send_signal(signal.SIGTERM)
        self.assertEqual(self.app.process.wait(60), 128 + signal.SIGTERM)
        s.close()

    @short_deadlines
    def test_what_cannot_be_cancelled_is_waited_for(self):
        app = App("http.c", "short")
        self.addCleanup(app.kill)
        s = app.connect()
        begun = time.time()
        s.sendall(b"GET /stuck HTTP/1.1\r\nhost: a\r\n\r\n")
        ask(app, "/")
        self.assertEqual(app.stop(), 6, app.output())
        self.assertGreater(time.time() - begun, 1.6)
        self.assertIn("they were cancelled", app.output())
        s.close()

    def test_a_server_that_stops_leaves_the_other(self):
        second = free_port()
        app = App("two.c", str(second), flags=("--allow-listen=127.0.0.1",))
        self.addCleanup(app.kill)
        with listening(second) as kept:
            kept.sendall(GET)
            with kept.makefile("rb") as f:
                self.assertEqual(read_response(f).body, b"hello")
                with app.connect() as s:
                    s.sendall(b"DELETE / HTTP/1.1\r\nhost: a\r\n\r\n")
                    self.assertEqual(read_response(s.makefile("rb")).body, b"stopping")
                time.sleep(0.6)
                for _ in range(3):
                    kept.sendall(GET)
                    self.assertEqual(read_response(f).body, b"hello")
        self.assertEqual(app.stop(), 0, app.output())

    def test_no_request_is_lost_under_load(self):
        # Who has asked nothing yet may be reset, in the microsecond between the last look at who waits and the close.
        for _ in range(4):
            fresh = self.under_load()
            if len(fresh) <= 1:
                return
            self.app = App("http.c")
            self.addCleanup(self.app.kill)
        self.fail(f"each time more than one is reset: {fresh}")

    def under_load(self):
        lost, fresh, answered, stop = [], [], [0], threading.Event()

        def client():
            f = None
            while not stop.is_set():
                try:
                    if f is None:
                        s = self.app.connect()
                        f, asked = s.makefile("rb"), False
                except OSError:
                    return  # it does not accept any more: nothing was asked
                try:
                    s.sendall(GET)
                    r = read_response(f)
                except OSError as e:
                    return (lost if asked else fresh).append(repr(e))
                asked = True
                if r is None:
                    return lost.append("closed without an answer")
                answered[0] += 1
                if r.headers.get("connection") == "close":
                    s.close()
                    f = None

        threads = [threading.Thread(target=client) for _ in range(16)]
        for t in threads:
            t.start()
        time.sleep(0.5)
        eventually(lambda: self.assertGreater(answered[0], 1000))
        self.app.process.send_signal(signal.SIGTERM)
        code = self.app.process.wait(60)
        stop.set()
        for t in threads:
            t.join(60)
        self.assertEqual(code, 0)
        self.assertEqual(lost, [], "an accepted one is answered")
        return fresh


class Crashing(unittest.TestCase):
    def setUp(self):
        self.app = App("http.c")
        self.addCleanup(self.app.kill)

    def crash(self, path, *wanted):
        before = self.app.app_pid()
        try:
            ask(self.app, path)
        except OSError:
            pass
        end = time.time() + 60
        while time.time() < end:
            try:
                if ask(self.app, "/").status == 200 and self.app.app_pid() != before:
                    break
            except (OSError, AttributeError, IndexError):
                time.sleep(0.02)
        else:
            self.fail("others are not served again:\n" + self.app.output())
        output = self.app.output()
        for text in wanted:
            self.assertIn(text, output)

    def test_null_pointer(self):
        self.crash("/crash", "segmentation fault at address 0", "serving GET /crash", 'fiber "http"', "http.c:", "crash")

    def test_stack_overflow(self):
        self.crash("/overflow", 'stack overflow in fiber "http"', "--stack-size", "serving GET /overflow", "recurse")

    def test_gives_up_in_the_end(self):
        end = time.time() + 60
        while self.app.process.poll() is None and time.time() < end:  # five within 10 s are enough
            try:
                ask(self.app, "/crash")
            except OSError:
                time.sleep(0.05)
        self.assertEqual(self.app.process.wait(60), 128 + signal.SIGSEGV)


class Watching(ServerTest):
    def test_a_blocking_handler_is_named(self):
        self.assertEqual(ask(self.app, "/block").body, b"blocked")
        end = time.time() + 60
        while "http.c:" not in self.app.output() and time.time() < end:
            time.sleep(0.05)
        output = self.app.output()
        self.assertRegex(output, r'fiber "http" has blocked the loop for 100 ms, serving GET /block')
        self.assertIn("http.c:", output)

    @short_deadlines
    def test_idle_costs_nothing(self):
        time.sleep(1.5)
        pid = self.app.app_pid()

        def switches():
            total = 0
            for task in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{task}/status") as f:
                    total += sum(int(n) for n in re.findall(r"ctxt_switches:\s+(\d+)", f.read()))
            return total

        ask(self.app, "/")
        time.sleep(4)  # the connection has lingered for 2 s, and the watchdog sleeps 1 s after the last turn
        before = switches()
        time.sleep(1)
        self.assertLess(switches() - before, 5)


class Refusals(unittest.TestCase):
    def test_port_in_use(self):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            s.listen()
            port = s.getsockname()[1]
            r = subprocess.run([NEXUS, "run", f"--allow-listen=:{port}", f"{HERE}/apps/http.c", "--", str(port)], capture_output=True, text=True)
        self.assertEqual(r.returncode, 11)
        self.assertIn("address in use", r.stderr)

    def test_not_granted(self):
        port = free_port()
        r = subprocess.run([NEXUS, "run", f"{HERE}/apps/http.c", "--", str(port)], capture_output=True, text=True, stdin=subprocess.DEVNULL)
        self.assertEqual(r.returncode, 7)
        self.assertIn(f"--allow-net=127.0.0.1:{port}", r.stderr)

    def test_no_operation_left(self):
        with tempfile.NamedTemporaryFile("w", suffix=".c") as f:
            f.write("""#include <nexus.h>
                #include <stdio.h>
                #include <stdlib.h>
                static nx_err sleeper(void *arg) { (void)arg; return nx_sleep(NX_S(60)); }
                int main(void) {
                    NX_TRY(nx_spawn(NULL, sleeper, NULL));
                    NX_TRY(nx_yield());
                    NX_AUTO(nx_http_server) *server = nx_http_server_new(.port = NX_HTTP_ANY_PORT);
                    nx_err err = nx_http_listen(server);
                    fprintf(stderr, "%s\\n", nx_error_last()->message);
                    exit(err);
                }""")
            f.flush()
            r = subprocess.run([NEXUS, "run", "--allow-listen=127.0.0.1", "--max-operations=1", f.name], capture_output=True, text=True, timeout=120)
        self.assertIn("--max-operations", r.stderr)
        self.assertNotEqual(r.returncode, 0)

    def test_unreadable_file(self):
        if os.geteuid() != 0:
            self.skipTest("needs root, to run as somebody who may not read it")
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder)
        nexus, source = os.path.join(folder, "nexus"), os.path.join(folder, "app.c")
        shutil.copy(NEXUS, nexus)
        with open(source, "w") as f:
            f.write("int main(void) { return 0; }\n")
        os.chmod(source, 0o600)
        os.chmod(folder, 0o755)
        r = subprocess.run([nexus, "run", source], capture_output=True, text=True, user=65534, group=65534, extra_groups=[],
                           env={**os.environ, "NEXUS_CACHE": os.path.join(folder, "cache")})
        self.assertEqual(r.returncode, 10)
        self.assertIn(f'cannot read "{source}": access denied', r.stderr)

    def test_few_descriptors(self):
        app = App("http.c", flags=("--max-open-files=64",))
        self.addCleanup(app.kill)
        before = app.descriptors()
        sockets = []
        for _ in range(150):
            sockets.append(app.connect())
        time.sleep(0.5)
        for s in sockets:
            s.close()
        self.assertEqual(ask(app, "/").status, 200)
        end = time.time() + 60
        while app.descriptors() > before + 1 and time.time() < end:
            time.sleep(0.05)
        self.assertLessEqual(app.descriptors(), before + 1)
        self.assertEqual(app.stop(), 0)

    def test_little_memory(self):
        app = App("http.c", flags=("--max-memory=40M",))
        self.addCleanup(app.kill)
        self.assertEqual(ask(app, "/big").status, 500)
        self.assertEqual(ask(app, "/").status, 200)
        self.assertEqual(app.stop(), 0)

    def test_full_disk_under_the_cache(self):
        folder = tempfile.mkdtemp()
        self.addCleanup(os.rmdir, folder)
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=800k", "tmpfs", folder], capture_output=True).returncode != 0:
            self.skipTest("a small file system cannot be mounted here")
        self.addCleanup(subprocess.run, ["umount", folder], check=True)

        def run(text, *before, **env):
            source = os.path.join(folder, "app.c")
            with open(source, "w") as f:
                f.write(f"int puts(const char *);\nint main(void) {{ puts(\"{text}\"); return 0; }}\n")
            return subprocess.run([*before, NEXUS, "run", source], capture_output=True, text=True,
                                  env={**os.environ, "NEXUS_CACHE": os.path.join(folder, "cache"), **env})

        self.assertEqual(run("before").stdout, "before\n")
        fill = os.path.join(folder, "fill")
        try:
            with open(fill, "wb", buffering=0) as f:
                while True:
                    f.write(b"x" * 4096)
        except OSError:
            pass
        os.truncate(fill, os.path.getsize(fill) - 4096)  # the source itself has to fit
        for compiler in ("", "gcc"):
            during = run("during", CC=compiler, TMPDIR=folder)
            self.assertEqual((during.returncode, during.stdout), (0, "during\n"), during.stderr)
            self.assertRegex(during.stderr, r'^nexus: cannot use the compile cache ".*/cache.*" \(set NEXUS_CACHE to another folder\): no space left on the disk; '
                                            r"the program is compiled for this run alone\n$")
        # Nowhere else to go: every temporary folder is read-only.
        mounts = "mount --rbind /tmp /tmp && mount -o remount,bind,ro /tmp && " + " && ".join(
            f"mount -t tmpfs -o ro tmpfs {place}" for place in ("/var/tmp", "/dev/shm")) + ' && exec "$@"'
        refused = run("refused", "unshare", "-m", "sh", "-c", mounts, "sh", TMPDIR="", XDG_RUNTIME_DIR="")
        self.assertEqual((refused.returncode, refused.stdout), (16, ""), refused.stderr)
        self.assertIn("no space left on the disk; nor is there room in a temporary folder", refused.stderr)
        self.assertEqual(os.listdir(os.path.join(folder, "cache", "s")), [], "nothing half made stays")
        self.assertEqual(run("before").stdout, "before\n", "what was compiled before still runs")
        os.remove(fill)
        self.assertEqual(run("after").stdout, "after\n")


if __name__ == "__main__":
    unittest.main()
