"""HTTP/2 with prior knowledge on the port of HTTP/1.1: frames by hand, and real clients."""
import json
import os
import shutil
import subprocess
import tempfile
import time
import unittest

import http2_wire as wire
from http2_wire import Peer, frame
from support import App, ServerTest, need, read_response

NODE = r"""
const http2 = require('http2');
const session = http2.connect('http://127.0.0.1:' + process.argv[2]);
const body = Buffer.alloc(3 << 20, 'q');
let left = 20;
session.on('error', e => { console.error(e); process.exit(1); });
for (let i = 0; i < left; i++) {
  const stream = session.request({':method': 'POST', ':path': '/whole', 'x-number': String(i)});
  let size = 0;
  stream.on('response', h => { if (h[':status'] !== 200) process.exit(2); });
  stream.on('data', d => size += d.length);
  stream.on('end', () => {
    if (size !== body.length) process.exit(3);
    if (--left === 0) { console.log('all'); session.close(); }
  });
  stream.end(body);
}
"""


@unittest.skipUnless(wire.hpack, "hpack is not there; it comes with: scripts/setup test")
class Http2(ServerTest):
    def peer(self, **options):
        return Peer(self.app.connect, **options)

    def test_requests(self):
        with self.peer() as p:
            answer = p.ask()
            self.assertEqual((answer.status, answer.body), (200, b'{"message":"Hello from Nexus!"}'))
            self.assertEqual(answer.headers["content-type"], "application/json")
            self.assertEqual(answer.headers["content-length"], "31")
            self.assertRegex(answer.headers["date"], r"^\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT$")
            head = p.ask("HEAD")
            self.assertEqual((head.status, head.body, head.headers["content-length"]), (200, b"", "31"))
            self.assertEqual(p.ask(path="/none").status, 404)
            self.assertEqual(p.ask("DELETE").headers["allow"], "GET, HEAD, OPTIONS")
            item = json.loads(p.ask(path="/items/a%20b?x=1&y=2", headers=[("user-agent", "tester")]).body)
            self.assertEqual((item["id"], item["query"], item["agent"], item["peer"]), ("a b", "x=1&y=2", "tester", "127.0.0.1"))
            self.assertEqual(p.settings[3], 128)
            self.assertEqual(p.settings[6], 16384)
            self.assertEqual(p.settings[9], 1)

    def test_many_at_once(self):
        with self.peer() as p:
            slow = [p.request(path="/slow/3000") for _ in range(50)]
            quick = [p.request() for _ in range(50)]
            p.wait(*quick)
            self.assertFalse(any(p.answer(s).ended for s in slow))
            start = time.monotonic()
            p.wait(*slow)
            self.assertTrue(all(p.answer(s).status == 200 for s in slow))
            self.assertLess(time.monotonic() - start, 75)  # one after the other they take 150 s

    def test_bodies(self):
        with self.peer() as p:
            for size in (0, 1, 100, 16384, 65535, 200_000):
                body = os.urandom(size)
                for path in ("/whole", "/echo"):
                    stream = p.request("POST", path, end=False)
                    at = 0
                    while at < size:  # as the windows allow
                        given = 65535 + sum(n for s, n in p.windows if s == stream)
                        piece = body[at:at + min(16384, given - at)]
                        if piece:
                            p.send(frame(wire.DATA, 0, stream, piece))
                            at += len(piece)
                        else:
                            p.read()
                    p.send(frame(wire.DATA, wire.END_STREAM, stream))
                    self.assertEqual(p.wait(stream).body, body)

    def test_body_waits_for_its_reader(self):
        """Windows open as the handler reads: once to more than what every peer knows of, then not while it sleeps."""
        with self.peer() as p:
            stream = p.request("POST", "/dawdle", end=False, body=b"x" * 65535)
            p.quiet(0.1)
            opened = sum(n for s, n in p.windows if s == stream)
            self.assertLessEqual(opened, 256 * 1024)
            p.send(b"".join(frame(wire.DATA, 0, stream, b"x" * 16384) for _ in range(opened // 16384)))
            p.quiet(0.1)
            self.assertEqual(sum(n for s, n in p.windows if s == stream), opened)

    def test_length_and_trailers(self):
        with self.peer() as p:
            answer = p.ask("POST", "/length", headers=[("content-length", "5")], body=b"hello")
            self.assertEqual(json.loads(answer.body), {"length": 5})
        for length in ("4", "6"):
            with self.peer() as p:
                p.request("POST", "/length", headers=[("content-length", length)], body=b"hello")
                self.assertEqual(p.end(), wire.PROTOCOL_ERROR)
        with self.peer() as p:
            self.assertEqual(p.ask("POST", "/length", headers=[("content-length", "9000000")], end=False).status, 413)
            stream = p.request("POST", "/whole", end=False)
            p.send(frame(wire.DATA, 0, stream, b"abc"))
            p.send(frame(wire.HEADERS, wire.END_HEADERS | wire.END_STREAM, stream, p.encoder.encode([("x-sum", "42")])))
            answer = p.wait(stream)
            self.assertEqual((answer.body, answer.headers["x-sum"]), (b"abc", "42"))
            answer = p.ask("POST", "/echo", body=b"abc")
            self.assertEqual((answer.body, answer.trailers), (b"abc", {"x-done": "yes"}))
            stream = p.request("POST", "/whole", end=False)  # more than max_trailer is not passed over
            p.send(frame(wire.HEADERS, wire.END_HEADERS | wire.END_STREAM, stream, p.encoder.encode([("x-sum", "4" * 5000)])))
            self.assertEqual(p.wait(stream).reset, wire.ENHANCE_YOUR_CALM)

    def test_json_with_trailers(self):
        with self.peer() as p, self.peer() as other:
            for _ in range(3):
                streams = [p.request(path="/summed") for _ in range(5)]
                others = [other.request() for _ in range(5)]
                for s in streams:
                    answer = p.wait(s)
                    self.assertEqual((answer.body, answer.trailers), (b'{"message":"Hello from Nexus!","sum":42}', {"x-sum": "42"}))
                for s in others:
                    self.assertEqual(other.wait(s).body, b'{"message":"Hello from Nexus!"}')

    def test_a_body_that_is_reset_is_not_the_whole(self):
        """It had come to its end, and the handler had not read it yet."""
        def said(what, times):
            end = time.monotonic() + 60
            while self.app.output().count(what) < times and time.monotonic() < end:
                time.sleep(0.02)
            self.assertEqual(self.app.output().count(what), times, what)

        def late(peer, times):
            stream = peer.request("POST", "/late", body=b"x" * 1000)
            said("late: begins", times)
            return stream

        with self.peer() as p, self.peer() as other:
            self.assertEqual(other.ask(path="/late/go?not").status, 200)
            whole, gone = late(p, 1), late(p, 2)
            p.send(frame(wire.RST_STREAM, 0, gone, wire.CANCEL.to_bytes(4, "big")))
            self.assertEqual(p.ask().status, 200)
            with self.peer() as broken:
                late(broken, 3)
            self.assertEqual(other.ask(path="/late/go").status, 200)
            self.assertEqual(p.wait(whole).body, b"x" * 1000)
            said("late: NX_ERESET", 2)
            said("late: all", 1)

    def test_expect(self):
        with self.peer() as p:
            stream = p.request("POST", "/whole", headers=[("expect", "100-continue")], end=False)
            p.until(lambda: p.answer(stream).hints)
            self.assertEqual(p.answer(stream).hints[0][":status"], "100")
            p.send(frame(wire.DATA, wire.END_STREAM, stream, b"abc"))
            self.assertEqual(p.wait(stream).body, b"abc")

    def test_preface_in_pieces(self):
        data = wire.PREFACE + frame(wire.SETTINGS)
        with self.app.connect() as s:
            for byte in data:
                s.sendall(bytes([byte]))
                time.sleep(0.002)
            self.assertEqual(s.recv(9)[3], wire.SETTINGS)
        with self.app.connect() as s:  # and what begins like it may be HTTP/1.1
            for piece in (b"P", b"OST /length HTTP/1.1\r\nhost: a\r\n", b"content-length: 1\r\n\r\nx"):
                s.sendall(piece)
                time.sleep(0.02)
            self.assertEqual(read_response(s.makefile("rb")).status, 200)

    def test_fields(self):
        with self.peer() as p:
            for headers, path, status in (
                    ([("x", "a" * 20000)], "/", 431), ([(f"h{i}", "v") for i in range(200)], "/", 431),
                    ([], "/" + "a" * 9000, 414), ([], "/a\\b", 400), ([], "/a#b", 400), ([("host", "other")], "/", 400)):
                self.assertEqual(p.ask(path=path, headers=headers).status, status, (headers[:1], path[:20]))
            self.assertEqual(p.ask(authority="a_b:x").status, 400)
            self.assertEqual(p.ask().status, 200)
        for options in ({"authority": "a b"}, {"path": "nix"}, {"path": None}, {"method": None}, {"scheme": None},
                        *({"headers": [h]} for h in (("connection", "close"), ("te", "gzip"), ("Upper", "x"), ("x", "a\x00b"), ("x", " a"),
                                                     (":late", "x"), (":status", "200"), ("transfer-encoding", "chunked")))):
            with self.subTest(options), self.peer() as p:
                answer = p.ask(**options)
                self.assertIn(wire.PROTOCOL_ERROR, (answer.reset, p.goaways and p.goaways[-1][1]))

    def test_flow_control_of_answers(self):
        with self.peer(window=False) as p:
            stream = p.request(path="/big")
            other = p.request()
            p.until(lambda: len(p.answer(stream).body) + len(p.answer(other).body) >= 65535)
            p.quiet()
            self.assertEqual(len(p.answer(stream).body) + len(p.answer(other).body), 65535)
            p.window = True
            p.send(frame(wire.WINDOW_UPDATE, 0, 0, (1 << 20).to_bytes(4, "big")))
            self.assertEqual(p.wait(other).status, 200)
            p.send(frame(wire.WINDOW_UPDATE, 0, stream, (65535).to_bytes(4, "big")))
            p.until(lambda: len(p.answer(stream).body) > 1 << 20)
            self.assertEqual(p.answer(stream).status, 200)

    def test_priorities(self):
        """What is urgent goes first, whatever was asked for first (RFC 9218)."""
        with self.peer(window=False) as p:
            lazy = p.request(path="/big", headers=[("priority", "u=7")])
            urgent = p.request(path="/big", headers=[("priority", "u=0")])
            for s in (lazy, urgent):
                p.send(frame(wire.WINDOW_UPDATE, 0, s, (1 << 24).to_bytes(4, "big")))

            def taken(bytes):
                p.until(lambda: len(p.answer(lazy).body) + len(p.answer(urgent).body) >= bytes)

            taken(65535)
            first = len(p.answer(lazy).body)
            p.send(frame(wire.WINDOW_UPDATE, 0, 0, (100_000).to_bytes(4, "big")))
            taken(165_535)
            self.assertEqual(len(p.answer(lazy).body), first)
            p.send(frame(wire.PRIORITY_UPDATE, 0, 0, lazy.to_bytes(4, "big") + b"u=0") +
                   frame(wire.PRIORITY_UPDATE, 0, 0, urgent.to_bytes(4, "big") + b"u=7"))
            p.send(frame(wire.WINDOW_UPDATE, 0, 0, (100_000).to_bytes(4, "big")))
            taken(265_535)
            self.assertEqual(len(p.answer(lazy).body), first + 100_000)

    def test_peer_resets(self):
        with self.peer() as p:
            stream = p.request(path="/slow/200")
            p.send(frame(wire.RST_STREAM, 0, stream, wire.CANCEL.to_bytes(4, "big")))
            self.assertEqual(p.ask().status, 200)
            time.sleep(0.3)
            self.assertEqual(p.ask().status, 200)

    @need("curl")
    def test_curl(self):
        url = f"http://127.0.0.1:{self.app.port}"
        with tempfile.NamedTemporaryFile() as f:
            f.write(os.urandom(2_000_000))
            f.flush()
            out = subprocess.run(["curl", "-sS", "--http2-prior-knowledge", "--data-binary", f"@{f.name}", url + "/whole"],
                                 capture_output=True, timeout=120, check=True).stdout
            f.seek(0)
            self.assertEqual(out, f.read())

    @need("nghttp")
    def test_nghttp(self):
        urls = [f"http://127.0.0.1:{self.app.port}{path}" for path in ("/", "/big", "/pieces", "/slow/50")]
        run = subprocess.run(["nghttp", "-ns", *urls], capture_output=True, text=True, timeout=120, check=True)
        self.assertEqual(len([line for line in run.stdout.splitlines() if " 200 " in line]), 4, run.stdout)

    @need("node")
    def test_node(self):
        with tempfile.NamedTemporaryFile("w", suffix=".js") as f:
            f.write(NODE)
            f.flush()
            run = subprocess.run(["node", f.name, str(self.app.port)], capture_output=True, text=True, timeout=60)
            self.assertEqual((run.returncode, run.stdout), (0, "all\n"), run.stderr)


@unittest.skipUnless(wire.hpack, "hpack is not there; it comes with: scripts/setup test")
class Stop(unittest.TestCase):
    def test_graceful(self):
        """First a notice, then the last request that is served, and all those are (RFC 9113 6.8)."""
        app = App("http.c")
        self.addCleanup(app.kill)
        with Peer(app.connect) as p, Peer(app.connect) as idle:
            self.assertEqual(idle.ask().status, 200)
            slow = p.request(path="/slow/3000")
            p.send(frame(wire.PING, 0, 0, b"12345678"))
            p.until(lambda: p.acks)  # what was sent before has been read, too
            app.process.terminate()
            p.until(lambda: p.goaways)
            self.assertEqual(p.goaways[0], (0x7fffffff, wire.NO_ERROR))
            self.assertEqual(p.wait(slow).status, 200)
            self.assertEqual(p.end(), wire.NO_ERROR)
            self.assertEqual(p.goaways[-1], (slow, wire.NO_ERROR))
            self.assertEqual(idle.end(), wire.NO_ERROR)
        self.assertEqual(app.process.wait(60), 0)

    def test_a_tunnel_is_reset_while_its_callback_is_busy(self):
        app = App("ws.c")
        self.addCleanup(app.kill)
        with Peer(app.connect) as p:
            ws = Socket(p, "/callbacks")
            ws.send(b"!nap")
            self.assertEqual(ws.receive(), (1, b"before"))
            app.process.terminate()
            self.assertEqual(ws.receive()[0], 8)
            p.send(frame(wire.RST_STREAM, 0, ws.stream, wire.CANCEL.to_bytes(4, "big")))
            app.process.wait(60)


class Socket:
    """A WebSocket in a stream (RFC 8441)."""

    def __init__(self, peer, path, headers=()):
        self.peer, self.rest = peer, b""
        peer.until(lambda: 8 in peer.settings)
        assert peer.settings[8] == 1
        self.stream = peer.request("CONNECT", path, [("sec-websocket-version", "13"), *headers], end=False, protocol="websocket")
        peer.until(lambda: self.answer.headers is not None or self.answer.reset is not None)

    @property
    def answer(self):
        return self.peer.answer(self.stream)

    def send(self, data, opcode=1, end=False):
        head = bytes([0x80 | opcode]) + (bytes([0x80 | len(data)]) if len(data) < 126 else b"\xfe" + len(data).to_bytes(2, "big"))
        masked = head + b"\0\0\0\0" + data
        for i in range(0, len(masked), 16384):
            self.peer.send(frame(wire.DATA, 0, self.stream, masked[i:i + 16384]))
        if end:
            self.peer.send(frame(wire.DATA, wire.END_STREAM, self.stream))

    def receive(self):
        def need(n):
            self.peer.until(lambda: len(self.answer.body) >= n)
            return self.answer.body
        body = need(2)
        at, n = 2, body[1]
        if n == 126:
            at, n = 4, int.from_bytes(need(4)[2:4], "big")
        elif n == 127:
            at, n = 10, int.from_bytes(need(10)[2:10], "big")
        body = need(at + n)
        self.answer.body = body[at + n:]
        return body[0] & 15, body[at:at + n]


@unittest.skipUnless(wire.hpack, "hpack is not there; it comes with: scripts/setup test")
class WebSocket(ServerTest):
    app_source = "ws.c"

    def peer(self, **options):
        return Peer(self.app.connect, **options)

    def test_both_forms(self):
        for path in ("/loop", "/callbacks"):
            with self.subTest(path), self.peer() as p:
                ws = Socket(p, path)
                self.assertEqual(ws.answer.status, 200)
                for size in (0, 5, 125, 126, 40000):
                    ws.send(b"x" * size, 2)
                    self.assertEqual(ws.receive(), (2, b"x" * size))
                others = [Socket(p, path) for _ in range(50)]
                for i, other in enumerate(others):
                    other.send(b"%d" % i)
                for i, other in enumerate(others):
                    self.assertEqual(other.receive(), (1, b"%d" % i))
                ws.send(b"!many")
                for _ in range(200):
                    self.assertEqual(len(ws.receive()[1]), 100000)
                self.assertEqual(ws.receive(), (1, b"done"))
                ws.send(b"\x03\xe8bye", 8)
                self.assertEqual(ws.receive(), (8, b"\x03\xe8"))
                p.until(lambda: ws.answer.ended)
                others[0].send(b"still here")
                self.assertEqual(others[0].receive(), (1, b"still here"))
                p.send(frame(wire.RST_STREAM, 0, others[1].stream, wire.CANCEL.to_bytes(4, "big")))
                others[2].send(b"me too", end=True)
                self.assertEqual(others[2].receive(), (1, b"me too"))

    def test_the_handler_ends_before_what_it_sent_has_gone(self):
        with self.peer() as p:
            for _ in range(3):
                ws = Socket(p, "/once")
                ws.send(b"x" * 40000, 2)
                self.assertEqual(ws.receive(), (2, b"x" * 40000))
                self.assertEqual(ws.receive()[0], 8)

    def test_what_was_not_read_gives_its_window_back(self):
        """That of the connection, when a stream is reset whose WebSocket waits for the peer."""
        with self.peer(window=False) as p:
            for _ in range(5):
                many = [Socket(p, "/callbacks") for _ in range(8)]
                for ws in many:
                    ws.send(b"!many")
                p.quiet(0.1)
                for ws in many:
                    ws.send(b"x" * 50000)
                    p.send(frame(wire.RST_STREAM, 0, ws.stream, wire.CANCEL.to_bytes(4, "big")))
                p.quiet(0.1)
                self.assertEqual(p.goaways, [])
            p.window = True
            p.send(frame(wire.WINDOW_UPDATE, 0, 0, (1 << 20).to_bytes(4, "big")))
            self.assertEqual(p.ask(path="/stats").status, 200)

    def test_refusals(self):
        with self.peer() as p:
            p.until(lambda: 8 in p.settings)
            self.assertEqual(Socket(p, "/nowhere").answer.status, 404)
            self.assertEqual(p.ask("CONNECT", "/loop", protocol="other", end=False).status, 501)
            self.assertEqual(p.ask("GET", "/loop").status, 426)


if __name__ == "__main__":
    unittest.main()
