"""The WebSocket client against servers: by hand, our own, and of the websockets library and aioquic where they are there (make setup
brings them)."""
import asyncio
import hashlib
import base64
import os
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import unittest

import quic
from certificates import Authority
from support import HERE, NEXUS, App, free_port

sys.path.insert(0, os.path.join(HERE, "../../build/peers/python"))
try:
    import websockets.asyncio.server
    import websockets.sync.client
except ImportError:
    websockets = None

if not quic.MISSING:
    from http3_client_test import Peer
    from aioquic.h3.connection import H3Connection, Setting

CLIENT = os.path.join(HERE, "apps/ws_client.c")


class Client:
    def __init__(self, url, *words, flags=("--allow-net",)):
        self.process = subprocess.Popen([os.path.abspath(NEXUS), "run", *flags, CLIENT, "--", url, *words],
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def end(self, seconds=120):
        try:
            out, _ = self.process.communicate(timeout=seconds)
        finally:
            self.process.kill()
        return self.process.returncode, out


def accept_of(key):
    return base64.b64encode(hashlib.sha1(key.encode() + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()).decode()


class ByHand(unittest.TestCase):
    """A server that answers what it is told."""

    def serve(self, answer, then=None):
        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)
        listener.settimeout(60)
        self.seen = {}

        def run():
            try:
                s, _ = listener.accept()
            except OSError:
                return
            with s:
                s.settimeout(60)
                head = b""
                while b"\r\n\r\n" not in head:
                    head += s.recv(65536)
                lines = head.decode().split("\r\n")
                self.seen = {"line": lines[0], **{l.partition(":")[0].lower(): l.partition(":")[2].strip() for l in lines[1:] if l}}
                s.sendall(answer(self.seen).encode("latin-1"))
                if then:
                    then(s)
                try:
                    while s.recv(65536):
                        pass
                except OSError:
                    pass

        self.thread = threading.Thread(target=run)
        self.thread.start()
        self.addCleanup(self.thread.join)
        return f"ws://127.0.0.1:{listener.getsockname()[1]}/path?q=1"

    @staticmethod
    def good(seen, more=""):
        return ("HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\nConnection: keep-alive, upgrade\r\n"
                f"Sec-WebSocket-Accept: {accept_of(seen['sec-websocket-key'])}\r\n{more}\r\n")

    def test_handshake(self):
        def then(s):
            s.sendall(b"\x81\x02hi" + b"\x88\x02\x03\xe8")
            first, second, mask = (data := s.recv(8, socket.MSG_WAITALL))[0], data[1], data[2:6]
            self.echo = (first, second, bytes(b ^ m for b, m in zip(data[6:8], mask)))

        url = self.serve(lambda seen: self.good(seen, "Sec-WebSocket-Protocol: two\r\n"), then)
        code, out = Client(url, "protocols=one, two", "headers=X-Mine: yes\n").end()
        self.assertEqual((code, out), (0, "NX_ECLOSED 1000  [two]\n"))
        self.thread.join()
        self.assertEqual(self.echo, (0x81, 0x82, b"hi"))
        self.assertEqual(self.seen["line"], "GET /path?q=1 HTTP/1.1")
        self.assertRegex(self.seen["host"], r"^127.0.0.1:\d+$")
        self.assertEqual((self.seen["upgrade"], self.seen["connection"], self.seen["sec-websocket-version"], self.seen["x-mine"],
                          self.seen["sec-websocket-protocol"]), ("websocket", "upgrade", "13", "yes", "one, two"))
        self.assertEqual(len(base64.b64decode(self.seen["sec-websocket-key"])), 16)

    def test_refused(self):
        for name, answer, said, words in (
                ("refused", lambda s: "HTTP/1.1 403 No\r\n\r\n", "answers 403", ()),
                ("wrong key", lambda s: self.good({"sec-websocket-key": "x"}), "accept", ()),
                ("key twice", lambda s: self.good(s, f"Sec-WebSocket-Accept: {accept_of(s['sec-websocket-key'])}\r\n"), "accept", ()),
                ("other protocol", lambda s: self.good(s).replace("WebSocket\r\nConn", "h2c\r\nConn"), "another protocol", ()),
                ("no connection", lambda s: self.good(s).replace("upgrade\r\n", "close\r\n"), "another protocol", ()),
                ("subprotocol", lambda s: self.good(s, "Sec-WebSocket-Protocol: three\r\n"), "not offered", ("protocols=one",)),
                ("unasked subprotocol", lambda s: self.good(s, "Sec-WebSocket-Protocol: three\r\n"), "not offered", ()),
                ("extension", lambda s: self.good(s, "Sec-WebSocket-Extensions: permessage-deflate\r\n"), "not offered", ()),
                ("other extension", lambda s: self.good(s, "Sec-WebSocket-Extensions: other\r\n"), "not offered", ("fresh",)),
                ("no HTTP", lambda s: "hello\r\n\r\n", "no HTTP", ()), ("bad line", lambda s: self.good(s, "no field\r\n"), "no HTTP", ()),
                ("large", lambda s: "HTTP/1.1 101 X\r\n" + "a: b\r\n" * 5000, "too large", ())):
            with self.subTest(name):
                code, out = Client(self.serve(answer), *words).end()
                self.assertEqual(code, 14, out)
                self.assertIn(said, out)

    def test_a_server_that_masks(self):
        url = self.serve(self.good, lambda s: s.sendall(b"\x81\x82\0\0\0\0hi"))
        self.assertEqual(Client(url).end()[1], "NX_EPROTO 1002  []\n")

    def test_a_server_that_leaves(self):
        url = self.serve(self.good, lambda s: s.shutdown(socket.SHUT_WR))
        self.assertEqual(Client(url).end()[1], "NX_ERESET 1006  []\n")

    def test_no_answer(self):
        url = self.serve(lambda s: "")
        code, out = Client(url, "impatient").end()
        self.assertEqual(code, 6, out)

    def test_grants(self):
        code, out = Client(f"ws://127.0.0.1:{free_port()}", flags=()).end()
        self.assertEqual(code, 7, out)
        self.assertIn("--allow-net", out)

    def test_urls(self):
        for url, code in (("http://127.0.0.1/", 19), ("nonsense", 4)):
            self.assertEqual(Client(url).end()[0], code)


class Tls(unittest.TestCase):
    """wss, both ends, and against Python's."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        cls.authority = Authority(cls.folder.name)
        cls.cert, cls.key = cls.authority.issue("localhost", ["DNS:localhost", "IP:127.0.0.1"])

    def test_both_ends(self):
        app = App("ws.c", self.cert, self.key)
        self.addCleanup(app.kill)
        flags = ("--allow-net", f"--allow-read={self.folder.name}")
        for path in ("loop", "callbacks"):
            for words in ((), ("context",), ("fresh", "compress-all")):
                url = f"wss://localhost:{app.port}/{path}"
                code, out = Client(url, "say=!close", f"ca={self.authority.cert}", *words, flags=flags).end()
                self.assertEqual((code, out), (0, "NX_ECLOSED 4001 as you wish []\n"))
        code, out = Client(f"wss://localhost:{app.port}/loop", flags=flags).end()  # nobody has said that it is to be trusted
        self.assertEqual(code, 14, out)
        self.assertIn("certificate", out)
        self.assertEqual(app.stop(), 0, app.output())

    @unittest.skipUnless(websockets, "the Python package websockets is not below build/peers: make setup")
    def test_against_python(self):
        app = App("ws.c", self.cert, self.key)
        self.addCleanup(app.kill)
        context = ssl.create_default_context(cafile=self.authority.cert)
        for path in ("loop", "callbacks"):
            with websockets.sync.client.connect(f"wss://localhost:{app.port}/{path}", ssl=context, max_size=1 << 23) as ws:
                for message in ("", "hé 🙂", b"x" * 3000000, "text " * 100000):
                    ws.send(message)
                    self.assertEqual(ws.recv(), message)
                ws.send("!many")  # more than the socket takes at once
                total = 0
                while (message := ws.recv()) != "done":
                    total += len(message)
                self.assertEqual(total, 20000000)
        self.assertEqual(app.stop(), 0, app.output())


class Streams(unittest.TestCase):
    """A stream of HTTP/2 (RFC 8441) or of HTTP/3 (RFC 9220) each."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        cls.authority = Authority(cls.folder.name)
        cls.cert = cls.authority.issue("localhost", ["DNS:localhost", "IP:127.0.0.1"])

    def client(self, url, *words):
        flags = ("--allow-net", f"--allow-read={self.folder.name}")
        return Client(url, f"ca={self.authority.cert}", *words, flags=flags).end(60)

    def own(self, *args):
        app = App("ws.c", *args)
        self.addCleanup(app.kill)
        if args:  # its UDP port is there before it answers
            context = ssl.create_default_context(cafile=self.authority.cert)
            with socket.create_connection(("127.0.0.1", app.port), 60) as s, context.wrap_socket(s, server_hostname="localhost") as tls:
                tls.sendall(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n")
                self.assertTrue(tls.recv(1000))
        return app

    def test_both_ends(self):
        for version, scheme, args in ((2, "ws", ()), (2, "wss", self.cert), (3, "wss", self.cert)):
            app = self.own(*args)
            for path in ("loop", "callbacks"):
                for words in ((), ("context",), ("fresh", "compress-all"), ("protocols=one, three",)):
                    with self.subTest(version=version, scheme=scheme, path=path, words=words):
                        url = f"{scheme}://localhost:{app.port}/{path}"
                        code, out = self.client(url, "say=!close", f"version={version}", *words)
                        chosen = "one" if "protocols" in "".join(words) else ""
                        self.assertEqual((code, out), (0, f"NX_ECLOSED 4001 as you wish [{chosen}]\n"))
            self.assertEqual(app.stop(), 0, app.output())

    def test_leaves(self):
        """In order: the server hears of it before the connection ends."""
        for version in (2, 3):
            app = self.own(*self.cert)
            code, out = self.client(f"wss://localhost:{app.port}/loop", "say=!leave", f"version={version}")
            self.assertEqual((code, out), (0, "NX_OK 0  []\n"))
            self.assertEqual(app.stop(), 0, app.output())
            self.assertIn("loop over: NX_ECLOSED, 1000", app.output())

    def test_many(self):
        """More than the windows at once, each way."""
        for version in (2, 3):
            app = self.own(*self.cert)
            code, out = self.client(f"wss://localhost:{app.port}/loop", "say=!many", "leave-at=done", f"version={version}")
            self.assertEqual((code, out), (0, "NX_OK 0  []\n"))
            self.assertEqual(app.stop(), 0, app.output())

    def test_refused(self):
        app = self.own(*self.cert)
        for version in (2, 3):
            url = f"wss://localhost:{app.port}/"
            for words, path, error, said in (
                    ((), "nowhere", 14, "answers 404"), (("headers=Upgrade: x\n",), "loop", 4, "the client's"),
                    (("headers=host: a b\n",), "loop", 4, "names no host")):
                with self.subTest(version=version, words=words):
                    code, out = self.client(url + path, f"version={version}", *words)
                    self.assertIn(said, out)
                    self.assertEqual(code, error, out)
            code, out = Client(url + "loop", f"version={version}").end()  # nobody has said that it is to be trusted
            self.assertEqual(code, 14, out)
            self.assertIn("certificate", out)
        code, out = self.client(f"ws://localhost:{app.port}/loop", "version=3")
        self.assertIn('HTTP/3 takes "wss:"', out)
        self.assertEqual(app.stop(), 0, app.output())

    def test_server_without(self):
        """One that has HTTP/2, but no extended CONNECT."""
        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)
        seen = []

        def run():
            s, _ = listener.accept()
            with s:
                s.settimeout(30)
                s.sendall(bytes(3) + b"\4\0" + bytes(4))
                while data := s.recv(65536):
                    seen.append(data)
        thread = threading.Thread(target=run)
        thread.start()
        code, out = Client(f"ws://127.0.0.1:{listener.getsockname()[1]}/", "version=2").end()
        thread.join()
        self.assertIn("takes no other protocol over HTTP/2 (SETTINGS_ENABLE_CONNECT_PROTOCOL, RFC 8441)", out)
        self.assertIn("NX_ENOTSUP", out)
        self.assertNotIn(b"websocket", b"".join(seen))
        self.assertTrue(code)


@unittest.skipIf(quic.MISSING, quic.MISSING)
class Aioquic(Streams):
    """What is asked of a server that is not ours."""

    test_both_ends = test_leaves = test_many = test_refused = test_server_without = None

    def peer(self, at_head):
        peer = Peer(self.cert, None, at_head)
        self.addCleanup(peer.close)
        return peer

    def test_echo(self):
        heads, come = [], []

        def frame(opcode, data):
            return bytes([0x80 | opcode, len(data)]) + data

        def at_head(server, stream, headers):
            heads.append(headers)
            server.http.send_headers(stream, [(b":status", b"200"), (b"sec-websocket-protocol", b"two")])
            server.http.send_data(stream, frame(1, "hé".encode()), False)

            def hear():
                data = server.bodies.get(stream, b"")
                if len(data) >= 9 and not come:
                    come.append(bytes(b ^ data[2 + i % 4] for i, b in enumerate(data[6:9])))
                    server.http.send_data(stream, frame(8, b"\x0f\xa2bye"), True)
                    server.transmit()
            server.heard = hear

        peer = self.peer(at_head)
        code, out = self.client(f"wss://localhost:{peer.port}/path?q=1", "version=3", "protocols=one, two", "headers=X-Mine: yes\n")
        self.assertEqual((code, out), (0, "NX_ECLOSED 4002 bye [two]\n"))
        self.assertEqual(come, ["hé".encode()])
        head = heads[0]
        self.assertEqual([head[n] for n in (":method", ":protocol", ":scheme", ":path", ":authority", "x-mine", "sec-websocket-version",
                                            "sec-websocket-protocol")],
                         ["CONNECT", "websocket", "https", "/path?q=1", f"localhost:{peer.port}", "yes", "13", "one, two"])
        self.assertNotIn("sec-websocket-key", head)

    def test_breaks_off(self):
        def resets(server, stream, headers):
            server.http.send_headers(stream, [(b":status", b"200")])
            server._quic.reset_stream(stream, 0x10c)

        def leaves(server, stream, headers):
            server.http.send_headers(stream, [(b":status", b"200")])
            server._quic.close(error_code=0x100)

        for act in (resets, leaves):
            code, out = self.client(f"wss://localhost:{self.peer(act).port}/", "version=3")
            self.assertRegex(out, "^NX_E[A-Z]+ 1006|NX_ERESET: ", act.__name__)

    def test_answers_that_are_none(self):
        for fields, said in ((((b":status", b"403"),), "answers 403"),
                             (((b":status", b"200"), (b"sec-websocket-protocol", b"three")), "not offered"),
                             (((b":status", b"200"), (b"sec-websocket-extensions", b"permessage-deflate")), "not offered"),
                             (((b":status", b"200"), *[(b"sec-websocket-protocol", b"one")] * 2), "chosen twice")):
            with self.subTest(fields):
                peer = self.peer(lambda server, stream, headers, fields=fields: server.http.send_headers(stream, list(fields)))
                code, out = self.client(f"wss://localhost:{peer.port}/", "version=3", "protocols=one")
                self.assertEqual(code, 14, out)
                self.assertIn(said, out)

    def test_server_without(self):
        settings = H3Connection._get_local_settings
        self.addCleanup(setattr, H3Connection, "_get_local_settings", settings)
        H3Connection._get_local_settings = lambda self: {k: v for k, v in settings(self).items() if k != Setting.ENABLE_CONNECT_PROTOCOL}
        peer = self.peer(lambda *_: None)
        code, out = self.client(f"wss://localhost:{peer.port}/", "version=3")
        self.assertIn("takes no other protocol over HTTP/3 (SETTINGS_ENABLE_CONNECT_PROTOCOL, RFC 9220)", out)
        self.assertIn("NX_ENOTSUP", out)
        self.assertEqual(peer.requests, [])


@unittest.skipUnless(websockets, "the Python package websockets is not below build/peers: make setup")
class Websockets(unittest.TestCase):
    def run_with(self, handler, *words, **options):
        async def main():
            async with websockets.asyncio.server.serve(handler, "127.0.0.1", 0, **options) as server:
                port = server.sockets[0].getsockname()[1]
                client = Client(f"ws://127.0.0.1:{port}/", *words)
                return await asyncio.get_running_loop().run_in_executor(None, client.end)
        return asyncio.run(asyncio.wait_for(main(), 180))

    def test_echo(self):
        for words in ((), ("fresh",), ("context",), ("context", "bits=9", "compress-all")):
            with self.subTest(words):
                compressed = []

                async def handler(ws):
                    compressed.append([type(e).__name__ for e in ws.protocol.extensions])
                    for message in ("", "hé 🙂", "text " * 5000, b"", bytes(range(256)) * 300, "x" * 1000000):
                        await ws.send(message)
                        self.assertEqual(await ws.recv(), message)
                        await ws.send(iter([message[:7], message[7:]]) if message else message)
                        self.assertEqual(await ws.recv(), message)
                    pong = await ws.ping("?")
                    await pong
                    await ws.send("!close")
                    try:
                        await ws.recv()
                    except websockets.exceptions.ConnectionClosed as e:
                        self.assertEqual((e.rcvd.code, e.rcvd.reason), (4002, "so be it"))

                code, out = self.run_with(handler, *words, max_size=1 << 22)
                self.assertEqual((code, out), (0, "NX_ECLOSED 4002 so be it []\n"))
                self.assertEqual(bool(compressed[0]), bool(words))

    def test_leaves(self):
        codes = []

        async def handler(ws):
            await ws.send("!leave")
            try:
                await ws.recv()
            except websockets.exceptions.ConnectionClosed as e:
                codes.append(e.rcvd and e.rcvd.code)

        self.assertEqual(self.run_with(handler)[0], 0)
        self.assertEqual(codes, [1000])


if __name__ == "__main__":
    if not websockets:
        print("the client is not tried with websockets: the package is not below build/peers")
    unittest.main()
