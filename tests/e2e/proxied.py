"""examples/proxy as a whole program, and the upstreams that it is put before."""
import http.client
import http.server
import json
import os
import socket
import threading
import unittest

from support import App, free_port

EXAMPLE = os.path.abspath(os.path.join(os.path.dirname(__file__), "../../examples/proxy/app.c"))


class Upstream:
    """A server that says who it is, and what it was asked."""

    def __init__(self, name, port=0, tls=None):
        self.well, self.connections = True, []
        upstream = self

        class Server(http.server.ThreadingHTTPServer):
            def get_request(self):  # before there is a thread that may be late
                got = super().get_request()
                upstream.connections.append(got[0])
                return got

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args):
                pass

            def do(self):
                length = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(length)
                if self.path == "/health" and not upstream.well:
                    answer, status = b"", 500
                elif self.path == "/echo":
                    answer, status = body, 200
                else:
                    answer = json.dumps({"name": name, "method": self.command, "path": self.path,
                                         "headers": {k.lower(): v for k, v in self.headers.items()}}).encode()
                    status = 200
                self.send_response(status)
                self.send_header("Content-Length", str(len(answer)))
                self.send_header("Connection", "x-private, keep-alive")
                self.send_header("X-Private", "for the proxy alone")
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(answer)

            do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = do_OPTIONS = do

        self.server = Server(("127.0.0.1", port), Handler)
        self.port = self.server.server_port
        self.url = f"http://127.0.0.1:{self.port}"
        if tls:
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
            self.url = f"https://localhost:{self.port}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        for connection in self.connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


class Raw(threading.Thread):
    """An upstream of bytes: each connection gets fn(socket, head), once a head is there."""

    def __init__(self, fn, tls=None):
        super().__init__(daemon=True)
        self.fn, self.tls, self.listener = fn, tls, socket.create_server(("127.0.0.1", 0))
        self.url = ("https://localhost:%d" if tls else "http://127.0.0.1:%d") % self.listener.getsockname()[1]
        self.start()

    def run(self):
        while True:
            try:
                s, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(s,), daemon=True).start()

    def serve(self, s):
        if self.tls:
            try:
                s = self.tls.wrap_socket(s, server_side=True)
            except OSError:
                return
        with s:
            head = b""
            try:
                while b"\r\n\r\n" not in head:
                    got = s.recv(65536)
                    if not got:
                        return
                    head += got
                self.fn(s, head)
            except OSError:
                pass

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)  # while one waits in accept(), close() alone ends nothing
        self.join()
        self.listener.close()


class Base(unittest.TestCase):
    def setUp(self):
        self.closing = []

    def tearDown(self):
        for thing in reversed(self.closing):
            thing()

    def upstream(self, name, port=0, tls=None):
        u = Upstream(name, port, tls)
        self.closing.append(u.close)
        return u

    def raw(self, fn, tls=None):
        r = Raw(fn, tls)
        self.closing.append(r.close)
        return r

    def proxy(self, *urls, option="-l", grant="127.0.0.1"):
        """The example before these upstreams, which takes its options before its address."""
        port = free_port()
        app = App(EXAMPLE, f"127.0.0.1:{port}", *urls, flags=(f"--allow-net={grant.format(port)}",), port=option, wait=False)
        app.port = port
        self.closing.append(app.kill)
        app.wait_listening()
        return app

    def secure_proxy(self, authority, *urls, options=()):
        """The same, with the authority that is trusted."""
        port = free_port()
        app = App(EXAMPLE, authority.cert, *options, f"127.0.0.1:{port}", *urls, port="-C",
                  flags=("--allow-net=127.0.0.1", f"--allow-read={authority.cert}"), wait=False)
        app.port = port
        self.closing.append(app.kill)
        app.wait_listening()
        return app

    def ask(self, app, path="/", method="GET", body=None, headers=None):
        c = http.client.HTTPConnection("127.0.0.1", app.port, timeout=60)
        try:
            c.request(method, path, body, headers or {})
            r = c.getresponse()
            return r, r.read()
        finally:
            c.close()
