"""A client of HTTP/3 over aioquic, and a relay that loses, delays, reorders, doubles and moves what goes through it."""
import asyncio
import collections
import os
import random
import socket
import ssl
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "../../build/peers/python")]

try:
    from aioquic.asyncio.client import connect
    from aioquic.asyncio.protocol import QuicConnectionProtocol
    from aioquic.h3 import events as h3_events
    from aioquic.h3.connection import H3Connection
    from aioquic.quic import events as quic_events
    from aioquic.quic.configuration import QuicConfiguration
    MISSING = None
except ImportError as error:
    MISSING, QuicConnectionProtocol = f"aioquic is missing ({error}): make setup", object


class Answer:
    def __init__(self):
        self.status, self.headers, self.body, self.trailers, self.interim = None, {}, bytearray(), {}, []


class Client(QuicConnectionProtocol):
    """One connection. request() waits for a whole answer; start() gives the stream, whose answer grows in `answers`."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.http = H3Connection(self._quic)
        self.answers, self.waits = collections.defaultdict(Answer), {}
        self.ended, self.pongs = None, []

    def quic_event_received(self, event):
        if isinstance(event, quic_events.ConnectionTerminated):
            self.ended = event
            for wait in self.waits.values():
                if not wait.done():
                    wait.set_exception(ConnectionError(f"{event.error_code:#x} {event.reason_phrase}"))
        if isinstance(event, quic_events.StreamReset):
            wait = self.waits.get(event.stream_id)
            if wait and not wait.done():
                wait.set_exception(ConnectionResetError(event.error_code))
        for e in self.http.handle_event(event):
            if isinstance(e, h3_events.HeadersReceived):
                self.head(self.answers[e.stream_id], {k.decode(): v.decode() for k, v in e.headers})
            if isinstance(e, h3_events.DataReceived):
                self.answers[e.stream_id].body += e.data
            wait = self.waits.get(getattr(e, "stream_id", None))
            if getattr(e, "stream_ended", False) and wait and not wait.done():
                wait.set_result(self.answers[e.stream_id])

    @staticmethod
    def head(answer, headers):
        status = headers.get(":status")
        if status is None:
            answer.trailers = headers
        elif status.startswith("1"):
            answer.interim.append(headers)
        else:
            answer.status, answer.headers = int(status), headers

    def start(self, method, path, headers=(), body=None, end=True, trailers=None):
        stream = self._quic.get_next_available_stream_id()
        self.waits[stream] = asyncio.get_running_loop().create_future()
        self.waits[stream].add_done_callback(lambda wait: wait.cancelled() or wait.exception())  # one that is broken off is no news
        head = [(b":method", method.encode()), (b":scheme", b"https"), (b":authority", b"localhost"), (b":path", path.encode())]
        self.http.send_headers(stream, head + list(headers), end_stream=body is None and end)
        if body is not None:
            self.http.send_data(stream, body, end and not trailers)
        if trailers:
            self.http.send_headers(stream, trailers, end_stream=True)
        self.transmit()
        return stream

    async def answer(self, stream, seconds=90):
        return await asyncio.wait_for(self.waits[stream], seconds)

    async def request(self, *args, seconds=90, **kwargs):
        return await self.answer(self.start(*args, **kwargs), seconds)


def configuration(**kwargs):
    made = QuicConfiguration(is_client=True, alpn_protocols=["h3"], server_name="localhost", **kwargs)
    made.verify_mode = ssl.CERT_NONE
    return made


def client(port, made=None, **kwargs):
    return connect("127.0.0.1", port, configuration=made or configuration(), create_protocol=Client, **kwargs)


def run(coroutine, seconds=300):
    """What an asynchronous test comes to."""
    return asyncio.run(asyncio.wait_for(coroutine, seconds))


async def until(condition, what, seconds=90):
    """Waits for what the peer or the server is about to do; `condition` is a function or a coroutine function."""
    end = time.monotonic() + seconds
    while True:
        found = condition()
        if found if not asyncio.iscoroutine(found) else await found:
            return
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not within {seconds} s")
        await asyncio.sleep(0.02)


class Relay:
    """A UDP port before the server's. Each datagram is lost with probability `loss`, sent twice with `double`, and held for up to
    `delay` seconds, so that order is lost too; `begins` counts those that begin a connection; move() makes the client come from another port, or host; one that is not `heard` gets nothing there."""

    def __init__(self, port, loss=0.0, double=0.0, delay=0.0, seed=1):
        self.server, self.loss, self.double, self.delay = ("127.0.0.1", port), loss, double, delay
        self.random, self.lock = random.Random(seed), threading.Lock()
        self.front = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.front.bind(("127.0.0.1", 0))
        self.port, self.client, self.over = self.front.getsockname()[1], None, False
        self.lost = self.doubled = self.passed = self.begins = 0
        self.backs = []
        self.held, self.wake = [], threading.Condition()
        self.move()
        threading.Thread(target=self.forward, daemon=True).start()
        threading.Thread(target=self.release, daemon=True).start()

    def move(self, host="127.0.0.1", heard=True):
        back = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        back.bind((host, 0))
        self.backs.append(back)
        if heard:
            threading.Thread(target=self.backward, args=(back,), daemon=True).start()

    def forward(self):
        while not self.over:
            try:
                data, self.client = self.front.recvfrom(65536)
            except OSError:
                return
            self.begins += bool(data) and data[0] & 0xf0 == 0xc0  # Initial packets
            self.pass_on(lambda data=data: self.backs[-1].sendto(data, self.server))

    def backward(self, back):
        while not self.over:
            try:
                data = back.recv(65536)
            except OSError:
                return
            if not self.over:
                self.pass_on(lambda data=data: self.front.sendto(data, self.client))

    def pass_on(self, send):
        with self.lock:
            if self.random.random() < self.loss:
                self.lost += 1
                return
            times = 2 if self.random.random() < self.double else 1
            self.doubled += times - 1
            self.passed += times
            delays = [self.random.random() * self.delay for _ in range(times)]
        for delay in delays:
            if not delay:
                self.quietly(send)
                continue
            with self.wake:
                self.held.append((time.monotonic() + delay, send))
                self.wake.notify()

    @staticmethod
    def quietly(send):
        try:
            send()
        except OSError:
            pass

    def release(self):
        while not self.over:
            with self.wake:
                now = time.monotonic()
                due = [h for h in self.held if h[0] <= now]
                self.held = [h for h in self.held if h[0] > now]
                if not due:
                    self.wake.wait(min((h[0] - now for h in self.held), default=0.5))
            for _, send in sorted(due, key=lambda h: h[0]):
                self.quietly(send)

    def close(self):
        self.over = True
        for s in [self.front, *self.backs]:
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            s.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
