#!/usr/bin/env python3
"""The HTTP client in whole programs, against servers that are not ours: NEXUS=path/to/nexus python3 tests/e2e/fetch_test.py [-k name]."""
import gzip
import http.server
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
from command import Base
from support import free_port

EXAMPLE = os.path.abspath(os.path.join(os.path.dirname(__file__), "../../examples/fetch/app.c"))

MANY = os.path.join(os.path.dirname(EXAMPLE), "../../tests/e2e/apps/fetch_many.c")


def wait_for(port, process=None):
    end = time.time() + 60
    while time.time() < end:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=60).close()
            return
        except OSError:
            if process and process.poll() is not None:
                break
            time.sleep(0.02)
    raise AssertionError(f"nobody listens at {port}")


class Scripted(threading.Thread):
    """Answers each connection with the next of some bytes, once it has read a head; an item may be a function of the socket."""

    def __init__(self, *answers):
        super().__init__(daemon=True)
        self.answers = list(answers)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.heads = []
        self.start()

    def run(self):
        while self.answers:
            try:
                s, _ = self.listener.accept()
            except OSError:
                return
            with s:
                head = b""
                while b"\r\n\r\n" not in head:
                    got = s.recv(65536)
                    if not got:
                        break
                    head += got
                if not head:
                    continue
                self.heads.append(head)
                answer = self.answers.pop(0)
                try:
                    if callable(answer):
                        answer(s)
                    else:
                        s.sendall(answer)
                except OSError:
                    pass
        self.listener.close()


class Fetch(Base):
    def fetch(self, url, *args, grant=None, flags=(), **kwargs):
        grant = grant or url.split("/")[2]
        return self.nexus("run", f"--allow-net={grant}", *flags, EXAMPLE, "--", *args, url, **kwargs)

    def ok(self, *args, **kwargs):
        done = self.fetch(*args, **kwargs)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def bad(self, what, *args, **kwargs):
        done = self.fetch(*args, **kwargs)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn(what, done.stderr)


class Servers(Fetch):
    def test_python(self):
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args):
                pass

            def do_GET(self):
                if self.path == "/gzip":
                    body = gzip.compress(b"packed " * 1000)
                    self.send_response(200)
                    self.send_header("Content-Encoding", "gzip")
                elif self.path == "/go":
                    body = b""
                    self.send_response(302)
                    self.send_header("Location", "/gzip")
                else:
                    body = self.path.encode()
                    self.send_response(404 if self.path == "/none" else 200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(201)
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                for i in range(0, len(body), 3):
                    piece = body[i:i + 3]
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                self.wfile.write(b"0\r\n\r\n")

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        at = f"http://127.0.0.1:{server.server_port}"
        try:
            self.assertEqual(self.ok(f"{at}/path?q=1"), "/path?q=1")
            self.assertEqual(self.ok(f"{at}/gzip"), "packed " * 1000)
            self.assertEqual(self.ok(f"{at}/go"), "packed " * 1000)
            self.assertIn("\n\nhello world", self.ok(f"{at}/", "-i", "-d", "hello world"))
            self.bad("the answer is 404", f"{at}/none")
        finally:
            server.shutdown()
            server.server_close()

    @unittest.skipUnless(shutil.which("nginx"), "nginx is not there")
    def test_nginx(self):
        port = free_port()
        with tempfile.TemporaryDirectory() as home:
            os.chmod(home, 0o755)
            data = os.urandom(3 << 20)
            with open(os.path.join(home, "large"), "wb") as f:
                f.write(data)
            with open(os.path.join(home, "text.txt"), "w") as f:
                f.write("text " * 10000)
            with open(os.path.join(home, "nginx.conf"), "w") as f:
                f.write(f"""
daemon off; pid {home}/pid; error_log {home}/error.log; events {{}}
http {{
    access_log off; gzip on; gzip_types text/plain; default_type text/plain; client_body_temp_path {home}/a; proxy_temp_path {home}/b;
    fastcgi_temp_path {home}/c; uwsgi_temp_path {home}/d; scgi_temp_path {home}/e;
    server {{ listen 127.0.0.1:{port}; root {home}; location /go {{ return 301 /text.txt; }} }}
}}""")
            nginx = subprocess.Popen(["nginx", "-p", home, "-c", os.path.join(home, "nginx.conf")], stderr=subprocess.DEVNULL)
            at = f"http://127.0.0.1:{port}"
            try:
                wait_for(port, nginx)
                self.assertEqual(self.ok(f"{at}/go"), "text " * 10000)
                self.assertIn("HTTP/1.1 200", self.ok(f"{at}/text.txt", "-i", "-X", "HEAD"))
                # A download, and one that goes on.
                target = os.path.join(home, "out")
                files = (f"--allow-read={home}", f"--allow-write={home}")
                self.ok(f"{at}/large", "-o", target, flags=files)
                with open(target, "rb") as f:
                    self.assertEqual(f.read(), data)
                head = self.ok(f"{at}/large", "-i", "-X", "HEAD").lower()
                etag = next(line.split(": ")[1] for line in head.splitlines() if line.startswith("etag"))
                with open(target + ".part", "wb") as f:
                    f.write(data[:1 << 20])
                with open(target + ".part.of", "w") as f:
                    f.write(etag)
                os.remove(target)
                self.ok(f"{at}/large", "-o", target, flags=files)
                with open(target, "rb") as f:
                    self.assertEqual(f.read(), data)
                self.assertFalse(os.path.exists(target + ".part"))
            finally:
                nginx.terminate()
                nginx.wait()

    @unittest.skipUnless(shutil.which("node"), "Node is not there")
    def test_node(self):
        port = free_port()
        node = subprocess.Popen(["node", "-e", """
            require("http").createServer((req, res) => {
                if (req.url == "/reset") return req.socket.resetAndDestroy ? req.socket.resetAndDestroy() : req.socket.destroy();
                if (req.url == "/hints") res.writeEarlyHints && res.writeEarlyHints({link: "</a>; rel=preload"});
                res.setHeader("x-method", req.method);
                req.pipe(res);
            }).listen(%d, "127.0.0.1");""" % port])
        at = f"http://127.0.0.1:{port}"
        try:
            wait_for(port, node)
            self.assertEqual(self.ok(f"{at}/", "-d", "x" * 50000), "x" * 50000)
            self.assertIn("x-method: PATCH", self.ok(f"{at}/", "-i", "-X", "PATCH", "-d", "y"))
            self.assertEqual(self.ok(f"{at}/hints", "-d", "early"), "early")
            self.bad("connection", f"{at}/reset")
        finally:
            node.terminate()
            node.wait()


class Tls(Fetch):
    @classmethod
    def setUpClass(cls):
        cls.home = tempfile.mkdtemp(prefix="nexus-fetch-")
        os.chmod(cls.home, 0o755)
        authority = Authority(cls.home)
        cls.ca = authority.cert
        cls.stranger = Authority(cls.home, "Stranger").cert
        cls.good = authority.issue("localhost", ["DNS:localhost", "IP:127.0.0.1"])
        cls.other = authority.issue("other", ["DNS:other.example"])

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.home, ignore_errors=True)

    def serve(self, pair, count=1):
        """An HTTPS server of Python's for so many connections; its port."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*pair)
        listener = socket.create_server(("127.0.0.1", 0))

        def run():
            for _ in range(count):
                s, _ = listener.accept()
                try:
                    with context.wrap_socket(s, server_side=True) as tls:
                        while b"\r\n\r\n" not in tls.recv(65536):
                            pass
                        tls.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret")
                        tls.recv(1)
                except OSError:
                    pass
            listener.close()
        threading.Thread(target=run, daemon=True).start()
        return listener.getsockname()[1]

    def tls(self, url, ca=None, **more):
        return (url, "-C", ca or self.ca), dict(flags=(f"--allow-read={self.home}", *more.pop("flags", ())), **more)

    def test_good(self):
        args, more = self.tls(f"https://localhost:{self.serve(self.good)}/")
        self.assertEqual(self.ok(*args, **more), "secret")
        args, more = self.tls(f"https://127.0.0.1:{self.serve(self.good)}/")
        self.assertEqual(self.ok(*args, **more), "secret")

    def test_one_connection_serves_many(self):
        """Tickets that come while nobody reads end no connection; an end does."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.good)
        listener = socket.create_server(("127.0.0.1", 0))
        requests = []

        def run():
            while True:
                try:
                    s, _ = listener.accept()
                except OSError:
                    return
                requests.append(0)
                with context.wrap_socket(s, server_side=True) as tls:
                    while requests[-1] < 4:
                        head = b""
                        while b"\r\n\r\n" not in head:
                            head += tls.recv(65536)
                        requests[-1] += 1
                        tls.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        threading.Thread(target=run, daemon=True).start()
        port = listener.getsockname()[1]
        done = self.nexus("run", f"--allow-net=localhost:{port}", f"--allow-read={self.home}", MANY, "--", f"https://localhost:{port}/", "10", self.ca)
        listener.close()
        self.assertEqual((done.returncode, done.stdout), (0, "200 ok\n" * 10), done.stderr)
        self.assertEqual(requests, [4, 4, 2])

    def test_refused(self):
        for pair, ca in ((self.other, self.ca), (self.good, self.stranger)):
            args, more = self.tls(f"https://localhost:{self.serve(pair)}/", ca)
            done = self.fetch(*args, **more)
            self.assertEqual(done.returncode, 14, done.stderr)
            self.assertNotIn("secret", done.stdout)
            self.assertIn("TLS: ", done.stderr)

    def test_no_tls_there(self):
        listener = socket.create_server(("127.0.0.1", 0))

        def run():
            s, _ = listener.accept()
            with s:
                s.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                s.recv(65536)
        threading.Thread(target=run, daemon=True).start()
        args, more = self.tls(f"https://localhost:{listener.getsockname()[1]}/")
        self.bad("TLS: ", *args, **more)
        listener.close()

    @unittest.skipUnless(shutil.which("nginx"), "nginx is not there")
    def test_nginx(self):
        port = free_port()
        data = os.urandom(2 << 20)
        with open(os.path.join(self.home, "large"), "wb") as f:
            f.write(data)
        with open(os.path.join(self.home, "nginx.conf"), "w") as f:
            f.write(f"""
daemon off; pid {self.home}/pid; error_log {self.home}/error.log; events {{}}
http {{
    access_log off; default_type text/plain; client_body_temp_path {self.home}/a; proxy_temp_path {self.home}/b;
    fastcgi_temp_path {self.home}/c; uwsgi_temp_path {self.home}/d; scgi_temp_path {self.home}/e;
    server {{ listen 127.0.0.1:{port} ssl; root {self.home}; ssl_certificate {self.good[0]}; ssl_certificate_key {self.good[1]}; }}
}}""")
        nginx = subprocess.Popen(["nginx", "-p", self.home, "-c", os.path.join(self.home, "nginx.conf")], stderr=subprocess.DEVNULL)
        try:
            wait_for(port, nginx)
            target = os.path.join(self.home, "out")
            args, more = self.tls(f"https://localhost:{port}/large", flags=(f"--allow-write={self.home}",))
            self.ok(*args, "-o", target, **more)
            with open(target, "rb") as f:
                self.assertEqual(f.read(), data)
        finally:
            nginx.terminate()
            nginx.wait()

    def test_through_a_proxy(self):
        port = self.serve(self.good)

        def tunnel(s):
            with socket.create_connection(("127.0.0.1", port)) as there:
                s.sendall(b"HTTP/1.1 103 Wait\r\n\r\nHTTP/1.1 200 Connected\r\n\r\n")
                def copy(a, b):
                    while True:
                        got = a.recv(65536)
                        if not got:
                            break
                        b.sendall(got)
                thread = threading.Thread(target=copy, args=(there, s), daemon=True)
                thread.start()
                try:
                    copy(s, there)
                except OSError:
                    pass
        refusal = b"HTTP/1.1 407 Authenticate\r\nContent-Length: 0\r\n\r\n"
        talker = b"HTTP/1.1 200 OK\r\n\r\nand more"
        proxy = Scripted(tunnel, refusal, talker)
        env = dict(os.environ, https_proxy=f"http://me:you@127.0.0.1:{proxy.port}", no_proxy="")
        args, more = self.tls(f"https://localhost:{port}/", flags=("--allow-env=https_proxy",), env=env,
                              grant=f"localhost:{port},127.0.0.1:{proxy.port}")
        self.assertEqual(self.ok(*args, **more), "secret")
        self.assertTrue(proxy.heads[0].startswith(b"CONNECT localhost:%d HTTP/1.1\r\n" % port))
        self.assertIn(b"proxy-authorization: Basic bWU6eW91\r\n", proxy.heads[0])
        self.bad("its answer is 407", *args, **more)
        self.bad("it says more than that it does", *args, **more)


class Attacks(Fetch):
    def test_bad_answers(self):
        ok = b"HTTP/1.1 200 OK\r\n"
        rows = [
            (ok + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef", "more than one Content-Length"),
            (ok + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "both Content-Length"),
            (ok + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", "Transfer-Encoding but chunked"),
            (ok + b"Content-Length: 5\r\n\r\nabc", "amid the answer's body"),
            (ok + b"X: a\n\r\n", "LF without CR"),
            (ok + b"X: " + b"a" * 100000 + b"\r\n\r\n", "the head is too large"),
            (ok + b"".join(b"x%d: y\r\n" % i for i in range(300)) + b"\r\n", "too many header fields"),
            (ok + b"Transfer-Encoding: chunked\r\n\r\n" + b"1;" + b"x" * 1000 + b"\r\na\r\n0\r\n\r\n", "chunk extensions are too large"),
            (ok + b"Transfer-Encoding: chunked\r\n\r\n0\r\n" + b"a: b\r\n" * 1000 + b"\r\n", "trailer"),
            (ok + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(bytes(64 << 20)), "grows to more than 100 times"),
            (ok + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b"a" * 1000)[:-9], "is cut off"),
            (b"HTTP/1.1 100 Continue\r\n\r\n" * 1000, "one 1xx answer after the other"),
            (b"", "without an answer"),
            (os.urandom(1000).replace(b"H", b"h"), "no HTTP"),
        ]
        server = Scripted(*(answer for answer, _ in rows))
        for answer, why in rows:
            with self.subTest(why):
                self.bad(why, f"http://127.0.0.1:{server.port}/")

    def test_reset_amid_body(self):
        def reset(s):
            s.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc")
            time.sleep(0.1)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            s.close()
        server = Scripted(reset)
        self.bad("reset", f"http://127.0.0.1:{server.port}/")

    def test_drip(self):
        def drip(s):
            for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabcde":
                s.sendall(bytes([byte]))
                time.sleep(0.005)
        server = Scripted(drip)
        self.assertEqual(self.ok(f"http://127.0.0.1:{server.port}/"), "abcde")


class Grants(Fetch):
    def test_refusals_name_the_flag(self):
        done = self.nexus("run", EXAMPLE, "--", "http://127.0.0.1:9/")
        self.assertEqual(done.returncode, 7)
        self.assertIn("--allow-net=127.0.0.1:9", done.stderr)

    def test_redirect_to_what_is_not_granted(self):
        target = Scripted(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret")
        server = Scripted(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:%d/\r\nContent-Length: 0\r\n\r\n" % target.port)
        done = self.fetch(f"http://127.0.0.1:{server.port}/")
        self.assertEqual(done.returncode, 7)
        self.assertIn(f"--allow-net=127.0.0.1:{target.port}", done.stderr)
        self.assertNotIn("secret", done.stdout)
        self.assertEqual(target.heads, [])

    def test_proxy_of_the_environment(self):
        answer = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nproxy"
        proxy = Scripted(answer, answer)
        env = dict(os.environ, http_proxy=f"http://127.0.0.1:{proxy.port}", no_proxy="")
        url = "http://far.example/path"
        both = f"far.example:80,127.0.0.1:{proxy.port}"
        self.assertEqual(self.ok(url, grant=both, flags=("--allow-env=http_proxy",), env=env), "proxy")
        self.assertTrue(proxy.heads[0].startswith(b"GET http://far.example/path HTTP/1.1\r\n"))
        # What is behind it takes a grant too, and so does the proxy itself.
        for grant, missing in ((f"127.0.0.1:{proxy.port}", "far.example:80"), ("far.example:80", f"127.0.0.1:{proxy.port}")):
            done = self.fetch(url, grant=grant, flags=("--allow-env=http_proxy",), env=env)
            self.assertEqual(done.returncode, 7)
            self.assertIn(f"--allow-net={missing}", done.stderr)
        # One that it does not speak to is none.
        server = Scripted(answer)
        env["http_proxy"] = f"https://127.0.0.1:{proxy.port}"
        self.assertEqual(self.ok(f"http://127.0.0.1:{server.port}/", flags=("--allow-env=http_proxy",), env=env), "proxy")


if __name__ == "__main__":
    unittest.main()
