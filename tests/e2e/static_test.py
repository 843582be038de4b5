"""Static files, ranges, conditions and compression: raw sockets, curl, Node."""
import email.utils
import gzip
import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
import threading
import time
import unittest

from support import App, ServerTest, eventually, need, read_response

ROOT = tempfile.mkdtemp(prefix="nexus-static-")
OUTSIDE = tempfile.mkdtemp(prefix="nexus-outside-")
LARGE = os.urandom(3 << 20)
TEXT = b"".join(b"line %d of a text\n" % i for i in range(400))


def write(path, data, age=10):
    full = os.path.join(ROOT, path)
    os.makedirs(os.path.dirname(full), exist_ok=True)
    with open(full, "wb") as f:
        f.write(data)
    when = time.time() - age
    os.utime(full, (when, when))
    return full


def setUpModule():
    write("plain.txt", TEXT)
    write("large.bin", LARGE)
    write("empty.css", b"")
    write("index.html", b"<p>root</p>")
    write("dir/index.html", b"<p>dir</p>")
    write("bare/one & <two>.txt", b"1")
    write("bare/%2e%2e.txt", b"percent")
    write("bare/\u00e4.md", b"# umlaut")
    write(".secret", b"hidden")
    write(".well-known/acme", b"acme")
    write("app/index.html", b"<p>app</p>")
    write("app/main.js", b"let a;")
    write("script.js", b"let plain = 1;" * 100)
    write("script.js.br", b"not really br")
    write("script.js.gz", gzip.compress(b"let plain = 1;" * 100))
    write("stale.js", b"new", age=10)
    write("stale.js.gz", gzip.compress(b"old"), age=1000)
    with open(os.path.join(OUTSIDE, "secret.txt"), "w") as f:
        f.write("outside")
    os.symlink(os.path.join(OUTSIDE, "secret.txt"), os.path.join(ROOT, "escape.txt"))
    os.symlink("../" + os.path.basename(OUTSIDE) + "/secret.txt", os.path.join(ROOT, "climb.txt"))
    os.symlink(OUTSIDE, os.path.join(ROOT, "out"))
    os.symlink("plain.txt", os.path.join(ROOT, "inside.txt"))
    os.symlink("loop", os.path.join(ROOT, "loop"))
    os.symlink("/proc/self/root", os.path.join(ROOT, "magic"))
    os.mkfifo(os.path.join(ROOT, "pipe"))
    s = socket.socket(socket.AF_UNIX)
    s.bind(os.path.join(ROOT, "sock"))
    s.close()
    time.sleep(2.1)  # older than what could still change within a tick of the clock: strong etags


def tearDownModule():
    shutil.rmtree(ROOT)
    shutil.rmtree(OUTSIDE)


class StaticTest(ServerTest):
    app_source = "static.c"
    app_args = (ROOT,)
    app_flags = ("--allow-listen=127.0.0.1", f"--allow-read={ROOT},/nowhere")

    def get(self, path, *headers):
        return self.ask("GET", path, headers=headers)


class Files(StaticTest):
    def test_a_file(self):
        r = self.get("/files/plain.txt")
        self.assertEqual((r.status, r.body), (200, TEXT))
        h = r.headers
        self.assertEqual(h["content-type"], "text/plain; charset=utf-8")
        self.assertEqual(h["x-content-type-options"], "nosniff")
        self.assertEqual(h["accept-ranges"], "bytes")
        self.assertEqual(h["cache-control"], "no-cache")
        self.assertRegex(h["etag"], r'^"[0-9a-f]{16}"$')
        modified = email.utils.parsedate_to_datetime(h["last-modified"]).timestamp()
        self.assertEqual(modified, int(os.stat(os.path.join(ROOT, "plain.txt")).st_mtime))

    def test_head(self):
        for path, data in (("plain.txt", TEXT), ("large.bin", LARGE)):
            get = self.get(f"/files/{path}")
            head = self.ask("HEAD", f"/files/{path}", headers=["range: bytes=0-1"])
            self.assertEqual((head.status, head.body), (200, b""))
            self.assertEqual(head.headers["content-length"], str(len(data)))
            self.assertEqual(get.headers["etag"], head.headers["etag"])

    def test_large_and_empty(self):
        self.assertEqual(self.get("/files/large.bin").body, LARGE)
        r = self.get("/files/empty.css")
        self.assertEqual((r.status, r.body, r.headers["content-length"]), (200, b"", "0"))
        self.assertEqual(r.headers["content-type"], "text/css; charset=utf-8")

    def test_keep_alive_and_pipelining(self):
        with self.app.connect() as s, s.makefile("rb") as f:
            names = ["plain.txt", "large.bin", "empty.css", "none", "large.bin", "plain.txt"] * 3
            s.sendall(b"".join(b"GET /files/%s HTTP/1.1\r\nhost: a\r\n\r\n" % n.encode() for n in names))
            wanted = {"plain.txt": TEXT, "large.bin": LARGE, "empty.css": b"", "none": b'{"error":"Not Found"}'}
            for name in names:
                self.assertEqual(read_response(f).body, wanted[name])

    def test_directories(self):
        self.assertEqual(self.get("/files/").body, b"<p>root</p>")
        self.assertEqual(self.get("/files/dir/").body, b"<p>dir</p>")
        r = self.get("/files/dir?a=1")
        self.assertEqual((r.status, r.headers["location"]), (308, "/files/dir/?a=1"))
        r = self.get("/files")
        self.assertEqual((r.status, r.headers["location"]), (308, "/files/"))
        self.assertEqual(self.get("/files/bare/").status, 404)
        self.assertEqual(self.get("/files/plain.txt/").status, 404)
        self.assertEqual(self.get("/files/special").body, b'{"message":"Hello from Nexus!"}')
        self.assertEqual(self.ask("POST", "/files/plain.txt", b"").status, 405)

    def test_list(self):
        r = self.get("/listed/bare/")
        self.assertEqual(r.status, 200)
        self.assertIn(b'<a href="./one%20%26%20%3Ctwo%3E.txt">one &amp; &lt;two&gt;.txt</a>', r.body)
        self.assertIn(b"../", r.body)
        page = self.get("/listed/").body
        self.assertNotIn(b"pipe", page)
        self.assertIn(b'<a href="./dir/">dir/</a>', page)
        self.assertIn(b".secret", page)
        for href in re.findall(rb'href="\./([^"]*)"', r.body):
            self.assertEqual(self.get("/listed/bare/" + href.decode()).status, 200, href)

    def test_spa(self):
        self.assertEqual(self.get("/app/any/where").body, b"<p>app</p>")
        self.assertEqual(self.get("/app/").body, b"<p>app</p>")
        self.assertEqual(self.get("/app/none.js").status, 404)
        r = self.get("/app/main.js")
        self.assertEqual((r.body, r.headers["cache-control"]), (b"let a;", "max-age=3600, immutable"))
        self.assertEqual(r.headers["content-type"], "text/javascript; charset=utf-8")

    def test_dotfiles(self):
        self.assertEqual(self.get("/files/.secret").status, 404)
        self.assertEqual(self.get("/files/%2esecret").status, 404)
        self.assertEqual(self.get("/listed/.secret").body, b"hidden")
        self.assertEqual(self.get("/files/.well-known/acme").body, b"acme")

    def test_one_file(self):
        r = self.get("/one/plain.txt")
        self.assertEqual((r.body, r.headers["cache-control"]), (TEXT, "max-age=60"))
        self.assertEqual(self.get("/one/dir").status, 404)
        self.assertEqual(self.get("/one/none").status, 404)
        self.assertEqual(self.get("/missing").body, b"handled")
        r = self.ask("POST", "/posted", b"", headers=['if-none-match: *', "range: bytes=0-1"])
        self.assertEqual((r.status, r.body, r.headers["x-own"]), (201, TEXT, "1"))
        self.assertEqual(r.headers["content-type"], "text/x-own")
        r = self.get("/download")
        self.assertEqual(r.headers["content-disposition"], "attachment; filename=\"h__.txt\"; filename*=UTF-8''h%C3%A4.txt")

    def test_a_change_shows_at_once(self):
        for i in range(20):
            data = b"version %d" % i
            write("changing.txt", data, age=0)
            r = self.get("/files/changing.txt")
            self.assertEqual(r.body, data)
            self.assertTrue(r.headers["etag"].startswith("W/"), "its times may not show the next change")
            temporary = write("changing.tmp", data.upper(), age=10)
            os.rename(temporary, os.path.join(ROOT, "changing.txt"))
            self.assertEqual(self.get("/files/changing.txt").body, data.upper())
        os.unlink(os.path.join(ROOT, "changing.txt"))
        self.assertEqual(self.get("/files/changing.txt").status, 404)

    def test_precompressed(self):
        for accept, encoding in (("br, gzip", "br"), ("gzip", "gzip"), ("gzip;q=1, br;q=0.5", "gzip"), ("*", "br"),
                                 ("identity", None), ("br;q=0", None), ("identity;q=1, gzip;q=0.5", None), ("zstd", None), ("x", None)):
            r = self.get("/files/script.js", f"accept-encoding: {accept}")
            self.assertEqual(r.headers.get("content-encoding"), encoding, accept)
            self.assertEqual(r.headers["vary"], "accept-encoding")
            self.assertEqual(r.headers["content-type"], "text/javascript; charset=utf-8")
        self.assertEqual(gzip.decompress(self.get("/files/script.js", "accept-encoding: gzip").body), b"let plain = 1;" * 100)
        r = self.get("/files/stale.js", "accept-encoding: gzip")
        self.assertEqual((r.body, r.headers.get("content-encoding")), (b"new", None))
        etags = {self.get("/files/script.js", f"accept-encoding: {a}").headers["etag"] for a in ("br", "gzip", "identity")}
        self.assertEqual(len(etags), 3)
        self.assertNotIn("vary", self.get("/files/plain.txt", "accept-encoding: br").headers)


class Below(StaticTest):
    """Directories of groups, sub-apps and hosts."""

    KEY = ("x-key: 1",)

    def test_group(self):
        r = self.ask("GET", "/orgs/a/plain.txt", headers=self.KEY)
        self.assertEqual((r.status, r.body, r.headers["x-gate"]), (200, TEXT, "org"))
        for path in ("/orgs/a/plain.txt", "/orgs/a/none", "/orgs/a", "/orgs/a/", "/orgs/a/..%2fplain.txt", "/orgs/a/deep/er/main.js"):
            self.assertEqual(self.ask("GET", path).status, 401, path)
        self.assertEqual(self.ask("GET", "/orgs/a%2fb/index.html", headers=self.KEY).body, b"<p>root</p>")
        r = self.ask("HEAD", "/orgs/a/large.bin", headers=self.KEY)
        self.assertEqual((r.status, r.headers["content-length"], r.headers["x-gate"]), (200, str(len(LARGE)), "org"))

    def test_the_directory_itself(self):
        for path, location in (("/orgs/a", "/orgs/a/"), ("/orgs/a?q=1", "/orgs/a/?q=1"), ("/orgs/a/dir", "/orgs/a/dir/"),
                               ("/orgs/a/deep/er", "/orgs/a/deep/er/")):
            r = self.ask("GET", path, headers=self.KEY)
            self.assertEqual((r.status, r.headers["location"]), (308, location))
        self.assertEqual(self.ask("GET", "/orgs/a/", headers=self.KEY).body, b"<p>root</p>")
        self.assertEqual(self.ask("GET", "/orgs/a/deep/er/", headers=self.KEY).body, b"<p>app</p>")

    def test_the_longest_prefix(self):
        self.assertEqual(self.ask("GET", "/orgs/a/deep/er/main.js", headers=self.KEY).body, b"let a;")
        self.assertEqual(self.ask("GET", "/orgs/a/deep/er/some/page", headers=self.KEY).body, b"<p>app</p>")
        self.assertEqual(self.ask("GET", "/orgs/a/deep/main.js", headers=self.KEY).status, 404)

    def test_a_sub_app_mounted_twice(self):
        self.assertEqual(self.ask("GET", "/sub1/plain.txt").body, TEXT)
        self.assertEqual(self.ask("GET", "/orgs/a/sub2/plain.txt").status, 401)
        r = self.ask("GET", "/orgs/a/sub2/plain.txt", headers=self.KEY)
        self.assertEqual((r.body, r.headers["x-gate"]), (TEXT, "org"))
        for path in ("/sub1", "/orgs/a/sub2"):  # a route of its own goes first
            self.assertIn(b"Hello", self.ask("GET", path, headers=self.KEY).body)
        for path in ("/sub1/../plain.txt", "/sub1/%2e%2e/plain.txt", "/sub1//plain.txt", "/sub1/out/secret.txt"):
            self.assertEqual(self.ask("GET", path).status, 404, path)

    def test_error_pages_of_the_group(self):
        etag = self.ask("GET", "/orgs/a/plain.txt", headers=self.KEY).headers["etag"]
        for method, path, headers, status in (
                ("GET", "/orgs/a/none", (), 404), ("POST", "/orgs/a/plain.txt", (), 405), ("GET", "/orgs/a/out/secret.txt", (), 404),
                ("GET", "/orgs/a/plain.txt", ('if-match: "x"',), 412), ("GET", "/orgs/a/plain.txt", ("range: bytes=999999-",), 416)):
            with self.subTest(path=path, status=status):
                r = self.ask(method, path, headers=self.KEY + headers)
                self.assertEqual((r.status, r.body, r.headers["x-gate"]), (status, b"own page: %d" % status, "org"))
                if status == 416:
                    self.assertEqual(r.headers["content-range"], f"bytes */{len(TEXT)}")
                if status == 412:
                    self.assertEqual(r.headers["etag"], etag)
        for status, header in ((412, 'if-match: "x"'), (416, "range: bytes=999999-")):  # and by what the client likes
            r = self.ask("GET", "/files/plain.txt", headers=[header, "accept: text/html"])
            self.assertEqual((r.status, r.headers["content-type"]), (status, "text/html; charset=utf-8"))
            self.assertEqual(self.ask("HEAD", "/files/plain.txt", headers=[header]).body, b"")

    def test_host(self):
        host = "GET %s HTTP/1.1\r\nhost: files.example.com:80\r\n\r\n"
        self.assertEqual(self.exchange((host % "/").encode()).body, b"<p>app</p>")
        self.assertEqual(self.exchange((host % "/main.js").encode()).body, b"let a;")
        self.assertEqual(self.exchange((host % "/plain.txt").encode()).status, 404)


class Conditions(StaticTest):
    def setUp(self):
        self.headers = self.get("/files/plain.txt").headers
        self.etag, self.modified = self.headers["etag"], self.headers["last-modified"]

    def status(self, *headers, method="GET"):
        return self.ask(method, "/files/plain.txt", headers=headers).status

    def test_none_match(self):
        for method in ("GET", "HEAD"):
            for value in (self.etag, f"W/{self.etag}", "*", f'"a", {self.etag}', f'"a",, {self.etag} ,"b"'):
                r = self.ask(method, "/files/plain.txt", headers=[f"if-none-match: {value}"])
                self.assertEqual((r.status, r.body), (304, b""), value)
                self.assertEqual(r.headers["etag"], self.etag)
                self.assertEqual(r.headers["cache-control"], "no-cache")
                for name in ("content-type", "content-length", "last-modified"):
                    self.assertNotIn(name, r.headers)
        self.assertEqual(self.status('if-none-match: "a"', f"if-none-match: {self.etag}"), 304)
        for value in ('"a"', "", self.etag[1:-1], '"unclosed', 'W/"a"'):
            self.assertEqual(self.status(f"if-none-match: {value}"), 200, value)
        # It goes before the date.
        self.assertEqual(self.status('if-none-match: "a"', f"if-modified-since: {self.modified}"), 200)

    def test_modified_since(self):
        self.assertEqual(self.status(f"if-modified-since: {self.modified}"), 304)
        when = email.utils.parsedate_to_datetime(self.modified)
        rfc850 = when.strftime("%A, %d-%b-%y %H:%M:%S GMT")
        asctime = when.strftime("%a %b %e %H:%M:%S %Y")
        self.assertEqual(self.status(f"if-modified-since: {rfc850}"), 304)
        self.assertEqual(self.status(f"if-modified-since: {asctime}"), 304)
        for value in ("Sun, 06 Nov 1994 08:49:37 GMT", "yesterday", "", self.modified + "x", self.modified.replace("GMT", "CET")):
            self.assertEqual(self.status(f"if-modified-since: {value}"), 200, value)

    def test_match(self):
        self.assertEqual(self.status(f"if-match: {self.etag}"), 200)
        self.assertEqual(self.status("if-match: *"), 200)
        self.assertEqual(self.status('if-match: "a"'), 412)
        self.assertEqual(self.status(f"if-match: W/{self.etag}"), 412)
        self.assertEqual(self.status(f"if-unmodified-since: {self.modified}"), 200)
        self.assertEqual(self.status("if-unmodified-since: Sun, 06 Nov 1994 08:49:37 GMT"), 412)
        self.assertEqual(self.status("if-unmodified-since: nonsense"), 200)
        self.assertEqual(self.status(f"if-match: {self.etag}", "if-unmodified-since: Sun, 06 Nov 1994 08:49:37 GMT"), 200)
        self.assertEqual(self.status('if-match: "a"', f"if-none-match: {self.etag}"), 412)

    def test_if_range(self):
        for value, status in ((self.etag, 206), (self.modified, 206), (f"W/{self.etag}", 200), ('"a"', 200),
                              ("Sun, 06 Nov 1994 08:49:37 GMT", 200), ("", 200), (f"{self.etag}, {self.etag}", 200)):
            self.assertEqual(self.status("range: bytes=0-3", f"if-range: {value}"), status, value)
        self.assertEqual(self.status("range: bytes=0-3", f"if-none-match: {self.etag}"), 304)


class Ranges(StaticTest):
    def range(self, value, path="plain.txt"):
        return self.get(f"/files/{path}", f"range: {value}")

    def test_single(self):
        for path, data in (("plain.txt", TEXT), ("large.bin", LARGE)):
            n = len(data)
            for value, first, last in (("0-0", 0, 0), ("0-", 0, n - 1), ("5-9", 5, 9), ("-5", n - 5, n - 1), (f"{n - 1}-", n - 1, n - 1),
                                       (f"-{n + 5}", 0, n - 1), (f"10-{10 ** 30}", 10, n - 1), (f"-{10 ** 30}", 0, n - 1), (" 3-4 ", 3, 4)):
                r = self.range(f"bytes={value}", path)
                self.assertEqual((r.status, r.body), (206, data[first:last + 1]), value)
                self.assertEqual(r.headers["content-range"], f"bytes {first}-{last}/{n}")
                self.assertEqual(r.headers["content-type"], self.get(f"/files/{path}").headers["content-type"])
        self.assertEqual(self.range("BYTES=0-0").status, 206)

    def test_unsatisfiable(self):
        n = len(TEXT)
        for value in (f"{n}-", f"{n}-{n + 5}", "-0", f"{10 ** 30}-", f"{2 ** 64}-{2 ** 64 + 1}", f"{n}-,-0"):
            r = self.range(f"bytes={value}")
            self.assertEqual((r.status, r.headers["content-range"]), (416, f"bytes */{n}"), value)
        self.assertEqual(self.range("bytes=0-", "empty.css").status, 416)

    def test_ignored(self):
        for value in ("bytes=", "bytes=a", "bytes=5-4", "bytes=-", "bytes=--5", "bytes=0", "bytes 0-1", "lines=0-1", "bytes=0-1;2-3",
                      "bytes=0-1 2-3", "bytes=0x1-2", "bytes=1-2,b", "bytes=-1-2", "bytes= - 5", "bytes=" + ",".join("1-2" for _ in range(33))):
            r = self.range(value)
            self.assertEqual((r.status, r.body), (200, TEXT), value)
        self.assertEqual(self.get("/files/plain.txt", "range: bytes=0-1", "range: bytes=3-4").status, 200)
        self.assertEqual(self.range("bytes=" + ",".join(f"{i}-{i}" for i in range(1000))).status, 200)

    def test_merged(self):
        for value, first, last in (("0-5,3-9", 0, 9), ("0-5,6-9", 0, 9), ("5-9,0-5", 0, 9), ("0-5,20-25", 0, 25), ("0-,1-,2-,-3", 0, len(TEXT) - 1),
                                   (f"0-1,{len(TEXT)}-", 0, 1)):
            r = self.range(f"bytes={value}")
            self.assertEqual((r.status, r.body), (206, TEXT[first:last + 1]), value)
            self.assertNotIn("multipart", r.headers["content-type"])

    def test_multipart(self):
        for path, data in (("plain.txt", TEXT), ("large.bin", LARGE)):
            n = len(data)
            r = self.range("bytes=1000-1009, 0-0,,-7", path)
            self.assertEqual(r.status, 206)
            boundary = re.fullmatch(r"multipart/byteranges; boundary=([0-9a-f]{32})", r.headers["content-type"])[1].encode()
            self.assertNotIn("content-range", r.headers)
            parts = r.body.split(b"--" + boundary)
            self.assertEqual((parts[0], parts[-1]), (b"", b"--\r\n"))
            seen = []
            for part in parts[1:-1]:
                head, _, body = part.partition(b"\r\n\r\n")
                first, last, size = map(int, re.search(rb"content-range: bytes (\d+)-(\d+)/(\d+)", head).groups())
                self.assertEqual((body, size), (data[first:last + 1] + b"\r\n", n))
                self.assertIn(b"content-type: ", head)
                seen.append(first)
            self.assertEqual(seen, [1000, 0, n - 7])


class Hostile(StaticTest):
    def test_traversal(self):
        name = os.path.basename(OUTSIDE)
        climbs = ["..", "%2e%2e", "%2E.", ".%2e", "..%2f..", "%2e%2e%2f", "..%5c", "..\\", "%252e%252e", "%c0%ae%c0%ae", "%c0%2e%c0%2e", "..%00",
                  "..;", ".../", "%2e%2e;a", "%u002e%u002e", "..%c0%af", "..%ef%bc%8f", "\u2024\u2024", "%e2%80%a5", "..%0d%0a", "..%09", "..%20"]
        for climb in climbs:
            for prefix in ("/files/", "/files/dir/", "/listed/", "/one/", "/app/"):
                for tail in (f"{name}/secret.txt", "etc/passwd", "../etc/passwd", "../" * 20 + "etc/passwd"):
                    r = self.exchange(f"GET {prefix}{climb}/{tail} HTTP/1.1\r\nhost: a\r\n\r\n".encode())
                    self.assertIn(r.status, (400, 404) if prefix != "/app/" else (200, 400, 404), (prefix, climb))
                    self.assertNotIn(b"outside", r.body)
                    self.assertNotIn(b"root:", r.body)
        for path in ("/files//etc/passwd", "/files/%2fetc/passwd", "/files/./plain.txt", "/files/dir/../plain.txt", "/files//plain.txt",
                     "/files/plain.txt%00.js", "/files/dir%2findex.html", "/files/dir%5cindex.html", "/files/plain.txt.", "/files/plain%2etxt/."):
            self.assertIn(self.get(path).status, (400, 404), path)
        self.assertEqual(self.get("/files/bare/%252e%252e.txt").body, b"percent")
        self.assertEqual(self.get("/files/pl%61in.txt").body, TEXT)
        self.assertEqual(self.get("/files/bare/%c3%a4.md").body, b"# umlaut")

    def test_links_and_devices(self):
        for name in ("escape.txt", "climb.txt", "out/secret.txt", "out/", "out", "loop", "magic/etc/passwd", "pipe", "sock"):
            for prefix in ("/files/", "/one/", "/listed/"):
                r = self.get(prefix + name)
                self.assertEqual(r.status, 404, (prefix, name))
        self.assertEqual(self.get("/files/inside.txt").body, TEXT)

    def test_a_pipe_is_not_opened(self):
        held = []

        def writer():
            held.append(os.open(os.path.join(ROOT, "pipe"), os.O_WRONLY))  # returns when somebody opens it to read
            os.close(held[0])
        thread = threading.Thread(target=writer, daemon=True)
        thread.start()
        time.sleep(0.1)
        self.assertEqual(self.get("/files/pipe").status, 404)
        time.sleep(0.1)
        self.assertFalse(held, "a look at the pipe must not let its writer go on")
        os.close(os.open(os.path.join(ROOT, "pipe"), os.O_RDONLY))
        thread.join(60)

    def test_open_redirect(self):
        for path in ("//evil.example/..", "//evil.example/%2e%2e", "//files/dir", "/files//dir", "//evil.example//files/dir"):
            r = self.get(path)
            self.assertFalse(r.headers.get("location", "").startswith("//"), path)

    def test_long_names(self):
        for path in ("a" * 256, "a" * 4000, "a/" * 2000, "%61" * 2000, "/".join("a" * 255 for _ in range(20))):
            self.assertIn(self.get("/files/" + path).status, (404, 414))

    def test_accept_encoding(self):
        for value in ("gzip," * 1000, "a;q=1," * 1000, ";" * 5000, "gzip;q=" + "9" * 1000, "*;q=0.0000", "gzip;q=2", "gzip;q=-1"):
            self.assertEqual(self.get("/files/script.js", f"accept-encoding: {value}").status, 200)

    def test_a_file_that_shrinks(self):
        path = write("shrinks.bin", os.urandom(32 << 20))
        with self.app.connect() as s:
            s.sendall(b"GET /files/shrinks.bin HTTP/1.1\r\nhost: a\r\n\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n")
            s.recv(1000)
            os.truncate(path, 1 << 20)
            rest = s.makefile("rb").read()
            self.assertLess(len(rest), 32 << 20)
            self.assertNotIn(b"HTTP/1.1", rest, "nothing may follow an answer that was cut off")
        os.unlink(path)
        self.assert_serving()

    def test_peers_that_leave(self):
        before = self.app.descriptors()
        for i in range(30):
            s = self.app.connect()
            s.sendall(b"GET /files/large.bin HTTP/1.1\r\nhost: a\r\n\r\n")
            if i % 2:
                s.recv(1000)
            s.close()
        self.assert_serving()
        eventually(lambda: self.assertLessEqual(self.app.descriptors(), before + 4))
        self.assertNotIn("large.bin failed", self.app.output(), "that a peer leaves is no failure")

    def test_a_reader_that_stops(self):
        before = self.app.descriptors()
        with self.app.connect() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            s.sendall(b"GET /files/large.bin HTTP/1.1\r\nhost: a\r\n\r\n" * 4)
            for _ in range(8):
                time.sleep(0.5)
                self.assert_serving()
            eventually(lambda: self.assertLessEqual(self.app.descriptors(), before))
            with self.assertRaises(ConnectionError, msg="the connection was reset after write_deadline"):
                while s.recv(65536):
                    pass

    def test_many_files_do_not_exhaust_descriptors(self):
        for i in range(200):
            write(f"many/{i}.bin", b"x" * 20000)
        before = self.app.descriptors()
        for i in range(200):
            self.assertEqual(self.get(f"/files/many/{i}.bin").status, 200)
        self.assertLess(self.app.descriptors(), before + 150)

    def test_fairness(self):
        write("huge.bin", LARGE * 20)
        stop = threading.Event()

        def drink():
            with self.app.connect() as s:
                s.sendall(b"GET /files/huge.bin HTTP/1.1\r\nhost: a\r\n\r\n" * 100)
                while not stop.is_set() and s.recv(1 << 20):
                    pass

        def usual():
            took = []
            for _ in range(50):
                start = time.monotonic()
                self.assert_serving()
                took.append(time.monotonic() - start)
            return sorted(took)[25]
        alone = usual()
        thread = threading.Thread(target=drink)
        thread.start()
        try:
            self.assertTrue(any(usual() < 0.05 + 10 * alone for _ in range(3)))
        finally:
            stop.set()
            thread.join()


class Permissions(unittest.TestCase):
    def test_flags(self):
        app = App("static.c", ROOT, flags=("--allow-net",), wait=False)
        self.assertNotEqual(app.process.wait(60), 0)
        self.assertIn("--allow-read", app.output())
        app = App("static.c", ROOT, flags=("--allow-net", f"--allow-read={ROOT}", f"--deny-read={ROOT}/dir"))
        try:
            for path, status in (("/files/plain.txt", 200), ("/files/dir/", 404), ("/files/dir/index.html", 404), ("/one/dir/index.html", 404)):
                with app.connect() as s:
                    s.sendall(f"GET {path} HTTP/1.1\r\nhost: a\r\n\r\n".encode())
                    self.assertEqual(read_response(s.makefile("rb")).status, status, path)
        finally:
            self.assertEqual(app.stop(), 0)

    def test_no_such_directory(self):
        app = App("static.c", "/nowhere", wait=False)
        self.assertNotEqual(app.process.wait(60), 0)
        self.assertIn('cannot serve the directory "/nowhere', app.output())


class Compression(StaticTest):
    app_args = (ROOT, "coded")

    def decode(self, r):
        encoding = r.headers.get("content-encoding")
        if not encoding:
            return r.body
        if encoding == "gzip":
            return gzip.decompress(r.body)
        tool = {"br": ["brotli", "-d", "-c"], "zstd": ["zstd", "-d", "-c"]}[encoding]
        if not shutil.which(tool[0]):
            return node_decode(encoding, r.body)
        return subprocess.run(tool, input=r.body, capture_output=True, check=True).stdout

    def test_whole(self):
        for size in (0, 10, 1023, 1024, 5000, 20000, 300000):
            plain = self.get(f"/text/{size}").body
            self.assertEqual(len(plain), size)
            for accept, encoding in (("gzip", "gzip"), ("br", "br"), ("zstd", "zstd"), ("gzip, br, zstd", "zstd"), ("gzip, br", "br"),
                                     ("gzip;q=1, br;q=0.9", "gzip"), ("*", "zstd"), ("identity;q=1, gzip;q=0.3", None), ("gzip;q=0", None), ("", None)):
                r = self.get(f"/text/{size}", f"accept-encoding: {accept}")
                wanted = encoding if size >= 1024 else None
                self.assertEqual(r.headers.get("content-encoding"), wanted, (size, accept))
                self.assertEqual(r.headers["etag"], 'W/"strong"' if wanted else '"strong"')
                self.assertEqual(r.headers.get("vary"), "accept-encoding" if size >= 1024 else None)
                self.assertEqual(r.headers["content-length"], str(len(r.body)))
                if wanted in (None, "gzip"):
                    self.assertEqual(self.decode(r), plain)

    def test_head(self):
        get = self.get("/text/5000", "accept-encoding: gzip")
        head = self.ask("HEAD", "/text/5000", headers=["accept-encoding: gzip"])
        self.assertEqual(get.headers["content-length"], head.headers["content-length"])
        self.assertEqual(head.headers["content-encoding"], "gzip")

    def test_json_and_left_alone(self):
        r = self.get("/json", "accept-encoding: gzip")
        self.assertEqual((r.headers["content-encoding"], json.loads(gzip.decompress(r.body))["text"][:7]), ("gzip", "abcdefg"))
        self.assertNotIn("content-encoding", self.get("/untouched/5000", "accept-encoding: gzip").headers)
        self.assertNotIn("content-encoding", self.get("/files/large.bin", "accept-encoding: gzip").headers)
        self.assertNotIn("content-encoding", self.get("/", "accept-encoding: gzip").headers)

    def test_pieces_are_flushed(self):
        import zlib
        with self.app.connect() as s, s.makefile("rb") as f:
            s.sendall(b"GET /pieces HTTP/1.1\r\nhost: a\r\naccept-encoding: gzip\r\n\r\n")
            while f.readline() != b"\r\n":
                pass
            decoder, seen, times = zlib.decompressobj(31), b"", []
            while True:
                size = int(f.readline(), 16)
                if not size:
                    break
                seen += decoder.decompress(f.read(size))
                f.read(2)
                times.append((time.monotonic(), seen.count(b"\n\n")))
            self.assertTrue(decoder.eof)
            self.assertEqual(seen, b"".join(b"data: piece %d\n\n" % i for i in range(5)))
            self.assertEqual([n for _, n in times[:5]], [1, 2, 3, 4, 5])

    def test_files(self):
        r = self.get("/files/plain.txt", "accept-encoding: gzip")
        self.assertEqual((r.headers["content-encoding"], gzip.decompress(r.body)), ("gzip", TEXT))
        self.assertTrue(r.headers["etag"].startswith("W/"))
        self.assertNotIn("accept-ranges", r.headers)
        self.assertEqual(self.get("/files/plain.txt", "accept-encoding: gzip", f"if-none-match: {r.headers['etag']}").status, 304)
        r = self.get("/files/plain.txt", "accept-encoding: gzip", "range: bytes=0-3999")
        self.assertEqual((r.status, r.body, r.headers.get("content-encoding")), (206, TEXT[:4000], None))
        long_text = b"".join(b"%d " % i for i in range(100000))
        write("long.txt", long_text)
        for encoding in ("gzip", "identity"):
            r = self.get("/files/long.txt", f"accept-encoding: {encoding}")
            self.assertEqual(self.decode(r), long_text)
        head = self.ask("HEAD", "/files/long.txt", headers=["accept-encoding: gzip"])
        self.assertEqual((head.status, head.body, head.headers["content-encoding"]), (200, b"", "gzip"))
        r = self.get("/files/script.js", "accept-encoding: gzip")
        self.assertEqual(r.headers["vary"], "accept-encoding")
        self.assertEqual(gzip.decompress(r.body), b"let plain = 1;" * 100)

    def test_bodies(self):
        for size in (0, 1, 70000, 1 << 20):
            data = os.urandom(size // 4) * 4
            for body in (gzip.compress(data), gzip.compress(data[:size // 2]) + gzip.compress(data[size // 2:])):
                r = self.ask("POST", "/whole", body, headers=["content-encoding: gzip"])
                self.assertEqual((r.status, self.decode(r)), (200, data), size)
                r = self.ask("POST", "/count", body, headers=["content-encoding: x-gzip"])
                self.assertEqual(json.loads(r.body), {"length": len(data)})
        body = gzip.compress(b"hello")
        chunked = b"".join(b"1\r\n%c\r\n" % c for c in body) + b"0\r\n\r\n"
        r = self.exchange(b"POST /whole HTTP/1.1\r\nhost: a\r\ncontent-encoding: gzip\r\ntransfer-encoding: chunked\r\n\r\n" + chunked)
        self.assertEqual(r.body, b"hello")
        self.assertEqual(self.ask("POST", "/whole", b"plain", headers=["content-encoding: identity"]).body, b"plain")

    def test_bad_bodies(self):
        good = gzip.compress(os.urandom(1000))
        for body, encoding, status in ((good[:-1], "gzip", 400), (good[:5], "gzip", 400), (b"nonsense", "gzip", 400), (good + b"tail", "gzip", 400),
                                       (good, "br", 400), (good, "zstd", 400), (good, "deflate", 415), (good, "gzip, br", 415), (b"\x25\xb5\x2f\xfd" + good, "zstd", 400),
                                       (b"\x50\x2a\x4d\x18\xff\xff\xff\x7f", "zstd", 400)):
            for path in ("/whole", "/count"):
                r = self.ask("POST", path, body, headers=[f"content-encoding: {encoding}"])
                self.assertEqual((r.status, r.headers.get("accept-encoding")), (status, "gzip, br, zstd" if status == 415 else None), (encoding, body[:8]))
        self.assert_serving()

    def test_bombs(self):
        bomb = gzip.compress(b"\0" * (64 << 20), 9)
        before = self.app.rss()
        for path in ("/whole", "/count"):
            for _ in range(5):
                self.assertEqual(self.ask("POST", path, bomb, headers=["content-encoding: gzip"]).status, 413)
                self.assertEqual(self.ask("POST", path, bomb[:3000], headers=["content-encoding: gzip"]).status, 413)
        self.assertEqual(self.ask("POST", "/whole", gzip.compress(os.urandom(30000) * 150), headers=["content-encoding: gzip"]).status, 413)
        self.assertLess(self.app.rss(), before + 40000)
        self.assert_serving()

    def test_encoders_are_used_again(self):
        for encoding in ("gzip", "br", "zstd"):
            for _ in range(20):
                self.get("/text/20000", f"accept-encoding: {encoding}")
        before = self.app.rss()
        for _ in range(200):
            self.get("/text/20000", "accept-encoding: gzip")
            self.get("/text/20000", "accept-encoding: br")
            self.get("/text/20000", "accept-encoding: zstd")
        self.assertLess(self.app.rss(), before + 2000)

    def test_many_at_once(self):
        sockets = [self.app.connect() for _ in range(100)]
        for s in sockets:
            s.sendall(b"GET /pieces HTTP/1.1\r\nhost: a\r\naccept-encoding: zstd, gzip\r\n\r\n")
        kinds = set()
        for s in sockets:
            r = read_response(s.makefile("rb"))
            kinds.add(r.headers.get("content-encoding"))
            s.close()
        self.assertEqual(kinds, {"zstd", None}, "past the cap of encoders an answer goes out as it is")


class Off(StaticTest):
    def test_encoded_bodies_are_refused(self):
        for path in ("/whole", "/count"):
            r = self.ask("POST", path, gzip.compress(b"x"), headers=["content-encoding: gzip"])
            self.assertEqual((r.status, r.headers["accept-encoding"]), (415, "identity"))
            self.assertEqual(json.loads(r.body)["message"], 'cannot read the body: its content-encoding is "gzip"')
            self.assertEqual(self.ask("POST", path, b"x", headers=["content-encoding: identity"]).status, 200)
        self.assertNotIn("content-encoding", self.get("/text/5000", "accept-encoding: gzip").headers)


NODE = """
const base = process.argv[1];
const check = (name, good) => { if (!good) { console.error("failed: " + name); process.exitCode = 1; } };
const zlib = require("node:zlib");
(async () => {
  for (const encoding of ["gzip", "br"]) {
    const r = await fetch(base + "/text/50000", { headers: { "accept-encoding": encoding } });
    check(encoding + " named", r.headers.get("content-encoding") === encoding);
    check(encoding + " decodes", (await r.text()).length === 50000);
    const s = await fetch(base + "/pieces", { headers: { "accept-encoding": encoding } });
    check(encoding + " in pieces", (await s.text()).endsWith("data: piece 4\\n\\n"));
    const l = await fetch(base + "/files/plain.txt", { headers: { "accept-encoding": encoding } });
    check(encoding + " file", (await l.text()).length === %d);
  }
  const data = Buffer.alloc(100000, "some text that repeats ").subarray(0, 100000);
  for (const [encoding, body] of [["gzip", zlib.gzipSync(data, { level: 1 })], ["br", zlib.brotliCompressSync(Buffer.from(data.toString("base64")), { params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 1 } })]]) {
    const r = await fetch(base + "/count", { method: "POST", body, headers: { "content-encoding": encoding } });
    check(encoding + " body", r.status === (body.length * 50 < data.length ? 413 : 200));
  }
  const random = require("node:crypto").randomBytes(30000).toString("hex");
  for (const [encoding, body] of [["gzip", zlib.gzipSync(random)], ["br", zlib.brotliCompressSync(random)]]) {
    const r = await fetch(base + "/whole", { method: "POST", body, headers: { "content-encoding": encoding } });
    check(encoding + " whole body", (await r.text()) === random);
  }
  const r = await fetch(base + "/files/large.bin", { headers: { range: "bytes=100-1099" } });
  check("range", r.status === 206 && (await r.arrayBuffer()).byteLength === 1000);
  const whole = await fetch(base + "/files/large.bin");
  check("large", (await whole.arrayBuffer()).byteLength === %d);
})();
"""


def node_decode(encoding, data):
    call = {"br": "brotliDecompressSync"}[encoding]
    code = f"process.stdout.write(require('node:zlib').{call}(require('node:fs').readFileSync(0)))"
    return subprocess.run(["node", "-e", code], input=data, capture_output=True, check=True).stdout


class Clients(StaticTest):
    app_args = (ROOT, "coded")

    @need("node")
    def test_node(self):
        r = subprocess.run(["node", "-e", NODE % (len(TEXT), len(LARGE)), f"http://127.0.0.1:{self.app.port}"], capture_output=True, text=True, timeout=60)
        self.assertEqual((r.returncode, r.stderr), (0, ""))

    @need("curl")
    def test_curl(self):
        base = f"http://127.0.0.1:{self.app.port}"

        def curl(*args):
            return subprocess.run(["curl", "-s", "--max-time", "20", *args], capture_output=True, check=True).stdout
        self.assertEqual(curl(f"{base}/files/large.bin"), LARGE)
        self.assertEqual(curl("-r", "10-19,-10", f"{base}/files/large.bin").count(b"content-range"), 2)
        self.assertEqual(curl("--compressed", f"{base}/text/9000"), curl(f"{base}/text/9000"))
        self.assertEqual(curl("-L", f"{base}/files/dir"), b"<p>dir</p>")
        self.assertEqual(curl("-o", "/dev/null", "-w", "%{http_code}", "--path-as-is", f"{base}/files/../../etc/passwd"), b"404")
        with tempfile.NamedTemporaryFile() as f:
            f.write(LARGE[:1000])
            f.flush()
            curl("-C", "-", "-o", f.name, f"{base}/files/large.bin")
            f.seek(0)
            self.assertEqual(f.read(), LARGE)


if __name__ == "__main__":
    unittest.main()
