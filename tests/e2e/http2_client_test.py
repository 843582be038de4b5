"""nx_fetch over HTTP/2: against our own server, and against nginx, Node and frames by hand through TLS."""
import os
import re
import socket
import ssl
import struct
import subprocess
import tempfile
import threading
import time
import unittest

import http2_wire as wire
from certificates import Authority
from http2_wire import Server, frame
from support import HERE, NEXUS, App, free_port, need

NODE = r"""
const http2 = require('http2'), fs = require('fs');
const server = http2.createSecureServer({key: fs.readFileSync(process.argv[4]), cert: fs.readFileSync(process.argv[3])});
server.on('stream', (stream, headers) => {
  stream.respond({':status': 200});
  if (headers[':method'] === 'POST') stream.pipe(stream); else stream.end('x'.repeat(70000));
});
server.listen(+process.argv[2], '127.0.0.1', () => console.log('listens'));
"""


@unittest.skipUnless(wire.hpack, "hpack is not there; it comes with: scripts/setup test")
class Client(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.authority = Authority(cls.folder.name)
        cls.cert = cls.authority.issue("localhost", ["DNS:localhost", "IP:127.0.0.1"])

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def fetch(self, port, *args, seconds=60):
        run = subprocess.run([os.path.abspath(NEXUS), "run", f"--allow-connect=localhost:{port}", f"--allow-read={self.authority.cert}", os.path.join(HERE, "apps/fetch_http2.c"), "--", str(port),
                              self.authority.cert, *map(str, args)], capture_output=True, text=True, timeout=seconds)
        self.assertNotIn("crash", run.stderr)
        return run

    def counts(self, run):
        return tuple(map(int, re.search(r"(\d+) done, (\d+) failed", run.stdout).groups()))

    def test_own_server(self):
        app = App("https.c", *self.cert)
        self.addCleanup(app.kill)
        for what, count in (("many", 500), ("again", 50), ("pieces", 20)):
            with self.subTest(what):
                run = self.fetch(app.port, what, count)
                self.assertEqual(self.counts(run), (count, 0), run.stdout[:500] + run.stderr)
        run = self.fetch(app.port, "turns", 20, 1)
        self.assertEqual(self.counts(run), (60, 0), run.stdout[:500] + run.stderr)
        for size in (1, 70_000, 900_000):
            run = self.fetch(app.port, "echo", size)
            self.assertIn(f"same {size} h2", run.stdout, run.stderr)

    @need("node")
    def test_node(self):
        port = free_port()
        with tempfile.NamedTemporaryFile("w", suffix=".js") as f:
            f.write(NODE)
            f.flush()
            node = subprocess.Popen(["node", f.name, str(port), *self.cert], stdout=subprocess.PIPE)
            self.addCleanup(node.stdout.close)
            self.addCleanup(node.wait)
            self.addCleanup(node.kill)
            node.stdout.readline()
            run = self.fetch(port, "many", 200)
            self.assertEqual(self.counts(run), (200, 0), run.stdout[:500] + run.stderr)
            run = self.fetch(port, "echo", 3_000_000)
            self.assertIn("same 3000000 h2", run.stdout, run.stderr)

    # ---- Frames by hand

    def serve(self, *turns):
        """A server that answers each connection by one of the functions; its port."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*self.cert)
        context.set_alpn_protocols(["h2"])
        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)

        def run():
            for turn in turns:
                try:
                    s, _ = listener.accept()
                    with context.wrap_socket(s, server_side=True) as tls:
                        turn(Server(tls))
                        tls.settimeout(0.5)
                        while tls.recv(65536):
                            pass
                except OSError:
                    pass
        threading.Thread(target=run, daemon=True).start()
        return listener.getsockname()[1]

    def test_goaway_before_anything(self):
        """What the peer has not looked at goes over another connection."""
        def away(server):
            server.request()
            server.send(frame(wire.GOAWAY, 0, 0, struct.pack(">II", 0, 0)))
        port = self.serve(away, lambda server: server.answer(server.request()))
        self.assertEqual(self.counts(self.fetch(port, "again", 1)), (1, 0))

    def test_refused_stream(self):
        def refuse(server):
            server.send(frame(wire.RST_STREAM, 0, server.request(), struct.pack(">I", wire.REFUSED_STREAM)))
        port = self.serve(refuse, lambda server: server.answer(server.request()))
        self.assertEqual(self.counts(self.fetch(port, "again", 1)), (1, 0))

    def test_reset_and_goes_on(self):
        def reset(server):
            server.send(frame(wire.RST_STREAM, 0, server.request(), struct.pack(">I", wire.INTERNAL_ERROR)))
            for _ in range(2):
                server.answer(server.request())
        run = self.fetch(self.serve(reset), "again", 3)
        self.assertEqual(self.counts(run), (2, 1), run.stdout)
        self.assertIn("the request was reset: INTERNAL_ERROR", run.stdout)

    def test_answers_that_are_none(self):
        def close(server):
            server.request()
            server.socket.close()

        def malformed(server):
            server.send(frame(wire.HEADERS, 5, server.request(), b"\x88\xff\xff\xff\xff\xff"))

        def bomb(server):
            stream, block = server.request(), server.encoder.encode([(":status", "200")] + [("x", "y" * 3000)] * 40)
            server.send(frame(wire.HEADERS, 0, stream, block[:16000]) + frame(wire.CONTINUATION, 4, stream, block[16000:]))

        def informs(server):
            stream = server.request()
            for _ in range(100):
                server.send(frame(wire.HEADERS, 4, stream, server.encoder.encode([(":status", "103")])))

        def shorter(server):
            stream = server.request()
            server.send(frame(wire.HEADERS, 4, stream, server.encoder.encode([(":status", "200"), ("content-length", "9")])) +
                        frame(wire.DATA, 1, stream, b"abc"))

        def garbage(server):
            server.request()
            server.send(os.urandom(200))

        for turn in (close, malformed, bomb, informs, shorter, garbage):
            with self.subTest(turn.__name__):
                run = self.fetch(self.serve(turn, turn), "again", 1)
                self.assertEqual(self.counts(run), (0, 1), run.stdout + run.stderr)

    def test_streamed_upload(self):
        """The peer says nothing before it has all of the body."""
        def silent(server):
            server.answer(server.request())
            stream = server.request()
            server.body()
            server.answer(stream)
        run = self.fetch(self.serve(silent), "upload", 100)
        self.assertIn("uploaded", run.stdout, run.stderr)

        def grants(server):
            server.answer(server.request())
            stream = server.request()
            server.body(60_000)
            # What comes while nobody reads lets it go on.
            server.send(frame(wire.WINDOW_UPDATE, 0, 0, struct.pack(">I", 1 << 20)))
            time.sleep(0.05)
            server.send(frame(wire.WINDOW_UPDATE, 0, stream, struct.pack(">I", 1 << 20)))
            server.body()
            server.answer(stream)
        run = self.fetch(self.serve(grants), "upload", 300_000)
        self.assertIn("uploaded", run.stdout, run.stderr)

    def test_no_more_exchanges(self):
        """Who takes none any more, and does not close, is left."""
        def less(server):
            for most in (1, 0):
                stream = server.request()
                server.send(frame(wire.SETTINGS, 0, 0, struct.pack(">HI", 3, most)))
                server.answer(stream)
        port = self.serve(less, lambda server: server.answer(server.request()))
        self.assertEqual(self.counts(self.fetch(port, "again", 3, 1)), (3, 0))

    def test_those_who_wait_share_it(self):
        """There is room on a connection as soon as it is made."""
        def together(server):
            for stream in [server.request() for _ in range(5)]:
                server.answer(stream)
        self.assertEqual(self.counts(self.fetch(self.serve(together), "many", 5, 1)), (5, 0))

    def test_much_on_its_way_that_nobody_wants(self):
        """What was sent before the peer heard that it is not wanted is no attack."""
        def sends_on(server):
            stream = server.request()
            while server.frame()[0] != wire.RST_STREAM:
                pass
            server.send(frame(wire.HEADERS, 4, stream, server.encoder.encode([(":status", "200")])) +
                        frame(wire.DATA, 0, stream, b"x") * 20_000)
            for _ in range(3):
                server.answer(server.request())
        run = self.fetch(self.serve(sends_on), "slow", 1, 1)
        self.assertEqual(self.counts(run), (3, 0), run.stdout)
        self.assertTrue(run.stdout.startswith("late"), run.stdout)

    def test_late(self):
        def silent(server):
            server.request()
            while True:
                server.answer(server.request())
        run = self.fetch(self.serve(silent), "slow")
        self.assertEqual((run.stdout.splitlines()[0], self.counts(run)), ("late", (3, 0)), run.stdout + run.stderr)


if __name__ == "__main__":
    unittest.main()
