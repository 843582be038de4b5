"""What comes with a request, against a running server: curl, Node, urllib, requests, and raw sockets that lie."""
import json
import os
import re
import shutil
import subprocess
import tempfile
import time
import unittest
import urllib.parse
import urllib.request

from support import App, ServerTest, need, read_response, short_deadlines

try:
    import requests
except ImportError:
    requests = None


def sum_of(data):
    total = 1
    for byte in data:
        total = (total * 31 + byte) & 0xffffffff
    return total


FORM = "multipart/form-data; boundary=X"


def part(name, value, filename=None, extra=b""):
    head = f'--X\r\nContent-Disposition: form-data; name="{name}"'
    if filename is not None:
        head += f'; filename="{filename}"'
    return head.encode() + b"\r\n" + extra + b"\r\n" + value + b"\r\n"


def saving(folder):
    """What it needs to keep there what comes."""
    return f"--allow-read={folder}", f"--allow-write={folder}", "--allow-listen=127.0.0.1"


class DataTest(ServerTest):
    app_source = "data.c"

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp()
        cls.app_args, cls.app_flags = (cls.folder,), saving(cls.folder)
        super().setUpClass()

    @classmethod
    def tearDownClass(cls):
        try:
            super().tearDownClass()
        finally:
            shutil.rmtree(cls.folder)

    def url(self, path):
        return f"http://127.0.0.1:{self.app.port}{path}"

    def get(self, path, *headers):
        return self.ask("GET", path, headers=headers)

    def post(self, path, body, kind):
        return self.ask("POST", path, body, headers=[f"content-type: {kind}"])

    def assert_json(self, response, wanted):
        self.assertEqual(response.status, 200, response.body)
        self.assertEqual(json.loads(response.body), wanted)

    def assert_told(self, response, status, message):
        """The peer is told what it did wrong."""
        self.assertEqual(response.status, status, response.body)
        self.assertIn(message, json.loads(response.body)["message"])

    def assert_comes_down(self, value, most):
        """In a while: a connection whose body was refused lingers a little, so that the answer is read; and what the watchdog
        takes for its report, should the machine be slow, it gives back."""
        end = time.time() + 60
        while value() > most and time.time() < end:
            time.sleep(0.05)
        self.assertLessEqual(value(), most)

    def assert_back(self, before, slack=6 << 10):
        """Memory and descriptors are back to where they were."""
        self.assert_comes_down(self.app.descriptors, before[0])
        self.assert_comes_down(self.app.rss, before[1] + slack)
        self.assert_serving()

    def before(self):
        self.assert_serving()
        # What opens its descriptors at first use has done so.
        self.assertEqual(self.post("/form", part("f", b"x" * 100_000, "f") + b"--X--", FORM).status, 200)
        time.sleep(0.05)
        return self.app.descriptors(), self.app.rss()


class Query(DataTest):
    def test_decoded(self):
        r = self.get("/query?page=3&ratio=2.5&verbose&text=a%20b+c%2Bd%26%E2%82%AC&tag=x&tag=&tag=%7a")
        self.assert_json(r, {"page": 3, "ratio": 2.5, "verbose": True, "text": "a b c+d&€", "tags": ["x", "", "z"]})
        self.assert_json(self.get("/query"), {"page": 1, "ratio": 0.5, "verbose": False, "text": None, "tags": []})
        self.assert_json(self.get("/query?page=x&ratio=nan&verbose=maybe&text"),
                         {"page": 1, "ratio": 0.5, "verbose": False, "text": "", "tags": []})

    def test_as_the_standard_library_encodes(self):
        text = "ä€😀 +&=%?#/\\\"'<>~\t\n"
        for quote in (urllib.parse.quote, urllib.parse.quote_plus):
            r = self.get("/query?" + urllib.parse.urlencode({"text": text}, quote_via=quote))
            self.assertEqual(json.loads(r.body)["text"], text)

    def test_malformed(self):
        for bad in ("text=%", "text=%4", "text=%zz", "text=%u0041", "text=%00", "%00=1", "text=%ff", "text=%c0%80",
                    "text=%ed%a0%80", "page=2&x=%e2%82", "text=%25%"):
            for path in ("/query?", "/query/quiet?", "/query/need?id=1&"):
                self.assert_told(self.get(path + bad), 400, "cannot read the query: it holds a bad percent-encoding")
        self.assert_serving()

    def test_needed(self):
        self.assert_json(self.get("/query/need?id=7"), {"id": 7, "name": "nobody"})
        self.assert_json(self.get("/query/need?id=255&name=Ada"), {"id": 255, "name": "Ada"})
        self.assert_told(self.get("/query/need"), 400, 'the parameter "id" is missing')
        self.assert_told(self.get("/query/need?id=256"), 400,
                         'the parameter "id" has to be a whole number from 0 to 255, not "256"')
        self.assert_told(self.get("/query/need?id=%1b%5b31m%c3%a9"), 400, 'not "?[31m??"')

    def test_many(self):
        before = self.before()
        for _ in range(20):
            self.assert_told(self.get("/query?" + "a&" * 25000), 400, "too many parameters")
        self.assertEqual(self.get("/query?" + "a&" * 1000).status, 200)
        self.assert_back(before)


class Cookies(DataTest):
    def jar(self, value):
        r = self.exchange(f"GET /cookies/set?value={urllib.parse.quote(value)} HTTP/1.1\r\nhost: t\r\nconnection: close\r\n\r\n"
                          .encode())
        self.assertEqual(r.status, 200)
        with self.app.connect() as s:
            s.sendall(f"GET /cookies/set?value={urllib.parse.quote(value)} HTTP/1.1\r\nhost: t\r\nconnection: close\r\n\r\n"
                      .encode())
            text = b"".join(iter(lambda: s.recv(65536), b"")).decode()
        return dict(re.findall(r"(?mi)^set-cookie: ([^=]+)=([^;\r]*)", text)), text

    def read(self, jar, **changed):
        pairs = "; ".join(f"{k}={v}" for k, v in {**jar, **changed}.items())
        return json.loads(self.get("/cookies", f"cookie: {pairs}").body)

    def test_round_trip(self):
        for value in ("17", "", "ä€ ;,\"\\%=", "a.b.c", "x" * 500):
            jar, _ = self.jar(value)
            jar.pop("old")
            self.assertEqual(self.read(jar), {"plain": value, "signed": value, "secret": value, "count": 3})

    def test_attributes(self):
        _, text = self.jar("17")
        fields = re.findall(r"(?mi)^set-cookie: (.*)\r$", text)
        self.assertEqual(fields[0], "plain=17; Path=/; Max-Age=60; SameSite=Strict")
        self.assertRegex(fields[1], r"^signed=17\.\d+\.[\w-]{43}; Path=/cookies; SameSite=Lax; HttpOnly$")
        self.assertRegex(fields[2], r"^secret=[\w-]+; Path=/; Max-Age=2; SameSite=Lax; HttpOnly$")
        self.assertEqual(fields[3], "old=; Path=/; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT; SameSite=Lax")

    def test_tampered(self):
        jar, _ = self.jar("user-17")
        for name in ("signed", "secret"):
            text = jar[name]
            for i in range(len(text)):
                bad = text[:i] + ("A" if text[i] != "A" else "B") + text[i + 1:]
                self.assertIsNone(self.read(jar, **{name: bad})[name], bad)
            for bad in (text[:-1], text + "A", text[::-1], "", ".", "..", "." + text, text + "." + text, "A" * 4000):
                self.assertIsNone(self.read(jar, **{name: bad})[name], bad)
        # One under the other's name.
        swapped = self.read({"signed": jar["secret"], "secret": jar["signed"]})
        self.assertEqual((swapped["signed"], swapped["secret"]), (None, None))
        self.assertIsNone(self.read({"secret": jar["secret"].swapcase()})["secret"])
        self.assert_serving()

    @short_deadlines
    def test_end(self):
        jar, _ = self.jar("17")
        self.assertEqual(self.read(jar)["secret"], "17")
        time.sleep(2.1)
        self.assertEqual(self.read(jar)["secret"], None)
        self.assertEqual(self.read(jar)["signed"], "17")

    def test_strange_ones(self):
        for field, plain in (("plain=1; plain=2", "1"), ("a; =x; plain = y ;", "y"), ('plain="q"', "q"), ("plain=%zz", "%zz"),
                             ("plain=%41", "A"), ("plain=%00", "%00"), ("plain=%ff", "%ff"), ("PLAIN=1", None),
                             ("=plain=1", None), (";" * 1000, None), ("plain=a=b", "a=b"), ("=__Host-x=1", None)):
            self.assertEqual(json.loads(self.get("/cookies", "cookie: " + field).body)["plain"], plain, field)
        r = self.exchange(b"GET /cookies HTTP/1.1\r\nhost: t\r\ncookie: plain=\xff\xfe\r\n\r\n")
        self.assertEqual((r.status, json.loads(r.body)["plain"]), (200, None))
        # HTTP/2 splits the field; so may anybody.
        self.assertEqual(json.loads(self.get("/cookies", "cookie: a=1", "cookie: plain=2").body)["plain"], "2")

    def test_many(self):
        before = self.before()
        field = "cookie: " + ";".join(f"c{i}=%41" for i in range(6000))
        for _ in range(5):
            self.assertEqual(json.loads(self.get("/cookies", field).body)["count"], 6000)
        self.assert_back(before)

    def test_header_injection(self):
        for case in range(9):
            r = self.get(f"/cookies/bad?case={case}")
            self.assertEqual(r.status, 500, case)
            self.assertNotIn("set-cookie", r.headers)
            self.assertNotIn("message", json.loads(r.body))
        jar, text = self.jar("a\r\nset-cookie: evil=1")
        self.assertNotIn("evil", jar)
        self.assertNotIn("\nset-cookie: evil", text)
        self.assert_serving()

    def test_rotation(self):
        jar, _ = self.jar("17")
        rotated = App("data.c", self.folder, "rotated", flags=saving(self.folder))
        try:
            response = self.exchange(
                f"GET /cookies HTTP/1.1\r\nhost: t\r\ncookie: signed={jar['signed']}; secret={jar['secret']}\r\n\r\n".encode(),
                app=rotated)
            got = json.loads(response.body)
            self.assertEqual((got["signed"], got["secret"]), ("17", "17"))
        finally:
            self.assertEqual(rotated.stop(), 0)

    def test_keys(self):
        weak = App("data.c", self.folder, "weak", wait=False)
        self.assertNotEqual(weak.process.wait(60), 0)
        self.assertIn("cannot use these cookie keys: a key has at least 32 bytes", weak.output())
        none = App("data.c", self.folder, "none")
        try:
            self.assertEqual(self.exchange(b"GET /cookies HTTP/1.1\r\nhost: t\r\n\r\n", app=none).status, 500)
            self.assertIn("signed and encrypted cookies take keys", none.output())
        finally:
            none.stop()


class Forms(DataTest):
    def file(self, field, name, data, kind="application/octet-stream"):
        return {"field": field, "name": name, "type": kind, "size": len(data), "sum": sum_of(data)}

    def test_urlencoded(self):
        r = self.post("/form", b"a=1&b=x+y%20%26&a=2&c", "application/x-www-form-urlencoded; charset=utf-8")
        self.assert_json(r, {"fields": ["a", "1", "b", "x y &", "a", "2", "c", ""], "files": []})
        self.assert_json(self.post("/form", b"", "application/x-www-form-urlencoded"), {"fields": [], "files": []})

    def test_multipart(self):
        body = part("a", b"1") + part("f", b"data\0\xff\r\n--Y", "x.bin", b"Content-Type: image/png\r\n") + part("none", b"", "") \
            + part("a", "ä".encode()) + b"--X--\r\n"
        wanted = {"fields": ["a", "1", "a", "ä"],
                  "files": [self.file("f", "x.bin", b"data\0\xff\r\n--Y", "image/png")]}
        self.assert_json(self.post("/form", body, FORM), wanted)
        # Byte by byte, and chunked.
        head = f"POST /form HTTP/1.1\r\nhost: t\r\ncontent-type: {FORM}\r\ncontent-length: {len(body)}\r\n\r\n".encode()
        r = self.exchange(None, parts=[head] + [body[i:i + 1] for i in range(len(body))])
        self.assert_json(r, wanted)
        chunks = b"".join(b"%x\r\n%s\r\n" % (len(body[i:i + 7]), body[i:i + 7]) for i in range(0, len(body), 7))
        r = self.exchange(f"POST /form HTTP/1.1\r\nhost: t\r\ncontent-type: {FORM}\r\ntransfer-encoding: chunked\r\n\r\n".encode()
                          + chunks + b"0\r\n\r\n")
        self.assert_json(r, wanted)

    @need("curl")
    def test_curl(self):
        path = os.path.join(self.folder, "up load.txt")
        data = os.urandom(300_000)
        with open(path, "wb") as f:
            f.write(data)
        out = subprocess.run(["curl", "-s", "-F", "a=ä€", "-F", f"f=@{path};type=text/x-test", "-F", "b=2", self.url("/form")],
                             capture_output=True, check=True, timeout=120).stdout
        self.assertEqual(json.loads(out), {"fields": ["a", "ä€", "b", "2"],
                                           "files": [self.file("f", "up load.txt", data, "text/x-test")]})
        out = subprocess.run(["curl", "-s", "--data-urlencode", "a=x&y =%", "-d", "b=2", self.url("/form")],
                             capture_output=True, check=True, timeout=120).stdout
        self.assertEqual(json.loads(out)["fields"], ["a", "x&y =%", "b", "2"])

    @need("node")
    def test_node(self):
        script = """
const form = new FormData();
form.append("text", "line\\r\\nä€😀 \\"quoted\\"");
form.append("file", new Blob(["hello ".repeat(20000)], { type: "text/plain" }), "a\\"b.txt");
fetch(process.argv[1], { method: "POST", body: form }).then(r => r.text()).then(t => console.log(t));
"""
        out = subprocess.run(["node", "-e", script, self.url("/form")], capture_output=True, check=True, timeout=120).stdout
        got = json.loads(out)
        self.assertEqual(got["fields"], ["text", "line\r\nä€😀 \"quoted\""])
        # A browser writes a quote in a file's name as %22.
        self.assertEqual(got["files"], [self.file("file", "a%22b.txt", b"hello " * 20000, "text/plain")])

    @unittest.skipUnless(requests, "requests is not installed")
    def test_requests(self):
        data = os.urandom(100_000)
        got = requests.post(self.url("/form"), data={"a": "ä", "b": ["1", "2"]}, files={"f": ("ü.bin", data)}, timeout=120).json()
        self.assertEqual(got, {"fields": ["a", "ä", "b", "1", "b", "2"], "files": [self.file("f", "ü.bin", data)]})
        got = requests.post(self.url("/form"), data={"a": "ä &="}, timeout=120).json()
        self.assertEqual(got["fields"], ["a", "ä &="])

    def test_urllib(self):
        body = urllib.parse.urlencode({"a": "ä &=", "b": ""}).encode()
        with urllib.request.urlopen(self.url("/form"), body, timeout=120) as r:
            self.assertEqual(json.load(r)["fields"], ["a", "ä &=", "b", ""])

    def test_large_files_go_to_disk(self):
        before = self.before()
        data = os.urandom(1 << 20) * 24
        body = part("a", b"1") + part("file", data, "big.bin") + part("b", b"2") + part("s", b"x" * 65536, "small") + b"--X--"
        r = self.post("/save", body, FORM)
        self.assert_json(r, {"size": len(data)})
        with open(os.path.join(self.folder, "saved"), "rb") as f:
            self.assertEqual(f.read(), data)
        self.assertEqual(os.listdir(self.folder).count("saved"), 1)
        self.assertEqual([n for n in os.listdir(self.folder) if n.startswith("nexus-form")], [])
        self.assert_back(before, 8 << 10)

    def test_large_files_take_permission(self):
        with tempfile.TemporaryDirectory() as other:
            app = App("data.c", other, flags=("--allow-net",))
            try:
                head = f"POST /form HTTP/1.1\r\nhost: t\r\ncontent-type: {FORM}\r\n"
                for size, status in ((1000, 200), (100_000, 500)):
                    body = part("f", b"x" * size, "f") + b"--X--"
                    r = self.exchange(head.encode() + f"content-length: {len(body)}\r\n\r\n".encode() + body, app=app)
                    self.assertEqual(r.status, status)
                self.assertIn(f"run with --allow-write={other}", app.output())
            finally:
                app.stop()

    def test_part_by_part(self):
        before = self.before()
        body = part("a", b"1" * 10) + part("skip", b"2" * 100_000) + part("c", b"3" * 5_000_000, "c") + part("d", b"") + b"--X--"
        for _ in range(3):
            self.assert_json(self.post("/parts", body, FORM), [10, 5_000_000, 0])
        self.assert_back(before)

    def test_needed(self):
        kind = "application/x-www-form-urlencoded"
        self.assert_json(self.post("/form/need", b"age=7&agree=on", kind), {"age": 7, "agree": True})
        self.assert_told(self.post("/form/need", b"age=x", kind), 400, 'the field "age" has to be a whole number')
        self.assert_told(self.post("/form/need", b"", kind), 400, 'the field "age" is missing')

    def test_other_types(self):
        both = "multipart/form-data, application/x-www-form-urlencoded"
        for path, body, kind, told, wanted in (
                ("/form", b"{}", "application/json", '"application/json" is none', both), ("/form", b"a=1", None, "no content-type", both),
                ("/parts", b"a=1", "application/x-www-form-urlencoded", "is none; send multipart/form-data", "multipart/form-data"),
                ("/json", b"{}", "text/plain", "not application/json", "application/json")):
            r = self.post(path, body, kind) if kind else self.ask("POST", path, body)
            self.assert_told(r, 415, told)
            self.assertEqual((r.headers["accept"], r.headers["accept-post"], "accept-patch" in r.headers), (wanted, wanted, False))
        r = self.ask("PATCH", "/json", b"{}", headers=["content-type: text/plain"])
        self.assertEqual((r.status, r.headers["accept-patch"], "accept-post" in r.headers), (415, "application/json", False))
        for kind in ("multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; boundary=a; boundary=b",
                     "multipart/form-data; boundary=" + "a" * 71, 'multipart/form-data; boundary="a'):
            self.assert_told(self.post("/form", b"--a--", kind), 400, "no good boundary")

    def test_malformed(self):
        before = self.before()
        good = part("a", b"1")
        for body, why in ((b"", "ends in the middle"), (b"--X", "ends in the middle"), (good, "ends in the middle"),
                          (good + b"--X\r\n", "ends in the middle"), (good[:20], "ends in the middle"),
                          (b"--X\n" + good, "followed by something else"), (good + b"--XY--", "followed by something else"),
                          (b"hello\r\n" + good, "begin with its boundary"), (part("a", b"\xff") + b"--X--", "not UTF-8"),
                          (part("a", b"a\0b") + b"--X--", "NUL"), (part("a\r\nb", b"") + b"--X--", "cannot be read"),
                          (b"--X\r\n\r\nx\r\n--X--", "no content-disposition"),
                          (good.replace(b"form-data", b"attachment") + b"--X--", "not form-data"),
                          (part("a", b"1", extra=b"Content-Transfer-Encoding: base64\r\n") + b"--X--", "transfer encoding")):
            self.assert_told(self.post("/form", body, FORM), 400, why)
        for body in (b"a=%", b"a=%00", b"a=\0", b"a=%ff", b"\xff=1"):
            self.assert_told(self.post("/form", body, "application/x-www-form-urlencoded"), 400, "bad percent-encoding")
        self.assert_back(before)

    def test_cut_off(self):
        """The peer goes away in the middle of a part that is on its way to disk."""
        before = self.before()
        body = part("f", b"x" * 500_000, "f")
        for size in (10, 70, 100_000, 400_000):
            with self.app.connect() as s:
                s.sendall(f"POST /form HTTP/1.1\r\nhost: t\r\ncontent-type: {FORM}\r\ncontent-length: {len(body) + 100}\r\n\r\n"
                          .encode() + body[:size])
        self.assert_back(before)

    def test_bombs(self):
        before = self.before()
        kind = "application/x-www-form-urlencoded"
        self.assert_told(self.post("/form", b"a&" * 400_000, kind), 413, "max_fields")
        self.assert_told(self.post("/form", b"a=" + b"x" * 2_000_000, kind), 413, "max_fields_size")
        self.assert_told(self.post("/form", part("a", b"") * 1001 + b"--X--", FORM), 413, "more fields than max_fields")
        self.assert_told(self.post("/form", part("a", b"x", "f") * 33 + b"--X--", FORM), 413, "more files than max_files")
        self.assert_told(self.post("/form", part("a", b"x" * 2_000_000) + b"--X--", FORM), 413, "max_fields_size")
        self.assert_told(self.post("/form", part("n" * 300, b"") + b"--X--", FORM), 413, "too long")
        self.assert_told(self.post("/form", part("a", b"", "n" * 300) + b"--X--", FORM), 413, "too long")
        self.assert_told(self.post("/form", part("a", b"", extra=b"X: " + b"y" * 5000 + b"\r\n") + b"--X--", FORM), 413,
                         "head of a part is too large")
        self.assert_told(self.post("/form", part("a", b"x" * (41 << 20), "f") + b"--X--", FORM), 413, "max_file")
        self.assert_told(self.post("/form", part("a", b"") + b"--X--" + b"x" * (65 << 20), FORM), 413, "max_size")
        # Nothing but the beginnings of boundaries.
        self.assert_json(self.post("/parts", part("a", b"\r\n--" * 500_000) + b"--X--", FORM), [2_000_000])
        self.assert_json(self.post("/parts", part("a", b"\r" * 2_000_000) + b"--X--", FORM), [2_000_000])
        self.assert_back(before, 12 << 10)

    def test_full_disk(self):
        if not os.path.exists("/dev/full") or os.geteuid() != 0:
            self.skipTest("takes root")
        small = os.path.join(self.folder, "small")
        os.mkdir(small)
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", small], capture_output=True).returncode:
            self.skipTest("cannot mount")
        app = App("data.c", small, flags=saving(small))

        def post(size):
            body = part("f", b"x" * size, "f") + b"--X--"
            head = f"POST /form HTTP/1.1\r\nhost: t\r\ncontent-type: {FORM}\r\ncontent-length: {len(body)}\r\n\r\n"
            return self.exchange(head.encode() + body, app=app).status

        try:
            self.assertEqual(post(100_000), 200)
            time.sleep(0.1)
            before = app.descriptors()
            for _ in range(3):
                self.assertEqual(post(2_000_000), 500)
            self.assertIn("no space left on the disk", app.output())
            self.assert_comes_down(app.descriptors, before)
            self.assertEqual(os.listdir(small), [])
            self.assertEqual(os.statvfs(small).f_bfree, os.statvfs(small).f_blocks)
            self.assertEqual(post(100_000), 200)
        finally:
            app.stop()
            subprocess.run(["umount", small], check=False)


class Json(DataTest):
    def json(self, path, body, kind="application/json"):
        return self.post(path, body if isinstance(body, bytes) else json.dumps(body).encode(), kind)

    def test_round_trip(self):
        for value in (None, True, 17, -1.5, "ä€😀\"\\\n\u0001", [], {}, [1, [2, {"a": [None]}]], {"a": {"b": "c"}, "": ""}):
            self.assert_json(self.json("/json", value), value)
        self.assert_json(self.json("/json", b'{"a":"\\ud83d\\ude00"}', "application/vnd.api+json; charset=utf-8"), {"a": "😀"})

    def test_errors_name_the_place(self):
        for body, status, why in (
                (b'{\n  "a": 1\n  "b": 2}', 400, 'cannot read the JSON body: line 3, column 3: expected "," or "}", found """'),
                (b"", 400, "line 1, column 1: there is no value"), (b"{", 400, "ends too early"), (b"[1,]", 400, "column 4"),
                (b'{"a":1,"a":2}', 400, 'column 8: the name "a" occurs twice in one object'),
                (b"\xef\xbb\xbf{}", 400, "byte order mark"), (b'"\xff"', 400, "not valid UTF-8"), (b'"a\0"', 400, "control character"),
                (b"[1e999]", 400, "none that fits"), (b"[01]", 400, "no number"), (b"1" * 100_000, 400, "no number"),
                (b"[" * 65 + b"]" * 65, 413, "column 65: it is nested too deep"), (b"[" * 1_000_000, 413, "nested too deep"),
                (b'{"a":' * 100_000, 413, "nested too deep"), (b"{} x", 400, "expected nothing more"),
                (b'{"\\u001b[31m":1,"\\u001b[31m":1}', 400, 'the name "?[31m" occurs twice')):
            self.assert_told(self.json("/json", body), status, why)
        self.assert_serving()

    def test_numbers(self):
        self.assertEqual(self.json("/json", b"[18446744073709551615,-9223372036854775808,1e2]").body,
                         b"[18446744073709551615,-9223372036854775808,100]")
        self.assertEqual(json.loads(self.json("/json", b"[123456789012345678901234567890]").body), [1.2345678901234568e29])

    def test_needed(self):
        self.assert_json(self.json("/json/need", {"user": {"name": "Ada", "age": 36}}), {"name": "Ada", "age": 36})
        self.assert_told(self.json("/json/need", {"user": {"name": "Ada"}}), 400,
                         "cannot use the JSON body: user.age is missing")
        self.assert_told(self.json("/json/need", {"user": {"name": "Ada", "age": "x"}}), 400,
                         "user.age has to be a whole number of 32 bits, not a string")
        self.assert_told(self.json("/json/need", {"user": {"name": "Ada", "age": 2**31}}), 400, "32 bits, not a number")
        self.assert_told(self.json("/json/need", []), 400, "user.name is missing")
        self.assert_told(self.json("/json/need", [[[[[]]]]]), 413, "nested too deep")

    def test_type(self):
        self.assert_told(self.json("/json", b"{}", "text/plain"), 415, 'its content-type is "text/plain", not application/json')
        self.assert_told(self.ask("POST", "/json", b"{}"), 415, "missing")

    def test_own_json_is_not_the_peers_fault(self):
        r = self.get("/json/own")
        self.assertEqual(r.status, 500)
        self.assertNotIn("message", json.loads(r.body))

    def test_stream(self):
        before = self.before()
        rows = b"[" + b",".join(b'{"n":%d,"pad":"%s"}' % (i, b"x" * 400) for i in range(50_000)) + b"]"
        for body in (rows, rows[1:-1].replace(b"},{", b"}\n{")):
            self.assert_json(self.json("/json/stream", body), {"rows": 50_000, "sum": 50_000 * 49_999 // 2})
        self.assert_comes_down(self.app.rss, before[1] + (6 << 10))
        self.assert_told(self.json("/json/stream", b'[{"n":1},\n{"n":2}}'), 400, 'line 2, column 8: expected "," or "]"')
        self.assert_told(self.json("/json/stream", b'[{"n":1},{"n":"' + b"x" * (2 << 20) + b'"}]'), 413, "too long")
        self.assert_told(self.json("/json/stream", b'[{"n":[' + b"1," * (1 << 20) + b"1]}]"), 413, "max_tree")
        self.assert_told(self.json("/json/stream", b"[" * 1_000_000), 413, "nested too deep")
        self.assert_told(self.json("/json/stream", b'[{"n":1}'), 400, "ends too early")
        self.assert_back(before)

    def test_hashes_that_meet(self):
        """Many names cost what they are long, whatever they are."""
        before = self.before()
        body = json.dumps({f"name{i}": i for i in range(100_000)}).encode()
        start = time.time()
        self.assertEqual(self.json("/json", body).status, 200)
        self.assertLess(time.time() - start, 25)
        self.assert_back(before, 20 << 10)

    def test_memory_is_back(self):
        before = self.before()
        body = b"[" + b"1," * 500_000 + b"1]"
        for _ in range(5):
            self.assertEqual(self.json("/json", body[:-1]).status, 400)
            self.assertEqual(self.json("/json", body).status, 200)
        self.assert_back(before, 24 << 10)


class Negotiation(DataTest):
    def ask_for(self, *headers):
        got = json.loads(self.get("/accepts", *headers).body)
        return got["type"], got["language"], got["coding"]

    def test_accepts(self):
        self.assertEqual(self.ask_for(), (0, 0, 2))
        self.assertEqual(self.ask_for("accept: text/html", "accept-language: de", "accept-encoding: gzip, br"), (1, 1, 0))
        self.assertEqual(self.ask_for("accept: text/html;q=0.5, */*;q=0.9"), (0, 0, 2))
        self.assertEqual(self.ask_for("accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"), (1, 0, 2))
        self.assertEqual(self.ask_for("accept: image/png", "accept-language: fr", "accept-encoding: zstd"), (-1, -1, 2))
        self.assertEqual(self.ask_for("accept-encoding: *;q=0"), (0, 0, -1))
        self.assertEqual(self.ask_for("accept-encoding: gzip;q=0.5, br;q=0"), (0, 0, 1))
        self.assertEqual(self.ask_for("accept-encoding:"), (0, 0, 2))
        self.assertEqual(self.ask_for("accept: text/plain; format=flowed"), (2, 0, 2))
        self.assertEqual(self.ask_for("accept: application/json;q=0", "accept: text/*"), (1, 0, 2))
        self.assertEqual(self.ask_for("accept: ;;;,,,q=1", "accept-language: \"", "accept-encoding: ;q=1"), (-1, -1, 2))
        self.assertEqual(self.ask_for("accept: " + "a/b," * 10_000 + "text/html"), (1, 0, 2))


if __name__ == "__main__":
    unittest.main()
