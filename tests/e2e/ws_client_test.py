"""The WebSocket client against servers: by hand, and of the websockets library where it is there (make setup brings it)."""
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

from certificates import Authority
from support import HERE, NEXUS, App, free_port

sys.path.insert(0, os.path.join(HERE, "../../build/peers/python"))
try:
    import websockets.asyncio.server
    import websockets.sync.client
except ImportError:
    websockets = None

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
