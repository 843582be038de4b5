#!/usr/bin/env python3
"""Sockets and names in whole programs: NEXUS=path/to/nexus python3 tests/e2e/net_test.py [-k name]."""
import os
import pty
import signal
import socket
import struct
import subprocess
import threading
import time
import unittest

from command import Base, NEXUS
from support import App, echo, free_port

EXAMPLES = os.path.abspath(os.path.join(os.path.dirname(__file__), "../../examples"))


def example(name):
    return os.path.join(EXAMPLES, name, "app.c")


class Names(threading.Thread):
    """A name server that knows a few names of "test"."""

    def __init__(self):
        super().__init__(daemon=True)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.socket.getsockname()[1]
        self.start()

    def run(self):
        while True:
            try:
                question, peer = self.socket.recvfrom(4096)
            except OSError:
                return
            end = question.index(0, 12) + 5
            kind = struct.unpack(">H", question[end - 4:end - 2])[0]
            data = {1: socket.inet_aton("192.0.2.7"), 15: b"\0\12\4mail\4test\0", 16: b"\5hello"}.get(kind)
            records = b"" if data is None else b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, 60, len(data)) + data
            code = 0x8180 if question[13:17] != b"none" else 0x8183
            self.socket.sendto(question[:2] + struct.pack(">HHHHH", code, 1, bool(records), 0, 0) + question[12:end] + records, peer)

    def close(self):
        self.socket.close()


class Examples(Base):
    def test_tcp_echo(self):
        app = App(example("tcp-echo"), port="127.0.0.1:{}", flags=("--allow-net=127.0.0.1",))
        try:
            data = os.urandom(1 << 20)
            got = []
            # Who sends all before he reads would be kept waiting, as he keeps the server.
            with socket.create_connection(("127.0.0.1", app.port), timeout=30) as s:
                reader = threading.Thread(target=lambda: got.append(b"".join(iter(lambda: s.recv(1 << 16), b""))))
                reader.start()
                s.sendall(data)
                s.shutdown(socket.SHUT_WR)
                reader.join(30)
            self.assertEqual(got, [data])
            self.assertEqual(echo(app.process, app.port, b""), b"")
            before = app.descriptors()
            for _ in range(50):
                self.assertEqual(echo(app.process, app.port, b"x" * 1000), b"x" * 1000)
            self.assertLessEqual(app.descriptors(), before + 1)
            self.assertEqual(app.stop(), 0)
            self.assertIn("connected", app.output())
        finally:
            app.kill()

    def test_listeners_side_by_side(self):
        """The launcher holds both, over a restart too."""
        app = App("reuse.c")
        self.addCleanup(app.kill)
        for restarts in range(2):
            said = []
            for _ in range(200):
                with app.connect() as s:
                    said.append(b"".join(iter(lambda: s.recv(100), b"")))
            self.assertEqual(set(said), {b"first", b"second"})
            if not restarts:
                app.process.send_signal(signal.SIGHUP)
                end = time.time() + 60
                while ": restarted, " not in app.output() and time.time() < end:
                    time.sleep(0.02)
        self.assertEqual(app.stop(), 0, app.output())

    def test_udp_time(self):
        address = f"127.0.0.1:{free_port()}"
        server = subprocess.Popen([NEXUS, "run", f"--allow-net={address}", example("udp-time"), "--", "serve", address])
        try:
            end = time.time() + 60
            while time.time() < end:  # the first may come before it listens
                asked = self.nexus("run", f"--allow-net={address}", example("udp-time"), "--", "ask", address)
                if asked.returncode == 0:
                    break
            self.assertEqual((asked.returncode, asked.stderr), (0, ""))
            self.assertRegex(asked.stdout, r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")
        finally:
            server.terminate()
            server.wait(20)

    def test_dns_lookup(self):
        names = Names()
        self.addCleanup(names.close)

        def lookup(*args, grants="a.test,none.test"):
            return self.nexus("run", f"--allow-net={grants},{names.address}", example("dns-lookup"), "--", *args)

        self.assertEqual(lookup("a.test", "A", names.address).stdout, "a.test 60 192.0.2.7\n")
        self.assertEqual(lookup("a.test", "mx", names.address).stdout, "a.test 60 10 mail.test\n")
        self.assertEqual(lookup("a.test", "TXT", names.address).stdout, 'a.test 60 "hello"\n')
        none = lookup("none.test", "A", names.address)
        self.assertEqual((none.returncode, none.stderr), (29, 'nexus: cannot find the A records of "none.test": no such name\n'))
        refused = lookup("b.test", "A", names.address)
        self.assertEqual(refused.returncode, 7)
        self.assertIn("looking up b.test is not allowed; run with --allow-net=b.test", refused.stderr)
        self.assertEqual(lookup("localhost", grants="localhost").stdout, "127.0.0.1\n::1\n")


CONNECT = r"""
#include <nexus.h>
#include <stdio.h>
int main(int argc, char **argv)
{
    NX_AUTO(nx_conn) *conn = NULL;
    nx_bytes line;
    (void)argc;
    NX_TRY(nx_net_connect(&conn, argv[1]));
    NX_TRY(nx_stream_read_line(nx_net_stream(conn), 100, &line));
    printf("%.*s\n", NX_FMT(line));
    return 0;
}
"""


class Grants(Base):
    def setUp(self):
        super().setUp()
        self.write("app.c", CONNECT)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        self.addCleanup(self.listener.close)
        threading.Thread(target=self.greet, daemon=True).start()

    def greet(self):
        while True:
            try:
                peer, _ = self.listener.accept()
            except OSError:
                return
            with peer:
                peer.sendall(b"hello\n")

    def test_connecting_takes_a_grant(self):
        result = self.nexus("run", "app.c", "--", self.address)
        self.assertEqual(result.returncode, 7)
        self.assertIn(f"connecting to {self.address} is not allowed; run with --allow-net={self.address}", result.stderr)
        result = self.nexus("run", f"--allow-net={self.address}", "app.c", "--", self.address)
        self.assertEqual((result.returncode, result.stdout, result.stderr), (0, "hello\n", ""))
        result = self.nexus("run", "--allow-net", "--deny-net=127.0.0.1", "app.c", "--", self.address.replace("127.0.0.1", "localhost"))
        self.assertEqual(result.returncode, 7)
        self.assertIn("is denied by --deny-net", result.stderr)

    def asked(self, answer):
        master, slave = pty.openpty()
        try:
            app = subprocess.Popen([NEXUS, "run", "app.c", "--", self.address], cwd=self.dir, stdin=slave, stdout=slave, stderr=slave,
                                   start_new_session=True, preexec_fn=lambda: os.close(os.open(os.ttyname(0), os.O_RDWR)))
            shown = b""
            while b"[y/N]" not in shown:
                shown += os.read(master, 1 << 16)
            self.assertIn(f"app.c wants to connect to {self.address}. Allow?".encode(), shown)
            os.write(master, answer)
            code = app.wait(30)
            time.sleep(0)
            return code
        finally:
            os.close(slave)
            os.close(master)

    def test_on_a_terminal_it_is_asked_for(self):
        self.assertEqual(self.asked(b"y\n"), 0)
        self.assertEqual(self.asked(b"n\n"), 7)


SERVER = r"""
#include <nexus.h>
#include <stdio.h>
#include <unistd.h>
static nx_err serve(nx_conn *conn, void *arg)
{
    nx_bytes line;
    (void)arg;
    NX_TRY(nx_stream_read_line(nx_net_stream(conn), 100, &line));
    return nx_stream_write(nx_net_stream(conn), nx_str(nx_format("%d\n", (int)getpid())));
}
int main(int argc, char **argv)
{
    NX_AUTO(nx_listener) *listener = NULL;
    (void)argc;
    NX_TRY(nx_net_listen(&listener, argv[1]));
    return nx_net_serve(listener, serve, NULL);
}
"""


class Restarts(Base):
    def test_the_socket_survives_a_restart_and_sigterm_waits_for_who_is_connected(self):
        port = free_port()
        self.write("app.c", SERVER)
        app = subprocess.Popen([NEXUS, "run", f"--allow-listen=127.0.0.1:{port}", "app.c", "--", f"127.0.0.1:{port}"], cwd=self.dir,
                               stderr=subprocess.DEVNULL)
        try:
            first = echo(app, port, b"pid\n")
            app.send_signal(signal.SIGHUP)
            end = time.time() + 60
            second = first
            while second == first and time.time() < end:
                with socket.create_connection(("127.0.0.1", port), timeout=30) as s:  # nobody is refused meanwhile
                    s.sendall(b"pid\n")
                    second = s.recv(100) or first
            self.assertNotEqual(first, second)
            while os.path.exists(f"/proc/{int(first)}") and time.time() < end:  # until then it may take one more
                time.sleep(0.02)
            with socket.create_connection(("127.0.0.1", port), timeout=30) as s:
                time.sleep(0.2)
                app.send_signal(signal.SIGTERM)
                time.sleep(0.2)
                s.sendall(b"pid\n")
                self.assertEqual(s.recv(100), second)
            self.assertEqual(app.wait(30), 0)
        finally:
            if app.poll() is None:
                app.kill()
                app.wait()


if __name__ == "__main__":
    unittest.main()
