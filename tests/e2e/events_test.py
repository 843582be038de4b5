"""Server-sent events: streams of handlers and topics, against raw sockets and real clients."""
import json
import os
import resource
import socket
import struct
import subprocess
import time
import unittest

import http2_wire as wire
from http2_wire import Peer, frame
from support import App, ServerTest, need, short_deadlines


def wait_for(condition, seconds=60):
    end = time.time() + seconds
    while time.time() < end:
        if condition():
            return True
        time.sleep(0.02)
    return False


def dechunk(data):
    """The text of as many whole chunks as are there, and whether the last one is."""
    text = b""
    while True:
        size, found, rest = data.partition(b"\r\n")
        if not found:
            return text, False
        n = int(size, 16)
        if n == 0:
            return text, rest.startswith(b"\r\n")
        if len(rest) < n + 2:
            return text, False
        assert rest[n:n + 2] == b"\r\n"
        text, data = text + rest[:n], rest[n + 2:]


class Stream:
    """A peer that reads events."""

    def __init__(self, app, path, headers=(), version="1.1", method="GET"):
        self.socket = app.connect()
        head = f"{method} {path} HTTP/{version}\r\nhost: test\r\n" + "".join(f"{h}\r\n" for h in headers)
        self.socket.sendall(head.encode() + b"\r\n")
        self.raw = b""
        while b"\r\n\r\n" not in self.raw:
            data = self.socket.recv(65536)
            assert data, "no head"
            self.raw += data
        head, _, self.raw = self.raw.partition(b"\r\n\r\n")
        self.head = head.decode()
        self.chunked = "transfer-encoding: chunked" in self.head
        self.closed = False

    def text(self):
        return (dechunk(self.raw)[0] if self.chunked else self.raw).decode()

    def ended(self):
        return dechunk(self.raw)[1]

    def until(self, condition, seconds=60):
        """Reads until condition(text), or the end; the text."""
        self.socket.settimeout(seconds)
        while not condition(self.text()) and not self.closed:
            data = self.socket.recv(65536)
            self.closed = not data
            self.raw += data
        return self.text()

    def events(self, count, seconds=60):
        self.until(lambda text: text.count("\n\n") >= count, seconds)
        return [block for block in self.text().split("\n\n") if block]

    def data(self, count):
        """The data of the events so far, at least `count`."""
        self.until(lambda text: text.count("data: ") >= count and text.endswith("\n\n"))
        return [line[6:] for line in self.text().split("\n") if line.startswith("data: ")]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()


class EventsTest(ServerTest):
    app_source = "events.c"

    def stats(self, app=None):
        request = b"GET /stats HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"
        return json.loads(self.exchange(request, app=app).body)

    def send(self, text, app=None):
        body = text.encode()
        r = self.exchange(b"POST /send HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body), app=app)
        self.assertEqual(r.status, 204)

    def post(self, path, app=None):
        r = self.exchange(f"POST {path} HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n".encode(), app=app)
        self.assertEqual(r.status, 200)
        return r.body

    def wait_stats(self, seconds=60, app=None, **wanted):
        ok = wait_for(lambda: all(self.stats(app)[k] == v for k, v in wanted.items()), seconds)
        self.assertTrue(ok, f"{self.stats(app)}, wanted {wanted}")

    def setUp(self):
        self.wait_stats(streams=0, listeners=0, handlers=0)


class Handler(EventsTest):
    """Streams in a handler's fiber."""

    def test_wire_form(self):
        with Stream(self.app, "/parts", ["Last-Event-ID: 41"]) as s:
            self.assertIn("content-type: text/event-stream", s.head)
            self.assertIn("cache-control: no-cache", s.head)
            self.assertIn("x-accel-buffering: no", s.head)
            text = s.until(lambda _: s.ended())
            self.assertEqual(text, ": hello\n: there\n\n"
                             "event: first\nid: 7\nretry: 1500\ndata: one\ndata: two\ndata: three\ndata: \ndata: four\n\n"
                             'data: {"n":3,"text":"a\\nb"}\n\n'
                             "event: empty\ndata: \n\n"
                             "data: 41\n\n"
                             "data: " + "x" * 100000 + "\n\n")
            # The connection is there for the next request.
            s.socket.sendall(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
            self.assertTrue(s.socket.recv(100).startswith(b"HTTP/1.1 200"))

    def test_is_not_compressed(self):
        for path in ("/ticks/10", "/welcome"):
            with Stream(self.app, path, ["Accept-Encoding: gzip, br"]) as s:
                self.assertNotIn("content-encoding", s.head)
                s.events(1)
                self.assertIn("data: ", s.text())

    def test_http_1_0_and_head(self):
        with Stream(self.app, "/ticks/10", version="1.0") as s:
            self.assertFalse(s.chunked)
            self.assertEqual(s.events(3)[:3], ["data: 1", "data: 2", "data: 3"])
        for path in ("/ticks/10", "/silence", "/topic"):
            with Stream(self.app, "/", method="GET"):
                r = self.ask("HEAD", path)
                self.assertEqual((r.status, r.headers["content-type"]), (200, "text/event-stream"))
        # The listener of a HEAD is one that goes at once: `left` comes behind what the handler does with it.
        self.assertEqual(self.ask("HEAD", "/guest").headers["content-type"], "text/event-stream")
        self.wait_stats(came_and_left=1)

    def test_injection_is_refused(self):
        self.assertEqual(json.loads(self.ask("GET", "/mistakes").body), {"refused": 8})

    def test_the_peer_leaves(self):
        """Noticed at once, where nothing is written for an hour."""
        before = self.stats()
        for how in ("close", "reset", "half"):
            s = Stream(self.app, "/silence")
            self.wait_stats(handlers=1, streams=1)
            start = time.time()
            if how == "reset":
                s.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            if how == "half":
                s.socket.shutdown(socket.SHUT_WR)
            else:
                s.socket.close()
            self.wait_stats(handlers=0, streams=0)
            self.assertLess(time.time() - start, 10)  # no heartbeat of 15 s has told
            s.socket.close()
        self.wait_stats(canceled=before["canceled"] + 3, connections=1)
        self.assertNotIn("failed", self.app.output())

    def test_the_peer_leaves_while_it_is_slow(self):
        s = Stream(self.app, "/torrent")
        time.sleep(0.3)
        s.socket.close()
        self.wait_stats(handlers=0, streams=0, connections=1)
        self.assertNotIn("failed", self.app.output())

    def test_what_a_broken_peer_did_not_get_reaches_nobody(self):
        for path in ("/pieces", "/ticks/1"):
            for _ in range(20):
                s = Stream(self.app, path)
                s.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                s.socket.close()
                for _ in range(3):
                    self.assert_serving()

    def test_the_peer_sends_more(self):
        """Input on a stream is not read, and does no harm."""
        with Stream(self.app, "/ticks/10") as s:
            s.socket.sendall(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n" * 100)
            s.events(5)
        self.wait_stats(handlers=0, streams=0, connections=1)
        self.assert_serving()


class Topic(EventsTest):
    """Streams without a fiber."""

    def test_sends_to_all(self):
        streams = [Stream(self.app, "/topic", version=v) for v in ("1.1", "1.0", "1.1")]
        self.assertEqual(self.stats()["listeners"], 3)
        for text in ("one", "two\nlines", "three"):
            self.send(text)
        for s in streams:
            self.assertEqual(s.data(4), ["one", "two", "lines", "three"])
            self.assertEqual(s.text().count("id: "), 3)
            s.socket.close()
        self.wait_stats(listeners=0, streams=0, connections=1)

    def test_replay(self):
        self.post("/renew")
        with Stream(self.app, "/topic") as s:
            for n in range(5):
                self.send(f"n{n}")
            s.data(5)
            ids = [line[4:] for line in s.text().split("\n") if line.startswith("id: ")]
            self.assertEqual(len(set(ids)), 5)
        with Stream(self.app, "/topic", [f"Last-Event-ID: {ids[2]}"]) as s:
            self.assertEqual(s.data(2), ["n3", "n4"])
            self.send("n5")
            self.assertEqual(s.data(3), ["n3", "n4", "n5"])
        with Stream(self.app, "/topic", ["Last-Event-ID: of another run"]) as s:
            self.assertEqual(s.data(6), [f"n{n}" for n in range(6)])
        with Stream(self.app, "/topic?2") as s:
            self.assertEqual(s.data(2), ["n4", "n5"])
        with Stream(self.app, "/topic") as s:
            self.send("n6")
            self.assertEqual(s.data(1), ["n6"])
        for n in range(200):  # no more than the last 100 are kept
            self.send(f"m{n}")
        with Stream(self.app, "/topic", ["Last-Event-ID: " + ids[0]]) as s:
            self.assertEqual(s.data(100), [f"m{n}" for n in range(100, 200)])

    def test_own_events_first(self):
        with Stream(self.app, "/welcome") as s:
            text = s.until(lambda t: "somebody" in t)
            self.assertTrue(text.startswith("event: welcome\ndata: you\n\nevent: joined\nid: "), text)
            self.send("after")
            s.until(lambda t: "after" in t)

    def test_twice(self):
        with Stream(self.app, "/twice") as s:
            self.assertEqual(s.data(1), ["refused twice"])
        self.assertEqual(self.ask("GET", "/late").body, b"done")

    def test_left_is_called(self):
        before = self.stats()["left"]
        streams = [Stream(self.app, "/topic") for _ in range(20)]
        for n, s in enumerate(streams):
            if n % 2:
                s.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            s.socket.close()
        self.wait_stats(listeners=0, left=before + 20)

    def test_freed_with_listeners(self):
        streams = [Stream(self.app, "/topic") for _ in range(200)]
        self.post("/renew")
        for s in streams:
            s.until(lambda _: False)
            self.assertTrue(s.ended())
            self.assertTrue(s.text().endswith("data: the last one\n\n"))
            s.socket.close()
        self.wait_stats(streams=0, connections=1)

    def test_a_peer_that_never_reads(self):
        """It is dropped, and the others get everything."""
        before = self.stats()
        slow = Stream(self.app, "/topic")
        half = Stream(self.app, "/topic")
        with Stream(self.app, "/topic") as s:
            descriptors = self.app.descriptors()
            for _ in range(100):
                self.post("/flood/10/10000")
                s.data(10)
                s.raw = b""
            self.wait_stats(dropped=before["dropped"] + 2)
            self.assertLessEqual(self.stats()["queued"], 256 * 1024)
            self.send("still here")
            s.until(lambda t: "still here" in t)
            self.assertTrue(wait_for(lambda: self.app.descriptors() < descriptors))
        slow.socket.close()
        half.socket.close()

    def test_a_burst_drops_nobody(self):
        """Whoever sends waits for those that can take more."""
        before = self.stats()
        streams = [Stream(self.app, "/topic") for _ in range(100)]
        self.post("/flood/1100/200")  # some more than max_queue, and less than that and the kernel's buffers
        for s in streams:  # all of them well within write_deadline
            s.socket.settimeout(60)
            got = bytearray(s.raw)
            while got.count(b"data: ") < 1100:
                piece = s.socket.recv(1 << 18)
                self.assertTrue(piece)
                got += piece
        self.assertEqual(self.stats()["dropped"], before["dropped"])
        for s in streams:
            s.socket.close()

    def test_an_event_larger_than_the_queue(self):
        r = self.exchange(b"POST /send HTTP/1.1\r\nhost: a\r\ncontent-length: 300000\r\n\r\n" + b"x" * 300000)
        self.assertEqual(r.status, 413)

    def test_ten_thousand_dropped_at_once(self):
        count = 10000
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if hard != resource.RLIM_INFINITY and hard < count + 500:
            self.skipTest(f"needs {count + 500} descriptors, the hard limit is {hard}")
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, count + 500), hard))
        left = self.stats()["left"]
        descriptors, before = self.app.descriptors(), self.app.rss()
        streams = []
        for _ in range(count):
            s = socket.create_connection(("127.0.0.1", self.app.port))
            s.sendall(b"GET /topic HTTP/1.1\r\nhost: a\r\n\r\n")
            streams.append(s)
        self.wait_stats(listeners=count)
        each = (self.app.rss() - before) * 1024 / count
        print(f"{each:.0f} bytes of process memory for a listener")
        self.assertLess(each, 1024)
        self.send("to everybody")
        for s in streams:
            s.settimeout(60)
            data = b""
            while b"to everybody" not in data:
                data += s.recv(4096)
        with Stream(self.app, "/ticks/10") as other:  # is served meanwhile
            for s in streams:
                s.close()
            other.events(5)
        self.wait_stats(listeners=0, left=left + count, connections=1)
        self.assertTrue(wait_for(lambda: self.app.descriptors() <= descriptors + 1))
        self.assert_serving()


class Deadlines(EventsTest):
    app_args = ("short",)

    def test_heartbeats(self):
        """A silent stream gets comments, and handler_deadline (0.5 s) does not end it."""
        for path in ("/silence", "/topic"):
            for version in ("1.1", "1.0"):
                start = time.time()
                with Stream(self.app, path, version=version) as s:
                    self.assertEqual(s.events(4)[:4], [":"] * 4)
                    self.assertGreater(time.time() - start, 1.1)

    @short_deadlines
    def test_no_heartbeat_where_events_flow(self):
        with Stream(self.app, "/ticks/20") as s:
            self.assertNotIn(":", [block[:1] for block in s.events(50)])

    def test_a_peer_that_never_reads(self):
        """write_deadline (1 s) ends both forms."""
        before = self.stats()
        with Stream(self.app, "/torrent"), Stream(self.app, "/topic"):
            for _ in range(8):
                self.post("/flood/20/100000")
            self.wait_stats(handlers=0, streams=0)
        self.assertGreater(self.stats()["timed_out"] + self.stats()["dropped"], before["timed_out"] + before["dropped"])


@unittest.skipUnless(wire.hpack, "hpack is not there; it comes with: scripts/setup test")
class Http2Deadlines(EventsTest):
    app_args = ("short",)

    def test_heartbeats(self):
        with Peer(self.app.connect) as p:
            streams = [p.request(path=path) for path in ("/silence", "/topic")]
            for stream in streams:
                p.until(lambda s=stream: p.answer(s).body.count(b":\n\n") >= 4 or p.answer(s).ended)
                self.assertGreaterEqual(p.answer(stream).body.count(b":\n\n"), 4)


class Stopping(EventsTest):
    def test_graceful_stop_ends_the_streams(self):
        app = App("events.c")
        try:
            streams = [Stream(app, path) for path in ("/silence", "/ticks/20", "/topic", "/welcome") for _ in range(50)]
            start = time.time()
            app.process.terminate()
            for s in streams:
                s.until(lambda _: False)
                self.assertTrue(s.ended(), s.raw[-100:])
                s.socket.close()
            self.assertEqual(app.process.wait(60), 0, app.output())
            self.assertLess(time.time() - start, 15)  # drain_deadline is 20 s
        finally:
            app.kill()

    def test_a_peer_that_never_reads_does_not_hold_it(self):
        app = App("events.c")
        try:
            with Stream(app, "/topic"), Stream(app, "/torrent"):
                self.post("/flood/100/10000", app=app)
                self.assertIn(app.stop(), (0, 6), app.output())
        finally:
            app.kill()


@unittest.skipUnless(wire.hpack, "hpack is not there; it comes with: scripts/setup test")
class Http2(EventsTest):
    """The same streams, many to a connection."""

    def until(self, peer, stream, text):
        answer = peer.answer(stream)
        peer.until(lambda: text in answer.body or answer.ended or answer.reset is not None)
        self.assertTrue(text in answer.body, f"{text} is not in {answer.body[-200:]}")

    def test_a_handler_and_a_topic(self):
        with Peer(self.app.connect) as p:
            answer = p.ask(path="/parts", headers=[("last-event-id", "41")])
            self.assertEqual((answer.status, answer.headers["content-type"]), (200, "text/event-stream"))
            self.assertNotIn("content-length", answer.headers)
            self.assertTrue(answer.body.startswith(b": hello\n: there\n\nevent: first\nid: 7\nretry: 1500\ndata: one\n"), answer.body[:100])
            self.assertTrue(answer.body.endswith(b"data: 41\n\ndata: " + b"x" * 100000 + b"\n\n"))
            welcome = p.request(path="/welcome")
            self.until(p, welcome, b"event: joined\nid: ")
            ticks, topics = p.request(path="/ticks/10"), [p.request(path="/topic") for _ in range(50)]
            self.wait_stats(listeners=51, handlers=1)
            self.send("to everybody")
            for stream in [welcome, *topics]:
                self.until(p, stream, b"data: to everybody\n\n")
            self.until(p, ticks, b"data: 5\n\n")
            # Who resets has left; the others stay.
            left = self.stats()["left"]
            for stream in [ticks, *topics[:20]]:
                p.send(frame(wire.RST_STREAM, 0, stream, wire.CANCEL.to_bytes(4, "big")))
            self.wait_stats(listeners=31, handlers=0, left=left + 20)
            self.send("to some")
            for stream in [welcome, *topics[20:]]:
                self.until(p, stream, b"data: to some\n\n")
            self.assertEqual(p.ask().status, 200)
        self.wait_stats(listeners=0, left=left + 50, streams=0)

    def test_recent_events(self):
        with Peer(self.app.connect) as p:
            first = p.request(path="/topic")
            self.wait_stats(listeners=1)
            for i in range(5):
                self.send(f"recent {i}")
            self.until(p, first, b"recent 4")
            again = p.request(path="/topic?3")
            self.until(p, again, b"recent 4")
            self.assertEqual(p.answer(again).body.count(b"data: recent"), 3)

    def test_a_window_that_is_shut(self):
        """It holds its own stream back, and neither the connection nor the topic."""
        before = self.stats()["dropped"]
        with Peer(self.app.connect, settings=struct.pack(">HI", 4, 1000), window=False) as p:
            shut, torrent, other = p.request(path="/topic"), p.request(path="/torrent"), Peer(self.app.connect)
            with other:
                open_ = other.request(path="/topic")
                self.wait_stats(listeners=2)
                for sent in range(2, 202, 2):  # who reads keeps up
                    self.post("/flood/2/10000")
                    other.until(lambda: other.answer(open_).body.count(b"\n\n") >= sent or other.answer(open_).ended)
                    self.assertEqual(other.answer(open_).body.count(b"\n\n"), sent)
                self.assertGreater(self.stats()["dropped"], before)
            small = p.request(path="/")
            p.until(lambda: p.answer(small).ended)
            self.assertEqual(p.answer(small).status, 200)
            self.assertLessEqual(len(p.answer(torrent).body), 1000)
            self.assertLessEqual(len(p.answer(shut).body), 1000)

    def test_a_stop_ends_them(self):
        app = App("events.c")
        self.addCleanup(app.kill)
        with Peer(app.connect) as p:
            streams = [p.request(path=path) for path in ("/silence", "/ticks/20", "/topic", "/welcome") for _ in range(10)]
            self.wait_stats(app=app, listeners=20, handlers=20)
            app.process.terminate()
            p.wait(*streams)
            for stream in streams:
                self.assertTrue(p.answer(stream).ended and p.answer(stream).reset is None)
            self.assertEqual(p.end(), wire.NO_ERROR)
        self.assertEqual(app.process.wait(60), 0, app.output())

    @need("curl")
    def test_curl(self):
        curl = subprocess.Popen(["curl", "-sN", "--http2-prior-knowledge", f"http://127.0.0.1:{self.app.port}/topic"], stdout=subprocess.PIPE)
        try:
            self.wait_stats(listeners=1)
            self.send("to curl")
            self.assertTrue(curl.stdout.readline().startswith(b"id: "))
            self.assertEqual(curl.stdout.readline(), b"data: to curl\n")
        finally:
            curl.kill()
            curl.wait()
            curl.stdout.close()
        self.wait_stats(listeners=0)


class Clients(EventsTest):
    @need("curl")
    def test_curl(self):
        curl = subprocess.Popen(["curl", "-sN", f"http://127.0.0.1:{self.app.port}/topic"], stdout=subprocess.PIPE)
        try:
            self.wait_stats(listeners=1)
            self.send("to curl")
            self.assertTrue(curl.stdout.readline().startswith(b"id: "))
            self.assertEqual(curl.stdout.readline(), b"data: to curl\n")
        finally:
            curl.kill()
            curl.wait()
            curl.stdout.close()
        self.wait_stats(listeners=0)

    @need("node")
    def test_node_fetch(self):
        script = """
            const r = await fetch(process.argv[1]);
            let text = "";
            for await (const piece of r.body.pipeThrough(new TextDecoderStream())) {
                text += piece;
                if (text.includes("data: 5\\n\\n")) break;
            }
            console.log(r.headers.get("content-type"), text.startsWith("data: 1\\n\\ndata: 2\\n\\n"));
        """
        out = subprocess.run(["node", "--input-type=module", "-e", script, f"http://127.0.0.1:{self.app.port}/ticks/5"],
                             capture_output=True, timeout=120)
        self.assertEqual(out.stdout, b"text/event-stream true\n", out.stderr)
        self.wait_stats(handlers=0)


# Only its heirs are to run.
del ServerTest

if __name__ == "__main__":
    unittest.main()
