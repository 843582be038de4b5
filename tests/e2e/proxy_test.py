#!/usr/bin/env python3
"""The reverse proxy as a whole program, before servers that are not ours: NEXUS=path/to/nexus python3 tests/e2e/proxy_test.py [-k name]."""
import http.client
import json
import os
import shutil
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
from proxied import EXAMPLE, Base
from support import NEXUS, App, free_port


class Proxy(Base):
    def test_through(self):
        u = self.upstream("one")
        app = self.proxy(u.url)
        r, body = self.ask(app, "/a%20b?c=d", headers={"X-Forwarded-For": "6.6.6.6", "X-Own": "1", "Connection": "x-hop", "X-Hop": "1"})
        self.assertEqual(r.status, 200)
        self.assertIsNone(r.getheader("x-private"))
        said = json.loads(body)
        self.assertEqual((said["method"], said["path"]), ("GET", "/a%20b?c=d"))
        headers = said["headers"]
        self.assertEqual(headers["x-forwarded-for"], "127.0.0.1")
        self.assertEqual(headers["x-forwarded-host"], f"127.0.0.1:{app.port}")
        self.assertEqual(headers["x-own"], "1")
        self.assertNotIn("x-hop", headers)
        r, body = self.ask(app, "/echo", "POST", b"x" * 100000)
        self.assertEqual(body, b"x" * 100000)
        r, body = self.ask(app, "/", "HEAD")
        self.assertEqual((r.status, body), (200, b""))
        self.assertGreater(int(r.getheader("content-length")), 0)
        self.assertEqual(self.ask(app, "/proxy")[1], b"the proxy is here\n")
        self.assertEqual(app.stop(), 0)

    def test_one_goes_and_comes_back(self):
        one, two = self.upstream("one"), self.upstream("two")
        app = self.proxy(one.url, two.url)
        names = {json.loads(self.ask(app)[1])["name"] for _ in range(6)}
        self.assertEqual(names, {"one", "two"})
        self.closing.remove(two.close)
        two.close()
        for _ in range(10):
            r, body = self.ask(app)
            self.assertEqual((r.status, json.loads(body)["name"]), (200, "one"))
        self.assertIn(f"{two.url} is down", app.output())
        self.closing.remove(one.close)
        one.close()
        statuses = {self.ask(app)[0].status for _ in range(6)}
        self.assertLessEqual(statuses, {502, 503}, app.output())

    def test_health_checks(self):
        one, two = self.upstream("one"), self.upstream("two")
        two.well = False
        app = self.proxy(one.url, two.url, option="-c")
        self.ask(app)
        end = time.time() + 60
        while "fails its health check" not in app.output() and time.time() < end:
            time.sleep(0.05)
        self.assertIn("fails its health check", app.output())
        for _ in range(6):
            self.assertEqual(json.loads(self.ask(app)[1])["name"], "one")

    def test_bodies_are_not_held(self):
        size = 64 << 20
        got = []

        def answer(s, head):
            body = head.partition(b"\r\n\r\n")[2]
            if head.startswith(b"POST"):
                n = len(body)
                while n < size:
                    n += len(s.recv(1 << 20))
                got.append(n)
                s.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                return
            s.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
            piece = b"y" * (1 << 16)
            for _ in range(size >> 16):
                s.sendall(piece)
        app = self.proxy(self.raw(answer).url)
        self.ask(app, "/proxy")
        before = app.rss()
        peak = [0]
        done = threading.Event()

        def watch():
            while not done.is_set():
                peak[0] = max(peak[0], app.rss())
                time.sleep(0.01)
        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            r, body = self.ask(app, "/", "POST", iter([b"x" * (1 << 16)] * (size >> 16)), {"Content-Length": str(size)})
            self.assertEqual((r.status, body, got), (200, b"ok", [size]))
            # One that reads slowly to begin with: the upstream is held back.
            with app.connect(60) as s:
                s.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
                time.sleep(0.3)
                n = 0
                while True:
                    piece = s.recv(1 << 20)
                    if not piece:
                        break
                    n += len(piece)
                self.assertGreater(n, size)
        finally:
            done.set()
            watcher.join()
        self.assertLess(peak[0] - before, 16 * 1024)

    def test_bad_upstreams(self):
        ok = b"HTTP/1.1 200 OK\r\n"
        rows = [
            (ok + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 502),
            (ok + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", 502),
            (ok + b"A: b\n\r\n", 502),
            (ok + b"A: " + b"b" * 100000 + b"\r\n\r\n", 502),
            (b"garbage\r\n\r\n", 502),
            (b"", 502),
        ]
        now = [None]
        app = self.proxy(self.raw(lambda s, head: s.sendall(now[0])).url)
        for answer, status in rows:
            now[0] = answer
            with self.subTest(answer[:60]):
                r, body = self.ask(app)
                # After three of them it counts as down.
                self.assertIn(r.status, (status, 503))
                self.assertNotIn(b"127.0.0.1", body)
        self.assertEqual(self.ask(app, "/proxy")[0].status, 200)

    def test_cut_off_and_what_follows(self):
        answers = [b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
                   b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
                   b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood"]
        app = self.proxy(self.raw(lambda s, head: (s.sendall(answers.pop(0)), time.sleep(0.2))).url)
        with self.assertRaises(http.client.IncompleteRead):
            self.ask(app)
        self.assertEqual(self.ask(app)[1], b"ok", app.output())
        self.assertEqual(self.ask(app)[1], b"good", app.output())

    @unittest.skipUnless(wire.hpack, "hpack is not there; it comes with: scripts/setup test")
    def test_clients_that_give_up(self):
        """A client that resets its requests is no reason to think ill of an upstream."""
        app = self.proxy(self.upstream("one").url)
        with wire.Peer(app.connect) as p:
            for _ in range(5):
                stream = p.request("POST", end=False)
                p.send(wire.frame(wire.PING, 0, 0, b"12345678"))
                p.until(lambda: p.acks.pop() if p.acks else None)
                p.send(wire.frame(wire.RST_STREAM, 0, stream, struct.pack(">I", wire.CANCEL)))
            self.assertEqual(p.ask().status, 200)
        self.assertNotIn("is down", app.output())

    def test_fields_of_the_connection(self):
        fields = b"Connection: x-one\r\nX-One: 1\r\nConnection: x-two\r\nX-Two: 2\r\nX-Three: 3\r\n"
        app = self.proxy(self.raw(lambda s, head: s.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n" + fields + b"\r\n")).url)
        r, _ = self.ask(app)
        self.assertEqual([r.getheader(name) for name in ("x-one", "x-two", "x-three")], [None, None, "3"])

    def test_smuggling_is_refused_before(self):
        seen = []
        app = self.proxy(self.raw(lambda s, head: (seen.append(head), s.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))).url)
        for fields in (b"Content-Length: 4\r\nTransfer-Encoding: chunked", b"Content-Length: 4\r\nContent-Length: 5",
                       b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", b"Transfer-Encoding : chunked"):
            with app.connect() as s:
                s.sendall(b"POST / HTTP/1.1\r\nHost: a\r\n" + fields + b"\r\n\r\n0\r\n\r\nGET /evil HTTP/1.1\r\nHost: a\r\n\r\n")
                self.assertTrue(s.recv(65536).startswith(b"HTTP/1.1 400"))
        self.assertEqual(seen, [])

    def test_upgrade(self):
        ended = []

        def echo(s, head):
            if b"upgrade: echo" not in head.lower():
                s.sendall(b"HTTP/1.1 400 Bad\r\nContent-Length: 0\r\n\r\n")
                return
            protocol = b"other" if b"/other" in head else b"echo"
            s.sendall(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: " + protocol + b"\r\nX-Accept: yes\r\n\r\nhello")
            while True:
                got = s.recv(65536)
                if not got:
                    ended.append(head)
                    return
                if got.endswith(b"bye"):
                    s.sendall(b"good bye")
                    return
                s.sendall(got)
        app = self.proxy(self.raw(echo).url)
        asked = b"GET %s HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: echo\r\n\r\n"

        def receive(s, least):
            data = b""
            while len(data) < least:
                got = s.recv(65536)
                if not got:
                    break
                data += got
            return data
        with app.connect(60) as s:
            s.sendall(asked % b"/" + b"early")
            data = b""
            while not data.endswith(b"helloearly"):
                got = s.recv(65536)
                self.assertTrue(got, data)
                data += got
            self.assertTrue(data.startswith(b"HTTP/1.1 101 "), data)
            self.assertIn(b"x-accept: yes\r\n", data.lower())
            self.assertIn(b"upgrade: echo\r\n", data.lower())
            large = os.urandom(4 << 20)
            threading.Thread(target=s.sendall, args=(large,), daemon=True).start()
            self.assertEqual(receive(s, len(large)), large)
            s.sendall(b"bye")
            self.assertEqual(receive(s, 100), b"good bye")  # and the end
        # Who leaves is missed by the upstream.
        with app.connect() as s:
            s.sendall(asked % b"/leaves")
            s.recv(1000)
        end = time.time() + 60
        while not ended and time.time() < end:
            time.sleep(0.02)
        self.assertEqual(len(ended), 1)
        # One that is not granted, and one to something else.
        with app.connect() as s:
            s.sendall(asked.replace(b"echo", b"never") % b"/")
            self.assertTrue(s.recv(65536).startswith(b"HTTP/1.1 400 "))
        with app.connect() as s:
            s.sendall(asked % b"/other")
            self.assertTrue(s.recv(65536).startswith(b"HTTP/1.1 502 "))
        # What is open ends with the server.
        with app.connect(60) as s:
            s.sendall(asked % b"/")
            s.recv(1000)
            self.assertEqual(app.stop(), 0)
            while s.recv(1000):
                pass

    def test_grants(self):
        u = self.upstream("one")
        app = self.proxy(u.url, grant="127.0.0.1:{}")
        r, _ = self.ask(app)
        self.assertEqual(r.status, 502)
        self.assertIn(f"--allow-net=127.0.0.1:{u.port}", app.output())

    @unittest.skipUnless(shutil.which("node"), "Node is not there")
    def test_node(self):
        port = free_port()
        node = subprocess.Popen(["node", "-e", """
            require("http").createServer((req, res) => {
                res.writeHead(200, {trailer: "x-count"});
                let n = 0;
                req.on("data", d => { n += d.length; });
                req.on("end", () => { res.write("some "); setTimeout(() => { res.addTrailers({"x-count": String(n)}); res.end("text"); }, 50); });
            }).listen(%d, "127.0.0.1");""" % port])
        self.closing.append(lambda: (node.kill(), node.wait()))
        end = time.time() + 60
        while time.time() < end:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                time.sleep(0.05)
        app = self.proxy(f"http://127.0.0.1:{port}")
        with app.connect() as s:
            s.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
            data = b""
            while True:
                got = s.recv(65536)
                if not got:
                    break
                data += got
        self.assertTrue(data.startswith(b"HTTP/1.1 200"), data)
        self.assertIn(b"x-count: 5\r\n\r\n", data)


class Tls(Base):
    """Upstreams by https."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.authority = Authority(cls.folder.name)
        cls.good = cls.authority.issue("localhost", ["DNS:localhost", "IP:127.0.0.1"])
        cls.other = cls.authority.issue("other.example")
        cls.old = cls.authority.issue("old", ["DNS:localhost"], dates=("20200101000000Z", "20210101000000Z"))
        cls.strange = Authority(cls.folder.name, "Stranger").issue("strange", ["DNS:localhost"])

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def context(self, pair, *protocols):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*pair)
        if protocols:
            context.set_alpn_protocols(protocols)
        return context

    def proxy(self, *urls, options=()):
        return self.secure_proxy(self.authority, *urls, options=options)

    def test_http1(self):
        u = self.upstream("one", tls=self.context(self.good))
        app = self.proxy(u.url)
        for _ in range(5):
            r, body = self.ask(app, "/a?b=c")
            self.assertEqual((r.status, json.loads(body)["path"]), (200, "/a?b=c"))
        self.assertEqual(json.loads(body)["headers"]["host"], f"localhost:{u.port}")
        data = os.urandom(1 << 20)
        self.assertEqual(self.ask(app, "/echo", "POST", data)[1], data)
        self.assertLessEqual(len(u.connections), 2)  # they are kept

    def test_http2(self):
        upstream = App("https.c", *self.good)
        self.closing.append(upstream.kill)
        app = self.proxy(f"https://localhost:{upstream.port}")
        said = json.loads(self.ask(app)[1])
        self.assertEqual((said["protocol"], said["name"], said["scheme"]), ("h2", "localhost", "https"))
        data = os.urandom(3 << 20)
        self.assertEqual(self.ask(app, "/echo", "POST", data)[1], data)
        self.assertEqual(len(self.ask(app, "/pieces")[1]), 4_000_000)
        # A body without a length too, and many at once.
        r, body = self.ask(app, "/upload", "POST", iter([b"a" * 1000] * 300))
        self.assertEqual(json.loads(body)["bytes"], 300_000)
        done = []
        threads = [threading.Thread(target=lambda: done.append(self.ask(app, "/pieces")[0].status)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(done, [200] * 8)

    def test_http3(self):
        upstream = App("http3.c", *self.good)
        self.closing.append(upstream.kill)
        app = self.proxy(f"https://localhost:{upstream.port}", options=("-3",))
        r, body = self.ask(app, "/about?a=b", headers={"Cookie": "c=d"})
        said = json.loads(body)
        self.assertEqual((said["path"], said["query"], said["cookie"], said["host"]), ("/about", "a=b", "c=d", f"localhost:{upstream.port}"))
        self.assertIsNone(r.getheader("alt-svc"))  # it would lead past the proxy
        data = os.urandom(3 << 20)
        self.assertEqual(self.ask(app, "/echo", "POST", data)[1], data)
        self.assertEqual(len(self.ask(app, "/big?n=4000000")[1]), 4_000_000)
        r, body = self.ask(app, "/", "HEAD")
        self.assertEqual((r.status, body), (200, b""))
        self.assertEqual(r.getheader("content-length"), str(len(self.ask(app)[1])))
        # A conversation, with trailers both ways.
        with app.connect(60) as s, s.makefile("rb") as f:
            s.sendall(b"POST /through HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
            for i, word in enumerate((b"one", b"three")):
                s.sendall(b"%x\r\n%s\r\n" % (len(word), word))
                if i == 0:
                    self.assertTrue(f.readline().startswith(b"HTTP/1.1 200"))
                    list(iter(f.readline, b"\r\n"))
                self.assertEqual((f.readline(), f.readline()), (b"%x\r\n" % len(word), word + b"\r\n"))
            s.sendall(b"0\r\nX-Sum: 8\r\n\r\n")
            self.assertEqual([f.readline().lower() for _ in range(3)], [b"0\r\n", b"x-sum: 8\r\n", b"\r\n"])
        done = []
        threads = [threading.Thread(target=lambda: done.append(self.ask(app, "/slow")[1])) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(done, [b"slow"] * 8)
        # A body that is refused in the middle, without a length: the connection goes on for others.
        with app.connect(60) as s, s.makefile("rb") as f:
            s.sendall(b"POST /nothing HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
            self.assertTrue(f.readline().startswith(b"HTTP/1.1 404"))
        self.assertEqual(self.ask(app)[0].status, 200)
        self.assertEqual(json.loads(self.ask(app, "/stats")[1])["connections"], 1)
        upstream.stop()
        self.assertEqual(self.ask(app)[0].status, 502)

    def test_http3_takes_tls(self):
        run = subprocess.run([os.path.abspath(NEXUS), "run", "--allow-net=127.0.0.1", EXAMPLE, "--", "-3", f"127.0.0.1:{free_port()}", "http://127.0.0.1:1"],
                             capture_output=True, text=True, timeout=60)
        self.assertIn("HTTP/3 (.version) is spoken to \"https:\" upstreams", run.stderr)
        self.assertNotEqual(run.returncode, 0)

    def test_http2_without_tls(self):
        upstream = App("http.c")
        self.closing.append(upstream.kill)
        app = self.proxy(f"http://127.0.0.1:{upstream.port}", options=("-2",))
        self.assertEqual(self.ask(app)[0].status, 200)
        # One that has it not.
        app = self.proxy(self.upstream("one").url, options=("-2",))
        self.assertEqual(self.ask(app)[0].status, 502)

    def test_certificates_are_checked(self):
        for pair, why in ((self.other, "localhost"), (self.old, "expired"), (self.strange, "")):
            with self.subTest(os.path.basename(pair[0])):
                u = self.upstream("one", tls=self.context(pair))
                app = self.proxy(u.url)
                self.assertEqual(self.ask(app)[0].status, 502)
                self.assertIn("TLS: ", app.output())
                self.assertIn(why, app.output())
        # Authorities of the system's do not know this one.
        u = self.upstream("one", tls=self.context(self.good))
        port = free_port()
        app = App(EXAMPLE, u.url, port=f"127.0.0.1:{port}", flags=("--allow-net=127.0.0.1",), wait=False)
        app.port = port
        self.closing.append(app.kill)
        app.wait_listening()
        self.assertEqual(self.ask(app)[0].status, 502)
        self.assertIn("TLS: ", app.output())

    def test_another_name(self):
        """What is asked for (SNI) and has to be proved may be another name than the host."""
        asked = []
        context = self.context(self.other)
        context.sni_callback = lambda s, name, c: asked.append(name)
        u = self.upstream("one", tls=context)
        app = self.proxy(u.url, options=("-n", "other.example"))
        r, body = self.ask(app)
        self.assertEqual((r.status, json.loads(body)["headers"]["host"]), (200, f"localhost:{u.port}"))
        self.assertEqual(set(asked), {"other.example"})

    def test_health_checks(self):
        well = self.upstream("well", tls=self.context(self.good))
        ill = self.upstream("ill", tls=self.context(self.other))
        app = self.proxy(well.url, ill.url, options=("-c",))
        end = time.time() + 60
        while f"{ill.url} fails its health check" not in app.output() and time.time() < end:
            self.ask(app)
            time.sleep(0.05)
        for _ in range(6):
            r, body = self.ask(app)
            self.assertEqual((r.status, json.loads(body)["name"]), (200, "well"))
        self.assertNotIn(f"{well.url} fails", app.output())

    def test_upgrade(self):
        """It goes over HTTP/1.1, also to one that could do HTTP/2."""
        def echo(s, head):
            s.sendall(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
            while True:
                got = s.recv(65536)
                if not got:
                    return
                s.sendall(got)
        app = self.proxy(self.raw(echo, self.context(self.good, "h2", "http/1.1")).url)
        with app.connect(60) as s:
            s.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nhello")
            data = b""
            while not data.endswith(b"hello"):
                got = s.recv(65536)
                self.assertTrue(got, data)
                data += got
            self.assertTrue(data.startswith(b"HTTP/1.1 101 "), data)

    def test_cut_off(self):
        """An answer that ends with its connection, which nobody has ended, is cut off."""
        def cut(s, head):
            s.sendall(b"HTTP/1.1 200 OK\r\n\r\nhalf")
            os.close(s.detach())
        app = self.proxy(self.raw(cut, self.context(self.good)).url)
        with self.assertRaises((http.client.IncompleteRead, OSError)):
            self.ask(app)


if __name__ == "__main__":
    unittest.main()
