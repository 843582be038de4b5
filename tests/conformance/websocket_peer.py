"""A WebSocket peer that shares nothing with Nexus: plays a case of websocket_cases.py as either side and says what came of it."""
import base64
import hashlib
import os
import socket
import struct
import sys
import zlib

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
from websocket_cases import CLOSE, PING, PONG, data

QUIET = 0.15  # seconds in which nothing may come


class Unlike(Exception):
    """Something else came than the case says."""


def accept_of(key):
    return base64.b64encode(hashlib.sha1(key.encode() + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()).decode()


def head_of(s):
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = s.recv(1)
        if not byte:
            raise Unlike("an end instead of a handshake")
        head += byte
    lines = head.decode().split("\r\n")
    return lines[0], {line.partition(":")[0].lower(): line.partition(":")[2].strip() for line in lines[1:] if line}


class Peer:
    def __init__(self, s, client):
        self.s, self.client = s, client
        self.buffer = bytearray()
        self.packed = False
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        s.settimeout(60)

    # ---- The handshake

    def connect(self, path, offers=()):
        """As the client; offers are (no context takeover asked for, window bits asked for)."""
        fields = "".join("Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"
                         + ("; server_no_context_takeover" if fresh else "") + (f"; server_max_window_bits={bits}" if bits else "") + "\r\n"
                         for fresh, bits in offers)
        key = base64.b64encode(os.urandom(16)).decode()
        self.s.sendall((f"GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n{fields}\r\n").encode())
        line, answer = head_of(self.s)
        if " 101 " not in line or answer["sec-websocket-accept"] != accept_of(key):
            raise Unlike(line)
        self.agree(answer.get("sec-websocket-extensions", ""))
        if offers and not self.packed:
            raise Unlike("no compression")
        if offers and offers[0][0] and not self.fresh_in or offers and offers[0][1] and self.bits_in > offers[0][1]:
            raise Unlike(answer["sec-websocket-extensions"])

    def accept(self, offer=None):
        """As the server."""
        line, request = head_of(self.s)
        if request.get("sec-websocket-version") != "13" or "websocket" not in request.get("upgrade", ""):
            raise Unlike(line)
        answer = ""
        if offer:
            asked = request.get("sec-websocket-extensions", "")
            if "permessage-deflate" not in asked:
                raise Unlike("no compression is offered")
            fresh, bits = offer
            answer = "permessage-deflate" + ("; client_no_context_takeover" if fresh else "") + \
                (f"; client_max_window_bits={bits}" if bits else "") + \
                ("; server_no_context_takeover" if "server_no_context" in asked else "")
            self.agree(answer)
        self.s.sendall(("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                        f"Sec-WebSocket-Accept: {accept_of(request['sec-websocket-key'])}\r\n"
                        + (f"Sec-WebSocket-Extensions: {answer}\r\n" if answer else "") + "\r\n").encode())

    def agree(self, text):
        self.packed = "permessage-deflate" in text
        words = dict(part.strip().partition("=")[::2] for part in text.split(";")[1:])
        ours, theirs = ("client", "server") if self.client else ("server", "client")
        self.fresh_out, self.fresh_in = f"{ours}_no_context_takeover" in words, f"{theirs}_no_context_takeover" in words
        self.bits_out = int(words.get(f"{ours}_max_window_bits", 15))
        self.bits_in = int(words.get(f"{theirs}_max_window_bits", 15))
        self.packer, self.unpacker = zlib.compressobj(wbits=-self.bits_out), zlib.decompressobj(-self.bits_in)

    # ---- Frames

    def frame(self, opcode, payload=b"", fin=True, rsv=0):
        head = bytes([(0x80 if fin else 0) | rsv << 4 | opcode])
        bit = 0x80 if self.client else 0
        n = len(payload)
        head += bytes([bit | n]) if n < 126 else bytes([bit | 126]) + struct.pack(">H", n) if n < 65536 else \
            bytes([bit | 127]) + struct.pack(">Q", n)
        if not self.client:
            return head + payload
        mask = os.urandom(4)
        whole = (mask * (n // 4 + 1))[:n]
        return head + mask + (int.from_bytes(payload, "big") ^ int.from_bytes(whole, "big")).to_bytes(n, "big")

    def put(self, bytes_, chop=0):
        try:
            if not chop:
                self.s.sendall(bytes_)
            for i in range(0, len(bytes_) if chop else 0, chop or 1):
                self.s.sendall(bytes_[i:i + chop])
        except ConnectionError:
            pass  # it has closed before it read all; what it said of it is read next

    def message(self, opcode, payload, fragment=0):
        """A message, compressed where that was agreed on."""
        if self.packed:
            packed = self.packer.compress(payload) + self.packer.flush(zlib.Z_SYNC_FLUSH)
            payload = packed[:-4]
            if self.fresh_out:
                self.packer = zlib.compressobj(wbits=-self.bits_out)
        size = fragment or max(len(payload), 1)
        pieces = [payload[i:i + size] for i in range(0, len(payload), size)] or [b""]
        return b"".join(self.frame(0 if i else opcode, piece, i == len(pieces) - 1, 4 if self.packed and not i else 0)
                        for i, piece in enumerate(pieces))

    def take(self, n):
        while len(self.buffer) < n:
            more = self.s.recv(1 << 18)
            if not more:
                raise EOFError
            self.buffer += more
        taken = bytes(self.buffer[:n])
        del self.buffer[:n]
        return taken

    def get(self):
        """The next frame, as (opcode, payload)."""
        first, second = self.take(2)
        if first & 0x30 or not first & 0x80 or bool(second & 0x80) == self.client:
            raise Unlike(f"a frame that begins {first:02x} {second:02x}")
        n = second & 0x7f
        n = struct.unpack(">H", self.take(2))[0] if n == 126 else struct.unpack(">Q", self.take(8))[0] if n == 127 else n
        mask = None if self.client else self.take(4)
        payload = self.take(n)
        if mask:
            payload = (int.from_bytes(payload, "big") ^ int.from_bytes((mask * (n // 4 + 1))[:n], "big")).to_bytes(n, "big")
        if first & 0x40:
            if not self.packed:
                raise Unlike("a compressed frame")
            if self.fresh_in:
                self.unpacker = zlib.decompressobj(-self.bits_in)
            payload = self.unpacker.decompress(payload + b"\0\0\xff\xff")
        return first & 0x0f, payload

    # ---- Cases

    def want(self, opcode, payload):
        found = self.get()
        if found != (opcode, payload):
            raise Unlike(f"{found[0]} {found[1][:60]} instead of {opcode} {payload[:60]}")

    def quiet(self):
        self.s.settimeout(QUIET)
        try:
            more = self.s.recv(1 << 18)
            self.buffer += more
        except TimeoutError:
            return
        finally:
            self.s.settimeout(60)
        raise Unlike(f"something comes: {bytes(self.buffer[:40])}" if more else "an end")

    def closed(self, codes):
        """The other side closes. Messages that were on their way before may come first."""
        code = 0
        try:
            while True:
                opcode, payload = self.get()
                if opcode == CLOSE:
                    code = struct.unpack(">H", payload[:2])[0] if payload else 1005
                    break
        except (EOFError, ConnectionError):
            pass
        if code not in codes:
            raise Unlike(f"closed with {code} instead of {codes}")
        if code:
            self.put(self.frame(CLOSE, struct.pack(">H", 1000)))
        try:
            if not self.client:
                self.s.shutdown(socket.SHUT_WR)
            while self.s.recv(1 << 16):
                pass
        except TimeoutError:
            raise Unlike("the connection stays open") from None
        except OSError:
            pass  # gone already

    def play(self, steps, most):
        """`most` is how many messages of a series are sent."""
        for step in steps:
            kind, rest = step[0], step[1:]
            if kind == "send":
                self.put(b"".join(self.frame(*f) for f in rest[0]), rest[1])
            elif kind == "part":
                whole = self.frame(*rest[0])
                self.put(whole[:len(whole) - len(rest[0][1]) + rest[1]])
            elif kind == "get":
                self.want(*rest)
            elif kind == "wait":
                self.quiet()
            elif kind == "closed":
                self.closed(rest[0])
                return
            else:
                n, size, what, fragment = rest
                for i in range(min(n, most)):
                    opcode, payload = data(what, size, i)
                    self.put(self.message(opcode, payload, fragment))
                    self.want(opcode, payload)
        self.put(self.frame(CLOSE, struct.pack(">H", 1000)))
        self.closed((1000,))
