"""Restarts of a server that speaks TLS: connections end after their answers, and no request is lost, over HTTP/1.1 and HTTP/2."""
import json
import socket
import ssl
import threading
import time
import unittest

import http2_wire as wire
from certificates import Authority
from http2_wire import Peer
from restarting import GET, SOURCE, Base, wait_for
from support import read_response

NOTICE = 0x7fffffff  # the last stream of a GOAWAY that names none yet
IDLE = 0.2  # seconds of silence after which a stopping server may close a connection


class Restart(Base):
    def setUp(self):
        super().setUp()
        authority = Authority(self.folder)
        self.cert = authority.issue("localhost", ["DNS:localhost", "IP:127.0.0.1"])
        self.authority = authority.cert
        self.failures, self.answered, self.generations, self.over = [], 0, set(), threading.Event()
        self.lock = threading.Lock()

    def write(self, generation, at_start="", text=None):
        tls = f'nx_http_tls(server, .cert = "{self.cert[0]}", .key = "{self.cert[1]}");\n    nx_err err = nx_http_listen(server);'
        source = SOURCE.replace("nx_err err = nx_http_listen(server);", tls)
        self.assertIn("nx_http_tls", source)
        super().write(generation, text=f"#define GENERATION {generation}\n{source}")

    def start(self, *args, flags=(), **more):
        own = (f"--allow-listen=:{self.address[1]}", "--allow-read=" + ",".join(self.cert))
        super().start(*args, flags=(*own, *flags), **more)

    def connect(self, protocol):
        context = ssl.create_default_context(cafile=self.authority)
        context.set_alpn_protocols([protocol])
        s = socket.create_connection(self.address, timeout=60)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        s = context.wrap_socket(s, server_hostname="localhost")
        self.assertEqual(s.selected_alpn_protocol(), protocol)
        return s

    def took(self, body):
        answer = json.loads(body)
        with self.lock:
            self.answered += 1
            self.generations.add(answer["generation"])
        return answer["generation"]

    def guarded(self, load):
        try:
            load()
        except (OSError, AssertionError, ValueError, KeyError) as error:
            self.failures.append(repr(error))

    def load_http1(self):
        """Asks for as long as it is to, over connections that are kept until an answer ends them."""
        s, last = None, 0
        while not self.over.is_set():
            if not s:
                last = time.monotonic()
                s = self.connect("http/1.1")
                f = s.makefile("rb")
            # The server may have answered as soon as it was asked, however late that has been seen here.
            since, last = last, time.monotonic()
            silent = None
            try:
                s.sendall(GET)
                silent = time.monotonic() - since
                response = read_response(f)
                if not response:
                    raise ConnectionError("closed without an answer")
            except OSError:
                # Who says nothing for so long finds his connection closed at any stop (RFC 9112 9.5).
                if silent is not None and silent < IDLE:
                    raise
                s.close()
                s = None
                continue
            self.took(response.body)
            if response.headers.get("connection") == "close":
                s.close()
                s = None
        if s:
            s.close()

    def load_http2(self):
        """Eight requests at once, over connections that are kept until they are told to be left."""
        while not self.over.is_set():
            with Peer(lambda: self.connect("h2"), timeout=60) as p:
                under_way = set()
                while not (p.goaways and not under_way) and not (self.over.is_set() and not under_way):
                    while len(under_way) < 8 and not p.goaways and not self.over.is_set():
                        under_way.add(p.request(path="/slow/5", scheme="https"))
                    if p.read() is None:
                        break
                    for stream in list(under_way):
                        answer = p.answer(stream)
                        if answer.ended:
                            self.took(answer.body)
                            under_way.remove(stream)
                        elif answer.reset is not None and answer.reset != wire.REFUSED_STREAM:
                            raise AssertionError(f"stream {stream} was reset: {answer.reset}")
                        elif answer.reset is not None or (p.goaways and p.goaways[-1][0] < stream):
                            under_way.remove(stream)  # it has not been looked at, and goes over the next one
                if under_way:
                    raise AssertionError(f"closed without an answer to {under_way}; GOAWAY {p.goaways}")

    def under_load(self, load, threads, restarts):
        self.write(1)
        self.start()
        run = [threading.Thread(target=self.guarded, args=(load,)) for _ in range(threads)]
        for thread in run:
            thread.start()
        for generation in range(1, restarts + 2):
            if generation > 1:
                self.write(generation)
                self.restart()
            # Each generation has served some.
            wait_for(lambda: generation in self.generations or self.failures, 60, f"generation {generation} serves nobody")
            if self.failures:
                break
        self.over.set()
        for thread in run:
            thread.join(60)
        self.assertEqual(self.failures, [])
        self.assertEqual(self.generations, set(range(1, restarts + 2)))
        wait_for(lambda: len(self.processes()) == 1, 30, "the old ones do not end")
        self.assertEqual(self.stop(), 0, self.output())

    def test_load_over_http1(self):
        self.under_load(self.load_http1, 8, 6)

    @unittest.skipUnless(wire.hpack, "hpack is not there; it comes with: scripts/setup test")
    def test_load_over_http2(self):
        self.under_load(self.load_http2, 4, 6)

    def test_in_the_middle_of_things(self):
        """What a connection is at is finished, and its end is told."""
        self.write(1)
        self.start()
        slow, upload, download = (self.connect("http/1.1") for _ in range(3))
        slow.sendall(b"GET /slow/700 HTTP/1.1\r\nhost: a\r\n\r\n")
        upload.sendall(b"POST /upload HTTP/1.1\r\nhost: a\r\ncontent-length: 1000\r\n\r\n" + b"x" * 300)
        download.sendall(b"GET /download HTTP/1.1\r\nhost: a\r\n\r\n")
        files = [s.makefile("rb") for s in (slow, upload, download)]
        self.assertTrue(files[2].peek(1))  # it has begun, so the others have come as well
        self.write(2)
        self.restart()
        def fresh():  # the first may come to the old one yet
            with self.connect("http/1.1") as s:
                s.sendall(GET)
                return self.took(read_response(s.makefile("rb")).body)

        wait_for(lambda: fresh() == 2, why="the new one serves nobody")
        upload.sendall(b"y" * 700)
        answers = [read_response(f) for f in files]
        self.assertEqual([json.loads(answers[i].body)["generation"] for i in (0, 1)], [1, 1])
        self.assertEqual(json.loads(answers[1].body)["length"], 1000)
        self.assertEqual(answers[2].body, b"0123456789" * 20)
        for f, s in zip(files, (slow, upload, download)):
            self.assertEqual(f.read(), b"")  # close_notify: ssl would raise without it
            s.close()
        wait_for(lambda: len(self.processes()) == 1, 30, "the old one does not end")

    @unittest.skipUnless(wire.hpack, "hpack is not there; it comes with: scripts/setup test")
    def test_goaway(self):
        """A notice, then the last request that is served, and all of those are answered (RFC 9113 6.8)."""
        self.write(1)
        self.start()
        with Peer(lambda: self.connect("h2"), timeout=60) as p:
            slow = p.request(path="/slow/700", scheme="https")
            p.quiet(0.1)
            self.write(2)
            self.restart()
            p.until(lambda: p.goaways)
            self.assertEqual(p.goaways[0], (NOTICE, wire.NO_ERROR))
            self.assertEqual(self.took(p.wait(slow).body), 1)
            self.assertEqual(p.end(), wire.NO_ERROR)
            self.assertGreaterEqual(p.goaways[-1][0], slow)
        wait_for(lambda: len(self.processes()) == 1, 30, "the old one does not end")


if __name__ == "__main__":
    unittest.main()
