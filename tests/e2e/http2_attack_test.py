"""Attacks on HTTP/2: each is refused as it should be, others are served, nothing stays behind."""
import os
import time
import unittest

import http2_wire as wire
from http2_wire import Peer, frame
from support import ServerTest, short_deadlines, with_time

CANCEL = wire.CANCEL.to_bytes(4, "big")


@unittest.skipUnless(wire.hpack, "hpack is not there; it comes with: scripts/setup test")
class Attacks(ServerTest):
    MEMORY = 6000  # KiB that an attack may leave behind, of pools and fragments

    def peer(self, **options):
        return Peer(self.app.connect, **options)

    def setUp(self):
        with self.peer() as p:
            p.ask()
        self.settled(0)
        self.before = self.app.descriptors(), self.app.rss()

    def settled(self, most):
        """Descriptors are back."""
        end = time.time() + 60
        while time.time() < end:
            self.last = self.app.descriptors()
            if self.last <= most:
                break
            time.sleep(0.02)
            most = most or self.last
        return self.last

    def tearDown(self):
        with self.peer() as p:
            self.assertEqual(p.ask().status, 200)
        self.assertLessEqual(self.settled(self.before[0]), self.before[0])
        end = time.time() + 60  # handlers may be about to end
        while self.app.rss() - self.before[1] >= self.MEMORY and time.time() < end:
            time.sleep(0.05)
        self.assertLess(self.app.rss() - self.before[1], self.MEMORY)

    def flood(self, p, data, most, code=wire.ENHANCE_YOUR_CALM):
        """Sends it again and again: the connection ends, with that error, before it has been sent so often."""
        sent = 0
        other = self.peer()
        try:
            while sent < most:
                p.send(data(sent) if callable(data) else data)
                sent += 1
                if sent % 50 == 0:
                    p.quiet(0.001)
                    if p.closed:
                        break
        except ConnectionError:
            pass
        try:
            p.socket.settimeout(60)
            found = p.end()
        except ConnectionError:
            found = p.goaways[-1][1] if p.goaways else None
        self.assertLess(sent, most)
        if found is not None:  # a reset may overtake it
            self.assertEqual(found, code)
        with other:
            self.assertEqual(other.ask().status, 200)

    def test_rapid_reset(self):
        """CVE-2023-44487"""
        with self.peer() as p:
            def request_and_reset(n):
                return p.head(2 * n + 1, path="/slow/10") + frame(wire.RST_STREAM, 0, 2 * n + 1, CANCEL)
            self.flood(p, request_and_reset, 5000)

    def test_resets_do_not_multiply_handlers(self):
        with_time(self.resets_do_not_multiply_handlers, (1, 4))

    def resets_do_not_multiply_handlers(self, scale):
        with self.peer() as p:
            reset = b"".join(p.head(2 * n + 1, path=f"/slow/{5000 * scale}") + frame(wire.RST_STREAM, 0, 2 * n + 1, CANCEL) for n in range(200))
            p.send(reset)
            p.next = 401
            stream = p.request()
            self.assertEqual(p.wait(stream).reset, wire.REFUSED_STREAM)
            end = time.time() + 60  # until those have ended
            while (answer := p.ask()).reset == wire.REFUSED_STREAM and time.time() < end:
                time.sleep(0.5)
            self.assertEqual(answer.status, 200)

    def test_made_you_reset(self):
        """CVE-2025-8671: resets that the server is made to send."""
        for bad in (lambda s: frame(wire.WINDOW_UPDATE, 0, s, b"\x7f\xff\xff\xff"), lambda s: frame(wire.PRIORITY, 0, s, b"\0" * 4)):
            with self.subTest(), self.peer() as p:
                def make(n):
                    return p.head(2 * n + 1, path="/slow/50") + bad(2 * n + 1)
                try:
                    self.flood(p, make, 5000)
                except AssertionError:
                    self.assertIn(p.goaways[-1][1], (wire.FRAME_SIZE_ERROR, wire.PROTOCOL_ERROR))

    def test_continuation_flood(self):
        """CVE-2024-28182 and its like."""
        with self.peer() as p:
            p.send(frame(wire.HEADERS, 0, 1, p.block()))
            self.flood(p, frame(wire.CONTINUATION, 0, 1, p.encoder.encode([("x", "y" * 1000)])), 1000)

    def test_floods(self):
        for name, data in (("SETTINGS", frame(wire.SETTINGS, 0, 0, b"\0\3\0\0\0\1")), ("empty SETTINGS", frame(wire.SETTINGS)),
                           ("PING", frame(wire.PING, 0, 0, b"12345678")), ("PRIORITY", frame(wire.PRIORITY, 0, 1, b"\0\0\0\0\1")),
                           ("PRIORITY_UPDATE", frame(wire.PRIORITY_UPDATE, 0, 0, b"\0\0\0\1u=1")), ("unknown", frame(0x42)),
                           ("WINDOW_UPDATE", frame(wire.WINDOW_UPDATE, 0, 0, b"\0\0\0\1"))):
            with self.subTest(name), self.peer() as p:
                self.flood(p, data * 10, 3000)

    def test_empty_frames(self):
        with self.peer() as p:
            stream = p.request("POST", "/whole", end=False)
            self.flood(p, frame(wire.DATA, 0, stream) * 10, 3000)
        with self.peer() as p:
            p.send(frame(wire.HEADERS, 0, 1, p.block()))
            self.flood(p, frame(wire.CONTINUATION, 0, 1), 1000)

    def test_windows_that_open_by_a_byte(self):
        with self.peer(window=False, settings=b"\0\4\0\0\0\0") as p:
            stream = p.request(path="/big")
            for _ in range(200):
                p.send(frame(wire.WINDOW_UPDATE, 0, stream, b"\0\0\0\1"))
            p.until(lambda: len(p.answer(stream).body) >= 200)
            p.quiet()
            self.assertEqual(len(p.answer(stream).body), 200)

    def test_header_bomb(self):
        """A field of the table, again and again: a byte becomes thousands."""
        with self.peer() as p:
            value = "b" * 3900
            block = p.block(headers=[("bomb", value)])
            p.send(frame(wire.HEADERS, wire.END_HEADERS | wire.END_STREAM, 1, block))
            again = p.encoder.encode([("bomb", value)])
            self.assertLess(len(again), 3)
            self.assertEqual(p.wait(1).status, 200)
            p.send(frame(wire.HEADERS, wire.END_HEADERS | wire.END_STREAM, 3, p.block() + again * 16000))
            self.assertEqual(p.end(), wire.ENHANCE_YOUR_CALM)

    def test_pseudo_headers(self):
        """Those that come twice, too late, empty, or where they have no place: no handler sees such a request."""
        good = [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "test")]
        with self.peer() as p:
            p.send(frame(wire.HEADERS, wire.END_HEADERS | wire.END_STREAM, 1, p.encoder.encode(good)))
            self.assertEqual(p.wait(1).status, 200)
        rows = [good + [field] for field in good]
        rows += [good[:3] + [("x", "y"), good[3]], [("x", "y")] + good]
        rows += [good[:2] + [(":path", "")] + good[3:], good + [(":unknown", "x")], good + [(":status", "200")], good + [(":protocol", "websocket")],
                 good[:2] + [(":path", "*")] + good[3:], [(":method", "CONNECT")] + good[1:], [(":method", "GE T")] + good[1:],
                 [(":method", "")] + good[1:], good[:1] + [(":scheme", "ht tp")] + good[2:], good[:3] + [(":authority", "user@test")]]
        for fields in rows:
            with self.subTest(fields), self.peer() as p:
                p.send(frame(wire.HEADERS, wire.END_HEADERS | wire.END_STREAM, 1, p.encoder.encode(fields)))
                answer = p.wait(1)
                refused = answer.headers is not None and answer.status in (400, 501)
                self.assertTrue(refused or wire.PROTOCOL_ERROR in (answer.reset, p.goaways and p.goaways[-1][1]), answer.headers)
        # In trailers they have no place at all.
        for name in (":path", ":status"):
            with self.subTest(name), self.peer() as p:
                stream = p.request("POST", "/whole", end=False)
                p.send(frame(wire.HEADERS, wire.END_HEADERS | wire.END_STREAM, stream, p.encoder.encode([(name, "/")])))
                self.assertIn(wire.PROTOCOL_ERROR, (p.wait(stream).reset, p.goaways and p.goaways[-1][1]))

    def test_malformed_hpack(self):
        """CVE-2025-59465"""
        for block in (b"\xff" * 20, b"\x80", b"\x40\x0aabc", b"\x3f\xff\xff\xff\xff\x0f", os.urandom(100)):
            with self.subTest(block[:8]), self.peer() as p:
                p.send(frame(wire.HEADERS, wire.END_HEADERS | wire.END_STREAM, 1, block))
                p.until(lambda: p.goaways or p.answer(1).reset is not None)
                self.assertIn(p.goaways[-1][1] if p.goaways else p.answer(1).reset, (wire.COMPRESSION_ERROR, wire.PROTOCOL_ERROR))

    def test_window_of_the_connection(self):
        """CVE-2026-21714: too large a window ends the connection, and leaves nothing."""
        for _ in range(50):
            with self.peer() as p:
                p.request(path="/pieces")
                p.send(frame(wire.WINDOW_UPDATE, 0, 0, b"\x7f\xff\xff\xff") * 2)
                self.assertEqual(p.end(), wire.FLOW_CONTROL_ERROR)

    def test_settings_out_of_range(self):
        for payload, code in ((b"\0\4\xff\xff\xff\xff", wire.FLOW_CONTROL_ERROR), (b"\0\5\0\0\0\1", wire.PROTOCOL_ERROR),
                              (b"\0\2\0\0\0\2", wire.PROTOCOL_ERROR), (b"\0\1\0", wire.FRAME_SIZE_ERROR),
                              (b"\0\x20\0\0\0\0" * 100, wire.ENHANCE_YOUR_CALM)):
            with self.subTest(payload[:6]), self.peer() as p:
                p.send(frame(wire.SETTINGS, 0, 0, payload))
                self.assertEqual(p.end(), code)

    def test_more_streams_than_are_allowed(self):
        with_time(self.more_streams_than_are_allowed)

    def more_streams_than_are_allowed(self, scale):
        def requests(p):  # by one write: a connection that is ended while it is sent to takes what it said with it
            p.send(b"".join(p.head(2 * n + 1, path=f"/slow/{300 * scale}") for n in range(200)))
        with self.peer() as p:  # one that has been told
            p.until(lambda: 3 in p.settings)
            requests(p)
            self.assertEqual(p.end(), wire.PROTOCOL_ERROR)
        with self.peer() as p:  # one that can't know yet
            requests(p)
            streams = range(1, 401, 2)
            p.wait(*streams)
            self.assertEqual(sum(p.answer(s).reset == wire.REFUSED_STREAM for s in streams), 72)
            self.assertEqual(sum(p.answer(s).reset is None and p.answer(s).status == 200 for s in streams), 128)

    def test_large_frame(self):
        with self.peer() as p:
            stream = p.request("POST", "/whole", end=False)
            p.send(frame(wire.DATA, 0, stream, b"x" * 16385))
            self.assertEqual(p.end(), wire.FRAME_SIZE_ERROR)

    def test_more_than_the_window(self):
        with_time(self.more_than_the_window)

    def more_than_the_window(self, scale):
        with self.peer() as p:
            stream = p.request("GET", f"/slow/{2000 * scale}", end=False)  # does not read it, so that no more is allowed meanwhile
            try:
                for _ in range(200):
                    p.send(frame(wire.DATA, 0, stream, b"x" * 16384))
                found = p.end()
            except ConnectionError:
                found = p.goaways[-1][1] if p.goaways else None
            self.assertIn(found, (wire.FLOW_CONTROL_ERROR, None))

    def test_random_bytes(self):
        for n in range(100):
            with self.peer() as p:
                try:
                    p.send(os.urandom(300))
                    p.socket.shutdown(1)
                    p.end()
                except ConnectionError:
                    pass


@unittest.skipUnless(wire.hpack, "hpack is not there; it comes with: scripts/setup test")
class Slow(ServerTest):
    """Peers that take their time, against short deadlines."""

    app_args = ("short",)

    def peer(self, **options):
        return Peer(self.app.connect, **options)

    @short_deadlines
    def test_idle(self):
        with self.peer() as p:
            self.assertEqual(p.ask().status, 200)
            self.assertEqual(p.end(), wire.NO_ERROR)

    @short_deadlines
    def test_pings_do_not_keep_it(self):
        with self.peer() as p:
            end = time.time() + 60
            try:
                while time.time() < end and not p.closed:
                    p.send(frame(wire.PING, 0, 0, b"12345678"))
                    p.quiet(0.05)
            except ConnectionError:
                p.closed = True
            self.assertTrue(p.closed)

    @short_deadlines
    def test_slow_head(self):
        with self.peer() as p:
            p.quiet(0.1)
            p.send(frame(wire.HEADERS, wire.END_STREAM, 1, p.block()))
            self.assertEqual(p.end(), wire.ENHANCE_YOUR_CALM)
        with self.peer() as p:
            p.quiet(0.1)
            p.send(frame(wire.HEADERS, wire.END_HEADERS | wire.END_STREAM, 1, p.block())[:12])
            self.assertEqual(p.end(), wire.ENHANCE_YOUR_CALM)

    @short_deadlines
    def test_a_head_that_is_refused_is_not_waited_for(self):
        with self.peer() as p:
            self.assertEqual(p.wait(p.request(headers=[("bad name", "x")])).reset, wire.PROTOCOL_ERROR)
            self.assertEqual(p.end(), wire.NO_ERROR)

    @short_deadlines
    def test_slow_body(self):
        with self.peer() as p:
            stream = p.request("POST", "/whole", end=False)
            self.assertIn(p.wait(stream).status, (408, 503))

    @short_deadlines
    def test_slow_reader(self):
        """A window that never opens: of a handler's answer, and of one that has no handler any more."""
        with self.peer(window=False, settings=b"\0\4\0\0\0\0") as p:
            big, small = p.request(path="/big"), p.request()
            p.wait(big, small)
            self.assertEqual((p.answer(big).reset, p.answer(small).reset), (wire.CANCEL, wire.CANCEL))

    @short_deadlines
    def test_peer_that_reads_nothing(self):
        before = self.app.descriptors()
        with self.app.connect() as s:
            s.sendall(wire.PREFACE + frame(wire.SETTINGS, 0, 0, b"\0\4\x7f\xff\xff\xff") +
                      frame(wire.WINDOW_UPDATE, 0, 0, b"\x7f\x00\x00\x00") +
                      frame(wire.HEADERS, 5, 1, wire.hpack.Encoder().encode(
                          [(":method", "GET"), (":scheme", "http"), (":path", "/big"), (":authority", "a")])))
            end = time.time() + 60
            time.sleep(0.3)
            while self.app.descriptors() > before and time.time() < end:
                time.sleep(0.05)
            self.assertLessEqual(self.app.descriptors(), before)

    @short_deadlines
    def test_handler_deadline(self):
        with self.peer() as p:
            slow = p.request(path="/slow/5000")
            self.assertEqual(p.wait(slow).status, 503)


if __name__ == "__main__":
    unittest.main()
