"""nx_fetch over HTTP/3: against our own server, aioquic and quic-go, peers that do wrong, networks that lose, and by Alt-Svc."""
import asyncio
import json
import os
import signal
import socket
import ssl
import struct
import subprocess
import tempfile
import threading
import time
import unittest

import http2_wire as wire
import quic
from certificates import Authority
from quic import Relay
from support import HERE, NEXUS, App, free_port, short_deadlines

QUIC_GO = os.path.join(quic.HERE, "../../build/peers/quic-go")

if not quic.MISSING:
    from aioquic.asyncio import serve
    from aioquic.asyncio.protocol import QuicConnectionProtocol
    from aioquic.buffer import encode_uint_var
    from aioquic.h3 import events as h3_events
    from aioquic.h3.connection import H3Connection
    from aioquic.quic import events as quic_events
    from aioquic.quic.configuration import QuicConfiguration
else:
    QuicConnectionProtocol = object


class Server(QuicConnectionProtocol):
    """aioquic's end of a connection: the test's `act(server, stream, headers)` is told of each request, once it is whole."""

    def __init__(self, *args, peer, **kwargs):
        super().__init__(*args, **kwargs)
        self.heard = lambda: None  # a test's own, told of each piece of a body
        self.http, self.peer, self.bodies, self.asked, self.whole = H3Connection(self._quic), peer, {}, {}, False
        peer.servers.append(self)

    def quic_event_received(self, event):
        if isinstance(event, quic_events.HandshakeCompleted):
            self.whole = True
            self.peer.early.append(event.early_data_accepted)
            self.peer.resumed.append(event.session_resumed)
        for e in self.http.handle_event(event):
            if isinstance(e, h3_events.HeadersReceived):
                self.asked[e.stream_id] = {k.decode(): v.decode() for k, v in e.headers}
                if not self.whole:
                    self.peer.before.add(self.asked[e.stream_id][":method"])
                if self.peer.at_head:
                    self.peer.at_head(self, e.stream_id, self.asked[e.stream_id])
            if isinstance(e, h3_events.DataReceived):
                self.bodies[e.stream_id] = self.bodies.get(e.stream_id, b"") + e.data
                self.heard()
            if getattr(e, "stream_ended", False) and self.peer.act:
                self.peer.requests.append(self.asked[e.stream_id])
                self.peer.act(self, e.stream_id, self.asked[e.stream_id])
                self.transmit()

    def answer(self, stream, body=b"", headers=(), status=b"200", end=True, trailers=None):
        self.http.send_headers(stream, [(b":status", status), *headers], end_stream=False)
        self.http.send_data(stream, body, end and not trailers)
        if trailers:
            self.http.send_headers(stream, trailers, end_stream=True)


class Peer:
    """A server over aioquic, on a thread of its own."""

    def __init__(self, cert, act, at_head=None, alpn=("h3",), early=True, host="127.0.0.1"):
        self.act, self.at_head, self.servers, self.requests, self.early, self.resumed, self.tickets = act, at_head, [], [], [], [], {}
        self.before = set()  # methods that came before the handshake was done
        configuration = QuicConfiguration(is_client=False, alpn_protocols=list(alpn))
        configuration.load_cert_chain(*cert)
        self.loop, self.ready, self.configuration = asyncio.new_event_loop(), threading.Event(), configuration
        keep = {"session_ticket_fetcher": self.tickets.get, "session_ticket_handler": self.keep} if early else {}

        async def go():
            made = await serve(host, 0, configuration=configuration,
                               create_protocol=lambda *a, **k: Server(*a, peer=self, **k), **keep)
            self.port = made._transport.get_extra_info("sockname")[1]
            self.ready.set()
            await asyncio.Event().wait()
        self.task = None

        def run():
            asyncio.set_event_loop(self.loop)
            self.task = self.loop.create_task(go())
            try:
                self.loop.run_until_complete(self.task)
            except asyncio.CancelledError:
                pass
        self.thread = threading.Thread(target=run, daemon=True)
        self.thread.start()
        self.ready.wait(30)

    def keep(self, ticket):
        self.tickets[ticket.ticket] = ticket

    def close(self):
        self.loop.call_soon_threadsafe(self.task.cancel)
        self.thread.join(30)


class TcpServer:
    """HTTP/1.1 over TLS, which says where else it is: each answer has the next of `fields`."""

    def __init__(self, cert, *fields):
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*cert)
        self.listener, self.fields, self.count = socket.create_server(("127.0.0.1", 0)), list(fields), 0
        self.port = self.listener.getsockname()[1]

        def run():
            while True:
                try:
                    s, _ = self.listener.accept()
                except OSError:
                    return
                threading.Thread(target=self.speak, args=(s, context), daemon=True).start()
        threading.Thread(target=run, daemon=True).start()

    def speak(self, s, context):
        try:
            with context.wrap_socket(s, server_side=True) as tls:
                while True:
                    head = b""
                    while b"\r\n\r\n" not in head:
                        data = tls.recv(65536)
                        if not data:
                            return
                        head += data
                    field = self.fields[min(self.count, len(self.fields) - 1)]
                    self.count += 1
                    line = f"alt-svc: {field}\r\n" if field else ""
                    tls.sendall(f"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n{line}\r\ntcp".encode())
        except OSError:
            pass

    def close(self):
        self.listener.close()


@unittest.skipIf(quic.MISSING, quic.MISSING)
class ClientTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.authority = Authority(cls.folder.name)
        cls.cert = cls.authority.issue("localhost", ["DNS:localhost", "IP:127.0.0.1"])

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def own(self, *args):
        app = App("http3.c", *self.cert, *args)
        self.addCleanup(self.ended, app)
        self.answers(app)
        return app

    def answers(self, app):
        """Its TCP port is there before it runs, its UDP port before it answers."""
        context = ssl.create_default_context(cafile=self.authority.cert)
        with socket.create_connection(("127.0.0.1", app.port), 60) as s, context.wrap_socket(s, server_hostname="localhost") as tls:
            tls.sendall(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n")
            self.assertTrue(tls.recv(1000))

    def ended(self, app):
        code, output = app.stop(), app.output()
        self.assertFalse(code or "ERROR" in output or "Sanitizer" in output, f"the server ended with {code}:\n{output}")

    def peer(self, act, cert=None, **kwargs):
        peer = Peer(cert or self.cert, act, **kwargs)
        self.addCleanup(peer.close)
        return peer

    def tcp(self, *fields):
        server = TcpServer(self.cert, *fields)
        self.addCleanup(server.close)
        return server

    def may(self, ca=None):
        """Any port: the alternatives of a server are at others."""
        return "--allow-connect=localhost", f"--allow-read={ca or self.authority.cert}"

    def fetch(self, port, *what, kind="h3", ca=None, flags=(), seconds=100):
        """What it says of each: after "get:/: " for example "200 HTTP/3 19"."""
        run = subprocess.run([os.path.abspath(NEXUS), "run", *(flags or self.may(ca)), os.path.join(HERE, "apps/fetch_http3.c"), "--", str(port),
                              ca or self.authority.cert, kind, *what], capture_output=True, text=True, timeout=seconds)
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
        for bad in ("ERROR", "Sanitizer", "crash"):
            self.assertNotIn(bad, run.stderr)
        return [line.split(": ", 1)[1] for line in run.stdout.splitlines()]


class Requests(ClientTest):
    def test_answers(self):
        app = self.own()
        said = self.fetch(app.port, "get:/", "get:/nowhere", "head:/big", "get:/big?n=5000000", "get:/slow?ms=10", "get:/hints")
        self.assertEqual([s.rsplit(" ", 1)[0] for s in said], ["200 HTTP/3", "404 HTTP/3"] + ["200 HTTP/3"] * 4)
        self.assertEqual([said[i] for i in (0, 2, 3, 4, 5)],
                         ["200 HTTP/3 19", "200 HTTP/3 0", "200 HTTP/3 5000000", "200 HTTP/3 4", "200 HTTP/3 4"])

    def test_bodies(self):
        app = self.own()
        sizes = [1, 70_000, 3_000_000]
        for what in ("echo", "up"):
            said = self.fetch(app.port, *(f"{what}:{n}" for n in sizes))
            self.assertEqual(said, [f"200 HTTP/3 {n}" for n in sizes])
        said = self.fetch(app.port, "through:5000000", "through:1")
        self.assertEqual(said, ["200 HTTP/3 5000000", "none", "200 HTTP/3 1", "none"])
        # It answers before it has all of it.
        said = self.fetch(app.port, "up:9000000", "echo:9000000", "get:/")
        self.assertIn("413", said[0])
        self.assertIn("413", said[1])
        self.assertEqual(said[2], "200 HTTP/3 19")

    def test_many(self):
        app = self.own()
        self.assertEqual(self.fetch(app.port, "many:500:/", "many:300:/slow?ms=20"), ["500 done, 0 failed", "300 done, 0 failed"])

    def test_back_pressure(self):
        """Who does not read holds the peer back, and nobody else on the connection."""
        app = self.own()
        self.assertEqual(self.fetch(app.port, "slowly:/big?n=20000000"), ["200 HTTP/3 20000000"])
        peer = self.peer(lambda server, stream, headers: server.answer(stream, bytes(8_000_000)))
        self.assertEqual(self.fetch(peer.port, "slowly:/big"), ["200 HTTP/3 8000000"])

    def test_given_up(self):
        """What is given up ends on the wire, and the connection goes on."""
        app = self.own()
        said = self.fetch(app.port, *["part:/big?n=20000000"] * 30, "late:/slow?ms=5000", "cancel:/slow?ms=5000", "get:/", "get:/stats")
        self.assertEqual({s[:10] for s in said[:30]}, {"200 HTTP/3"})
        self.assertIn("no answer came (deadline)", said[30])
        self.assertIn("cancelled", said[31])
        self.assertEqual(said[32:34], ["0 done, 1 failed", "200 HTTP/3 19"])

    def test_early_and_resumed(self):
        """A later connection takes the session up again, and its GET goes with the first packet; a POST waits."""
        peer = self.peer(lambda server, stream, headers: server.answer(stream, server.bodies.get(stream, b"")))
        said = self.fetch(peer.port, *["get:/a", "idle"] * 6, "echo:10")
        self.assertEqual(said, ["200 HTTP/3 0"] * 6 + ["200 HTTP/3 10"])
        self.assertFalse(peer.resumed[0] or peer.early[0])
        self.assertTrue(any(peer.resumed) and any(peer.early[:6]), (peer.resumed, peer.early))
        self.assertEqual(peer.before, {"GET"} if any(peer.early) else set())
        app = self.own("early")
        said = self.fetch(app.port, *["get:/", "idle"] * 5, "echo:10", "many:20:/")
        self.assertEqual(said, ["200 HTTP/3 19"] * 5 + ["200 HTTP/3 10", "20 done, 0 failed"])

    def test_early_refused(self):
        """What has gone so and was refused is asked again: the peer has forgotten the ticket, or answers 425."""
        def forgets(server, stream, headers):
            peer.tickets.clear()
            server.answer(stream, b"x")
        peer = self.peer(forgets)
        said = self.fetch(peer.port, *["get:/a", "idle"] * 4, "many:5:/c")
        self.assertEqual(said, ["200 HTTP/3 1"] * 4 + ["5 done, 0 failed"])
        self.assertFalse(any(peer.resumed) or any(peer.early))
        asked = []

        def too_early(server, stream, headers):
            asked.append(headers[":path"])
            server.answer(stream, b"x", status=b"200" if server.whole else b"425")
        peer = self.peer(too_early)
        self.assertEqual(self.fetch(peer.port, *["get:/a", "idle"] * 6), ["200 HTTP/3 1"] * 6)
        self.assertTrue(any(peer.early))

    def test_retry(self):
        app = self.own("retry")
        self.assertEqual(self.fetch(app.port, "get:/", "idle", "get:/", "idle", "get:/"), ["200 HTTP/3 19"] * 3)

    def test_networks(self):
        app = self.own("workers=2")
        for how in ({"loss": 0.05}, {"delay": 0.01}, {"double": 0.2}, {"loss": 0.02, "double": 0.05, "delay": 0.005}):
            with self.subTest(how), Relay(app.port, **how) as relay:
                said = self.fetch(relay.port, "get:/big?n=600000", "echo:300000", "through:300000", "many:20:/")
                self.assertEqual(said, ["200 HTTP/3 600000", "200 HTTP/3 300000", "200 HTTP/3 300000", "none", "20 done, 0 failed"])

    def test_addresses(self):
        """Of the two that localhost has, one answers; at the other somebody is silent, or nobody is there. It is raced, not waited for."""
        for host, other, family in (("127.0.0.1", "::1", socket.AF_INET6), ("::1", "127.0.0.1", socket.AF_INET)):
            try:
                peer = self.peer(lambda server, stream, headers: server.answer(stream, b"quic!"), host=host)
                silent = socket.socket(family, socket.SOCK_DGRAM)
                silent.bind((other, peer.port))
            except OSError as error:
                self.skipTest(f"no IPv6 here, or another has the port: {error}")
            with silent:
                self.assertEqual(self.fetch(peer.port, "get:/", "get:/"), ["200 HTTP/3 5"] * 2)
                self.assertEqual(len(peer.servers), 1)  # the connection is kept
            self.assertEqual(self.fetch(peer.port, "get:/"), ["200 HTTP/3 5"])

    def test_no_address(self):
        """Both are silent, or nobody is there: the client says so."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as v4, socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as v6:
            try:
                v4.bind(("127.0.0.1", 0))
                v6.bind(("::1", v4.getsockname()[1]))
            except OSError as error:
                self.skipTest(f"no IPv6 here, or another has the port: {error}")
            port = v4.getsockname()[1]
            said = self.fetch(port, "late:/")[0]
            self.assertIn("by HTTP/3: no answer came in time", said)
            for s in (v4, v6):  # each was tried
                s.setblocking(False)
                self.assertGreaterEqual(len(s.recv(2000)), 1200)
        self.assertIn("connection refused", self.fetch(port, "get:/")[0])

    def test_quic_go(self):
        if not os.path.exists(QUIC_GO):
            self.skipTest("build/peers/quic-go is missing (make setup; it needs Go 1.24)")
        port = free_port()
        go = subprocess.Popen([QUIC_GO, "serve", f"127.0.0.1:{port}", *self.cert], stdout=subprocess.PIPE)
        self.addCleanup(go.stdout.close)
        self.addCleanup(go.wait)
        self.addCleanup(go.kill)
        go.stdout.readline()
        # It says so before it has bound its port.
        for _ in range(100):
            said = self.fetch(port, "get:/")
            if said == ["200 HTTP/3 14"]:
                break
        said = self.fetch(port, "get:/", "get:/big", "echo:3000000", "up:3000000", "many:300:/", "idle", "get:/")
        self.assertEqual(said, ["200 HTTP/3 14", "200 HTTP/3 20000000", "200 HTTP/3 3000000", "true", "200 HTTP/3 3000000", "true",
                                "300 done, 0 failed", "200 HTTP/3 14"])


class Trust(ClientTest):
    def refused(self, cert, why, ca=None):
        peer = self.peer(lambda server, stream, headers: server.answer(stream, b"x"), cert=cert)
        said = self.fetch(peer.port, "get:/", ca=ca)
        self.assertRegex(said[0], why)
        self.assertEqual(peer.requests, [])

    def test_certificates(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        other = Authority(folder.name, "Other Authority")
        self.refused(self.authority.issue("other.test"), "it is for another name")
        self.refused(other.issue("localhost", ["DNS:localhost"]), "an authority that is not trusted")
        self.refused(self.cert, "an authority that is not trusted", ca=other.cert)
        self.refused(self.authority.issue("expired", ["DNS:localhost"], dates=("20200101000000Z", "20210101000000Z")), "expired")

    def test_no_server(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
        self.assertRegex(self.fetch(port, "get:/")[0], r'cannot connect to "localhost:\d+" by HTTP/3: [Cc]onnection refused')

    def test_no_http3(self):
        peer = self.peer(None, alpn=("hq",))
        self.assertRegex(self.fetch(peer.port, "get:/")[0], "by HTTP/3: TLS: ")

    def test_grants(self):
        app = self.own()
        said = self.fetch(app.port, "get:/", flags=(f"--allow-net=localhost:{app.port}", f"--allow-read={self.authority.cert}"))
        self.assertEqual(said, ["200 HTTP/3 19"])
        said = self.fetch(app.port, "get:/", flags=("--allow-net=localhost:1", f"--allow-read={self.authority.cert}"))
        self.assertIn(f"--allow-net=localhost:{app.port}", said[0])


class Gone(ClientTest):
    """The server of a connection that is kept is there no more."""

    def asking(self, port, *what):
        """As fetch(), but each "line:" waits for the test."""
        asking = subprocess.Popen([os.path.abspath(NEXUS), "run", *self.may(), os.path.join(HERE, "apps/fetch_http3.c"), "--", str(port),
                                   self.authority.cert, "h3", *what], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.addCleanup(asking.stdout.close)
        self.addCleanup(asking.wait, 60)
        self.addCleanup(asking.kill)
        self.addCleanup(asking.stdin.close)
        return asking

    def go_on(self, asking):
        asking.stdin.write("\n")
        asking.stdin.flush()
        return asking.stdout.readline()

    @short_deadlines
    def test_server_began_anew(self):
        """One that knows nothing of the connection says so, and the next one is made at once."""
        app = self.own()
        asking = self.asking(app.port, "get:/", "line:", "late:/")
        self.assertIn(": 200 HTTP/3", asking.stdout.readline())
        pid = app.app_pid()
        os.kill(pid, signal.SIGKILL)
        self.answers(app)
        self.assertNotEqual(app.app_pid(), pid)
        self.assertIn(": 200 HTTP/3", self.go_on(asking))

    @short_deadlines
    def test_server_has_gone(self):
        app = App("http3.c", *self.cert)
        self.addCleanup(app.kill)
        self.answers(app)
        asking = self.asking(app.port, "get:/", "line:", "late:/")
        self.assertIn(": 200 HTTP/3", asking.stdout.readline())
        app.kill()
        self.assertRegex(self.go_on(asking), "[Cc]onnection refused")

    def test_network_has_gone(self):
        """Nothing is acknowledged: others are asked by a new connection, and in the end so is what was under way."""
        app = self.own()
        relay = Relay(app.port)
        self.addCleanup(relay.close)
        asking = self.asking(relay.port, "get:/", "line:", "get:/")
        self.assertIn(": 200 HTTP/3", asking.stdout.readline())
        relay.begins = 0
        relay.loss = 1
        asking.stdin.write("\n")
        asking.stdin.flush()
        end = time.time() + 100
        while not relay.begins and time.time() < end:
            time.sleep(0.02)
        relay.loss = 0
        self.assertIn(": 200 HTTP/3", asking.stdout.readline())


class Attacks(ClientTest):
    """Peers that do wrong: the request fails, or goes elsewhere, and the client goes on."""

    def one(self, act, why, how="get"):
        peer = self.peer(act)
        said = self.fetch(peer.port, f"{how}:/bad", "get:/good")
        self.assertRegex(said[0], why)
        return peer, said[1]

    @staticmethod
    def bad(do):
        def act(server, stream, headers):
            if headers[":path"] == "/good":
                server.answer(stream, b"good")
            else:
                do(server, stream)
        return act

    @staticmethod
    def head(server, stream, fields):
        """aioquic checks what it sends: this goes past it."""
        block = server.http._encode_headers(stream, list(fields))
        server._quic.send_stream_data(stream, b"\x01" + encode_uint_var(len(block)) + block)

    def test_reset(self):
        for code, why in ((0x102, "the request was reset"), (0x10b, "refused the request")):
            _, good = self.one(self.bad(lambda s, stream: s._quic.reset_stream(stream, code)), why)
            self.assertEqual(good, "200 HTTP/3 4")

        def amid(server, stream):
            server.http.send_headers(stream, [(b":status", b"200")])
            server.http.send_data(stream, b"abc", False)
            server.transmit()
            server._quic.reset_stream(stream, 0x102)
        _, good = self.one(self.bad(amid), "the request was reset")
        self.assertEqual(good, "200 HTTP/3 4")

    def test_refused_goes_elsewhere(self):
        """H3_REQUEST_REJECTED says that nothing was done: it is asked again over another connection."""
        asked = []

        def act(server, stream, headers):
            asked.append(server)
            if len(asked) == 1:
                server._quic.reset_stream(stream, 0x10b)
            else:
                server.answer(stream, b"good")
        peer = self.peer(act)
        self.assertEqual(self.fetch(peer.port, "get:/"), ["200 HTTP/3 4"])
        self.assertEqual(len(set(map(id, asked))), 2)

    def test_goaway(self):
        """What the peer has not looked at goes over another connection; what it has is answered."""
        asked = []

        def act(server, stream, headers):
            asked.append((server, headers[":path"]))
            if len(asked) == 2:
                goaway = b"\x07" + encode_uint_var(len(encode_uint_var(stream))) + encode_uint_var(stream)
                server._quic.send_stream_data(server.http._local_control_stream_id, goaway)
            else:
                server.answer(stream, b"good")
        peer = self.peer(act)
        self.assertEqual(self.fetch(peer.port, "get:/1", "get:/2", "get:/3"), ["200 HTTP/3 4"] * 3)
        self.assertEqual([path for _, path in asked], ["/1", "/2", "/2", "/3"])
        self.assertEqual(len(set(id(s) for s, _ in asked)), 2)

    def test_closes(self):
        for code, why in ((0x100, "has closed the connection"), (0x102, "has closed the connection")):
            _, good = self.one(self.bad(lambda s, stream: s._quic.close(code)), why)
            self.assertEqual(good, "200 HTTP/3 4")

    def test_stalls(self):
        _, good = self.one(self.bad(lambda s, stream: None), "no answer came", "late")
        self.assertEqual(good, "200 HTTP/3 4")

        def amid(server, stream):
            server.http.send_headers(stream, [(b":status", b"200")])
        _, good = self.one(self.bad(amid), "nothing more came of the answer", "late")
        self.assertEqual(good, "200 HTTP/3 4")

    def test_frames(self):
        """What is no HTTP/3 ends the connection; the next request has a new one."""
        def raw(data, end=False):
            return self.bad(lambda s, stream: s._quic.send_stream_data(stream, data, end))

        def control(data):
            return self.bad(lambda s, stream: s._quic.send_stream_data(s.http._local_control_stream_id, data))
        for act in (raw(b"\x00\x03abc"),                # DATA before HEADERS
                    raw(b"\x04\x00"),                   # SETTINGS on a request
                    raw(b"\x01\x05\xff\xff\xff\xff\xff"),  # no field section
                    raw(b"\x02\x00"),                   # a frame of HTTP/2
                    raw(b"\x05\x01\x00"),               # PUSH_PROMISE, which nobody has allowed
                    control(b"\x04\x00"),               # SETTINGS again
                    control(b"\x00\x01a"),              # DATA on the control stream
                    control(b"\x07\x01\x01"),           # GOAWAY with the number of a stream that is none
                    control(b"\x02\x00")):
            _, good = self.one(act, "has broken the protocol|was reset")
            self.assertEqual(good, "200 HTTP/3 4")
        _, good = self.one(raw(b"", True), "ended without an answer|was reset|broken the protocol")
        self.assertEqual(good, "200 HTTP/3 4")

    def test_answers_that_are_none(self):
        def head(*fields, body=b"", end=True):
            def do(server, stream):
                self.head(server, stream, fields)
                if body:
                    server._quic.send_stream_data(stream, b"\x00" + encode_uint_var(len(body)) + body)
                if end:
                    server._quic.send_stream_data(stream, b"", True)
            return self.bad(do)
        ok = (b":status", b"200")
        for fields in ([(b"x", b"y")], [(b":status", b"2x0")], [ok, ok], [ok, (b"connection", b"close")], [(b"x", b"y"), ok],
                       [ok, (b":path", b"/")], [ok, (b"content-length", b"-1")], [ok, (b"content-length", b"1"), (b"content-length", b"2")],
                       [ok, (b"X-Upper", b"a")]):
            with self.subTest(fields):
                _, good = self.one(head(*fields), "has broken the protocol|was reset|ended")
                self.assertEqual(good, "200 HTTP/3 4")
        _, good = self.one(head(ok, (b"content-length", b"9"), body=b"abc"), "has broken the protocol|was reset|ended")
        self.assertEqual(good, "200 HTTP/3 4")
        self.one(head(ok, (b"x", b"a\nb")), "200 HTTP/3 0")  # a field that can't be one is left out

    def test_bombs(self):
        def large(server, stream):
            server.answer(stream, b"x", [(b"x-%d" % i, b"y" * 1000) for i in range(200)])

        def fields(server, stream):
            server.answer(stream, b"x", [(b"x-%d" % i, b"y") for i in range(1000)])

        def informs(server, stream):
            for _ in range(200):
                self.head(server, stream, [(b":status", b"103")])
        for do in (large, fields):
            _, good = self.one(self.bad(do), "head is too large")
            self.assertEqual(good, "200 HTTP/3 4")
        _, good = self.one(self.bad(informs), "without end|broken the protocol")
        self.assertEqual(good, "200 HTTP/3 4")

    def test_stops_the_upload(self):
        """STOP_SENDING, and an answer: it is listened to."""
        def at_head(server, stream, headers):
            server._quic.stop_stream(stream, 0x100)
            server.answer(stream, b"enough", status=b"413")
            server.transmit()
        peer = self.peer(None, at_head=at_head)
        said = self.fetch(peer.port, "up:5000000", "echo:5000000")
        self.assertEqual([s.split(",")[0] for s in said], ["different: 413", "different: 413"])

    def test_more_than_it_allows(self):
        """Who waits for the peer to allow another stream goes on when it does."""
        peer = self.peer(lambda server, stream, headers: server.answer(stream, b"x"))
        self.assertEqual(self.fetch(peer.port, "many:250:/"), ["250 done, 0 failed"])


class AltSvc(ClientTest):
    def test_own_server(self):
        app = self.own()
        said = self.fetch(app.port, "get:/", "get:/", "echo:100000", "many:50:/", kind="any")
        self.assertEqual(said, ["200 HTTP/2 19", "200 HTTP/3 19", "200 HTTP/3 100000", "50 done, 0 failed"])
        self.assertEqual(self.fetch(app.port, "get:/", "get:/", kind="tcp"), ["200 HTTP/2 19"] * 2)

    def test_says_where(self):
        peer = self.peer(lambda server, stream, headers: server.answer(stream, b"quic!"))
        tcp = self.tcp(f'h2=":1", h3="localhost:{peer.port}"; ma=60; persist=1')
        self.assertEqual(self.fetch(tcp.port, "get:/", "get:/", kind="any"), ["200 HTTP/1.1 3", "200 HTTP/3 5"])
        self.assertEqual((peer.requests[0]["alt-used"], peer.requests[0][":authority"]),
                         (f"localhost:{peer.port}", f"localhost:{tcp.port}"))

    def test_not_elsewhere(self):
        """Another host, another protocol, another life: none of it is taken."""
        peer = self.peer(lambda server, stream, headers: server.answer(stream, b"quic!"))
        for field in (f'h3="127.0.0.1:{peer.port}"', f'h3-29=":{peer.port}"', f'h3=":{peer.port}"; ma=0', f"h3=:{peer.port}", 'h3=":0"',
                      'h3=":99999"', f'h3=":{peer.port}"; ma', "", "clear"):
            with self.subTest(field):
                tcp = self.tcp(field)
                self.assertEqual(self.fetch(tcp.port, "get:/", "get:/", kind="any"), ["200 HTTP/1.1 3"] * 2)

    def test_clear(self):
        quiet = [(b"alt-svc", b"clear")]
        peer = self.peer(lambda server, stream, headers: server.answer(stream, b"quic!", quiet))
        tcp = self.tcp(f'h3=":{peer.port}"', "")
        self.assertEqual(self.fetch(tcp.port, "get:/", "get:/", "get:/", kind="any"), ["200 HTTP/1.1 3", "200 HTTP/3 5", "200 HTTP/1.1 3"])

    @unittest.skipUnless(wire.hpack, "hpack is not there; it comes with: scripts/setup test")
    def test_frames(self):
        """ALTSVC of HTTP/2 (RFC 7838 4): of the connection's own origin, or of the request's."""
        peer = self.peer(lambda server, stream, headers: server.answer(stream, b"quic!"))
        field = f'h3=":{peer.port}"'.encode()

        def altsvc(stream, origin, value=field):
            return wire.frame(wire.ALTSVC, 0, stream, struct.pack(">H", len(origin)) + origin + value)
        rows = (
            (lambda stream, own: altsvc(0, own), True),
            (lambda stream, own: altsvc(stream, b""), True),
            (lambda stream, own: altsvc(0, b"https://other.example") + altsvc(0, own), True),
            (lambda stream, own: altsvc(0, b""), False),              # whose?
            (lambda stream, own: altsvc(stream, own), False),         # the request's is known
            (lambda stream, own: altsvc(0, b"https://localhost"), False),
            (lambda stream, own: altsvc(0, own.replace(b"https", b"http")), False),
            (lambda stream, own: altsvc(0, own.replace(b"localhost", b"127.0.0.1")), False),
            (lambda stream, own: altsvc(0, own) + altsvc(0, own, b"clear"), False),
            (lambda stream, own: altsvc(0, own, field + b"; ma=0"), False),
            (lambda stream, own: altsvc(0, own, b""), False),
        )
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*self.cert)
        context.set_alpn_protocols(["h2"])
        for make, taken in rows:
            listener = socket.create_server(("127.0.0.1", 0))
            self.addCleanup(listener.close)
            port = listener.getsockname()[1]

            def run(listener=listener, port=port, make=make):
                try:
                    while True:
                        s, _ = listener.accept()
                        with context.wrap_socket(s, server_side=True) as tls:
                            server = wire.Server(tls)
                            while True:
                                stream = server.request()
                                server.send(make(stream, b"https://localhost:%d" % port))
                                server.answer(stream)
                except OSError:
                    pass
            threading.Thread(target=run, daemon=True).start()
            with self.subTest(make(1, b"https://localhost:1")):
                second = "200 HTTP/3 5" if taken else "200 HTTP/2 5"
                self.assertEqual(self.fetch(port, "get:/", "get:/", kind="any"), ["200 HTTP/2 5", second])

    def test_falls_back(self):
        """Nobody there, somebody who never answers, the wrong certificate, the wrong protocol, a port that is not granted; and once
        it has failed it is not tried again for a while."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.bind(("127.0.0.1", 0))
            nobody = s.getsockname()[1]
        silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(silent.close)
        silent.bind(("127.0.0.1", 0))
        wrong = self.peer(lambda server, stream, headers: server.answer(stream, b"quic!"), cert=self.authority.issue("other.test"))
        other = self.peer(None, alpn=("hq",))
        for port in (nobody, silent.getsockname()[1], wrong.port, other.port):
            tcp = self.tcp(f'h3=":{port}"')
            self.assertEqual(self.fetch(tcp.port, "get:/", "get:/", "get:/", "echo:10", kind="any")[:3], ["200 HTTP/1.1 3"] * 3)
        self.assertEqual(wrong.requests, [])
        self.assertEqual(len(wrong.servers), 1)
        ids = set()
        silent.setblocking(False)
        try:
            while True:
                ids.add(silent.recv(2000)[6:22])
        except BlockingIOError:
            pass
        self.assertEqual(len(ids), 1)
        tcp = self.tcp(f'h3=":{wrong.port}"')
        said = self.fetch(tcp.port, "get:/", "get:/", kind="any",
                          flags=(f"--allow-net=localhost:{tcp.port}", f"--allow-read={self.authority.cert}"))
        self.assertEqual(said, ["200 HTTP/1.1 3"] * 2)

    def test_dies(self):
        """One that stops answering, or ends every request, is left for the origin."""
        peer = self.peer(lambda server, stream, headers: server._quic.close(0x102))
        tcp = self.tcp(f'h3=":{peer.port}"')
        self.assertEqual(self.fetch(tcp.port, "get:/", "get:/", "get:/", kind="any"), ["200 HTTP/1.1 3"] * 3)
        self.assertEqual(len(peer.requests), 1)

    def test_misdirected(self):
        peer = self.peer(lambda server, stream, headers: server.answer(stream, b"not here", status=b"421"))
        tcp = self.tcp(f'h3=":{peer.port}"')
        self.assertEqual(self.fetch(tcp.port, "get:/", "get:/", "get:/", kind="any"), ["200 HTTP/1.1 3"] * 3)
        self.assertEqual(len(peer.requests), 1)


if __name__ == "__main__":
    unittest.main()
