"""examples/shortener: its own tests, then from outside: kill -9 at any moment, a full disk, hostile input, 10,000 links."""
import http.client
import json
import os
import resource
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import unittest
import urllib.parse

from support import HERE, NEXUS, App, read_response

SHORTENER = os.path.abspath(os.path.join(HERE, "../../examples/shortener"))
AUTH = {"authorization": "Bearer s3cret"}
FORM = {"content-type": "application/x-www-form-urlencoded"}


class Site(App):
    def __init__(self, directory, *args, source=os.path.join(SHORTENER, "app.c"), flags=(), **more):
        self.directory = directory
        self.file = os.path.join(directory, "links.log")
        super().__init__(source, f"--data={self.file}", *args, port="--port={}",
                         flags=("--no-prompt", "--allow-net=127.0.0.1", "--allow-env=SHORTENER_TOKEN", f"--allow-read={directory}",
                                f"--allow-write={directory}", *flags),
                         env={"SHORTENER_TOKEN": "s3cret"}, **more)

    def client(self):
        return Client(self.port)


class Client:
    """A connection that is kept."""

    def __init__(self, port):
        self.c = http.client.HTTPConnection("127.0.0.1", port, timeout=120)

    def __del__(self):
        self.c.close()

    def ask(self, method, path, body=None, headers=None):
        self.c.request(method, path, body=body, headers=headers or {})
        r = self.c.getresponse()
        return r.status, r.headers, r.read()

    def create(self, url, **wish):
        status, _, body = self.ask("POST", "/api/links", json.dumps({"url": url, **wish}),
                                   {"content-type": "application/json"})
        return status, json.loads(body)

    def target(self, code):
        status, headers, _ = self.ask("GET", f"/{code}")
        return headers["location"] if status == 302 else None


class Shortener(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = directory.name

    def site(self, *args, **more):
        site = Site(self.directory, *args, **more)
        self.addCleanup(site.kill)
        return site

    def stop(self, site):
        self.assertEqual(site.stop(), 0, site.output())

    def test_its_own_tests(self):
        run = subprocess.run([os.path.abspath(NEXUS), "test", SHORTENER], capture_output=True, text=True, timeout=200)
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
        self.assertIn(" passed in ", run.stdout + run.stderr)

    def test_a_life(self):
        site = self.site()
        c = site.client()
        status, link = c.create("https://example.com/a?b=c", alias="my-link", expires_in=3600)
        self.assertEqual(status, 201)
        self.assertEqual((link["code"], link["hits"], link["last_hit"]), ("my-link", 0, None))
        self.assertEqual(link["short"], f"http://127.0.0.1:{site.port}/my-link")
        self.assertEqual(c.target("my-link"), "https://example.com/a?b=c")
        status, headers, _ = c.ask("POST", "/", urllib.parse.urlencode({"url": "https://example.org", "alias": ""}), FORM)
        self.assertEqual(status, 303)
        status, _, page = c.ask("GET", headers["location"])
        self.assertEqual(status, 200)
        self.assertIn(b"https://example.org", page)
        status, _, body = c.ask("GET", "/api/links", headers=AUTH)
        self.assertEqual([l["url"] for l in json.loads(body)["links"]], ["https://example.org", "https://example.com/a?b=c"])
        self.assertEqual(c.ask("GET", "/api/links")[0], 401)
        self.assertEqual(c.ask("DELETE", "/api/links/my-link")[0], 401)
        self.assertEqual(c.ask("DELETE", "/api/links/my-link", headers=AUTH)[0], 204)
        self.assertIsNone(c.target("my-link"))
        self.assertEqual(c.ask("GET", "/healthz")[0], 200)
        self.stop(site)
        log = [json.loads(line) for line in site.output().splitlines() if line.startswith("{")]
        self.assertIn(("GET", "/my-link", 302), [(l["method"], l["path"], l["status"]) for l in log])
        self.assertNotIn("s3cret", site.output())

    def test_killed_at_any_moment(self):
        """What was confirmed is there after each kill -9, of the program or of both; hits at most a second old are lost."""
        site = self.site("--rate=1000000")
        confirmed, lock = {}, threading.Lock()
        stopping = threading.Event()

        def create(number):
            n = 0
            while not stopping.is_set():
                try:
                    c = site.client()
                    while not stopping.is_set():
                        n += 1
                        alias = f"c{number}-{n}"
                        status, _ = c.create(f"https://example.com/{alias}", alias=alias)
                        assert status == 201, status
                        with lock:
                            confirmed[alias] = f"https://example.com/{alias}"
                except (OSError, http.client.HTTPException):
                    time.sleep(0.01)

        threads = [threading.Thread(target=create, args=(i,)) for i in range(4)]
        for t in threads:
            t.start()
        try:
            for round_ in range(6):
                time.sleep(0.4 + 0.07 * round_)
                if round_ % 3 < 2:
                    os.kill(site.app_pid(), signal.SIGKILL)  # the launcher starts it anew
                    site.wait_listening()
                    continue
                site.kill()  # it takes the program along
                with open(site.file, "ab") as f:
                    f.write(b"+ torn 1 0 0 0 https://exam")  # as a power cut would leave it
                site = self.site("--rate=1000000")
        finally:
            stopping.set()
            for t in threads:
                t.join()
        self.assertGreater(len(confirmed), 50)
        c = site.client()
        for code, url in confirmed.items():
            self.assertEqual(c.target(code), url)
        self.assertIsNone(c.target("torn"))
        self.assertIn("not whole and is cut off", site.output())

        code = next(iter(confirmed))
        before = json.loads(c.ask("GET", f"/api/links/{code}", headers=AUTH)[2])["hits"]
        time.sleep(1.5)
        os.kill(site.app_pid(), signal.SIGKILL)
        site.wait_listening()
        after = json.loads(site.client().ask("GET", f"/api/links/{code}", headers=AUTH)[2])["hits"]
        self.assertEqual(after, before)
        self.stop(site)

    def test_started_anew_while_it_is_used(self):
        """A save under --watch: no request fails, and nothing is lost between the two programs."""
        copy = os.path.join(self.directory, "copy")
        shutil.copytree(SHORTENER, copy)
        data = os.path.join(self.directory, "data")
        os.mkdir(data)
        site = Site(data, "--rate=1000000", source=os.path.join(copy, "app.c"), flags=("--watch",))
        self.addCleanup(site.kill)
        stopping, made, wrong = threading.Event(), [], []

        def create():
            while not stopping.is_set():
                try:
                    status, link = site.client().create("https://example.com")  # a connection each
                    (made if status == 201 else wrong).append((status, link))
                except (OSError, http.client.HTTPException) as e:
                    wrong.append(e)

        thread = threading.Thread(target=create)
        thread.start()
        try:
            for i in range(3):
                time.sleep(0.3)
                with open(os.path.join(copy, "page.c"), "a") as f:
                    f.write(f"/* {i} */\nint again{i};\n")
                end = time.time() + 30
                while site.output().count("started anew") <= i:
                    self.assertLess(time.time(), end, site.output())
                    time.sleep(0.02)
            time.sleep(0.3)
        finally:
            stopping.set()
            thread.join()
        self.assertEqual(wrong, [])
        c = site.client()
        for _, link in made:
            self.assertIsNotNone(c.target(link["code"]))
        self.stop(site)

    def test_a_damaged_file(self):
        """Nothing is served from it, and what is wrong is said."""
        with open(os.path.join(self.directory, "links.log"), "w") as f:
            f.write("+ one 1 0 0 0 http://a\nrubbish\n+ two 1 0 0 0 http://b\n")
        site = self.site(wait=False)
        self.assertEqual(site.process.wait(60), 14)
        self.assertIn("line 2 of", site.output())

    def test_a_full_disk(self):
        """No space: the wish is refused, what is there stays, and once there is space it goes on."""
        self.stop(self.site())  # compiled: the cache is not to meet the limit

        def limit():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (8000, resource.RLIM_INFINITY))

        site = self.site("--rate=1000000", preexec=limit)
        c = site.client()
        codes, status = [], 201
        while status == 201 and len(codes) < 1000:
            status, link = c.create("https://example.com/" + "x" * 100)
            codes += [link["code"]] if status == 201 else []
        self.assertEqual(status, 507, site.output())
        self.assertGreater(len(codes), 20)
        self.assertEqual(c.create("https://example.com", alias="none")[0], 507)
        self.assertIsNone(c.target("none"))
        self.assertEqual(c.ask("DELETE", f"/api/links/{codes[0]}", headers=AUTH)[0] in (204, 500, 507), True)
        self.assertIsNotNone(c.target(codes[-1]))
        self.assertEqual(c.ask("GET", "/healthz")[0], 200)
        site.kill()
        with open(site.file, "rb") as f:
            self.assertTrue(f.read().endswith(b"\n"))
        site = self.site()
        for code in codes[1:]:
            self.assertIsNotNone(site.client().target(code))
        self.assertEqual(site.client().create("https://example.com", alias="none")[0], 201)
        self.stop(site)

    def test_hostile_input(self):
        site = self.site("--rate=1000000")
        c = site.client()
        self.assertEqual(c.create("https://example.com", alias="good")[0], 201)
        descriptors = site.descriptors()
        for url in ("javascript:alert(1)", "JAVASCRIPT://x/%0aalert(1)", "data:text/html,x", "vbscript:x", "file:///etc/passwd",
                    "//evil.example", "/relative", "http:evil", "https://", "https://a b", "https://a\tb", "https://a\r\nx: y",
                    "https://a/\r\nset-cookie: x=y", "https://a/\nb", "https://a/\0b", "https://\u2028", "https://good@evil.example",
                    "https://a\\@b", "https://a:99999", "https://a/" + "x" * 3000, f"http://127.0.0.1:{site.port}/good", "", " "):
            status, answer = c.create(url)
            self.assertEqual(status, 422, (url, answer))
            status, headers, page = c.ask("POST", "/", urllib.parse.urlencode({"url": url}), FORM)
            self.assertIn(status, (400, 422), url)
        for alias in ("..", "../../etc", "a/b", "a b", "a%2fb", "<b>", "a\"b", "x" * 33, "api", "healthz", "\r\n", "\0\0\0", "é" * 3, "a+b"):
            self.assertIn(c.create("https://example.com", alias=alias)[0], (409, 422), alias)
        for body, wanted in ((b"", 400), (b"{", 400), (b"null", 400), (b"[]", 400), (b'"x"', 400), (b'{"url":null}', 400),
                             (b'{"url":"https://a","url":"https://b"}', 400), (b'{"url":"\xff"}', 400),
                             (b"[" * 10000, 400), (b'{"url":"' + b"x" * 20000 + b'"}', 413),
                             (b'{"url":"https://a","expires_in":1e400}', 400), (b'{"url":"https://a","expires_in":-5}', 422),
                             (b'{"url":"https://a","expires_in":999999999999999999999}', 400),
                             (b'{"url":"https://a","alias":7}', 400), (b'{"url":"https://a","expires_in":0.5}', 400)):
            status = c.ask("POST", "/api/links", body, {"content-type": "application/json"})[0]
            self.assertIn(status, {wanted, 413} if len(body) > 9000 else {wanted}, body[:60])
            if status == 413:
                c = site.client()
        self.assertEqual(c.ask("POST", "/api/links", b'{"url":"https://a"}', {"content-type": "text/plain"})[0], 415)
        for body in (b"url=%", b"url=%00", b"url=%ff", b"&" * 5000, b"url=https%3A%2F%2Fa&expires_in=%3Cb%3E"):
            self.assertIn(c.ask("POST", "/", body, FORM)[0], (400, 413, 422), body[:40])
        for path in ("/..", "/%2e%2e/%2e%2e/etc/passwd", "/good/../x", "/%00", "/good%00", "/good%0d%0ax:%20y", "/" + "x" * 5000, "/good%2b%2b",
                     "/+", "//evil.example", "/%ff", "/api", "/api/links/..", "/links.log"):
            self.assertIn(c.ask("GET", path)[0], (400, 404, 401), path)
        # The page shows what came from outside as text.
        status, link = c.create("https://example.com/?<script>alert(1)</script>\"'&", alias="xss")
        self.assertEqual(status, 201)
        status, headers, page = c.ask("GET", "/xss+")
        self.assertNotIn(b"<script", page)
        self.assertIn("default-src 'none'", headers["content-security-policy"])
        status, _, page = c.ask("POST", "/", urllib.parse.urlencode({"url": "\"><script>x</script>", "alias": "'\"><img src=x>"}), FORM)
        self.assertEqual(status, 422)
        self.assertNotIn(b"<script", page)
        self.assertNotIn(b"<img", page)
        # A host that is made up goes no further than to whom has sent it; two tokens are none.
        with site.connect() as s:
            s.sendall(b"GET /xss+ HTTP/1.1\r\nhost: evil.example\"><b>\r\nconnection: close\r\n\r\n")
            with s.makefile("rb") as f:
                r = read_response(f)
        self.assertNotIn(b"<b>", r.body)
        with site.connect() as s:
            s.sendall(b"GET /api/links HTTP/1.1\r\nhost: a\r\nauthorization: Bearer s3cret\r\nauthorization: Bearer s3cret\r\n"
                      b"connection: close\r\n\r\n")
            with s.makefile("rb") as f:
                self.assertEqual(read_response(f).status, 401)
        for token in ("", "s3cre", "s3cret2", "S3CRET", "s3cret\0"):
            try:
                status = site.client().ask("GET", "/api/links", headers={"authorization": f"Bearer {token}"})[0]
            except ValueError:
                continue  # http.client does not send it
            self.assertIn(status, (400, 401))
        # Nothing of all that was kept, and it serves on.
        c = site.client()
        links = json.loads(c.ask("GET", "/api/links", headers=AUTH)[2])
        self.assertEqual(sorted(l["code"] for l in links["links"]), ["good", "xss"])
        self.assertEqual(c.target("good"), "https://example.com")
        del c
        time.sleep(0.2)
        self.assertLessEqual(site.descriptors(), descriptors + 2)
        self.stop(site)

    def test_rate_limit(self):
        """By the peer's address; what a client says of itself counts only if it comes from the proxy that was named."""
        def many(site):
            c, statuses = site.client(), []
            for i in range(8):
                statuses.append(c.ask("POST", "/api/links", '{"url":"https://example.com"}',
                                      {"content-type": "application/json", "x-forwarded-for": f"192.0.2.{i}"})[0])
            return statuses

        site = self.site("--rate=5")
        statuses = many(site)
        self.assertEqual((statuses[:5], statuses[5:]), ([201] * 5, [429] * 3))
        self.stop(site)
        site = self.site("--rate=5", "--proxy=loopback")
        self.assertEqual(many(site), [201] * 8)
        self.stop(site)

    def test_ten_thousand_links(self):
        site = self.site("--rate=1000000")
        count, workers = 10000, 16
        codes, lock = {}, threading.Lock()

        def create(first):
            c, mine = site.client(), {}
            for i in range(first, count, workers):
                status, link = c.create(f"https://example.com/{i}")
                assert status == 201, (status, link)
                mine[link["code"]] = f"https://example.com/{i}"
            with lock:
                codes.update(mine)

        start = time.time()
        threads = [threading.Thread(target=create, args=(i,)) for i in range(workers)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(len(codes), count)
        print(f"{count} links, each on the disk when it is confirmed: {count / (time.time() - start):.0f} a second")
        self.assertLess(site.rss(), 60 << 10, "KiB of launcher and program")
        os.kill(site.app_pid(), signal.SIGKILL)
        site.wait_listening()
        c = site.client()
        for code, url in list(codes.items())[::10]:
            self.assertEqual(c.target(code), url)
        seen, after = 0, ""
        while after is not None:
            page = json.loads(c.ask("GET", f"/api/links?limit=500{after and '&after=' + after}", headers=AUTH)[2])
            self.assertTrue(all(codes[l["code"]] == l["url"] for l in page["links"]))
            seen += len(page["links"])
            after = page["next"]
        self.assertEqual(seen, count)
        self.stop(site)


if __name__ == "__main__":
    unittest.main()
