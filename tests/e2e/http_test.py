"""The HTTP/1.1 server against raw sockets and real clients."""
import http.client
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
import unittest

from support import App, ServerTest, need, read_response


class Basics(ServerTest):
    def test_json(self):
        r = self.ask("GET", "/")
        self.assertEqual((r.status, r.body), (200, b'{"message":"Hello from Nexus!"}'))
        self.assertEqual(r.headers["content-type"], "application/json")
        self.assertRegex(r.headers["date"], r"^\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT$")

    def test_head_and_options(self):
        r = self.ask("HEAD", "/")
        self.assertEqual((r.status, r.body, r.headers["content-length"]), (200, b"", "31"))
        r = self.ask("OPTIONS", "/")
        self.assertEqual((r.status, r.headers["allow"]), (204, "GET, HEAD, OPTIONS"))

    def test_not_found_and_method(self):
        self.assertEqual(self.ask("GET", "/none").status, 404)
        r = self.ask("DELETE", "/")
        self.assertEqual((r.status, r.headers["allow"]), (405, "GET, HEAD, OPTIONS"))

    def test_parameters(self):
        r = json.loads(self.ask("GET", "/items/a%20b?x=1&y=2", headers=["User-Agent: tester"]).body)
        self.assertEqual((r["id"], r["query"], r["agent"], r["peer"]), ("a b", "x=1&y=2", "tester", "127.0.0.1"))
        r = json.loads(self.ask("GET", "/items/7/tail/a/b/c").body)
        self.assertEqual((r["id"], r["rest"]), ("7", "a/b/c"))
        self.assertEqual(self.ask("GET", "/items/special").body, b'{"message":"Hello from Nexus!"}')
        self.assertEqual(self.ask("GET", "/items/%zz").status, 400)
        self.assertEqual(self.ask("GET", "/items/a%00b").status, 400)

    def test_bodies(self):
        for size in (0, 1, 100, 16384, 70000, 3 << 20):
            body = os.urandom(size)
            self.assertEqual(json.loads(self.ask("POST", "/length", body).body), {"length": size})
            self.assertEqual(self.ask("POST", "/whole", body).body, body)
            self.assertEqual(self.ask("POST", "/echo", body).body, body)

    def test_chunked_body_with_trailer(self):
        data = b"".join(b"%x\r\n%s\r\n" % (n, b"q" * n) for n in (1, 15, 16, 4096, 30000))
        request = b"POST /whole HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n" + data + b"0\r\nx-sum: 42\r\n\r\n"
        r = self.exchange(request)
        self.assertEqual((r.status, len(r.body), r.headers["x-sum"]), (200, 1 + 15 + 16 + 4096 + 30000, "42"))

    def test_chunked_byte_by_byte(self):
        request = b"POST /echo HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nt: 1\r\n\r\n"
        r = self.exchange(None, parts=[bytes([c]) for c in request], pause=0.0005)
        self.assertEqual((r.status, r.body, r.headers["trailer:x-done"]), (200, b"abcde", "yes"))

    def test_keep_alive_and_close(self):
        with self.app.connect() as s, s.makefile("rb") as f:
            for _ in range(50):
                s.sendall(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
                self.assertEqual(read_response(f).status, 200)
            s.sendall(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
            r = read_response(f)
            self.assertEqual(r.headers["connection"], "close")
            self.assertEqual(f.read(), b"")

    def test_http_1_0(self):
        with self.app.connect() as s:
            s.sendall(b"GET / HTTP/1.0\r\n\r\n")
            answer = s.makefile("rb").read()
        self.assertIn(b"connection: close", answer)
        with self.app.connect() as s, s.makefile("rb") as f:
            for _ in range(2):
                s.sendall(b"GET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n")
                self.assertEqual(read_response(f).headers["connection"], "keep-alive")
        with self.app.connect() as s:
            s.sendall(b"POST /echo HTTP/1.0\r\ncontent-length: 3\r\n\r\nabc")
            answer = s.makefile("rb").read()
        self.assertNotIn(b"chunked", answer)
        self.assertTrue(answer.endswith(b"\r\n\r\nabc"))

    def test_expect_continue(self):
        with self.app.connect() as s, s.makefile("rb") as f:
            s.sendall(b"POST /length HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\nexpect: 100-continue\r\n\r\n")
            self.assertEqual(read_response(f).status, 100)
            s.sendall(b"hello")
            self.assertEqual(read_response(f).body, b'{"length":5}')
        r = self.exchange(b"POST /none HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\nexpect: 100-continue\r\n\r\n")
        self.assertEqual((r.status, r.headers["connection"]), (404, "close"))

    def test_handlers_that_misbehave(self):
        self.assertEqual(self.ask("GET", "/fail").status, 500)
        self.assertNotIn(b"database", self.ask("GET", "/fail").body)
        self.assertEqual(self.ask("GET", "/nothing").status, 204)
        self.assertEqual(self.ask("GET", "/twice").body, b"once")
        self.assertEqual(self.ask("GET", "/split").status, 500)
        with self.app.connect() as s:
            s.sendall(b"GET /halfway HTTP/1.1\r\nhost: a\r\n\r\n")
            answer = s.makefile("rb").read()
        self.assertIn(b"begun", answer)
        self.assertFalse(answer.endswith(b"0\r\n\r\n"), "a broken answer must not look whole")

    def test_response_fields(self):
        with self.app.connect() as s:
            s.sendall(b"GET /fields HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
            answer = s.makefile("rb").read()
        self.assertTrue(answer.startswith(b"HTTP/1.1 418 I'm a teapot\r\n"))
        self.assertEqual(answer.lower().count(b"x-one"), 1)
        self.assertEqual(answer.count(b"set-cookie"), 2)
        self.assertIn(b"content-type: text/html", answer)

    def test_fibers_in_a_handler(self):
        self.assertEqual(self.ask("GET", "/spawn").body, b"joined")


class Pipelining(ServerTest):
    batch = (b"GET / HTTP/1.1\r\nhost: a\r\n\r\n" b"GET /slow/30 HTTP/1.1\r\nhost: a\r\n\r\n"
             b"POST /length HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nabcd"
             b"POST /whole HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nxyz\r\n0\r\n\r\n"
             b"POST /none HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc" b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
    wanted = [b'{"message":"Hello from Nexus!"}', b"slept", b'{"length":4}', b"xyz", b'{"error":"Not Found"}',
              b'{"message":"Hello from Nexus!"}']

    def run_batch(self, parts):
        with self.app.connect() as s, s.makefile("rb") as f:
            for part in parts:
                s.sendall(part)
                time.sleep(0.0005)
            self.assertEqual([read_response(f).body for _ in self.wanted], self.wanted)

    def test_at_once(self):
        self.run_batch([self.batch])

    def test_in_pieces_of_every_size(self):
        for size in [1, 2, 3, 7, 16, 17, 31, 64, 100, 200]:
            self.run_batch([self.batch[i:i + size] for i in range(0, len(self.batch), size)])

    def test_cut_at_every_place(self):
        for at in range(1, len(self.batch), 3):
            self.run_batch([self.batch[:at], self.batch[at:]])

    def test_a_thousand(self):
        with self.app.connect() as s, s.makefile("rb") as f:
            s.sendall(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n" * 1000)
            for _ in range(1000):
                self.assertEqual(read_response(f).status, 200)


class BackPressure(ServerTest):
    def test_slow_reader_of_a_large_answer(self):
        for path, size in (("/big", 64 << 20), ("/pieces", 64 << 20)):
            with self.app.connect() as s, s.makefile("rb") as f:
                s.sendall(f"GET {path} HTTP/1.1\r\nhost: a\r\n\r\n".encode())
                time.sleep(0.3)
                if path == "/pieces":
                    self.assertLess(self.app.rss(), 60000, "pieces that nobody reads must not pile up")
                self.assert_serving()
                self.assertEqual(len(read_response(f).body), size)

    def test_peer_that_leaves(self):
        for _ in range(20):
            s = self.app.connect()
            s.sendall(b"GET /big HTTP/1.1\r\nhost: a\r\n\r\n")
            s.recv(1000)
            s.close()
            s = self.app.connect()
            s.sendall(b"POST /length HTTP/1.1\r\nhost: a\r\ncontent-length: 1000\r\n\r\nabc")
            s.close()
        self.assert_serving()

    def test_a_handler_may_take_its_time(self):
        with self.app.connect() as s:
            s.sendall(b"POST /dawdle HTTP/1.1\r\nhost: a\r\ncontent-length: 6\r\n\r\n")
            time.sleep(0.1)  # it is waited for
            s.sendall(b"abc")
            time.sleep(5.8)
            s.sendall(b"def")
            self.assertEqual(read_response(s.makefile("rb")).body, b'{"length":6}')

    def test_half_close(self):
        with self.app.connect() as s:
            s.sendall(b"GET /slow/50 HTTP/1.1\r\nhost: a\r\n\r\n")
            s.shutdown(1)
            self.assertTrue(s.makefile("rb").read().endswith(b"slept"))


class UnixSocket(unittest.TestCase):
    def test_unix_socket(self):
        folder = tempfile.mkdtemp()
        path = os.path.join(folder, "s")
        app = App("http.c", "long", path, flags=(f"--allow-listen=unix:{path}",), wait=False)
        try:
            end = time.monotonic() + 60
            with socket.socket(socket.AF_UNIX) as s:
                while s.connect_ex(path) and time.monotonic() < end:
                    time.sleep(0.01)
                s.sendall(b"GET /items/x HTTP/1.1\r\nhost: a\r\n\r\n")
                self.assertEqual(json.loads(read_response(s.makefile("rb")).body)["peer"], "unix")
            self.assertEqual(app.stop(), 0)
            self.assertFalse(os.path.exists(path), "its file goes with the server")
        finally:
            app.kill()
            shutil.rmtree(folder)


class Clients(ServerTest):
    @need("curl")
    def test_curl(self):
        url = f"http://127.0.0.1:{self.app.port}"
        out = subprocess.run(["curl", "-sS", url + "/", url + "/slow/5", url + "/items/1"], capture_output=True, check=True).stdout
        self.assertTrue(out.startswith(b'{"message":"Hello from Nexus!"}slept{"id":"1"'))
        body = os.urandom(2000000)
        out = subprocess.run(["curl", "-sS", "-H", "Transfer-Encoding: chunked", "--data-binary", "@-", url + "/echo"], input=body,
                             capture_output=True, check=True).stdout
        self.assertEqual(out, body)

    @need("node")
    def test_node_fetch(self):
        script = (f"const u='http://127.0.0.1:{self.app.port}';(async()=>{{const a=await (await fetch(u)).json();"
                  "const b=await (await fetch(u+'/echo',{method:'POST',body:'x'.repeat(100000)})).text();"
                  "const c=await Promise.all(Array.from({length:50},()=>fetch(u+'/slow/10').then(r=>r.text())));"
                  "console.log(a.message,b.length,c.filter(x=>x==='slept').length)})()")
        out = subprocess.run(["node", "-e", script], capture_output=True, timeout=60).stdout
        self.assertEqual(out.strip(), b"Hello from Nexus! 100000 50")

    def test_python_http_client(self):
        c = http.client.HTTPConnection("127.0.0.1", self.app.port, timeout=120)
        for _ in range(5):
            c.request("POST", "/echo", body=iter([b"ab", b"cd"]), encode_chunked=True, headers={"Transfer-Encoding": "chunked"})
            self.assertEqual(c.getresponse().read(), b"abcd")
        c.close()

    @need("wrk")
    def test_wrk(self):
        out = subprocess.run(["wrk", "-t1", "-c32", "-d1", f"http://127.0.0.1:{self.app.port}/"], capture_output=True, text=True).stdout
        self.assertIn("Requests/sec", out)
        self.assertNotIn("Non-2xx", out)
        self.assertNotIn("Socket errors", out)


if __name__ == "__main__":
    unittest.main()
