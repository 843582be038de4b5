"""HTTP/2 by hand: frames as they go over the wire, right or wrong, with hpack for the header blocks."""
import os
import socket
import struct
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../../build/peers/python"))
try:
    import hpack
except ImportError:  # scripts/setup test
    hpack = None

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
ALTSVC, PRIORITY_UPDATE = 10, 16
END_STREAM, ACK, END_HEADERS, PADDED = 1, 1, 4, 8
NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, FLOW_CONTROL_ERROR, _, STREAM_CLOSED, FRAME_SIZE_ERROR, REFUSED_STREAM, CANCEL, COMPRESSION_ERROR, \
    _, ENHANCE_YOUR_CALM = range(12)


def frame(kind, flags=0, stream=0, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


class Answer:
    def __init__(self):
        self.hints, self.headers, self.body, self.trailers = [], None, b"", None
        self.ended, self.reset = False, None

    @property
    def status(self):
        return int(self.headers[":status"])


class Peer:
    """A client's end of a connection."""

    def __init__(self, connect, settings=b"", preface=PREFACE, window=True, timeout=60):
        self.socket = connect()
        self.socket.settimeout(timeout)
        self.window = window  # gives back what has come
        self.encoder, self.decoder = hpack.Encoder(), hpack.Decoder()
        self.answers, self.settings, self.goaways, self.acks, self.windows = {}, {}, [], [], []
        self.next, self.rest, self.closed = 1, b"", False
        self.send(preface + frame(SETTINGS, 0, 0, settings))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def block(self, method="GET", path="/", headers=(), authority="test", scheme="http", protocol=None):
        fields = [(":method", method), (":protocol", protocol), (":scheme", scheme), (":path", path), (":authority", authority)]
        return self.encoder.encode([f for f in fields if f[1] is not None] + list(headers))

    def request(self, method="GET", path="/", headers=(), body=None, end=True, **rest):
        """Begins a request; its stream."""
        stream, self.next = self.next, self.next + 2
        block = self.block(method, path, headers, **rest)
        out = frame(HEADERS, END_HEADERS | (END_STREAM if body is None and end else 0), stream, block)
        if body is not None:
            pieces = [body[i:i + 16384] for i in range(0, len(body), 16384)] or [b""]
            for i, piece in enumerate(pieces):
                out += frame(DATA, END_STREAM if end and i == len(pieces) - 1 else 0, stream, piece)
        self.send(out)
        return stream

    def answer(self, stream):
        return self.answers.setdefault(stream, Answer())

    def read(self):
        """Takes one frame; None at the end of the connection."""
        while len(self.rest) < 9 or len(self.rest) < 9 + int.from_bytes(self.rest[:3], "big"):
            try:
                data = self.socket.recv(1 << 16)
            except ConnectionError:
                data = b""
            if not data:
                self.closed = True
                return None
            self.rest += data
        length = int.from_bytes(self.rest[:3], "big")
        kind, flags, stream = struct.unpack(">BBI", self.rest[3:9])
        payload, self.rest = self.rest[9:9 + length], self.rest[9 + length:]
        self.take(kind, flags, stream, payload)
        return kind, flags, stream, payload

    def take(self, kind, flags, stream, payload):
        if kind == HEADERS:
            assert flags & END_HEADERS
            answer, fields = self.answer(stream), self.decoder.decode(payload)
            fields = {n: v for n, v in fields}
            if fields.get(":status", "").startswith("1"):
                answer.hints.append(fields)
            elif answer.headers is None:
                answer.headers = fields
            else:
                answer.trailers = fields
        elif kind == DATA:
            self.answer(stream).body += payload
            if self.window and payload:
                self.send(frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", len(payload))) +
                          (b"" if flags & END_STREAM else frame(WINDOW_UPDATE, 0, stream, struct.pack(">I", len(payload)))))
        elif kind == RST_STREAM:
            self.answer(stream).reset = struct.unpack(">I", payload)[0]
        elif kind == SETTINGS and not flags & ACK:
            for i in range(0, len(payload), 6):
                name, value = struct.unpack(">HI", payload[i:i + 6])
                self.settings[name] = value
            self.send(frame(SETTINGS, ACK))
        elif kind == PING and not flags & ACK:
            self.send(frame(PING, ACK, 0, payload))
        elif kind == PING:
            self.acks.append(payload)
        elif kind == GOAWAY:
            self.goaways.append(struct.unpack(">II", payload[:8]))
        elif kind == WINDOW_UPDATE:
            self.windows.append((stream, struct.unpack(">I", payload)[0]))
        if kind in (HEADERS, DATA) and flags & END_STREAM:
            self.answer(stream).ended = True

    def wait(self, *streams):
        """Reads until these have their answers; the last one's."""
        while not self.closed and not all(self.answer(s).ended or self.answer(s).reset is not None for s in streams):
            self.read()
        return self.answer(streams[-1])

    def ask(self, *args, **rest):
        return self.wait(self.request(*args, **rest))

    def until(self, condition):
        while not condition() and not self.closed:
            self.read()

    def end(self):
        """Reads to the end of the connection; the error code of the last GOAWAY."""
        while not self.closed:
            self.read()
        return self.goaways[-1][1] if self.goaways else None

    def quiet(self, span=0.2):
        """Reads what comes while there is something."""
        before = self.socket.gettimeout()
        self.socket.settimeout(span)
        end = time.time() + 10 * span
        try:
            while time.time() < end and self.read() is not None:
                pass
        except TimeoutError:
            pass
        self.socket.settimeout(before)


class Server:
    """The server's end of a connection."""

    def __init__(self, s):
        self.socket, self.rest = s, b""
        self.encoder, self.decoder = hpack.Encoder(), hpack.Decoder()
        self.need(len(PREFACE))
        self.rest = self.rest[len(PREFACE):]
        self.send(frame(SETTINGS))

    def send(self, data):
        self.socket.sendall(data)

    def need(self, n):
        while len(self.rest) < n:
            data = self.socket.recv(65536)
            if not data:
                raise ConnectionError
            self.rest += data

    def frame(self):
        self.need(9)
        length = int.from_bytes(self.rest[:3], "big")
        self.need(9 + length)
        kind, flags, stream = struct.unpack(">BBI", self.rest[3:9])
        payload, self.rest = self.rest[9:9 + length], self.rest[9 + length:]
        if kind == SETTINGS and not flags & ACK:
            self.send(frame(SETTINGS, ACK))
        return kind, flags, stream, payload

    def body(self, most=None):
        """Reads to the end of a request's body, or so much of it."""
        size = 0
        while most is None or size < most:
            kind, flags, _, payload = self.frame()
            if kind == DATA:
                size += len(payload)
                if flags & END_STREAM:
                    return

    def request(self):
        """Waits for the next; its stream."""
        while True:
            kind, _, stream, payload = self.frame()
            if kind == HEADERS:
                self.fields = dict(self.decoder.decode(payload))
                return stream

    def answer(self, stream, body=b"hello"):
        self.send(frame(HEADERS, 4, stream, self.encoder.encode([(":status", "200")])) + frame(DATA, 1, stream, body))
