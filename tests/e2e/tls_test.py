#!/usr/bin/env python3
"""TLS in whole programs, with peers of other makers: NEXUS=path/to/nexus python3 tests/e2e/tls_test.py [-k name]."""
import json
import os
import shutil
import socket
import ssl
import subprocess
import tempfile
import time
import unittest

from certificates import Authority
from support import App


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
        done = self.curl(app)
        self.assertEqual(done.returncode, 0, done.stderr)
        said = json.loads(done.stdout)
        self.assertEqual((said["version"], said["scheme"], said["protocol"], said["name"]), ("1.3", "https", "h2", "localhost"))
        self.assertEqual(self.ask(app)["subject"], "")
        self.assertEqual(self.ask(app, ctx=context(protocols=()))["protocol"], "")
        self.assertEqual(self.ask(app, ctx=context(maximum_version=ssl.TLSVersion.TLSv1_2))["version"], "1.2")

    def test_openssl(self):
        app = self.start()
        done = subprocess.run(["openssl", "s_client", "-connect", f"localhost:{app.port}", "-CAfile", Certificates.authority.cert,
                               "-verify_return_error", "-servername", "localhost", "-ign_eof"],
                              input=b"GET / HTTP/1.1\r\nHost: localhost\r\nconnection: close\r\n\r\n", capture_output=True, timeout=60)
        self.assertIn(b"Verify return code: 0 (ok)", done.stdout)
        self.assertIn(b"HTTP/1.1 200 OK", done.stdout)

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
        end = time.time() + 20
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

    def test_key_log(self):
        path = os.path.join(Certificates.folder, "keys")
        self.ask(self.start("--key-log=" + path))
        with open(path) as f:
            self.assertIn("CLIENT_TRAFFIC_SECRET_0 ", f.read())
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)
        path += "2"
        self.ask(self.start(env={"SSLKEYLOGFILE": path}))
        self.assertTrue(os.path.getsize(path))
        path += "3"
        flags = ("--allow-net", "--allow-read", "--allow-write")
        self.ask(self.start(env={"SSLKEYLOGFILE": path}, flags=flags))
        self.assertFalse(os.path.exists(path))

    def test_what_is_wrong_is_said(self):
        missing = os.path.join(Certificates.folder, "missing")
        for cert, words in (((missing, missing), "cannot open the certificate"),
                            ((Certificates.good[0], Certificates.other[1]), "is not that of the first certificate"),
                            ((Certificates.good[1], Certificates.good[1]), "there is no certificate in"),
                            ((Certificates.good[0], Certificates.good[0]), "there is no private key in")):
            app = App("https.c", *cert, wait=False)
            try:
                app.process.wait(timeout=30)
                self.assertIn(words, app.output())
            finally:
                app.kill()

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

    def test_stop(self):
        app = self.start()
        s = self.connect(app)
        get(s, close=False)
        waiting = app.connect()
        begun = time.time()
        app.process.terminate()
        self.assertEqual(s.recv(100), b"")  # with close_notify: else Python raises
        self.assertEqual(app.process.wait(timeout=30), 0)
        self.assertLess(time.time() - begun, 8)
        waiting.close()


if __name__ == "__main__":
    unittest.main(verbosity=1)
