"""WebSockets against a running server: both forms, the handshake, deadlines, the end, and peers that behave badly.
With NEXUS_TEST_WORKERS the server has that many workers."""
import glob
import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import time
import unittest
import zlib

from support import HERE, App, short_deadlines

PEERS = os.path.join(HERE, "../../build/peers")
sys.path.insert(0, os.path.join(PEERS, "python"))
try:
    import websockets.sync.client
except ImportError:
    websockets = None
BUN = os.environ.get("BUN") or next(iter(glob.glob(os.path.join(HERE, "../../build/bench-peers/node_modules/@oven/*/bin/bun"))), None)

FORMS = "/loop", "/callbacks"
KEY = "dGhlIHNhbXBsZSBub25jZQ=="


def frame(opcode, payload=b"", fin=True, mask=b"\x01\x02\x03\x04", rsv=0):
    """A frame of a client's; mask None: it has none."""
    head = bytes([(0x80 if fin else 0) | rsv << 4 | opcode])
    bit = 0 if mask is None else 0x80
    if len(payload) < 126:
        head += bytes([bit | len(payload)])
    elif len(payload) < 65536:
        head += bytes([bit | 126]) + struct.pack(">H", len(payload))
    else:
        head += bytes([bit | 127]) + struct.pack(">Q", len(payload))
    if mask is None:
        return head + payload
    return head + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(payload))


class Raw:
    """A WebSocket by hand."""

    def __init__(self, app, path="/loop", headers="", shake=True, size=None):
        self.s = socket.socket()
        if size:  # small windows: the kernels keep less
            self.s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)
        self.s.settimeout(60)
        self.s.connect(("127.0.0.1", app.port))
        self.s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        if shake:
            self.shake(path, headers)

    def shake(self, path, headers="", key=KEY):
        self.s.sendall((f"GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n"
                        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n{headers}\r\n").encode())
        self.head = self.read_head()
        assert self.head.startswith("HTTP/1.1 101 "), self.head

    def read_head(self):
        while b"\r\n\r\n" not in self.buffer:
            data = self.s.recv(65536)
            if not data:
                raise EOFError
            self.buffer += data
        head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        return head.decode()

    def send(self, *args, **kwargs):
        self.s.sendall(frame(*args, **kwargs))

    def take(self, n):
        while len(self.buffer) < n:
            data = self.s.recv(1 << 18)
            if not data:
                raise EOFError
            self.buffer += data
        data, self.buffer = self.buffer[:n], self.buffer[n:]
        return data

    def recv(self):
        """(opcode with its first bits, payload); EOFError at the end."""
        first, second = self.take(2)
        assert not second & 0x80, "a server masks nothing"
        length = second
        if second == 126:
            length = struct.unpack(">H", self.take(2))[0]
        if second == 127:
            length = struct.unpack(">Q", self.take(8))[0]
        return first, self.take(length)

    def closed(self):
        """The code of the close that comes, past all else; then the connection's end. 0: an end without a close."""
        try:
            while True:
                first, payload = self.recv()
                if first == 0x88:
                    break
        except (EOFError, ConnectionError):
            return 0
        try:
            while self.s.recv(65536):
                pass
        except ConnectionError:
            pass
        return struct.unpack(">H", payload[:2])[0] if payload else 1005

    def close(self):
        self.s.close()


class Server(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.app = App("ws.c")
        cls.addClassCleanup(cls.app.kill)

    def raw(self, *args, **kwargs):
        ws = Raw(self.app, *args, **kwargs)
        self.addCleanup(ws.close)
        return ws

    def ask(self, *lines):
        with self.app.connect() as s:
            s.sendall("\r\n".join([*lines, "Connection: close" if not any("onnection" in l for l in lines) else "X: y", "", ""]).encode())
            data = b""
            while piece := s.recv(65536):
                data += piece
                if b"\r\n\r\n" in data and b"content-length: 0" in data:
                    break
                found = re.search(rb"content-length: (\d+)", data)
                if found and len(data.partition(b"\r\n\r\n")[2]) >= int(found[1]):
                    break
        return data.decode()

    # ---- The handshake

    def test_handshake(self):
        ws = self.raw("/loop", "Sec-WebSocket-Protocol: none, one\r\nSec-WebSocket-Protocol: two\r\n")
        self.assertIn("\r\nsec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", ws.head)
        self.assertIn("\r\nsec-websocket-protocol: two", ws.head)
        self.assertIn("\r\nupgrade: websocket", ws.head)
        self.assertNotIn("extensions", ws.head)
        ws.send(1, b"!json")
        self.assertEqual(json.loads(ws.recv()[1]), {"protocol": "two", "n": 3})

    def test_refused(self):
        good = ["Host: a", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {KEY}"]

        def status(*lines, method="GET", version="1.1", path="/loop"):
            return int(self.ask(f"{method} {path} HTTP/{version}", *lines).split()[1])

        self.assertEqual(status("Host: a"), 426)
        self.assertEqual(status(*[l for l in good if "Upgrade: " not in l]), 426)
        self.assertEqual(status(*[l.replace("Connection: Upgrade", "Connection: close") for l in good]), 400)
        self.assertEqual(status(*[l.replace("13", "8") for l in good]), 426)
        self.assertIn("sec-websocket-version: 13", self.ask("GET /loop HTTP/1.1", *[l.replace("13", "8") for l in good]))
        self.assertEqual(status(*good[:-1]), 400)
        self.assertEqual(status(*good, f"Sec-WebSocket-Key: {KEY}"), 400)
        self.assertEqual(status(*good[:-1], "Sec-WebSocket-Key: short"), 400)
        self.assertEqual(status(*good, version="1.0"), 505)
        self.assertEqual(status(*good, method="POST"), 405)
        self.assertEqual(status(*good, path="/nowhere"), 404)

    def test_origins(self):
        def shaken(path, origin):
            ws = self.raw(shake=False)
            try:
                ws.shake(path, f"Origin: {origin}\r\n" if origin else "")
            except AssertionError as e:
                self.assertIn(" 403 ", str(e))
                return False
            return True

        for path, origin, allowed in (
                ("/strict", "https://a.example", True), ("/strict", "https://x.b.example", True), ("/strict", None, True),
                ("/strict", "https://evil.example", False), ("/strict", "http://a.example", False), ("/strict", "null", False),
                ("/strict", "http://localhost", False), ("/strict", "https://a.example\r\nOrigin: https://a.example", False),
                ("/loop", "http://localhost", True), ("/loop", "https://localhost", True), ("/loop", "http://localhost:1", False),
                ("/loop", "https://evil.example", False), ("/loop", None, True)):
            with self.subTest(path=path, origin=origin):
                self.assertEqual(shaken(path, origin), allowed)

    # ---- Messages

    def test_echo(self):
        for path in FORMS:
            with self.subTest(path):
                ws = self.raw(path)
                for n in (0, 1, 125, 126, 127, 65535, 65536, 1000000):
                    ws.send(2, bytes(n))
                    self.assertEqual(ws.recv(), (0x82, bytes(n)))
                ws.send(1, "hé 🙂".encode())
                self.assertEqual(ws.recv(), (0x81, "hé 🙂".encode()))
                ws.send(8, struct.pack(">H", 1000) + b"bye")
                self.assertEqual(ws.closed(), 1000)

    def test_many_at_once_and_in_pieces(self):
        for path in FORMS:
            with self.subTest(path):
                ws = self.raw(path)
                data = b"".join(frame(2, struct.pack(">I", i) + bytes(i % 200)) for i in range(3000))
                ws.s.sendall(data)
                for i in range(3000):
                    self.assertEqual(ws.recv(), (0x82, struct.pack(">I", i) + bytes(i % 200)))
                for piece in (frame(1, b"slowly"), frame(1, b"a", fin=False) + frame(9, b"now") + frame(0, b"b")):
                    for byte in piece:
                        ws.s.sendall(bytes([byte]))
                        time.sleep(0.002)
                self.assertEqual([ws.recv() for _ in range(3)], [(0x81, b"slowly"), (0x8a, b"now"), (0x81, b"ab")])

    def test_frames_right_behind_the_handshake(self):
        for path in FORMS:
            with self.subTest(path):
                ws = self.raw(shake=False)
                ws.s.sendall((f"GET {path} HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                              f"Sec-WebSocket-Key: {KEY}\r\n\r\n").encode() + frame(1, b"one") + frame(1, b"two")[:5])
                self.assertIn(" 101 ", ws.read_head())
                self.assertEqual(ws.recv(), (0x81, b"one"))
                ws.s.sendall(frame(1, b"two")[5:])
                self.assertEqual(ws.recv(), (0x81, b"two"))

    def test_a_handler_may_wait(self):
        for path in FORMS:
            with self.subTest(path):
                ws = self.raw(path)
                ws.s.sendall(frame(1, b"!sleep") + frame(1, b"x") + frame(1, b"!nap"))
                self.assertEqual([ws.recv()[1] for _ in range(4)], [b"before", b"after", b"x", b"before"])  # none waits for what comes after

    def test_a_slow_reader_is_waited_for(self):
        for path in FORMS:
            with self.subTest(path):
                ws = self.raw(path, size=4096)
                ws.s.sendall(frame(1, b"!many") + frame(1, b"x"))
                time.sleep(0.5)
                total = 0
                while (got := ws.recv())[0] == 0x82:
                    self.assertEqual(len(got[1]), 100000)
                    total += 1
                self.assertEqual((total, got[1]), (200, b"done"))
                self.assertEqual(ws.recv()[1], b"x")

    def test_a_slow_reader_is_spared_or_cut(self):
        ws = self.raw("/drops", size=4096)
        ws.send(1, b"x")
        time.sleep(0.5)
        ws.recv()
        total = 1
        ws.s.settimeout(2)
        try:
            while True:
                ws.recv()
                total += 1
        except TimeoutError:
            pass
        self.assertTrue(0 < total < 500, total)
        ws = self.raw("/cuts", size=4096)
        ws.send(1, b"x")
        time.sleep(0.5)
        self.assertEqual(ws.closed(), 0)

    # ---- Compression

    def test_compression(self):
        for path, answer in (("/loop", "permessage-deflate"),
                             ("/callbacks", "permessage-deflate; server_no_context_takeover; client_no_context_takeover")):
            with self.subTest(path):
                ws = self.raw(path, "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n")
                self.assertTrue(ws.head.endswith(f"sec-websocket-extensions: {answer}") or f"extensions: {answer}\r\n" in ws.head, ws.head)
                fresh = "no_context" in answer
                out, back = zlib.compressobj(wbits=-15), zlib.decompressobj(-15)
                sizes = []
                for i in range(3):
                    text = f"all the same {i} ".encode() * 300
                    if fresh:
                        out, back = zlib.compressobj(wbits=-15), zlib.decompressobj(-15)
                    data = out.compress(text) + out.flush(zlib.Z_SYNC_FLUSH)
                    ws.s.sendall(frame(1, data[:-4][:9], fin=False, rsv=4) + frame(0, data[:-4][9:]))
                    first, payload = ws.recv()
                    self.assertEqual(first, 0xc1)
                    sizes.append(len(payload))
                    self.assertEqual(back.decompress(payload + b"\0\0\xff\xff"), text)
                ws.send(1, b"short")  # sent as it is, and as it is back
                self.assertEqual(ws.recv(), (0x81, b"short"))
                # Text is checked when it is decompressed.
                data = zlib.compressobj(wbits=-15)
                ws.send(1, (data.compress(b"\xff\xfe" * 40) + data.flush(zlib.Z_SYNC_FLUSH))[:-4], rsv=4)
                self.assertEqual(ws.closed(), 1007)

    def test_deflate_bomb(self):
        """CVE-2026-1526, CVE-2026-9675."""
        bomb = zlib.compressobj(9, wbits=-15)
        data = (bomb.compress(bytes(64 << 20)) + bomb.flush(zlib.Z_SYNC_FLUSH))[:-4]
        before = self.app.rss()
        for path in FORMS:
            with self.subTest(path):
                ws = self.raw(path, "Sec-WebSocket-Extensions: permessage-deflate\r\n")
                ws.send(2, data, rsv=4)
                self.assertEqual(ws.closed(), 1009)
                ws = self.raw(path, "Sec-WebSocket-Extensions: permessage-deflate\r\n")
                for i in range(0, len(data), 1000):  # by fragments
                    ws.send(0 if i else 2, data[i:i + 1000], rsv=0 if i else 4, fin=i + 1000 >= len(data))
                self.assertEqual(ws.closed(), 1009)
                ws = self.raw(path)
                for i in range(17):  # 17 MiB of fragments, 16 are allowed
                    try:
                        ws.send(0 if i else 2, bytes(1 << 20), fin=False)
                    except ConnectionError:
                        break
                self.assertEqual(ws.closed(), 1009)
        self.assertLess(self.app.rss() - before, 48 << 10)

    # ---- The end

    def test_close(self):
        for path in FORMS:
            with self.subTest(path):
                ws = self.raw(path)
                ws.send(8, struct.pack(">H", 3000) + b"mine")
                self.assertEqual(ws.closed(), 3000)
                ws = self.raw(path)
                ws.send(8)
                self.assertEqual(ws.closed(), 1005)
                ws = self.raw(path)
                ws.send(1, b"!close")
                first, payload = ws.recv()
                self.assertEqual((first, payload), (0x88, struct.pack(">H", 4001) + b"as you wish"))
                ws.send(1, b"crossing")  # what was under way when it closed
                ws.send(8, payload)
                self.assertEqual(ws.s.recv(100), b"")
                ws = self.raw(path)
                ws.s.sendall(frame(1, b"!close") + frame(8, struct.pack(">H", 1000)))  # both at once
                self.assertEqual(ws.closed(), 4001)
        ws = self.raw("/loop")  # close_deadline is a second there
        ws.send(1, b"!close")
        self.assertEqual(ws.closed(), 4001)

    def test_the_handler_ends(self):
        ws = self.raw("/once")
        ws.send(1, b"only")
        self.assertEqual(ws.recv()[1], b"only")
        self.assertEqual(ws.closed(), 1000)
        for path in FORMS:
            with self.subTest(path):
                ws = self.raw(path)
                ws.send(1, b"!fail")
                self.assertIn(ws.closed(), (1000, 1011))
        self.assertIn("as you wish", self.app.output())

    def test_broken_peers(self):
        for path in FORMS:
            for name, data, code in (
                    ("unmasked", frame(1, b"x", mask=None), 1002), ("reserved bit", frame(1, b"x", rsv=1), 1002),
                    ("compressed unasked", frame(1, b"x", rsv=4), 1002), ("opcode", frame(3, b"x"), 1002),
                    ("long ping", frame(9, bytes(126)), 1002), ("fragmented ping", frame(9, fin=False), 1002),
                    ("stray continuation", frame(0, b"x"), 1002), ("two at once", frame(1, fin=False) + frame(1), 1002),
                    ("not UTF-8", frame(1, b"\xff"), 1007),
                    ("not UTF-8 across fragments", frame(1, b"\xe2\x82", fin=False) + frame(0, b"\x28"), 1007),
                    ("a surrogate", frame(1, b"\xed\xa0\x80"), 1007), ("half a character", frame(1, b"\xc3"), 1007),
                    ("close code", frame(8, struct.pack(">H", 1005)), 1002), ("close of a byte", frame(8, b"x"), 1002),
                    ("close reason", frame(8, struct.pack(">H", 1000) + b"\xff"), 1007),
                    ("too big", b"\x82\xff" + struct.pack(">Q", 1 << 40) + b"mask", 1009),
                    ("highest bit", b"\x82\xff" + struct.pack(">Q", 1 << 63) + b"mask", 1002)):
                with self.subTest(name, path=path):
                    ws = self.raw(path)
                    ws.s.sendall(data)
                    self.assertEqual(ws.closed(), code)

    def test_pings_whose_answers_nobody_takes(self):
        before = self.app.rss()
        for path in FORMS:
            ws = self.raw(path, size=4096)
            flood = frame(9, bytes(125)) * 1000
            with self.assertRaises(ConnectionError):
                for _ in range(1000):
                    ws.s.sendall(flood)
        self.assertLess(self.app.rss() - before, 24 << 10)

    def test_many_small_fragments(self):
        for path in FORMS:
            ws = self.raw(path)
            ws.s.sendall(frame(2, b"x", fin=False) + frame(0, b"y", fin=False) * 100000 + frame(0, b"z"))
            self.assertEqual(ws.recv(), (0x82, b"x" + b"y" * 100000 + b"z"))
            ws.s.sendall(frame(1, b"", fin=False) + frame(0, b"", fin=False) * 100000 + frame(0, b""))
            self.assertEqual(ws.recv(), (0x81, b""))

    def test_peers_that_leave(self):
        for path in FORMS:
            ws = self.raw(path)
            ws.send(1, b"x")
            ws.recv()
            ws.close()
            ws = self.raw(path)
            ws.s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            ws.close()  # a reset
            ws = self.raw(path)
            ws.s.sendall(frame(1, b"!many"))
            time.sleep(0.1)
            ws.s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            ws.close()  # in the middle of what it was sent
            ws = self.raw(path)
            ws.send(2, bytes(10), fin=False)
            ws.close()  # in the middle of a message
        end = time.time() + 60
        while time.time() < end:
            text = self.ask("GET /stats HTTP/1.1", "Host: a").partition("\r\n\r\n")[2]
            if json.loads(text)["tunnels"] < 40:
                break
            time.sleep(0.05)
        # Others of this class may be open still; what leaves is found to have left.
        self.assertLess(json.loads(text)["tunnels"], 40)

    # ---- Deadlines

    @short_deadlines
    def test_heartbeat(self):
        ws = self.raw("/impatient")
        for _ in range(3):
            self.assertEqual(ws.recv(), (0x89, b""))
            ws.send(10)
        self.assertEqual(ws.closed(), 0)  # no answer

    def test_ping(self):
        for path in FORMS:
            ws = self.raw(path)
            ws.send(9, b"are you there")
            self.assertEqual(ws.recv(), (0x8a, b"are you there"))
            ws.send(1, b"!ping")
            self.assertEqual(ws.recv(), (0x89, b"there?"))
            ws.send(10, b"there?")
            ws.send(10, b"unasked")
            ws.send(1, b"x")
            self.assertEqual(ws.recv()[1], b"x")

    @short_deadlines
    def test_idle(self):
        ws = self.raw("/idle")
        ws.send(1, b"x")
        self.assertEqual(ws.recv()[1], b"x")
        self.assertEqual(ws.closed(), 1001)

    def test_greeting(self):
        ws = self.raw("/strict")
        self.assertEqual(ws.recv(), (0x81, b"hello"))
        ws.send(2, bytes(1001))
        self.assertEqual(ws.closed(), 1009)


class Topics(unittest.TestCase):
    def setUp(self):
        self.app = App("ws.c")
        self.addCleanup(self.app.kill)

    def join(self, path="/chat", headers="", **more):
        ws = Raw(self.app, path, headers, **more)
        self.addCleanup(ws.close)
        return ws

    def joined(self, ws):
        got = []
        while (frame := ws.recv()) != (0x81, b"joined"):
            got.append(frame)
        return got

    def test_all_get_all(self):
        """In one order, whatever has been agreed on, and whatever worker they are at."""
        deflate = "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits={}\r\n"
        plain = [self.join() for _ in range(5)]
        packed = [self.join("/chat/context" if i % 2 else "/chat", deflate.format(bits)) for i, bits in enumerate((9, 9, 12, 15, 15))]
        for ws in plain + packed:
            self.assertEqual(self.joined(ws), [])
        with self.app.connect() as events:
            events.sendall(b"GET /events HTTP/1.1\r\nHost: a\r\n\r\n")
            self.assertIn(b"200 OK", events.recv(65536))
            texts = ["hello", "two\nlines\r\nand more", "", "\u00e9" * 3000, "last"]
            for text in texts:
                plain[0].send(1, text.encode())
                self.assertEqual(plain[0].recv(), (0x81, text.encode()))
            plain[0].send(2, b"\0\xff" * 500)
            for ws in plain[1:]:
                self.assertEqual([ws.recv() for _ in texts], [(0x81, text.encode()) for text in texts])
            for ws in plain:
                self.assertEqual(ws.recv(), (0x82, b"\0\xff" * 500))
            for i, ws in enumerate(packed):
                back = zlib.decompressobj(-15)
                for wanted in [text.encode() for text in texts] + [b"\0\xff" * 500]:
                    first, payload = ws.recv()
                    self.assertEqual(bool(first & 0x40), len(wanted) >= 256)
                    if first & 0x40:
                        payload = back.decompress(payload + b"\0\0\xff\xff")
                    self.assertEqual(payload, wanted)
                    if i % 2 == 0:
                        back = zlib.decompressobj(-15)
            seen = b""
            while b"last\n\n" not in seen:
                seen += events.recv(65536)
            self.assertIn(b"event: said\n", seen)
            self.assertIn(b"data: two\ndata: lines\ndata: and more\n\n", seen)
        # Another topic, and what leaves one.
        plain[1].send(1, b"!off")
        self.assertEqual(plain[1].recv(), (0x81, b"off"))
        plain[0].send(1, b"not for all")
        self.assertEqual(plain[0].recv(), (0x81, b"not for all"))
        with self.app.connect() as s:
            s.sendall(b"POST /post HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nother")
            self.assertEqual(plain[1].recv(), (0x81, b"other"))
            self.assertEqual(plain[0].recv(), (0x81, b"other"))
        # Who comes later gets the last two.
        plain.append(self.join())
        self.assertEqual(self.joined(plain[-1]), [(0x82, b"\0\xff" * 500), (0x81, b"not for all")])
        for ws in plain + packed:
            ws.close()
        self.assertEqual(self.app.stop(), 0, self.app.output())
        self.assertNotRegex(self.app.output(), "crash")

    def test_slow_listeners(self):
        """One is dropped, one misses what it could not get, and the others get it all."""
        good = self.join()
        slow = self.join(size=4096)
        lenient = self.join("/chat/context", size=4096)
        for ws in (good, slow, lenient):
            self.joined(ws)
        for _ in range(100):  # never further ahead than the topic's max_queue lets a good reader fall behind
            good.send(1, b"!many")
            self.assertEqual(sorted(good.recv()[0] for _ in range(5)), [0x81, 0x82, 0x82, 0x82, 0x82])
        self.assertEqual(slow.closed(), 0)
        lenient.s.settimeout(5)
        some = 0
        try:
            while True:
                some += lenient.recv() == (0x82, bytes(50000))
        except TimeoutError:
            pass
        self.assertTrue(0 < some < 400, some)
        lenient.s.settimeout(60)
        good.send(1, b"still here")
        self.assertEqual(lenient.recv(), (0x81, b"still here"))


class Peers(unittest.TestCase):
    """Other people's clients."""

    @classmethod
    def setUpClass(cls):
        cls.app = App("ws.c")
        cls.addClassCleanup(cls.app.kill)

    def javascript(self, program, *words, extensions):
        for path in FORMS:
            with self.subTest(path):
                done = subprocess.run([program, os.path.join(HERE, "apps/ws_peer.mjs"), f"ws://127.0.0.1:{self.app.port}{path}", *words],
                                      env={**os.environ, "PEER": os.path.join(PEERS, "node_modules/ws/wrapper.mjs")},
                                      capture_output=True, text=True, timeout=200)
                self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
                self.assertRegex(done.stdout, r"^6 of 6, 3001, true, \[one\], " + extensions)

    @unittest.skipUnless(os.path.isdir(os.path.join(PEERS, "node_modules/ws")), "the package ws is not below build/peers: make setup")
    def test_node(self):
        self.javascript("node", extensions=r"\[\]")
        self.javascript("node", "deflate", extensions=r"\[permessage-deflate")

    @unittest.skipUnless(BUN, "bun is not below build/bench-peers: make bench brings it")
    def test_bun(self):
        self.javascript(BUN, extensions="")

    @unittest.skipUnless(websockets, "the Python package websockets is not below build/peers: make setup")
    def test_python(self):
        for path in FORMS:
            for compression in (None, "deflate"):
                with websockets.sync.client.connect(f"ws://127.0.0.1:{self.app.port}{path}", compression=compression,
                                                    subprotocols=["none", "two"], max_size=1 << 24) as ws:
                    self.assertEqual(ws.subprotocol, "two")
                    for message in ("", "hé 🙂", "text " * 50000, b"", bytes(range(256)) * 3000):
                        ws.send(message)
                        self.assertEqual(ws.recv(), message)
                        ws.send([message[i:i + 999] for i in range(0, len(message), 999)])
                        self.assertEqual(ws.recv() if message else message, message)
                    ws.ping("x").wait(60)


class Stop(unittest.TestCase):
    def test_a_stop_closes_in_order(self):
        app = App("ws.c")
        self.addCleanup(app.kill)
        sockets = [Raw(app, path) for path in FORMS for _ in range(20)]
        app.process.send_signal(signal.SIGTERM)
        for ws in sockets:
            self.assertEqual(ws.recv(), (0x88, struct.pack(">H", 1001)))
            ws.send(8, struct.pack(">H", 1001))
            self.assertEqual(ws.s.recv(100), b"")
        self.assertEqual(app.process.wait(60), 0, app.output())
        self.assertNotRegex(app.output(), "crash|failed")

    def test_peers_that_do_not_answer_are_not_waited_for(self):
        app = App("ws.c")
        self.addCleanup(app.kill)
        sockets = [Raw(app, path) for path in FORMS]
        app.process.send_signal(signal.SIGTERM)
        app.process.wait(60)
        for ws in sockets:
            self.assertIn(ws.closed(), (0, 1001))
        self.assertNotRegex(app.output(), "crash|SIG[A-Z]")


if __name__ == "__main__":
    for name, there in (("the Python package websockets", websockets), ("bun", BUN)):
        if not there:
            print(f"WebSockets are not tried with {name}, which is not there")
    unittest.main()
