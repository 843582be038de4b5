#!/usr/bin/env python3
"""Both directions of what a reverse proxy passes on, at once: NEXUS=path/to/nexus python3 tests/e2e/proxy_duplex_test.py [-k name]."""
import gzip
import os
import threading
import unittest

import http2_wire as wire
from proxied import Base
from support import App, read_response

LARGE = 8 << 20


class Received:
    """What comes of a body in chunks, after its head."""

    def __init__(self, s, head):
        self.s, self.rest = s, head.partition(b"\r\n\r\n")[2]

    def line(self):
        while b"\r\n" not in self.rest:
            self.more()
        line, _, self.rest = self.rest.partition(b"\r\n")
        return line

    def more(self):
        got = self.s.recv(65536)
        if not got:
            raise ConnectionError
        self.rest += got

    def piece(self):
        """The next one; empty at the end, before the trailers."""
        size = int(self.line(), 16)
        while len(self.rest) < size + 2 and size:
            self.more()
        piece, self.rest = self.rest[:size], self.rest[size + 2 if size else 0:]
        return piece

    def trailers(self):
        return list(iter(self.line, b""))


def chunk(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


def echo(s, head):
    """Gives back each piece as it comes, and trailers behind them."""
    body = Received(s, head)
    s.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-Head: first\r\n\r\n")
    while piece := body.piece():
        s.sendall(chunk(piece))
    s.sendall(b"0\r\nX-Got: " + b", ".join(body.trailers()) + b"\r\n\r\n")


CHUNKED = b"POST %s HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n%s\r\n"


class Http1(Base):
    def test_each_piece_is_answered_before_the_next_is_sent(self):
        app = self.proxy(self.raw(echo).url)
        with app.connect(30) as s, s.makefile("rb") as f:
            s.sendall(CHUNKED % (b"/", b""))
            head = b"".join(iter(f.readline, b"\r\n"))  # before any of the body
            self.assertIn(b"x-head: first", head.lower())
            for word in (b"one", b"two", os.urandom(100_000)):
                s.sendall(chunk(word))
                got = b""
                while len(got) < len(word):
                    got += f.read(int(f.readline(), 16))
                    f.readline()
                self.assertEqual(got, word)
            s.sendall(b"0\r\nX-Sum: 5\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n")
            self.assertEqual(f.readline(), b"0\r\n")
            # A claim goes on in no trailer either.
            self.assertEqual(f.readline().lower(), b"x-got: x-sum: 5\r\n")
            self.assertEqual(f.readline(), b"\r\n")
            # And the connection goes on.
            s.sendall(b"GET /proxy HTTP/1.1\r\nHost: a\r\n\r\n")
            self.assertEqual(read_response(f).body, b"the proxy is here\n")

    def test_large_both_ways(self):
        """More than any buffer between holds, while the upstream gives back what it gets."""
        app = self.proxy(self.raw(echo).url)
        data = os.urandom(LARGE)
        with app.connect(60) as s, s.makefile("rb") as f:
            def send():
                s.sendall(CHUNKED % (b"/", b""))
                for at in range(0, LARGE, 50_000):
                    s.sendall(chunk(data[at:at + 50_000]))
                s.sendall(b"0\r\n\r\n")
            sender = threading.Thread(target=send, daemon=True)
            sender.start()
            answer = read_response(f)
            sender.join()
        self.assertEqual(answer.body, data)

    def test_refused_in_the_middle(self):
        """An upstream that answers and closes before it has read the body: the answer reaches the client."""
        def refuse(s, head):
            s.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 4\r\nConnection: close\r\n\r\nmuch")
        app = self.proxy(self.raw(refuse).url)
        for framing in (b"Content-Length: %d" % (1 << 30), b"Transfer-Encoding: chunked"):
            with self.subTest(framing), app.connect(30) as s, s.makefile("rb") as f:
                s.sendall(b"POST / HTTP/1.1\r\nHost: a\r\n" + framing + b"\r\n\r\n" + chunk(b"x" * 1000))
                answer = read_response(f)
                self.assertEqual((answer.status, answer.body), (413, b"much"))
                if b"Length" in framing:  # nobody wants the rest of it
                    self.assertEqual(answer.headers.get("connection"), "close")
        self.assertNotIn("is down", app.output())

    def test_what_follows_an_early_answer(self):
        """The upstream's connection goes on where it has had all of the request, and no longer else."""
        heads = []

        def upstream(s, head):
            heads.append(s)
            while True:
                body = Received(s, head)
                if b"/refused" in head:
                    s.sendall(b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n")
                    body.s.recv(1)  # what is sent on nevertheless, or the end
                    return
                if b"chunked" in head.lower():  # answers in whole before it reads on
                    s.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nearly")
                    while body.piece():
                        pass
                    body.trailers()
                else:
                    s.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                head = body.rest
                while b"\r\n\r\n" not in head:
                    got = s.recv(65536)
                    if not got:
                        return
                    head += got
        app = self.proxy(self.raw(upstream).url)
        self.assertEqual(self.ask(app)[1], b"ok")
        with app.connect(30) as s, s.makefile("rb") as f:
            for _ in range(3):
                s.sendall(CHUNKED % (b"/", b"") + chunk(b"some"))
                self.assertEqual(read_response(f).body, b"early")
                s.sendall(chunk(b"more") + b"0\r\n\r\n")
        self.assertEqual(self.ask(app)[1], b"ok")
        self.assertEqual(len(heads), 1)
        with app.connect(30) as s, s.makefile("rb") as f:
            s.sendall(CHUNKED % (b"/refused", b"") + chunk(b"some"))
            self.assertEqual(read_response(f).status, 401)
            # What is left of the body is no request.
            s.sendall(chunk(b"GET /evil HTTP/1.1\r\nHost: a\r\n\r\n") + b"0\r\n\r\n")
            s.sendall(b"GET /proxy HTTP/1.1\r\nHost: a\r\n\r\n")
            self.assertEqual(read_response(f).body, b"the proxy is here\n")
        self.assertEqual(self.ask(app)[1], b"ok")
        self.assertEqual(len(heads), 2)

    def test_a_client_that_leaves_in_the_middle(self):
        ended = threading.Event()

        def upstream(s, head):
            s.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk(b"begun"))
            try:
                while s.recv(65536):
                    pass
            finally:
                ended.set()
        app = self.proxy(self.raw(upstream).url)
        with app.connect(30) as s:
            s.sendall(CHUNKED % (b"/", b"") + chunk(b"some"))
            got = b""
            while b"begun" not in got:
                got += s.recv(65536)
        self.assertTrue(ended.wait(30))
        self.assertNotIn("is down", app.output())
        self.assertNotIn("failed", app.output())

    def test_a_body_that_is_no_good_http(self):
        """It is the client's mistake, whatever the upstream would have said."""
        app = self.proxy(self.raw(lambda s, head: s.recv(65536)).url)
        with app.connect(30) as s, s.makefile("rb") as f:
            s.sendall(CHUNKED % (b"/", b"") + b"zz\r\n")
            self.assertEqual(read_response(f).status, 400)
        self.assertNotIn("is down", app.output())

    def test_the_head_comes_before_the_body(self):
        go = threading.Event()

        def upstream(s, head):
            s.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n")
            go.wait(30)
            s.sendall(b"text")
        app = self.proxy(self.raw(upstream).url)
        with app.connect(30) as s, s.makefile("rb") as f:
            s.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            self.assertIn(b"content-length: 4", b"".join(iter(f.readline, b"\r\n")).lower())
            go.set()
            self.assertEqual(f.read(4), b"text")

    def test_bodies_that_are_encoded(self):
        app = self.proxy(self.upstream("one").url)
        data = gzip.compress(b"a" * 10_000)
        r, body = self.ask(app, "/echo", "POST", data, {"Content-Encoding": "gzip"})
        self.assertEqual((r.status, body), (200, data))

    def test_expect(self):
        """The client is told to go on once, and not amid an answer."""
        app = self.proxy(self.raw(echo).url)
        with app.connect(30) as s, s.makefile("rb") as f:
            s.sendall(CHUNKED % (b"/", b"Expect: 100-continue\r\n"))
            first = f.readline()
            rest = b"".join(iter(f.readline, b"\r\n"))
            if first.startswith(b"HTTP/1.1 100"):
                self.assertEqual(rest, b"")
                self.assertTrue(f.readline().startswith(b"HTTP/1.1 200"))
                rest = b"".join(iter(f.readline, b"\r\n"))
            self.assertIn(b"x-head: first", rest.lower())
            s.sendall(chunk(b"word") + b"0\r\n\r\n")
            self.assertEqual([f.readline() for _ in range(3)], [b"4\r\n", b"word\r\n", b"0\r\n"])


@unittest.skipUnless(wire.hpack, "hpack is not there; it comes with: scripts/setup test")
class Http2(Base):
    """The client speaks HTTP/2, and so does the upstream but for the first."""

    def test_to_http1(self):
        app = self.proxy(self.raw(echo).url)
        with wire.Peer(app.connect, timeout=30) as p:
            stream = p.request("POST", end=False)
            p.until(lambda: p.answer(stream).headers)
            self.assertEqual(p.answer(stream).headers["x-head"], "first")
            said = b""
            for word in (b"one", b"two"):
                p.send(wire.frame(wire.DATA, 0, stream, word))
                said += word
                p.until(lambda: p.answer(stream).body == said)
            p.send(wire.frame(wire.HEADERS, wire.END_STREAM | wire.END_HEADERS, stream, p.encoder.encode([("x-sum", "6")])))
            answer = p.wait(stream)
            self.assertEqual((answer.body, answer.trailers), (b"onetwo", {"x-got": "x-sum: 6"}))

    def test_to_http2(self):
        upstream = App("http.c")
        self.closing.append(upstream.kill)
        app = self.proxy(f"http://127.0.0.1:{upstream.port}", option="-2")
        with wire.Peer(app.connect, timeout=30) as p:
            stream = p.request("POST", "/echo", end=False)
            said = b""
            for word in (b"one", b"two", os.urandom(16_000)):
                p.send(wire.frame(wire.DATA, 0, stream, word))
                said += word
                p.until(lambda: p.answer(stream).body == said)
            p.send(wire.frame(wire.DATA, wire.END_STREAM, stream))
            self.assertEqual(p.wait(stream).trailers, {"x-done": "yes"})
            # Trailers of the request, which the upstream says in its head.
            stream = p.request("POST", "/whole", end=False)
            p.send(wire.frame(wire.DATA, 0, stream, b"body"))
            p.send(wire.frame(wire.HEADERS, wire.END_STREAM | wire.END_HEADERS, stream, p.encoder.encode([("x-sum", "7")])))
            answer = p.wait(stream)
            self.assertEqual((answer.body, answer.headers.get("x-sum")), (b"body", "7"))
            # What has a length keeps it, also where nothing is sent.
            self.assertEqual(p.ask().headers["content-length"], str(len(p.ask().body)))
            self.assertEqual(p.ask("HEAD").headers["content-length"], str(len(p.ask().body)))


if __name__ == "__main__":
    unittest.main()
