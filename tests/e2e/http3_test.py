"""HTTP/3 to real peers: aioquic, quic-go, Chromium; over networks that lose, delay, reorder, double and move."""
import asyncio
import base64
import hashlib
import json
import os
import signal
import socket
import ssl
import subprocess
import tempfile
import unittest

import quic
from browser import CHROMIUM, Chromium, Tab
from quic import Relay, client, configuration, run, until
from support import App, without_reports

if not quic.MISSING:
    from aioquic.quic.connection import QuicConnection

QUIC_GO = os.path.join(quic.HERE, "../../build/peers/quic-go")


def pattern(length):
    return bytes((i * 7 + i // 251) & 255 for i in range(length))


def certificate(folder):
    """A certificate of its own for localhost: its file, the key's, and the hash of its key as Chromium wants it."""
    cert, key = os.path.join(folder, "cert.pem"), os.path.join(folder, "key.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", cert,
                    "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
                   check=True, capture_output=True)
    public = subprocess.run(["openssl", "x509", "-in", cert, "-pubkey", "-noout"], check=True, capture_output=True).stdout
    der = subprocess.run(["openssl", "pkey", "-pubin", "-outform", "der"], input=public, check=True, capture_output=True).stdout
    return cert, key, base64.b64encode(hashlib.sha256(der).digest()).decode()


@unittest.skipIf(quic.MISSING, quic.MISSING)
class Http3Test(unittest.TestCase):
    ARGS = ()

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.cert, cls.key, cls.spki = certificate(cls.folder.name)
        cls.app = App("http3.c", cls.cert, cls.key, *cls.ARGS)
        # Its TCP port is there before it runs, its UDP port before it answers.
        context = ssl.create_default_context(cafile=cls.cert)
        with socket.create_connection(("127.0.0.1", cls.app.port), 60) as s, context.wrap_socket(s, server_hostname="localhost") as tls:
            tls.sendall(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n")
            assert tls.recv(1000)

    @classmethod
    def tearDownClass(cls):
        try:
            code, output = cls.app.stop(), cls.app.output()
        finally:
            cls.folder.cleanup()
        if code or "ERROR" in output or "Sanitizer" in output:
            raise AssertionError(f"the app ended with {code}:\n{output}")

    async def stats(self, c):
        return json.loads((await c.request("GET", "/stats")).body)

    async def counts(self, c, name, value):
        """Waits until the server says so."""
        async def so():
            return (await self.stats(c))[name] == value
        await until(so, f"{name} at {value}")

    async def remembered(self, speak="/"):
        """The tickets and tokens of a connection, for the next one."""
        tickets, tokens = [], []
        async with client(self.app.port, session_ticket_handler=tickets.append, token_handler=tokens.append) as c:
            await c.request("GET", speak)
            await until(lambda: tickets and tokens, "a ticket and a token")
        return tickets[-1], tokens[-1]


class Requests(Http3Test):
    ARGS = (f"files={quic.HERE}",)

    def test_answers(self):
        async def go():
            async with client(self.app.port) as c:
                r = await c.request("GET", "/")
                self.assertEqual((r.status, bytes(r.body)), (200, b'{"message":"Hello"}'))
                self.assertEqual(r.headers["content-type"], "application/json")
                self.assertEqual(r.headers["content-length"], "19")
                self.assertIn("date", r.headers)
                r = await c.request("GET", "/about?a=%20b", headers=[(b"cookie", b"a=1"), (b"x-y", b"z"), (b"cookie", b"b=2")])
                self.assertEqual(json.loads(r.body), {"cookie": "a=1; b=2", "host": "localhost", "peer": "127.0.0.1", "path": "/about",
                                                      "query": "a=%20b"})
                self.assertEqual((await c.request("GET", "/nowhere")).status, 404)
                self.assertEqual((await c.request("PUT", "/echo", body=b"")).status, 405)
        run(go())

    def test_bodies(self):
        async def go():
            async with client(self.app.port) as c:
                for size in (0, 1, 1199, 70_000, 3_000_000):
                    r = await c.request("POST", "/echo", body=pattern(size))
                    self.assertEqual((r.status, bytes(r.body)), (200, pattern(size)))
                r = await c.request("POST", "/through", body=pattern(2_000_000), trailers=[(b"x-sum", b"77"), (b"host", b"no")])
                self.assertEqual(bytes(r.body), pattern(2_000_000))
                self.assertEqual(r.trailers, {"x-sum": "77"})
                r = await c.request("POST", "/echo", body=bytes(9_000_000))
                self.assertEqual(r.status, 413)
                r = await c.request("POST", "/echo", headers=[(b"content-length", b"9000000")], body=b"", end=False)
                self.assertEqual(r.status, 413)
                r = await c.request("GET", "/big?n=5000000")
                self.assertEqual(bytes(r.body), pattern(5_000_000))
                r = await c.request("GET", "/files/http3_test.py")
                with open(__file__, "rb") as f:
                    self.assertEqual(bytes(r.body), f.read())
                r = await c.request("GET", "/files/http3_test.py", headers=[(b"range", b"bytes=3-9")])
                self.assertEqual((r.status, bytes(r.body)), (206, b"HTTP/3 "))
        run(go())

    def test_back_pressure(self):
        """A handler that does not read holds the peer back: it may send its window and no more."""
        async def go():
            async with client(self.app.port) as c:
                stream = c.start("POST", "/held", body=bytes(2_000_000))
                await asyncio.sleep(0.4)
                sent = c._quic._streams[stream].sender._buffer_start
                self.assertLessEqual(sent, 300_000)
                r = await c.answer(stream)
                self.assertEqual(json.loads(r.body), {"length": 2_000_000})
        run(go())

    def test_many_streams(self):
        async def go():
            async with client(self.app.port) as c:
                answers = await asyncio.gather(*(c.request("GET", "/slow?ms=50") for _ in range(350)))
                self.assertEqual([r.status for r in answers], [200] * 350)
        run(go())

    def test_interim(self):
        async def go():
            async with client(self.app.port) as c:
                r = await c.request("GET", "/hints")
                self.assertEqual((r.status, bytes(r.body)), (200, b"page"))
                self.assertEqual(r.interim, [{":status": "103", "link": "</style.css>; rel=preload; as=style"}])
                stream = c.start("POST", "/echo", headers=[(b"expect", b"100-continue")], end=False)
                await until(lambda: c.answers[stream].interim, "100 (Continue)")
                self.assertEqual(c.answers[stream].interim, [{":status": "100"}])
                c.http.send_data(stream, b"then", True)
                c.transmit()
                self.assertEqual(bytes((await c.answer(stream)).body), b"then")
        run(go())

    def test_cut_off(self):
        async def go():
            async with client(self.app.port) as c:
                with self.assertRaises(ConnectionResetError):
                    await c.request("GET", "/fails")
                self.assertEqual((await c.request("GET", "/")).status, 200)
        run(go())

    def test_events(self):
        async def go():
            async with client(self.app.port) as c:
                r = await c.request("GET", "/events")
                self.assertEqual((r.headers["content-type"], bytes(r.body)), ("text/event-stream", b"data: tick\n\n" * 3))
                streams = [c.start("GET", "/subscribe") for _ in range(20)]
                await self.counts(c, "streams", 20)
                await c.request("GET", "/publish")
                for stream in streams:
                    await until(lambda: b"data: news\n\n" in c.answers[stream].body, "the news")
                    c._quic.stop_stream(stream, 0x10c)
                c.transmit()
                await self.counts(c, "streams", 0)
        run(go())

    def test_events_gone_before_the_handler(self):
        """A subscription ends with its connection, though its handler ends later."""
        async def go():
            async with client(self.app.port) as c:
                c.start("GET", "/subscribe-late")
                await c.request("GET", "/")  # one that came after it
                c.close()
            async with client(self.app.port) as c:
                await asyncio.sleep(0.5)
                await self.counts(c, "streams", 0)
                self.assertEqual((await c.request("GET", "/publish")).status, 200)
        run(go())

    def test_advertised(self):
        for version in ("--http1.1", "--http2"):
            head = subprocess.run(["curl", "-skI", version, f"https://127.0.0.1:{self.app.port}/"], check=True, capture_output=True,
                                  timeout=120).stdout.decode()
            self.assertRegex(head, f'(?m)^alt-svc: h3=":{self.app.port}"; ma=86400\r?$', version)
            self.assertEqual(head.split()[0], {"--http1.1": "HTTP/1.1", "--http2": "HTTP/2"}[version])

        async def go():
            async with client(self.app.port) as c:
                self.assertNotIn("alt-svc", (await c.request("GET", "/")).headers)
        run(go())

    def test_websocket(self):
        """RFC 9220: an extended CONNECT, in the form by callbacks and in the loop form."""
        def frame(data, opcode=1):
            length = bytes([0x80 | len(data)]) if len(data) < 126 else b"\xfe" + len(data).to_bytes(2, "big")
            return bytes([0x80 | opcode]) + length + bytes(4) + data

        async def says(answer, wanted):
            await until(lambda: bytes(answer.body).endswith(wanted), f"{wanted[:20]!r} at the end")

        async def go():
            async with client(self.app.port) as c:
                for path in ("/served", "/loop"):
                    stream = c.start("CONNECT", path, [(b":protocol", b"websocket"), (b"sec-websocket-version", b"13")], end=False)
                    answer = c.answers[stream]
                    c.http.send_data(stream, frame(b"early"), False)
                    c.transmit()
                    await says(answer, b"\x81\x05early")
                    self.assertEqual(answer.status, 200)
                    await self.counts(c, "tunnels", 1)
                    for message in (b"a", b"b" * 125, b"c" * 60_000):
                        c.http.send_data(stream, frame(message), False)
                        c.transmit()
                        await says(answer, message)
                    c.http.send_data(stream, frame(b"!close"), False)
                    c.transmit()
                    await says(answer, b"\x88\x0d\x0f\xa1as you wish")
                    c.http.send_data(stream, frame(b"\x0f\xa1", 8), True)
                    c.transmit()
                    await c.answer(stream)
                    await self.counts(c, "tunnels", 0)
                stream = c.start("CONNECT", "/loop", [(b":protocol", b"websocket"), (b"sec-websocket-version", b"13")], end=False)
                await self.counts(c, "tunnels", 1)
                c._quic.reset_stream(stream, 0x10c)
                c.transmit()
                await self.counts(c, "tunnels", 0)
                self.assertEqual((await c.request("CONNECT", "/loop", [(b":protocol", b"mqtt")])).status, 501)
                self.assertEqual((await c.request("GET", "/loop")).status, 426)
        run(go())

    def test_quic_go(self):
        if not os.path.exists(QUIC_GO):
            self.skipTest("build/peers/quic-go is missing (make setup; it needs Go 1.24)")
        base = f"https://localhost:{self.app.port}"
        asked = [{"Method": "GET", "URL": f"{base}/"}, {"Method": "POST", "URL": f"{base}/through", "Size": 3_000_000},
                 {"Method": "HEAD", "URL": f"{base}/big"}, {"Method": "GET", "URL": f"{base}/big?n=20000000"}]
        out = subprocess.run([QUIC_GO, *map(json.dumps, asked)], check=True, capture_output=True, timeout=200).stdout
        answers = [json.loads(line) for line in out.splitlines()]
        self.assertEqual([a.get("status") for a in answers], [200] * 4, answers)
        self.assertEqual({a["proto"] for a in answers}, {"HTTP/3.0"})
        self.assertEqual([a["length"] for a in answers], [19, 3_000_000, 0, 20_000_000])
        self.assertEqual(answers[1]["sha256"], hashlib.sha256(bytes(3_000_000)).hexdigest())
        self.assertEqual(answers[1]["trailer"], {"X-Sum": ["none"]})
        self.assertEqual(answers[2]["header"]["Content-Length"], ["1000000"])
        self.assertEqual(answers[3]["sha256"], hashlib.sha256(pattern(20_000_000)).hexdigest())

    def test_chromium(self):
        if not CHROMIUM:
            self.skipTest("there is no Chromium")
        origin = f"localhost:{self.app.port}"
        browser = Chromium(f"--origin-to-force-quic-on={origin}", f"--ignore-certificate-errors-spki-list={self.spki}",
                           "--host-resolver-rules=MAP localhost 127.0.0.1")
        try:
            tab = Tab(browser, f"https://{origin}/about?x=1")
            tab.wait("document.body.innerText.includes('query')")
            self.assertEqual(tab.run("performance.getEntriesByType('navigation')[0].nextHopProtocol"), "h3")
            length = tab.run("fetch('/echo', {method: 'POST', body: 'a'.repeat(500000)}).then(r => r.text()).then(t => t.length)")
            self.assertEqual(length, 500_000)
            self.assertEqual(tab.run("Promise.all([...Array(50)].map(() => fetch('/slow').then(r => r.text())))"
                                     ".then(all => all.filter(t => t == 'slow').length)"), 50)
            self.assertEqual(tab.run("new Promise(done => { let n = 0, s = new EventSource('/events');"
                                     "s.onmessage = e => { if (++n == 3) { s.close(); done(e.data) } } })"), "tick")
            self.assertEqual(set(tab.run("performance.getEntriesByType('resource').map(e => e.nextHopProtocol)")), {"h3"})
        finally:
            browser.close()


class Deadlines(Http3Test):
    ARGS = ("handler-ms=300",)

    def test_websocket_outlives_it(self):
        """A handler that has a WebSocket in its loop is none that takes too long."""
        async def go():
            async with client(self.app.port) as c:
                stream = c.start("CONNECT", "/loop", [(b":protocol", b"websocket"), (b"sec-websocket-version", b"13")], end=False)
                await asyncio.sleep(1)
                c.http.send_data(stream, b"\x81\x84\0\0\0\0late", False)
                c.transmit()
                await until(lambda: bytes(c.answers[stream].body).endswith(b"late"), "the late message")
                self.assertEqual((await c.request("GET", "/slow?ms=5000")).status, 503)
        run(go())


class Networks(Http3Test):
    """By a relay in user space. With two workers, a peer that moves comes to either's socket."""
    ARGS = ("workers=2", "early", "write-ms=60000")

    def transfer(self, **how):
        async def go():
            with Relay(self.app.port, **how) as relay:
                async with client(relay.port) as c:
                    r = await c.request("GET", "/big?n=600000", seconds=120)
                    self.assertEqual(bytes(r.body), pattern(600_000))
                    r = await c.request("POST", "/echo", body=pattern(300_000), seconds=120)
                    self.assertEqual(bytes(r.body), pattern(300_000))
                return relay
        return run(go())

    def test_loss(self):
        self.assertGreater(self.transfer(loss=0.05).lost, 5)

    def test_delay_and_reordering(self):
        self.transfer(delay=0.01)

    def test_doubled(self):
        self.assertGreater(self.transfer(double=0.2).doubled, 20)

    def test_all_of_it(self):
        self.transfer(loss=0.02, double=0.05, delay=0.005)

    def test_migration(self):
        async def go():
            with Relay(self.app.port) as relay:
                async with client(relay.port) as c:
                    self.assertEqual((await c.request("GET", "/")).status, 200)
                    for host in ("127.0.0.2", "127.0.0.1"):
                        relay.move(host)

                        async def there():
                            return json.loads((await c.request("GET", "/about")).body)["peer"] == host
                        await until(there, f"the peer at {host}")
                    for _ in range(6):
                        self.assertEqual((await c.request("GET", "/")).status, 200)
                        relay.move()
                    stream = c.start("GET", "/big?n=3000000")
                    await asyncio.sleep(0.03)
                    relay.move()
                    self.assertEqual(bytes((await c.answer(stream)).body), pattern(3_000_000))
        run(go())

    def test_a_forged_move(self):
        """A packet that comes from where nobody answers does not make its peer be there."""
        async def go():
            with Relay(self.app.port) as relay:
                async with client(relay.port) as c:
                    self.assertEqual((await c.request("GET", "/")).status, 200)
                    relay.move("127.0.0.2", heard=False)
                    stream = c.start("GET", "/about")
                    await asyncio.sleep(0.1)
                    relay.backs.append(relay.backs[0])
                    self.assertEqual(json.loads((await c.answer(stream)).body)["peer"], "127.0.0.1")
        run(go())

    def test_early_data(self):
        async def go():
            ticket, token = await self.remembered()
            # That of a peer which has not proved its address waits until it has.
            async with client(self.app.port, configuration(session_ticket=ticket), wait_connected=False) as c:
                get, post = c.start("GET", "/about"), c.start("POST", "/echo", body=b"x")
                self.assertEqual((await c.answer(get)).status, 200)
                self.assertEqual((await c.answer(post)).status, 425)
            made = configuration(session_ticket=ticket, token=token)
            async with client(self.app.port, made, wait_connected=False) as c:
                get, post = c.start("GET", "/about"), c.start("POST", "/echo", body=b"x")
                self.assertEqual((await c.answer(get)).status, 200)
                self.assertTrue(c._quic.tls.early_data_accepted)
                self.assertEqual((await c.answer(post)).status, 425)
                self.assertEqual((await c.request("POST", "/echo", body=b"y")).status, 200)
        run(go())

    def test_key_update(self):
        async def go():
            async with client(self.app.port) as c:
                for _ in range(3):
                    c._quic.request_key_update()
                    self.assertEqual((await c.request("POST", "/echo", body=pattern(50_000))).status, 200)
        run(go())


class Ends(unittest.TestCase):
    def serve(self, *args, write=None):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        flags = ("--allow-listen=127.0.0.1", f"--allow-read={folder.name}", f"--allow-write={write}") if write else ()
        app = App("http3.c", *certificate(folder.name)[:2], *args, flags=flags)
        self.addCleanup(app.kill)
        return app

    @unittest.skipIf(quic.MISSING, quic.MISSING)
    def test_drain(self):
        """What is in flight is answered; streams of events end; the connection is closed without an error."""
        async def go():
            app = self.serve()
            async with client(app.port) as c:
                events = c.start("GET", "/subscribe")
                slow = c.start("GET", "/slow?ms=800")
                await c.request("GET", "/")
                app.process.send_signal(signal.SIGTERM)
                self.assertEqual((await c.answer(slow)).status, 200)
                await c.answer(events)
                await until(lambda: c.ended, "the end of the connection")
                self.assertEqual(c.ended.error_code, 0x100)
            self.assertEqual(app.process.wait(60), 0)
        run(go())

    @unittest.skipIf(quic.MISSING, quic.MISSING)
    def test_drain_without_a_peer(self):
        """A handler whose peer has gone is waited for, and a peer in its handshake is not."""
        async def go():
            app = self.serve()
            async with client(app.port) as c:
                c.start("GET", "/slow?ms=1500")
                await c.request("GET", "/")
            half_open = QuicConnection(configuration=configuration())
            half_open.connect(("127.0.0.1", app.port), now=0.0)
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
                s.sendto(half_open.datagrams_to_send(now=0.0)[0][0], ("127.0.0.1", app.port))
                await asyncio.sleep(0.2)
                app.process.send_signal(signal.SIGTERM)
                self.assertEqual(app.process.wait(60), 0)
            self.assertEqual(without_reports(app.output()), "")
        run(go())

    @unittest.skipIf(quic.MISSING, quic.MISSING)
    def test_drain_of_who_has_gone(self):
        """Peers that are not heard of any more don't hold up the end."""
        async def go():
            app = self.serve("drain-ms=200000")
            relay = Relay(app.port)
            async with client(relay.port) as c:
                await c.request("GET", "/")
                big = c.start("GET", "/big")
                await until(lambda: c.answers[big].body, "the beginning of a body")
                relay.loss = 1
                app.process.send_signal(signal.SIGTERM)
                await until(lambda: app.process.poll() is not None, "the end of the program")
            relay.close()
            self.assertEqual(app.process.wait(60), 0, app.output())
        run(go())

    @unittest.skipIf(quic.MISSING, quic.MISSING)
    def test_qlog(self):
        async def go():
            with tempfile.TemporaryDirectory() as folder:
                app = self.serve(f"qlog={folder}", write=folder)
                async with client(app.port) as c:
                    await c.request("GET", "/")
                    name = c._quic.original_destination_connection_id.hex()
                app.stop()
                with open(os.path.join(folder, name + ".sqlog"), "rb") as f:
                    lines = [json.loads(line) for line in f.read().split(b"\x1e")[1:]]
                self.assertIn("transport:packet_received", {line.get("name") for line in lines})
        run(go())

    def test_bad_options(self):
        app = App("http3.c", "/nowhere/cert.pem", "/nowhere/key.pem", wait=False)
        self.assertNotEqual(app.process.wait(60), 0)
        self.assertIn("/nowhere/cert.pem", app.output())


if __name__ == "__main__":
    unittest.main()
