#!/usr/bin/env python3
"""TLS in whole programs, with peers of other makers: NEXUS=path/to/nexus python3 tests/e2e/tls_test.py [-k name]."""
import json
import os
import shutil
import socket
import ssl
import subprocess
import tempfile
import threading
import time
import unittest

from certificates import Authority
from command import NEXUS
from support import HERE, App, free_port, grants, short_deadlines


class Certificates:
    """What all tests share, made once."""
    folder = None

    @classmethod
    def make(cls):
        if cls.folder:
            return
        cls.folder = tempfile.mkdtemp(prefix="nexus-tls-")
        cls.authority = Authority(cls.folder)
        cls.stranger = Authority(cls.folder, "Stranger")
        cls.between = Authority(cls.folder, "Between", issuer=cls.authority)
        cls.good = cls.authority.issue("localhost", ["DNS:localhost", "IP:127.0.0.1"])
        cls.other = cls.authority.issue("other", ["DNS:other.example", "DNS:*.wild.example"])
        cls.alice = cls.authority.issue("alice", [], client=True, subject="/O=Example/CN=alice")


def setUpModule():
    Certificates.make()


def tearDownModule():
    shutil.rmtree(Certificates.folder, ignore_errors=True)


def context(ca=None, protocols=("http/1.1",), cert=None, **versions):
    c = ssl.create_default_context(cafile=ca or Certificates.authority.cert)
    if protocols:
        c.set_alpn_protocols(list(protocols))
    if cert:
        c.load_cert_chain(*cert)
    for name, value in versions.items():
        setattr(c, name, value)
    return c


def get(s, path="/", method="GET", body=b"", close=True):
    """The answer's head and body over a socket that is open."""
    head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\ncontent-length: {len(body)}\r\n"
    s.sendall((head + ("connection: close\r\n" if close else "") + "\r\n").encode() + body)
    data = b""
    while b"\r\n\r\n" not in data:
        more = s.recv(65536)
        if not more:
            break
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            while len(body) < int(line.split(b":")[1]):
                body += s.recv(65536)
            return head, body
    while True:
        more = s.recv(65536)
        if not more:
            return head, body
        body += more


class Https(unittest.TestCase):
    def start(self, *args, cert=None, **more):
        cert = cert or Certificates.good
        app = App("https.c", *cert, *args, **more)
        self.addCleanup(app.kill)
        return app

    def connect(self, app, name="localhost", ctx=None, session=None):
        s = (ctx or context()).wrap_socket(app.connect(), server_hostname=name, session=session)
        self.addCleanup(s.close)
        return s

    def ask(self, app, **more):
        return json.loads(get(self.connect(app, **more))[1])

    def curl(self, app, *args, path="/"):
        return subprocess.run(["curl", "-sS", "--cacert", Certificates.authority.cert, *args, f"https://localhost:{app.port}{path}"],
                              capture_output=True, timeout=60)

    def still_serves(self, app):
        self.assertEqual(self.ask(app)["version"], "1.3")

    def test_curl_and_python(self):
        app = self.start()
        for option, protocol in (("--http1.1", "http/1.1"), ("--http2", "h2")):
            done = self.curl(app, option)
            self.assertEqual(done.returncode, 0, done.stderr)
            said = json.loads(done.stdout)
            self.assertEqual((said["version"], said["scheme"], said["protocol"], said["name"]), ("1.3", "https", protocol, "localhost"))
        self.assertEqual(self.ask(app)["subject"], "")
        self.assertEqual(self.ask(app, ctx=context(protocols=()))["protocol"], "")
        self.assertEqual(self.ask(app, ctx=context(maximum_version=ssl.TLSVersion.TLSv1_2))["version"], "1.2")

    def test_the_start_line(self):
        app = self.start(flags=("--watch", f"--allow-read={Certificates.folder}", "--allow-listen=127.0.0.1"))
        end = time.time() + 60
        while "started in" not in app.output() and time.time() < end:
            time.sleep(0.05)
        self.assertIn(f"https://127.0.0.1:{app.port} ", app.output())

    def test_openssl(self):
        app = self.start()
        done = subprocess.run(["openssl", "s_client", "-connect", f"localhost:{app.port}", "-CAfile", Certificates.authority.cert,
                               "-verify_return_error", "-servername", "localhost", "-ign_eof"],
                              input=b"GET / HTTP/1.1\r\nHost: localhost\r\nconnection: close\r\n\r\n", capture_output=True, timeout=60)
        self.assertIn(b"Verify return code: 0 (ok)", done.stdout)
        self.assertIn(b"HTTP/1.1 200 OK", done.stdout)
        self.assertEqual(done.stdout.count(b"New Session Ticket arrived"), 1)

    @unittest.skipUnless(shutil.which("node"), "Node is not installed")
    def test_node(self):
        app = self.start()
        script = ("const https=require('https'),fs=require('fs');https.get({host:'localhost',port:+process.argv[1],ca:fs.readFileSync(process.argv[2])},"
                  "r=>{let d='';r.on('data',c=>d+=c);r.on('end',()=>console.log(r.statusCode,d))}).on('error',e=>{console.log(e);process.exit(1)})")
        done = subprocess.run(["node", "-e", script, str(app.port), Certificates.authority.cert], capture_output=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn(b'200 {"version":"1.3"', done.stdout)

    def test_bodies_both_ways(self):
        app = self.start("--files=" + Certificates.folder)
        data = os.urandom(3 << 20)
        s = self.connect(app)
        self.assertEqual(get(s, "/echo", "POST", data, close=False)[1], data)
        said = json.loads(get(s, "/upload", "POST", data, close=False)[1])
        self.assertEqual((said["bytes"], said["sum"]), (len(data), sum(data)))
        self.assertEqual(get(s, "/echo", "POST", b"x", close=False)[1], b"x")
        with open(os.path.join(Certificates.folder, "large"), "wb") as f:
            f.write(data)
        self.assertEqual(get(s, "/files/large", close=False)[1], data)
        done = self.curl(app, "-r", "100000-2900000", path="/files/large")
        self.assertEqual(done.stdout, data[100000:2900001])
        done = self.curl(app, "-r", "0-9,1000-1009", path="/files/large")
        self.assertIn(data[1000:1010], done.stdout)
        done = self.curl(app, path="/pieces")
        self.assertEqual(done.stdout, b"x" * 4000000)
        done = self.curl(app, path="/ticks")
        self.assertEqual(done.stdout.count(b"data: tick"), 3)

    def test_pipelined_and_in_bits(self):
        app = self.start()
        s = self.connect(app)
        s.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 20)
        data = b""
        while data.count(b"HTTP/1.1 200 OK") < 20:
            data += s.recv(65536)
        s.sendall(b"POST /echo HTTP/1.1\r\nHost: a\r\ncontent-length: 10\r\n\r\n")
        for i in range(10):
            s.sendall(b"%d" % i)
            time.sleep(0.01)
        data = b""
        while b"0123456789" not in data:
            data += s.recv(65536)

    def test_a_client_that_reads_slowly(self):
        app = self.start()
        s = self.connect(app)
        s.sendall(b"GET /pieces HTTP/1.1\r\nHost: a\r\nconnection: close\r\n\r\n")
        time.sleep(1)
        count = 0
        while True:
            data = s.recv(1 << 16)
            if not data:
                break
            count += data.count(b"x")
        self.assertGreaterEqual(count, 4000000)

    def test_plain_http_is_told(self):
        app = self.start()
        for text in (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"OPTIONS * HTTP/1.1\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"):
            with app.connect() as s:
                s.sendall(text)
                data = b"".join(iter(lambda: s.recv(65536), b""))
            self.assertIn(b"HTTP/1.1 400 Bad Request", data)
            self.assertIn(b"https://", data)
        self.still_serves(app)

    def test_names(self):
        app = self.start(*Certificates.other)

        def name_of(asked):
            c = context()
            c.check_hostname = False
            s = self.connect(app, asked, c)
            return [v for _, v in s.getpeercert()["subjectAltName"]]
        self.assertIn("other.example", name_of("other.example"))
        self.assertIn("other.example", name_of("OTHER.example"))
        self.assertIn("other.example", name_of("a.wild.example"))
        self.assertIn("localhost", name_of("a.b.wild.example"))
        self.assertIn("localhost", name_of("wild.example"))
        self.assertIn("localhost", name_of("unknown.example"))
        self.assertIn("localhost", name_of(None))

    def test_chain(self):
        cert = Certificates.between.issue("chained", ["DNS:localhost"])
        self.assertEqual(self.ask(self.start(cert=cert))["version"], "1.3")

    def test_rsa_and_ed25519(self):
        for kind in (("RSA", "rsa_keygen_bits:2048"), ("ED25519", None), ("EC", "ec_paramgen_curve:P-384")):
            cert = Certificates.authority.issue("kind-" + kind[0], ["DNS:localhost"], kind=kind)
            with self.subTest(kind=kind[0]):
                self.assertEqual(self.ask(self.start(cert=cert))["version"], "1.3")

    def test_resumption(self):
        app = self.start("--workers=2")
        c = context()
        s = self.connect(app, ctx=c)
        self.assertFalse(json.loads(get(s)[1])["resumed"])
        session = s.session
        for _ in range(8):  # whichever worker it comes to
            again = self.connect(app, ctx=c, session=session)
            self.assertTrue(json.loads(get(again)[1])["resumed"])
        # For another name it is none.
        c.check_hostname = False
        again = self.connect(app, "another.example", c, session)
        self.assertFalse(json.loads(get(again)[1])["resumed"])

    def test_resumption_in_another_process(self):
        """As after a restart, or on another machine with the certificate."""
        one, another, c = self.start(), self.start(), context()
        s = self.connect(one, ctx=c)
        get(s)
        session = s.session
        self.assertTrue(json.loads(get(self.connect(another, ctx=c, session=session))[1])["resumed"])
        strange = self.start(cert=Certificates.between.issue("localhost2", ["DNS:localhost"]))
        self.assertFalse(json.loads(get(self.connect(strange, ctx=c, session=session))[1])["resumed"])

    def test_resumption_shows_no_less(self):
        """A ticket of a server where clients may show nothing is none where they have to."""
        authority = "--client-ca=" + Certificates.authority.cert
        may, must, c = self.start(authority, "--optional"), self.start(authority), context()
        s = self.connect(may, ctx=c)
        get(s)
        session = s.session
        self.assertTrue(json.loads(get(self.connect(may, ctx=c, session=session))[1])["resumed"])
        with self.assertRaises((ssl.SSLError, ConnectionError)):
            get(self.connect(must, ctx=c, session=session))

    def test_resumption_with_other_authorities(self):
        """A ticket goes with what the file of authorities says, not with its name."""
        file = os.path.join(Certificates.folder, "changing-ca.pem")
        shutil.copy(Certificates.authority.cert, file)
        app, c = self.start("--client-ca=" + file), context(cert=Certificates.alice)
        s = self.connect(app, ctx=c)
        get(s)
        session = s.session
        self.assertTrue(json.loads(get(self.connect(app, ctx=c, session=session))[1])["resumed"])
        shutil.copy(Certificates.stranger.cert, file)
        time.sleep(2.3)  # after which it is looked at
        with self.assertRaises((ssl.SSLError, ConnectionError)):
            get(self.connect(app, ctx=c, session=session))

    def test_tls_1_2_resumption(self):
        app = self.start()
        c = context(maximum_version=ssl.TLSVersion.TLSv1_2)
        s = self.connect(app, ctx=c)
        get(s)
        self.assertTrue(json.loads(get(self.connect(app, ctx=c, session=s.session))[1])["resumed"])

    def test_old_versions_are_refused(self):
        app = self.start()
        for version in ("-tls1", "-tls1_1"):
            done = subprocess.run(["openssl", "s_client", "-connect", f"localhost:{app.port}", version, "-cipher", "DEFAULT:@SECLEVEL=0"],
                                  input=b"", capture_output=True, timeout=60)
            self.assertNotIn(b"BEGIN SSL SESSION", done.stdout)
            self.assertIn(b"alert protocol version", done.stderr)
        app = self.start("--least=1.3")
        with self.assertRaises(ssl.SSLError):
            self.connect(app, ctx=context(maximum_version=ssl.TLSVersion.TLSv1_2))
        self.still_serves(app)

    def test_what_is_weak_is_refused(self):
        """Ciphers without forward secrecy or authenticated encryption, and curves that are too small."""
        app = self.start()

        def greet(*options):
            return subprocess.run(["openssl", "s_client", "-connect", f"localhost:{app.port}", "-tls1_2", *options], input=b"",
                                  capture_output=True, timeout=60)
        for cipher in ("AES128-GCM-SHA256:AES256-GCM-SHA384", "ECDHE-ECDSA-AES128-SHA:ECDHE-ECDSA-AES256-SHA384:ECDHE-ECDSA-AES128-CCM",
                       "DHE-RSA-AES128-GCM-SHA256", "ECDHE-ECDSA-NULL-SHA"):
            with self.subTest(cipher):
                done = greet("-cipher", cipher + ":@SECLEVEL=0")
                self.assertIn(b"alert handshake failure", done.stderr)
        for group in ("secp224r1", "sect163k1", "secp160r1"):
            with self.subTest(group):
                done = greet("-groups", group, "-cipher", "ECDHE:@SECLEVEL=0")
                self.assertIn(b"alert handshake failure", done.stderr)
        done = greet("-groups", "P-256", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256")  # which is not: the questions are right
        self.assertIn(b"ECDHE-ECDSA-AES128-GCM-SHA256", done.stdout)
        self.still_serves(app)

    def test_client_certificates(self):
        app = self.start("--client-ca=" + Certificates.authority.cert)
        said = self.ask(app, ctx=context(cert=Certificates.alice))
        self.assertEqual(said["subject"], "CN=alice,O=Example")
        self.assertEqual(len(said["sha256"]), 64)
        strange = Certificates.stranger.issue("mallory", [], client=True)
        for cert in (None, strange):
            with self.subTest(cert=cert), self.assertRaises((ssl.SSLError, ConnectionError)):
                self.ask(app, ctx=context(cert=cert))
        self.assertEqual(self.ask(app, ctx=context(cert=Certificates.alice))["subject"], "CN=alice,O=Example")
        app = self.start("--client-ca=" + Certificates.authority.cert, "--optional")
        self.assertEqual(self.ask(app)["subject"], "")
        with self.assertRaises((ssl.SSLError, ConnectionError)):
            self.ask(app, ctx=context(cert=strange))

    def test_protocols_that_are_not_spoken(self):
        app = self.start()
        with self.assertRaises(ssl.SSLError):
            self.connect(app, ctx=context(protocols=("spdy/1",)))
        self.still_serves(app)

    def test_files_that_change(self):
        cert = [os.path.join(Certificates.folder, "live" + end) for end in (".crt", ".key")]
        first, second = (Certificates.authority.issue(f"live-{i}", ["DNS:localhost", f"DNS:live-{i}.example"]) for i in (1, 2))

        def put(pair):
            for source, target in zip(pair, cert):
                shutil.copy(source, target + ".new")
                os.rename(target + ".new", target)

        def names():
            return [v for _, v in self.connect(app).getpeercert()["subjectAltName"]]
        put(first)
        app = self.start(cert=cert)
        self.assertIn("live-1.example", names())
        put(second)
        end = time.time() + 60
        while "live-2.example" not in names() and time.time() < end:
            time.sleep(0.2)
        self.assertIn("live-2.example", names())
        # What does not belong together changes nothing, and is said.
        put((first[0], second[1]))
        self.assertIn(b"500", get(self.connect(app), "/reload", "POST")[0])
        self.assertIn("live-2.example", names())
        put(first)
        self.assertIn(b"200", get(self.connect(app), "/reload", "POST")[0])
        self.assertIn("live-1.example", names())

    def test_ktls(self):
        """Records are sealed here, not by the kernel, and docs/tls.md says why."""
        with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()) as s:
            try:
                s.setsockopt(socket.IPPROTO_TCP, 31, b"tls")  # TCP_ULP
            except OSError as error:
                self.skipTest(f"this kernel has no kTLS (TCP_ULP \"tls\": {error.strerror})")
        self.skipTest("this kernel has kTLS, and AWS-LC gives it nothing to work with: docs/tls.md")

    def test_key_log(self):
        path = os.path.join(Certificates.folder, "keys")
        writes = ("--allow-listen=127.0.0.1", f"--allow-read={Certificates.folder}", f"--allow-write={Certificates.folder}")
        self.ask(self.start("--key-log=" + path, flags=writes))
        with open(path) as f:
            self.assertIn("CLIENT_TRAFFIC_SECRET_0 ", f.read())
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)
        path += "2"
        self.ask(self.start(env={"SSLKEYLOGFILE": path}, flags=(*writes, "--allow-env=SSLKEYLOGFILE")))
        self.assertTrue(os.path.getsize(path))
        path += "3"
        self.ask(self.start(env={"SSLKEYLOGFILE": path}, flags=writes))
        self.assertFalse(os.path.exists(path))

    def test_what_is_wrong_is_said(self):
        missing = os.path.join(Certificates.folder, "missing")
        for cert, words in (((missing, missing), "cannot open the certificate"),
                            ((Certificates.good[0], Certificates.other[1]), "is not that of the first certificate"),
                            ((Certificates.good[1], Certificates.good[1]), "there is no certificate in"),
                            ((Certificates.good[0], Certificates.good[0]), "there is no private key in")):
            app = App("https.c", *cert, wait=False)
            try:
                app.process.wait(timeout=120)
                self.assertIn(words, app.output())
            finally:
                app.kill()

    @short_deadlines
    def test_handshakes_have_a_deadline(self):
        app = self.start("--handshake-ms=500")
        for first in (b"", b"\x16", b"\x16\x03\x01\x02\x00\x01"):
            with app.connect() as s:
                s.sendall(first)
                begun = time.time()
                self.assertEqual(s.recv(100), b"")
                self.assertLess(time.time() - begun, 8)
        self.still_serves(app)

    def test_cut_off(self):
        """A client that goes without close_notify is no trouble, nor one that goes in the middle of a handshake."""
        app = self.start()
        for i in range(20):
            s = self.connect(app)
            if i % 2:
                s.sendall(b"POST /echo HTTP/1.1\r\nHost: a\r\ncontent-length: 100\r\n\r\nabc")
            socket.socket(fileno=s.detach()).close()
            with app.connect() as s:
                s.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + os.urandom(32))
        self.still_serves(app)

    @short_deadlines
    def test_stop(self):
        app = self.start()
        s = self.connect(app)
        get(s, close=False)
        waiting = app.connect()
        begun = time.time()
        app.process.terminate()
        self.assertEqual(s.recv(100), b"")  # with close_notify: else Python raises
        self.assertEqual(app.process.wait(timeout=120), 0)
        self.assertLess(time.time() - begun, 8)
        waiting.close()

    def memory_client(self, app, name="localhost", protocols=("http/1.1",)):
        """A client whose bytes the test carries: the socket, the session, what came, what goes."""
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        session = context(protocols=protocols).wrap_bio(incoming, outgoing, server_hostname=name)
        s = app.connect()
        self.addCleanup(s.close)
        return s, session, incoming, outgoing

    def shake_hands(self, s, session, incoming, outgoing):
        while True:
            try:
                session.do_handshake()
                s.sendall(outgoing.read())
                return
            except ssl.SSLWantReadError:
                s.sendall(outgoing.read())
                data = s.recv(65536)
                self.assertTrue(data)
                incoming.write(data)

    def rest(self, s):
        try:
            return b"".join(iter(lambda: s.recv(65536), b""))
        except ConnectionError:
            return b""

    def test_changed_on_the_way(self):
        """Not one byte of what does not hold reaches the program."""
        app = self.start()
        for place in (5, 6, 20, -1):
            with self.subTest(place=place):
                s, session, incoming, outgoing = self.memory_client(app)
                self.shake_hands(s, session, incoming, outgoing)
                session.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                data = bytearray(outgoing.read())
                data[place] ^= 1
                s.sendall(data)
                incoming.write(self.rest(s))
                with self.assertRaises(ssl.SSLError) as raised:
                    session.read(1000)
                self.assertIn("BAD_RECORD_MAC", str(raised.exception))
        self.still_serves(app)

    def test_replayed(self):
        app = self.start()
        s, session, incoming, outgoing = self.memory_client(app)
        self.shake_hands(s, session, incoming, outgoing)
        session.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        data = outgoing.read()
        s.sendall(data + data)
        incoming.write(self.rest(s))
        answers = b""
        with self.assertRaises(ssl.SSLError):
            while True:
                answers += session.read(65536)
        self.assertLessEqual(answers.count(b"200 OK"), 1)
        self.still_serves(app)

    def test_names_and_protocols_that_are_no_such(self):
        """CVE-2026-21637: what goes wrong while a certificate or a protocol is chosen ends that connection only."""
        app = self.start(*Certificates.other)
        for old, new in ((b"localhost", b"\0ocalhost"), (b"localhost", b"\xff" * 9), (b"localhost", b"........."),
                         (b"localhost", b"*.wild.ex"), (b"\x08http/1.1", b"\x00http/1.1"), (b"\x08http/1.1", b"\xffhttp/1.1"),
                         (b"\x08http/1.1", b"\x08\0\0\0\0\0\0\0\0")):
            s, session, incoming, outgoing = self.memory_client(app)
            try:
                session.do_handshake()
            except ssl.SSLWantReadError:
                pass
            hello = outgoing.read()
            self.assertIn(old, hello)
            s.sendall(hello.replace(old, new))
            s.shutdown(socket.SHUT_WR)
            with self.subTest(new=new):
                self.rest(s)
                self.still_serves(app)

    def test_floods_before_the_handshake(self):
        app = self.start()
        floods = (b"\x16\x03\x01\x00\x00" * 100000,  # records of nothing
                  b"\x15\x03\x01\x00\x02\x01\x00" * 100000,  # warnings
                  b"\x14\x03\x03\x00\x01\x01" * 100000,  # changes of cipher
                  b"\x16\x03\x01\xff\xff" + b"a" * 500000,  # a record that is too long
                  b"\x16\x03\x01\x40\x00\x01\xff\xff\xff" + b"a" * 500000,  # a message that is
                  b"\x17\x03\x03\x00\x20" + b"a" * 500000,
                  b"\x80" + os.urandom(500000))  # a letter would begin a request without TLS
        for flood in floods:
            with self.subTest(flood=flood[:8]), app.connect() as s:
                try:
                    s.sendall(flood)
                except ConnectionError:
                    pass
                self.assertLess(len(self.rest(s)), 100)
        self.still_serves(app)

    def test_many_that_never_finish(self):
        app = self.start()
        sockets = []
        for i in range(500):
            s, session, _, outgoing = self.memory_client(app)
            if i % 2:
                try:
                    session.do_handshake()
                except ssl.SSLWantReadError:
                    s.sendall(outgoing.read())
            sockets.append(s)
        self.still_serves(app)
        for s in sockets:
            s.close()


class Server(threading.Thread):
    """Python's, for one client after another: answers a line with what it has seen, and ends as it is told."""

    def __init__(self, test, cert, end="notify", protocols=(), client_ca=None, **versions):
        super().__init__(daemon=True)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.set_ciphers("DEFAULT:@SECLEVEL=0")  # a weak certificate is the client's to refuse
        self.context.load_cert_chain(*cert)
        if protocols:
            self.context.set_alpn_protocols(protocols)
        if client_ca:
            self.context.verify_mode = ssl.CERT_REQUIRED
            self.context.load_verify_locations(client_ca)
        for name, value in versions.items():
            setattr(self.context, name, value)
        self.end, self.listener = end, socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        test.addCleanup(self.listener.close)
        self.start()

    def run(self):
        while True:
            try:
                plain = self.listener.accept()[0]
            except OSError:
                return
            try:
                s = self.context.wrap_socket(plain, server_side=True)
                line = s.recv(100)
                subject = dict(pair[0] for pair in (s.getpeercert() or {}).get("subject", ()))
                s.sendall(b"%s reused=%d %s" % (line.strip(), s.session_reused, subject.get("commonName", "").encode()))
                if self.end == "notify":
                    s.unwrap().close()
                else:
                    socket.socket(fileno=s.detach()).close()
            except OSError:
                plain.close()


class Client(unittest.TestCase):
    def run_app(self, *args, env=None):
        may = [f"--allow-connect={args[0]}", *grants(args=args[1:], env=env)]
        done = subprocess.run([os.path.abspath(NEXUS), "run", *may, os.path.join(HERE, "apps/tls.c"), "--", "connect", *args],
                              capture_output=True, timeout=60, env={**os.environ, **(env or {})})
        return done.stdout.decode() + done.stderr.decode()

    def ask(self, cert, *args, host="localhost", ca=None, env=None, **more):
        server = Server(self, cert, **more)
        args = ("--ca=" + (ca or Certificates.authority.cert), *args) if ca != "" else args
        return self.run_app(f"{host}:{server.port}", *args, env=env)

    def test_who_is_trusted(self):
        said = self.ask(Certificates.good)
        self.assertIn("version=1.3 protocol= resumed=0 subject=CN=localhost group=", said)
        self.assertIn("got 15 bytes: hello reused=0", said)
        self.assertIn("version=1.3", self.ask(Certificates.good, host="127.0.0.1"))
        self.assertIn("version=1.2", self.ask(Certificates.good, maximum_version=ssl.TLSVersion.TLSv1_2))
        self.assertIn("version=1.3", self.ask(Certificates.other, "--name=a.wild.example"))
        chained = Certificates.between.issue("chained2", ["DNS:localhost"])
        self.assertIn("version=1.3", self.ask(chained))
        self.assertIn("protocol=b", self.ask(Certificates.good, "--protocols=a,b", protocols=["c", "b"]))
        said = self.ask(Certificates.good, "--cert=" + Certificates.alice[0], "--key=" + Certificates.alice[1],
                        client_ca=Certificates.authority.cert)
        self.assertIn("reused=0 alice", said)

    def test_who_is_not(self):
        a = Certificates.authority
        expired = a.issue("expired", ["DNS:localhost"], dates=("20200101000000Z", "20210101000000Z"))
        early = a.issue("early", ["DNS:localhost"], dates=("20480101000000Z", "20490101000000Z"))
        weak = a.issue("weak", ["DNS:localhost"], kind=("RSA", "rsa_keygen_bits:1024"))
        sha1 = a.issue("sha1", ["DNS:localhost"], digest="sha1")
        client = a.issue("client", ["DNS:localhost"], client=True)
        alone = a.path("alone.crt"), a.path("alone.key")
        a.make("alone", *alone, "/CN=localhost", "subjectAltName=DNS:localhost\n", None)
        common = a.issue("common", ["DNS:elsewhere"], subject="/CN=localhost")
        bare = a.issue("bare", [], subject="/CN=localhost")
        partial = a.issue("partial", ["DNS:loc*.example"])
        leaf = a.issue("leaf", ["DNS:leaf"])

        class Leaf(Authority):
            def __init__(self):
                self.folder, self.name, self.issuer = a.folder, "leaf", a
                self.cert, self.key = leaf
        by_leaf = Leaf().issue("by-leaf", ["DNS:localhost"])
        missing = Certificates.between.issue("missing", ["DNS:localhost"])
        with open(missing[0]) as f:
            only = f.read().split("-----END CERTIFICATE-----")[0] + "-----END CERTIFICATE-----\n"
        with open(missing[0], "w") as f:
            f.write(only)
        small = Authority(a.folder, "Small Authority", kind=("RSA", "rsa_keygen_bits:1024"))
        by_small = small.issue("by-small", ["DNS:localhost"])
        cases = (
            (expired, (), a.cert, "has expired"),
            (early, (), a.cert, "is not valid yet"),
            (Certificates.other, (), a.cert, "for another name"),
            (Certificates.other, ("--name=wild.example",), a.cert, "for another name"),
            (Certificates.other, ("--name=a.b.wild.example",), a.cert, "for another name"),
            (partial, ("--name=local.example",), a.cert, "for another name"),
            (common, (), a.cert, "for another name"),
            (bare, (), a.cert, "for another name"),
            (Certificates.good, ("--name=127.0.0.2",), a.cert, "for another name"),
            (Certificates.good, (), Certificates.stranger.cert, "authority that is not trusted"),
            (alone, (), a.cert, "self-signed"),
            (weak, (), a.cert, "too weak"),
            (by_small, (), small.cert, "too weak"),
            (sha1, (), a.cert, "hash that is too weak"),
            (client, (), a.cert, "not for this purpose"),
            (by_leaf, (), a.cert, "no authority's"),
            (missing, (), a.cert, "certificates in between"),
        )
        for cert, args, ca, words in cases:
            with self.subTest(words=words, cert=os.path.basename(cert[0])):
                said = self.ask(cert, *args, ca=ca)
                self.assertIn(words, said)
                self.assertIn("NX_EPROTO: cannot begin TLS with", said)
                self.assertNotIn("got", said)
        self.assertIn("version=", self.ask(alone, "--insecure"))

    def test_the_systems_authorities(self):
        self.assertIn("version=1.3", self.ask(Certificates.good, ca="", env={"SSL_CERT_FILE": Certificates.authority.cert}))
        self.assertIn("not trusted", self.ask(Certificates.good, ca="", env={"SSL_CERT_FILE": Certificates.stranger.cert}))
        self.assertIn("not trusted", self.ask(Certificates.good, ca="", env={"SSL_CERT_FILE": ""}))

    def test_an_end_in_the_middle(self):
        self.assertIn("got 15 bytes", self.ask(Certificates.good))
        said = self.ask(Certificates.good, end="cut")
        self.assertIn("NX_ERESET", said)
        self.assertIn("cut off", said)
        self.assertNotIn("got", said)

    def test_resumption(self):
        for version in (ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_2):
            said = self.ask(Certificates.good, "--twice", maximum_version=version)
            self.assertIn("resumed=1", said)
            self.assertIn("reused=1", said)

    def test_what_is_no_tls(self):
        def answer(listener, data):
            try:
                while True:
                    s = listener.accept()[0]
                    s.sendall(data)
                    s.recv(1000)
                    s.close()
            except OSError:
                pass
        for data, words in ((b"220 smtp.example ready\r\n", "not TLS"), (b"HTTP/1.1 400 Bad Request\r\n\r\n", "not TLS"), (b"", "closed the connection")):
            with socket.create_server(("127.0.0.1", 0)) as listener:
                thread = threading.Thread(target=answer, args=(listener, data), daemon=True)
                thread.start()
                said = self.run_app(f"127.0.0.1:{listener.getsockname()[1]}", "--insecure")
                listener.shutdown(socket.SHUT_RDWR)  # accept() would else outlive it
                thread.join()
            with self.subTest(data=data):
                self.assertIn("NX_EPROTO", said)
                self.assertIn(words, said)
        with socket.create_server(("127.0.0.1", 0)) as listener:  # says nothing
            said = self.run_app(f"127.0.0.1:{listener.getsockname()[1]}", "--insecure")
        self.assertIn("NX_ETIMEDOUT", said)

    def test_old_servers(self):
        self.assertIn("NX_EPROTO", self.ask(Certificates.good, "--1.3", maximum_version=ssl.TLSVersion.TLSv1_2))
        self.assertIn("NX_EPROTO", self.ask(Certificates.good, minimum_version=ssl.TLSVersion.TLSv1, maximum_version=ssl.TLSVersion.TLSv1_1))


class Cert(unittest.TestCase):
    def test_nexus_cert(self):
        folder = tempfile.mkdtemp(dir=Certificates.folder)
        env = {**os.environ, "XDG_DATA_HOME": os.path.join(folder, "data")}

        def cert(*args):
            return subprocess.run([os.path.abspath(NEXUS), "cert", *args], cwd=folder, env=env, capture_output=True, text=True, timeout=60)
        done = cert()
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("which is new", done.stdout)
        self.assertIn("update-ca-certificates", done.stdout)
        authority = os.path.join(folder, "data/nexus/authority.crt")
        for file, mode in ((authority, 0o644), (authority[:-3] + "key", 0o600), (os.path.join(folder, "localhost.key"), 0o600)):
            self.assertEqual(os.stat(file).st_mode & 0o777, mode)
        app = App("https.c", os.path.join(folder, "localhost.crt"), os.path.join(folder, "localhost.key"))
        self.addCleanup(app.kill)
        for name in ("localhost", "127.0.0.1", "::1"):
            with context(ca=authority).wrap_socket(app.connect(), server_hostname=name) as s:
                self.assertIn(b"200", get(s)[0])
        self.assertEqual(cert("app.test", "*.app.test").returncode, 0)
        verified = subprocess.run(["openssl", "verify", "-x509_strict", "-CAfile", authority, "-verify_hostname", "a.app.test",
                                   os.path.join(folder, "app.test.crt")], capture_output=True, text=True, timeout=60)
        self.assertIn("OK", verified.stdout, verified.stderr)
        again = cert("app.test")
        self.assertIn("--force", again.stderr)
        self.assertNotEqual(again.returncode, 0)
        self.assertEqual(cert("--force", "app.test").returncode, 0)
        for bad in ("a b", "../x", "--none"):
            self.assertNotEqual(cert(bad).returncode, 0)
        self.assertIn("certutil", cert("--install").stdout)


class Streams(unittest.TestCase):
    def test_a_server_that_echoes(self):
        port = free_port()
        process = subprocess.Popen([os.path.abspath(NEXUS), "run", *grants(port, Certificates.good), os.path.join(HERE, "apps/tls.c"), "--", "serve", str(port),
                                    *Certificates.good])
        self.addCleanup(process.kill)
        end = time.time() + 60
        while True:
            try:
                plain = socket.create_connection(("127.0.0.1", port), timeout=120)
                break
            except OSError:
                self.assertLess(time.time(), end)
                time.sleep(0.02)
        data = os.urandom(4 << 20)
        with context(protocols=()).wrap_socket(plain, server_hostname="localhost") as s:
            sender = threading.Thread(target=s.sendall, args=(data,))
            got = b""
            sender.start()
            while len(got) < len(data):
                got += s.recv(1 << 16)
            sender.join()
            self.assertEqual(got, data)
            s.unwrap().close()  # who says that he is done is answered so
        process.terminate()
        self.assertEqual(process.wait(timeout=120), 0)


if __name__ == "__main__":
    unittest.main(verbosity=1)
