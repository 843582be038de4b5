"""Programs as services: what the manager is told (sd_notify), and sockets that it has made (sd_listen_fds). The manager is this
file, over real sockets, and systemd-socket-activate where it is installed."""
import http.client
import os
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time
import unittest

from support import HERE, NEXUS, free_port, written

APP = os.path.join(HERE, "apps", "service.c")
ACTIVATE = shutil.which("systemd-socket-activate") or shutil.which("systemd-socket-activate", path="/usr/lib/systemd:/lib/systemd")
QUIET = {k: v for k, v in os.environ.items() if not k.startswith(("LISTEN_", "NOTIFY_", "WATCHDOG_"))}


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=30)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(30)
        self.sock.connect(self.path)


class Service(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def may(self, words):
        """Listening where the program is told to."""
        if words[0] == "-":
            return []
        return [f"--allow-listen={words[0]}" if str(words[0]).startswith("unix:") else f"--allow-listen=:{words[1]}"]

    def start(self, *words, sockets=(), **env):
        """With the sockets as descriptors 3 and on, as a manager passes them."""
        fds = [s.fileno() for s in sockets]

        def place():
            moved = [os.dup2(fd, 100 + i) for i, fd in enumerate(fds)]
            for i, fd in enumerate(moved):
                os.dup2(fd, 3 + i)
                os.close(fd)

        if fds:
            env["LISTEN_FDS"] = str(len(fds))
        log = tempfile.TemporaryFile()
        process = subprocess.Popen(["sh", "-c", '[ "$LISTEN_FDS" ] && export LISTEN_PID=$$; exec "$@"', "sh", os.path.abspath(NEXUS),
                                    "run", *self.may(words), APP, "--", *map(str, words)],
                                   env={**QUIET, **env}, stdout=log, stderr=log, preexec_fn=place, close_fds=False)
        process.log = log
        self.addCleanup(self.kill, process)
        return process

    def kill(self, process):
        if process.poll() is None:
            process.kill()
        process.wait()
        process.log.close()

    def said(self, process):
        return written(process.log)

    def stop(self, process):
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(timeout=60), 0, self.said(process))

    def ask(self, connection, path="/"):
        try:
            connection.request("GET", path)
            return connection.getresponse().read().decode()
        finally:
            connection.close()

    def ask_until(self, make):
        end = time.time() + 30
        while True:
            try:
                return self.ask(make())
            except OSError:
                if time.time() > end:
                    raise
                time.sleep(0.02)


class Notify(Service):
    def manager(self, abstract=False):
        s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(s.close)
        s.settimeout(60)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        name = f"@nexus-{os.getpid()}-{time.monotonic_ns()}" if abstract else os.path.join(self.folder, "notify")
        s.bind("\0" + name[1:] if abstract else name)
        return s, name

    def receive(self, s, process, skip=()):
        """The next one; from the process that the manager knows."""
        while True:
            text, control, _, _ = s.recvmsg(4096, socket.CMSG_SPACE(12))
            for level, kind, data in control:
                if level == socket.SOL_SOCKET and kind == socket.SCM_CREDENTIALS:
                    self.assertEqual(struct.unpack("3i", data)[0], process.pid)
            if text.decode() not in skip:
                return text.decode()

    def test_the_life_of_a_server(self):
        for abstract in (False, True):
            with self.subTest(abstract=abstract):
                s, name = self.manager(abstract)
                port = free_port()
                process = self.start("127.0.0.1", port, NOTIFY_SOCKET=name)
                self.assertEqual(self.receive(s, process), "STATUS=startingREADY=1")
                self.assertEqual(self.receive(s, process), "READY=1")
                self.assertEqual(self.ask(http.client.HTTPConnection("127.0.0.1", port, timeout=30)), "served")  # it does

                before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
                process.send_signal(signal.SIGHUP)
                reloading = self.receive(s, process)
                self.assertRegex(reloading, r"^RELOADING=1\nMONOTONIC_USEC=\d+$")
                self.assertGreaterEqual(int(reloading.split("=")[-1]), before)
                self.assertEqual(self.receive(s, process), "READY=1")

                process.send_signal(signal.SIGTERM)
                self.assertEqual(self.receive(s, process, skip=("STATUS=startingREADY=1",)), "STOPPING=1")
                self.assertEqual(process.wait(timeout=60), 0)

    def test_a_program_without_a_server(self):
        s, name = self.manager()
        process = self.start("-", NOTIFY_SOCKET=name)
        self.assertEqual(self.receive(s, process), "STATUS=startingREADY=1")
        self.assertEqual(self.receive(s, process), "READY=1")

    def test_the_watchdog_hears_of_a_loop_that_turns_and_of_no_other(self):
        for how in ("", "processes"):
            with self.subTest(how=how):
                s, name = self.manager(abstract=True)
                port = free_port()
                process = self.start("127.0.0.1", port, *([how] if how else []), NOTIFY_SOCKET=name, WATCHDOG_USEC="200000")
                for _ in range(3):
                    self.assertEqual(self.receive(s, process, skip=("STATUS=startingREADY=1", "READY=1")), "WATCHDOG=1")
                self.ask_until(lambda: http.client.HTTPConnection("127.0.0.1", port, timeout=30))
                blocked = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
                with self.assertRaises(OSError):
                    self.ask(blocked, "/block")
                s.settimeout(0.01)
                try:  # what was under way
                    while True:
                        s.recv(4096)
                except OSError:
                    pass
                s.settimeout(1)
                with self.assertRaises(OSError):
                    s.recv(4096)
                process.kill()

    def test_a_watchdog_for_somebody_else(self):
        s, name = self.manager()
        process = self.start("127.0.0.1", free_port(), NOTIFY_SOCKET=name, WATCHDOG_USEC="100000", WATCHDOG_PID="1")
        self.assertEqual(self.receive(s, process), "STATUS=startingREADY=1")
        self.assertEqual(self.receive(s, process), "READY=1")
        s.settimeout(0.5)
        with self.assertRaises(OSError):
            s.recv(4096)

    def test_a_socket_that_nobody_has(self):
        port = free_port()
        process = self.start("127.0.0.1", port, NOTIFY_SOCKET=os.path.join(self.folder, "none"))
        self.assertEqual(self.ask_until(lambda: http.client.HTTPConnection("127.0.0.1", port, timeout=30)), "served")
        self.stop(process)


class Activation(Service):
    def listener(self, family=socket.AF_INET, address=("127.0.0.1", 0)):
        s = socket.socket(family)
        self.addCleanup(s.close)
        s.bind(address)
        s.listen(64)
        return s

    def test_who_connects_before_the_start_is_served(self):
        s = self.listener()
        port = s.getsockname()[1]
        for run in range(2):  # and again, after it has ended: the manager's socket is still there
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            connection.connect()
            process = self.start("127.0.0.1", port, sockets=[s])
            self.assertEqual(self.ask(connection), "served")
            process.send_signal(signal.SIGHUP)
            end = time.time() + 60
            while "restarted" not in self.said(process) and time.time() < end:
                time.sleep(0.02)
            self.assertEqual(self.ask(http.client.HTTPConnection("127.0.0.1", port, timeout=30)), "served")
            self.stop(process)
            self.assertNotIn("LISTEN_FDS", self.said(process))

    def test_a_unix_socket_stays_where_it_is(self):
        path = os.path.join(self.folder, "socket")
        s = self.listener(socket.AF_UNIX, path)
        inode = os.stat(path).st_ino
        connection = UnixConnection(path)
        connection.connect()
        process = self.start("unix:" + path, 0, sockets=[s])
        self.assertEqual(self.ask(connection), "served")
        self.stop(process)
        self.assertEqual(os.stat(path).st_ino, inode)

    def test_an_abstract_socket(self):
        name = f"nexus-{os.getpid()}-{time.monotonic_ns()}"
        process = self.start("unix:@" + name, 0)
        self.assertEqual(self.ask_until(lambda: UnixConnection("\0" + name)), "served")
        self.stop(process)

        s = self.listener(socket.AF_UNIX, "\0" + name)
        connection = UnixConnection("\0" + name)
        connection.connect()
        process = self.start("unix:@" + name, 0, sockets=[s])
        self.assertEqual(self.ask(connection), "served")
        self.stop(process)

    def test_several_workers(self):
        for how in ("threads", "processes"):
            with self.subTest(how):
                s = self.listener()
                port = s.getsockname()[1]
                process = self.start("127.0.0.1", port, how, sockets=[s])
                for _ in range(20):
                    self.assertEqual(self.ask(http.client.HTTPConnection("127.0.0.1", port, timeout=60)), "served")
                self.stop(process)

    def test_every_address_in_one_socket(self):
        s = socket.socket(socket.AF_INET6)
        self.addCleanup(s.close)
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        s.bind(("::", 0))
        s.listen(64)
        port = s.getsockname()[1]
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        connection.connect()
        process = self.start("0.0.0.0", port, sockets=[s])
        self.assertEqual(self.ask(connection), "served")
        self.stop(process)

    def test_what_does_not_match_is_not_taken(self):
        s, port = self.listener(), free_port()
        process = self.start("127.0.0.1", port, sockets=[s])
        self.assertEqual(self.ask_until(lambda: http.client.HTTPConnection("127.0.0.1", port, timeout=30)), "served")
        self.stop(process)

    def test_what_is_no_listener_is_refused(self):
        port = free_port()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s, self.listener(socket.AF_UNIX, f"\0nexus\0{port}") as abstract:
            process = self.start("127.0.0.1", port, sockets=[s, abstract])
            self.assertEqual(self.ask_until(lambda: http.client.HTTPConnection("127.0.0.1", port, timeout=30)), "served")
            self.stop(process)
            self.assertIn("nexus: 1 descriptor of LISTEN_FDS is no listening stream socket\n", self.said(process))
            self.assertIn("nexus: cannot use a socket of LISTEN_FDS: it is at neither an IP address nor a path or name\n", self.said(process))

    def test_descriptors_of_somebody_else(self):
        s, port = self.listener(), free_port()
        environment = {**QUIET, "LISTEN_FDS": "1", "LISTEN_PID": "1"}
        process = subprocess.Popen([NEXUS, "run", *self.may(("127.0.0.1", port)), APP, "--", "127.0.0.1", str(port)], env=environment,
                                   stderr=subprocess.PIPE)
        process.log = process.stderr
        self.addCleanup(self.kill, process)
        self.assertEqual(self.ask_until(lambda: http.client.HTTPConnection("127.0.0.1", port, timeout=30)), "served")
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(timeout=60), 0)
        s.close()

    @unittest.skipUnless(ACTIVATE, "systemd-socket-activate is not installed")
    def test_by_systemd(self):
        port = free_port()
        process = subprocess.Popen([ACTIVATE, "-l", f"127.0.0.1:{port}", os.path.abspath(NEXUS), "run", *self.may(("127.0.0.1", port)), APP, "--",
                                    "127.0.0.1", str(port)], env=QUIET, stderr=subprocess.PIPE)
        process.log = process.stderr
        self.addCleanup(self.kill, process)
        self.assertEqual(self.ask_until(lambda: http.client.HTTPConnection("127.0.0.1", port, timeout=60)), "served")
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(timeout=60), 0)


if __name__ == "__main__":
    unittest.main()
