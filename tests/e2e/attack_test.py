"""Attacks on the HTTP/1.1 server: each is refused as it should be, others are served, nothing stays behind. What is malformed has a
table of its own: tests/conformance/http1_cases.py."""
import os
import select
import socket
import time
import unittest

from support import App, ServerTest, eventually, read_response, short_deadlines

H = b"Host: a\r\n"
POST = b"POST /length HTTP/1.1\r\n" + H
CHUNKED = b"Transfer-Encoding: chunked\r\n"


class Refused(ServerTest):
    """Malformed requests: the status, and a connection that is closed."""

    def refuse(self, data, *statuses):
        with self.app.connect() as s:
            s.sendall(data)
            with s.makefile("rb") as f:
                r = read_response(f)
                self.assertIsNotNone(r, data)
                self.assertIn(r.status, statuses, data)
                self.assertEqual(f.read(), b"", "nothing after the refusal is answered")

    def check(self, rows):
        before = self.app.descriptors()
        for data, *statuses in rows:
            with self.subTest(data[:60]):
                self.refuse(data, *statuses)
        self.assert_serving()
        eventually(lambda: self.assertLessEqual(self.app.descriptors(), before + 1))

    def test_sizes(self):
        self.check([
            (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n" + H + b"\r\n", 414),
            (b"GET / HTTP/1.1\r\n" + H + b"X: " + b"a" * 20000 + b"\r\n\r\n", 431),
            (b"GET / HTTP/1.1\r\n" + H + b"".join(b"H%d: v\r\n" % i for i in range(200)) + b"\r\n", 431),
            (b"GET / HTTP/1.1\r\n" + H + b"X" * 20000 + b": v\r\n\r\n", 431),
            (b"A" * 100 + b" / HTTP/1.1\r\n" + H + b"\r\n", 400, 501),
            (POST + b"Content-Length: 9000000\r\n\r\n", 413),
        ])
        # A chunked body that grows past max_body.
        with self.app.connect() as s:
            try:
                s.sendall(POST + CHUNKED + b"\r\n" + (b"10000\r\n" + b"a" * 65536 + b"\r\n") * 140)
            except OSError:
                pass
            self.assertEqual(read_response(s.makefile("rb")).status, 413)
        self.assert_serving()

    def test_random_bytes(self):
        for n in range(200):
            with self.app.connect() as s:
                s.sendall(os.urandom(200))
                s.shutdown(1)
                try:
                    s.recv(1000)
                except OSError:
                    pass
        self.assert_serving()


    def test_a_body_that_ends_in_the_middle(self):
        for head in (b"Content-Length: 10\r\n", CHUNKED):
            with self.app.connect() as s:
                s.sendall(POST + head + b"\r\n5\r\nab")
                s.shutdown(socket.SHUT_WR)
                self.assertEqual(read_response(s.makefile("rb")).status, 400)
            self.app.connect().close()
        self.assertNotIn("failed", self.app.output(), "that a peer leaves is no failure")


class Slow(ServerTest):
    """Peers that take their time, against short deadlines."""

    app_args = ("short",)

    def wait_closed(self, s, seconds=60):
        s.settimeout(seconds)
        data = b""
        try:
            while True:
                chunk = s.recv(65536)
                if not chunk:
                    return data
                data += chunk
        except ConnectionError:
            return data

    @short_deadlines
    def test_slow_head(self):
        with self.app.connect() as s:
            # A byte now and then does not begin the deadline anew.
            try:
                for byte in b"GET / HTTP/1.1\r\nHost: " + b"a" * 200:
                    s.sendall(bytes([byte]))
                    if select.select([s], [], [], 0.3)[0]:
                        break
                else:
                    self.fail("it waits for a minute")
            except OSError:
                pass
            self.assertIn(b"408", self.wait_closed(s))
        self.assert_serving()
        # Nor is one request's deadline another's: parts of them may come for as long as each is quick.
        with self.app.connect() as s, s.makefile("rb") as f:
            request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
            s.sendall(request[:5])
            for _ in range(12):
                s.sendall(request[5:] + request[:5])
                self.assertEqual(read_response(f).status, 200)
                time.sleep(0.1)

    @short_deadlines
    def test_slow_body(self):
        with self.app.connect() as s:
            s.sendall(POST + b"Content-Length: 1000\r\n\r\nabc")
            data = self.wait_closed(s)
            self.assertTrue(b"408" in data or b"503" in data, data)
        self.assert_serving()

    @short_deadlines
    def test_idle_flood(self):
        sockets = [self.app.connect() for _ in range(60)]
        for s in sockets:
            self.assertEqual(self.wait_closed(s), b"")
            s.close()
        self.assert_serving()

    @short_deadlines
    def test_more_than_max_connections_wait(self):
        sockets = [self.app.connect() for _ in range(64)]
        self.assert_serving()  # when the idle ones have been closed
        for s in sockets:
            s.close()

    @short_deadlines
    def test_reader_that_never_reads(self):
        with self.app.connect() as s:
            s.sendall(b"GET /pieces HTTP/1.1\r\n" + H + b"\r\n")
            time.sleep(1.5)
            self.assertLess(len(self.wait_closed(s)), 64 << 20)
        with self.app.connect() as s:
            try:
                for _ in range(2000):
                    s.sendall((b"GET / HTTP/1.1\r\n" + H + b"\r\n") * 100)
                    s.settimeout(2)
            except OSError:
                pass
        self.assert_serving()
        self.assertLess(self.app.rss(), 60000)

    @short_deadlines
    def test_handler_deadline(self):
        r = self.ask("GET", "/slow/5000")
        self.assertEqual(r.status, 503)
        self.assert_serving()


class Floods(unittest.TestCase):
    def test_a_hundred_thousand_connections(self):
        app = App("http.c")
        self.addCleanup(app.kill)
        for _ in range(50):
            app.connect().close()
        descriptors = app.descriptors()
        while True:  # until those are gone
            time.sleep(0.3)
            before, descriptors = descriptors, app.descriptors()
            if descriptors == before:
                break
        rss = app.rss()
        address = ("127.0.0.1", app.port)
        for batch in range(100):
            sockets = []
            for _ in range(1000):
                s = socket.socket()
                # Closing resets: no port stays in TIME_WAIT, and the server sees the rude way too.
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                s.connect(address)
                if batch % 4 == 0:
                    s.send(b"GET / HT")
                elif batch % 4 == 1:
                    s.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                sockets.append(s)
            for s in sockets:
                s.close()
        end = time.time() + 60
        while app.descriptors() > descriptors + 1 and time.time() < end:
            time.sleep(0.1)
        self.assertLessEqual(app.descriptors(), descriptors + 1)
        self.assertLess(app.rss(), rss + 8192)
        with app.connect() as s:
            s.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            self.assertEqual(read_response(s.makefile("rb")).status, 200)
        self.assertEqual(app.stop(), 0)


if __name__ == "__main__":
    unittest.main()
