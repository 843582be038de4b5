"""Attacks by QUIC and HTTP/3: each is refused as it should be, others are served, and memory comes back."""
import asyncio
import os
import socket
import struct
import tempfile
import time
import unittest

import quic
from http3_test import Http3Test
from quic import Client, client, configuration, run, until
from support import short_deadlines

if not quic.MISSING:
    from aioquic.buffer import Buffer, encode_uint_var
    from aioquic.quic.connection import QuicConnection
    from aioquic.quic.packet import QuicFrameType

EXCESSIVE_LOAD, INVALID_TOKEN = 0x107, 0x0B


class Raw:
    """A client's first datagrams, sent by hand."""

    def __init__(self, port, connection=None):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.connect(("127.0.0.1", port))
        self.quic = connection or QuicConnection(configuration=configuration())
        self.sent = self.got = 0

    def prepare(self):
        """Its first datagrams, for another moment."""
        self.quic.connect(("127.0.0.1", 1), now=time.time())
        self.first = [data for data, _ in self.quic.datagrams_to_send(now=time.time())]

    def begin(self):
        self.quic.connect(("127.0.0.1", 1), now=time.time())
        self.flush()

    def flush(self):
        for data, _ in self.quic.datagrams_to_send(now=time.time()):
            self.send(data)

    def send(self, data):
        self.sent += len(data)
        self.socket.send(data)

    def receive(self, seconds=60):
        """A datagram; None where nothing comes for so long."""
        self.socket.settimeout(seconds)
        try:
            data = self.socket.recv(65536)
        except (TimeoutError, ConnectionRefusedError):
            return None
        self.got += len(data)
        return data

    def take(self, data):
        self.quic.receive_datagram(data, ("127.0.0.1", 1), now=time.time())

    def events(self):
        return [e for e in iter(self.quic.next_event, None)]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()


class AttackTest(Http3Test):
    def serving(self):
        async def go():
            async with client(self.app.port) as c:
                self.assertEqual((await c.request("GET", "/")).status, 200)
        run(go())

    def calm(self, connections=1, seconds=60):
        """The server has no connections but the one that asks."""
        async def go():
            async with client(self.app.port) as c:
                end = time.time() + seconds
                while (await self.stats(c))["connections"] > connections:
                    self.assertLess(time.time(), end, "connections stay")
                    await asyncio.sleep(0.1)
        run(go())

    def flood(self, made):
        """Begins 400 connections, as fast as the server takes them; how many it asks to prove their address."""
        raws, retries = [Raw(self.app.port, QuicConnection(configuration=made())) for _ in range(400)], 0
        for raw in raws:
            raw.prepare()
        for some in range(0, 400, 50):
            for raw in raws[some:some + 50]:
                for data in raw.first:
                    raw.send(data)
            for raw in raws[some:some + 50]:
                first = raw.receive()
                retries += bool(first and first[0] & 0xF0 == 0xF0)
        for raw in raws:
            raw.socket.close()
        return retries


class Stateless(AttackTest):
    def test_amplification(self):
        """Whoever forges an address has three times sent there what he sends, however long he waits."""
        for _ in range(5):
            with Raw(self.app.port) as raw:
                raw.begin()
                self.assertTrue(raw.receive())
                end = time.time() + 1.2
                while time.time() < end:
                    if not raw.receive(1):
                        break
                self.assertLessEqual(raw.got, 3 * raw.sent)
        self.serving()

    def test_version_negotiation(self):
        with Raw(self.app.port) as raw:
            unknown = bytes([0xC0]) + bytes.fromhex("1a2a3a4a") + b"\x08destinat\x06source"
            raw.send(unknown + bytes(1200 - len(unknown)))
            answer = raw.receive()
            self.assertEqual(answer[1:5], bytes(4))
            self.assertTrue(answer[0] & 0x80)
            self.assertEqual(answer[5:21], b"\x06source\x08destinat")
            versions = struct.unpack(f">{(len(answer) - 21) // 4}I", answer[21:])
            self.assertIn(1, versions)
            raw.send(unknown)  # too short to be answered
            raw.send(bytes([0xC0]) + bytes(4) + b"\x08destinat\x06source" + b"\x00\x00\x00\x01")  # an answer itself
            self.assertIsNone(raw.receive(1))
        self.serving()

    def test_stateless_reset(self):
        with Raw(self.app.port) as raw:
            raw.send(b"\x40" + os.urandom(99))
            answer = raw.receive()
            self.assertTrue(21 <= len(answer) < 100)
            self.assertEqual(answer[0] & 0xC0, 0x40)
            raw.send(b"\x40" + os.urandom(20))  # one that two of us would send to and fro
            self.assertIsNone(raw.receive(1))
            one, same = b"\x40" + b"i" * 12 + os.urandom(60), b"\x40" + b"i" * 12 + os.urandom(60)
            raw.send(one)
            raw.send(same)
            self.assertEqual(raw.receive()[-16:], raw.receive()[-16:], "the token goes with the id")
        self.serving()

    def test_resets_are_limited(self):
        with Raw(self.app.port) as raw:
            raw.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
            time.sleep(1)
            end = time.time() + 0.5
            while time.time() < end:
                for _ in range(50):
                    raw.send(b"\x40" + os.urandom(50))
            answers = 0
            while raw.receive(1):
                answers += 1
            self.assertLessEqual(answers, 3000)
        time.sleep(1)
        self.serving()

    def test_noise(self):
        with Raw(self.app.port) as raw:
            for length in (*range(64), 1199, 1200, 1500, 9000):
                for first in (0x00, 0x40, 0xC0, 0xD0, 0xE0, 0xF0):
                    raw.send(bytes([first]) + os.urandom(length))
                    raw.send(bytes([first | 0xC0]) + b"\x00\x00\x00\x01" + os.urandom(length))
        self.serving()
        self.calm()

    @short_deadlines
    def test_failed_handshakes_count(self):
        """Those that fail at once cost as much as those that hang: past 256 of them, peers prove their address."""
        def made():
            other = configuration()
            other.alpn_protocols = ["nonesuch"]
            return other
        self.assertGreaterEqual(self.flood(made), 50)
        self.serving()
        self.calm()


class HalfOpen(AttackTest):
    """With time enough for as many as are needed."""
    ARGS = ("head-ms=10000",)

    @short_deadlines
    def test_half_open_flood(self):
        """Past 256 of them, peers prove their address; those that never do are forgotten."""
        before = self.app.rss()
        self.assertGreaterEqual(self.flood(configuration), 100)
        self.serving()
        self.calm()
        self.assertLess(self.app.rss() - before, 60_000)


class Retry(AttackTest):
    ARGS = ("retry",)

    def after_retry(self, raw):
        raw.begin()
        raw.take(raw.receive())
        self.assertTrue(raw.quic._peer_token)

    def test_served(self):
        self.serving()

    def test_forged(self):
        for change in (lambda t: t[:20] + bytes([t[20] ^ 1]) + t[21:], lambda t: t[:-1], lambda t: t[:1] + bytes(len(t) - 1)):
            with Raw(self.app.port) as raw:
                self.after_retry(raw)
                raw.quic._peer_token = change(raw.quic._peer_token)
                raw.flush()
                answer = raw.receive()
                raw.take(answer)
                raw.quic.handle_timer(time.time() + 100)
                self.assertEqual(raw.quic._close_event.error_code, INVALID_TOKEN)
        self.serving()

    def test_stolen(self):
        """A token is worth nothing at another address."""
        with Raw(self.app.port) as one:
            self.after_retry(one)
            with Raw(self.app.port, one.quic) as other:
                other.flush()
                other.take(other.receive())
                self.assertEqual(one.quic._close_event.error_code, INVALID_TOKEN)
        self.serving()

    def test_spoofed(self):
        """Without an answer to the Retry nothing is kept: no memory for addresses that are not there."""
        before = self.app.rss()
        for _ in range(2000):
            with Raw(self.app.port) as raw:
                raw.begin()
        self.calm()
        self.assertLess(self.app.rss() - before, 8_000)


class Floods(AttackTest):
    ARGS = ("early",)

    async def ended(self, c, code=None, seconds=60):
        end = time.time() + seconds
        while not c.ended and time.time() < end:
            await asyncio.sleep(0.05)
        self.assertTrue(c.ended, "the connection goes on")
        if code is not None:
            self.assertEqual(c.ended.error_code, code)

    def attack(self, coroutine, most=20_000):
        self.serving()
        before = self.app.rss()
        run(coroutine)
        self.serving()
        self.calm()
        self.assertLess(self.app.rss() - before, most)

    def test_crypto(self):
        """Handshake bytes without an end, after the handshake."""
        async def go():
            async with client(self.app.port) as c:
                await c.request("GET", "/")
                stream = next(s for e, s in c._quic._crypto_streams.items() if e.name == "ONE_RTT")
                for _ in range(200):
                    if c.ended:
                        break
                    stream.sender.write(b"\x04\xff\xff\xff" + bytes(60_000))
                    c.transmit()
                    await asyncio.sleep(0.01)
                await self.ended(c)
        self.attack(go())

    def test_path_challenge(self):
        async def go():
            async with client(self.app.port) as c:
                await c.request("GET", "/")

                def challenges(builder, uids=(), comment=""):
                    for _ in range(100):
                        builder.start_frame(QuicFrameType.PATH_CHALLENGE, capacity=9).push_bytes(os.urandom(8))

                c._quic._write_ping_frame = challenges
                for i in range(500):
                    c._quic.send_ping(i)
                    c.transmit()
                    if i % 50 == 0:
                        await asyncio.sleep(0.01)
                del c._quic._write_ping_frame
                if not c.ended:
                    self.assertEqual((await c.request("GET", "/")).status, 200)
        self.attack(go())

    def test_ping(self):
        async def go():
            async with client(self.app.port) as c:
                for i in range(3000):
                    c._quic.send_ping(i)
                    if i % 20 == 0:
                        c.transmit()
                        await asyncio.sleep(0)
        self.attack(go())

    def test_rapid_reset(self):
        """Requests that are broken off at once cost a handler each, until the connection is closed."""
        async def go():
            async with client(self.app.port) as c:
                for i in range(1000):
                    if c.ended:
                        break
                    stream = c.start("GET", "/slow?ms=5")
                    c._quic.reset_stream(stream, 0x10c)
                    c._quic.stop_stream(stream, 0x10c)
                    c.transmit()
                    if i % 10 == 0:
                        await asyncio.sleep(0.01)
                await self.ended(c, EXCESSIVE_LOAD)
        self.attack(go())

    def fields(self, c, block):
        stream = c._quic.get_next_available_stream_id()
        c._quic.send_stream_data(stream, b"\x01" + encode_uint_var(len(block)) + block, end_stream=True)
        c.waits[stream] = asyncio.get_running_loop().create_future()
        c.transmit()
        return stream

    # :method GET, :path /, :scheme https, and :authority by QPACK's static table.
    HEAD = b"\x00\x00\xd1\xc1\xd7\x50\x01a"

    def test_qpack_expansion(self):
        """A byte that becomes 41: a head too large is refused, and one that is far too large ends the connection."""
        async def go():
            async with client(self.app.port) as c:
                self.assertEqual((await c.answer(self.fields(c, self.HEAD))).status, 200)
                self.assertEqual((await c.answer(self.fields(c, self.HEAD + b"\xdd" * 3000))).status, 431)
                self.assertEqual((await c.request("GET", "/")).status, 200)
                self.fields(c, self.HEAD + b"\xdd" * 60_000)
                await self.ended(c, EXCESSIVE_LOAD)
        self.attack(go())

    def test_heads(self):
        async def go():
            async with client(self.app.port) as c:
                for headers, status in (([(b"x", b"y" * 20_000)], 431), ([(b"h%d" % i, b"v") for i in range(150)], 431)):
                    self.assertEqual((await c.request("GET", "/", headers=headers)).status, status)
                self.assertEqual((await c.request("GET", "/" + "a" * 9000)).status, 414)
                self.assertEqual((await c.request("BREW" * 10, "/")).status, 501)
                self.assertEqual((await c.request("GET", "/")).status, 200)
        self.attack(go())

    def test_malformed(self):
        """What is no request is told so, by a 400 or by an end of the connection with H3_MESSAGE_ERROR."""
        async def one(method, path, headers=()):
            async with client(self.app.port) as c:
                try:
                    self.assertEqual((await c.request(method, path, headers=headers)).status, 400)
                except ConnectionError:
                    self.assertEqual(c.ended.error_code, 0x10e)

        async def go():
            for method, path in (("GET", "nopath"), ("GET", "*"), ("GET", "http://a/"), ("G T", "/"), ("GET", "/a b"), ("GET", "/a#b")):
                await one(method, path)
            for name, value in ((b"connection", b"close"), (b"transfer-encoding", b"chunked"), (b":path", b"/"),
                                (b"content-length", b"-1"), (b"te", b"gzip")):
                await one("GET", "/", [(name, value)])
            async with client(self.app.port) as c:  # fields that no field can be are dropped
                r = await c.request("GET", "/about", headers=[(b"x", b"a\r\nb: c"), (b"y", b"a\0"), (b"b@d", b"z"), (b"z", b"z")])
                self.assertEqual((r.status, r.headers["x-count"]), (200, "2"))
        self.attack(go())

    def test_host_differs(self):
        async def go():
            async with client(self.app.port) as c:
                for host, status in ((b"localhost", 200), (b"other.example", 400)):
                    self.assertEqual((await c.request("GET", "/about", headers=[(b"host", host)])).status, status)
        self.attack(go())

    def test_stop_sending_is_ignored(self):
        """A peer that never ends its side of a stream keeps its connection for two of write_deadline."""
        async def go():
            async with client(self.app.port) as c:
                handlers = c._quic._QuicConnection__frame_handlers
                epochs = handlers[QuicFrameType.STOP_SENDING][1]
                handlers[QuicFrameType.STOP_SENDING] = (lambda context, type, buf: (buf.pull_uint_var(), buf.pull_uint_var()), epochs)
                c.start("POST", "/", end=False)
                await self.ended(c, EXCESSIVE_LOAD)
        self.attack(go())

    def test_slow_head(self):
        async def go():
            async with client(self.app.port) as c:
                streams = []
                for _ in range(50):
                    stream = c._quic.get_next_available_stream_id()
                    c._quic.send_stream_data(stream, b"\x01\x40\x80\x00\x00\xd1\xc1")
                    c.waits[stream] = asyncio.get_running_loop().create_future()
                    streams.append(stream)
                c.transmit()
                for stream in streams:
                    with self.assertRaises(ConnectionResetError):
                        await c.answer(stream)
        self.attack(go())

    def test_never_reads(self):
        """Peers that take nothing of a large answer: what waits for them has a cap and a deadline."""
        async def go():
            made = configuration(max_stream_data=4096, max_data=1 << 20)
            async with client(self.app.port, made) as c:
                c._quic._write_stream_limits = lambda *args, **kwargs: None
                streams = [c.start("GET", "/big?n=3000000") for _ in range(20)]
                await asyncio.sleep(1)
                self.assertLess(self.app.rss(), 200_000)
                for stream in streams:
                    with self.assertRaises((ConnectionResetError, ConnectionError)):
                        await c.answer(stream)
        self.attack(go(), most=90_000)

    def test_early_from_a_forged_address(self):
        """Without a token nothing is done for an address from which nobody has answered."""
        async def go():
            ticket, token = await self.remembered("/stats")

            async def served(token):
                """How many requests the first packets of a connection have come to."""
                async with client(self.app.port) as c:
                    before, asked = (await self.stats(c))["requests"], 0

                    async def count():
                        nonlocal asked
                        asked += 1
                        return (await self.stats(c))["requests"] - before - asked

                    connection = QuicConnection(configuration=configuration(session_ticket=ticket, token=token))
                    protocol = Client(connection)
                    connection.connect(("127.0.0.1", 1), now=time.time())
                    protocol.http.send_headers(connection.get_next_available_stream_id(), [
                        (b":method", b"GET"), (b":scheme", b"https"), (b":authority", b"a"), (b":path", b"/")], True)
                    with Raw(self.app.port, connection) as raw:
                        raw.flush()
                        while not connection.tls.early_data_accepted:
                            raw.take(raw.receive())
                        if token:
                            await until(count, "the request in early data")
                        else:
                            await asyncio.sleep(0.3)
                        return await count()
            for _ in range(3):
                self.assertEqual(await served(b""), 0)
                self.assertEqual(await served(token), 1)
        self.attack(go())

    def test_early_replay(self):
        """The first packets of a connection, sent again by another: nothing unsafe is done, once or more."""
        async def go():
            ticket, token = await self.remembered()
            async with client(self.app.port) as c:
                before = (await self.stats(c))["posts"]
            connection = QuicConnection(configuration=configuration(session_ticket=ticket, token=token))
            protocol = Client(connection)
            connection.connect(("127.0.0.1", 1), now=time.time())
            stream = connection.get_next_available_stream_id()
            protocol.http.send_headers(stream, [(b":method", b"POST"), (b":scheme", b"https"), (b":authority", b"a"), (b":path", b"/echo")])
            protocol.http.send_data(stream, b"pay", True)
            datagrams = [data for data, _ in connection.datagrams_to_send(now=time.time())]
            for _ in range(2):
                with Raw(self.app.port) as raw:
                    for data in datagrams:
                        raw.send(data)
                    self.assertTrue(raw.receive())
                with Raw(self.app.port) as raw:  # what is known already goes to the connection that it began
                    for data in datagrams:
                        raw.send(data)
                await asyncio.sleep(2.5)  # until that one is forgotten
            async with client(self.app.port) as c:
                self.assertEqual((await self.stats(c))["posts"], before)
        self.attack(go())

    def test_connection_limit(self):
        """In a server of its own, since others are refused meanwhile."""
        from http3_test import certificate
        from support import App
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        app = App("http3.c", *certificate(folder.name)[:2], "connections=4")
        self.addCleanup(app.kill)

        async def go():
            clients = [client(app.port) for _ in range(4)]
            opened = [await c.__aenter__() for c in clients]
            with self.assertRaises(ConnectionError):
                async with client(app.port):
                    pass
            self.assertEqual((await opened[0].request("GET", "/")).status, 200)
            for c in clients:
                await c.__aexit__(None, None, None)

            async def again():
                try:
                    async with client(app.port) as c:
                        return (await c.request("GET", "/")).status == 200
                except ConnectionError:
                    return False
            await until(again, "room for another")
        run(go())


if __name__ == "__main__":
    unittest.main()
