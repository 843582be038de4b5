"""Routers, middleware, hosts, error pages and what comes with them, against a running server."""
import base64
import itertools
import json
import os
import re
import signal
import socket
import struct
import subprocess
import tempfile
import time
import unittest

from support import App, ServerTest, eventually, need, read_response, short_deadlines


FOLDER = tempfile.TemporaryDirectory()
FILES = FOLDER.name
for name, size in (("small.txt", 2000), ("large.bin", 3 << 20)):
    with open(os.path.join(FILES, name), "wb") as file:
        file.write(b"0123456789" * (size // 10))


def basic(text):
    return "authorization: Basic " + base64.b64encode(text.encode()).decode()


class AppTest(ServerTest):
    app_source = "app.c"

    marks = itertools.count()

    def settled(self):
        """How many lines it has written, all that belong to what has been answered by now among them."""
        path = f"/settled/{next(self.marks)}"
        self.get(path)
        return eventually(lambda: next(n + 1 for n, line in enumerate(self.app.output().splitlines()) if path in line))

    def since(self, before):
        """The lines from there on, of all that has been answered by now."""
        end = self.settled() - 1
        return self.app.output().splitlines()[before:end]

    def json(self, path, *headers, host=None, method="GET"):
        r = self.get(path, *headers, host=host, method=method)
        self.assertEqual(r.status, 200, r.body)
        return json.loads(r.body)

    def get(self, path, *headers, host=None, method="GET"):
        if host is None:
            return self.ask(method, path, headers=headers)
        head = f"{method} {path} HTTP/1.1\r\nhost: {host}\r\n" + "".join(f"{h}\r\n" for h in headers)
        return self.exchange(head.encode() + b"\r\n", method)


class Routers(AppTest):
    def test_middleware_follows_the_routers(self):
        self.assertEqual(self.json("/trace")["trace"], "server,")
        self.assertEqual(self.json("/api")["trace"], "server,api,")
        self.assertEqual(self.json("/api/items/7")["trace"], "server,api,")
        r = self.json("/api/orgs/acme/things/9")
        self.assertEqual((r["trace"], r["org"], r["id"]), ("server,api,org,", "acme", "9"))
        self.assertEqual(self.get("/api/").status, 404)

    def test_mounted_twice(self):
        self.assertEqual(self.json("/admin")["app"], "admin")
        self.assertEqual(self.json("/admin/users/1")["trace"], "server,admin,")
        self.assertEqual(self.get("/basic/admin/users/1").status, 401)
        self.assertEqual(self.json("/basic/admin/users/1", basic("ada:love:lace"))["trace"], "server,admin,")

    def test_paths_do_not_leave_their_group(self):
        # No spelling of a path reaches a handler of a group without the group's middleware.
        for path in ("/basic/who", "/basic/nowhere", "/basic", "/basic/..%2fadmin", "/basic/../admin", "/basic/%2e%2e/admin",
                     "/basic/..%2f..%2fwho", "/basic//who", "/basic/./who", "/basic/who/", "/basic/a/b/c"):
            self.assertEqual(self.get(path).status, 401, path)
        for path in ("/x/../basic/who", "/%62asic/who", "//basic/who", "/basic%2fwho", "/./basic/who", "/BASIC/who",
                     "/basicwho", "/open/..%2fbasic%2fwho", "/api/..%2fadmin", "/basic%00/who", "/basic;/who"):
            self.assertIn(self.get(path).status, (404, 400), path)
        r = self.get("/files/..%2f..%2fbasic/who")
        self.assertEqual((r.status, r.body), (200, b"ok"))  # the route that it says, nothing else
        self.assertEqual(self.get("/basic?/../admin").status, 401)
        self.assertEqual(self.exchange(b"GET http://test/basic/who HTTP/1.1\r\nhost: test\r\n\r\n").status, 401)
        self.assertEqual(self.exchange(b"GET /basic/who\\..\\x HTTP/1.1\r\nhost: test\r\n\r\n").status, 400)

    def test_head_and_options(self):
        r = self.get("/api/items/1", method="HEAD")
        self.assertEqual((r.status, r.body), (200, b""))
        self.assertEqual(self.get("/basic/who", method="HEAD").status, 401)
        r = self.get("/api/items/1", method="OPTIONS")
        self.assertEqual((r.status, r.headers["allow"]), (204, "GET, HEAD, OPTIONS, DELETE"))
        self.assertEqual(self.get("/basic/who", method="OPTIONS").status, 401)
        self.assertEqual(self.get("/basic/who", method="POST").status, 401)
        r = self.get("/basic/who", basic("ada:love:lace"), method="POST")
        self.assertEqual((r.status, r.headers["allow"]), (405, "GET, HEAD, OPTIONS"))
        r = self.exchange(b"OPTIONS * HTTP/1.1\r\nhost: test\r\n\r\n")
        self.assertEqual(r.status, 204)
        self.assertIn("x-request-id", r.headers)

    def test_bad_parameters_pass_the_middleware(self):
        r = self.get("/api/items/%zz")
        self.assertEqual((r.status, json.loads(r.body)["message"]), (400, "bad percent-encoding in the path"))
        self.assertIn("x-request-id", r.headers)
        self.assertEqual(self.get("/basic/admin/users/%zz").status, 401)

    def test_next(self):
        self.assertEqual(self.get("/next").body, b"refused")
        self.assertEqual(self.get("/again").body, b"ok")
        r = self.get("/again/missing")
        self.assertEqual((r.status, json.loads(r.body)["message"]), (404, "rescued"))

    def test_observers(self):
        for path, wanted in (("ok", "0 200 2 NX_OK"), ("fail", "0 0 0 NX_EIO"), ("nothing", "0 0 0 NX_OK"),
                             ("stream", "0 200 21 NX_OK")):
            self.get("/seen/" + path)
            self.assertEqual(self.get("/observed").body.decode(), wanted)
        self.get("/seen/ok", method="HEAD")
        self.assertEqual(self.get("/observed").body, b"0 200 0 NX_OK")
        self.assertEqual(self.get("/seen/stream").body, b"piece piece piece end")

    def test_pipelined_requests_share_nothing(self):
        with self.app.connect() as s, s.makefile("rb") as f:
            s.sendall(b"".join(b"GET %s HTTP/1.1\r\nhost: a\r\n\r\n" % p for p in (b"/api", b"/who", b"/none", b"/trace")))
            answers = [read_response(f) for _ in range(4)]
        self.assertEqual([r.status for r in answers], [200, 200, 404, 200])
        self.assertEqual(json.loads(answers[3].body)["trace"], "server,")
        self.assertEqual(len({r.headers["x-request-id"] for r in answers}), 4)


class Hosts(AppTest):
    def app_of(self, host, target="/where"):
        r = self.get(target, host=host)
        return json.loads(r.body)["app"] if r.status == 200 else r.status

    def test_names(self):
        for host, wanted in (("api.example.com", "api"), ("API.EXAMPLE.COM:8080", "api"), ("api.example.com.", "api"),
                             ("a.deep.example.com", "deep"), ("a.b.deep.example.com", "deep"), ("deep.example.com", 404),
                             ("example.com", "server"), ("xexample.com", "server"), ("x.api.example.com", 404),
                             ("localhost", "server"), ("127.0.0.1:80", "server"), ("[::1]", "six"), ("[::1]:80", "six"),
                             ("%61pi.example.com", 404), ("a" * 300 + ".example.com", "server"),
                             (".".join("a" * 120) + ".example.com", 404), ("." * 4000 + "a", "server")):
            self.assertEqual(self.app_of(host), wanted, host)
        self.assertEqual(self.get("/trace", host="other.example.com").body, b"ok")

    def test_a_host_has_the_middleware_of_the_server(self):
        self.assertEqual(self.json("/trace", host="api.example.com")["trace"], "server,")
        self.assertIn("x-request-id", self.get("/none", host="api.example.com").headers)
        self.assertEqual(self.get("/basic/who", host="api.example.com").status, 404)
        self.assertEqual(self.get("/healthz", host="api.example.com").body, b'{"status":"ok"}')

    def test_confusion(self):
        # The host of the target goes before the field (RFC 9112 3.2.2), and forwarded ones never choose.
        ask = b"GET http://%s/where HTTP/1.1\r\nhost: %s\r\n%s\r\n"
        r = self.exchange(ask % (b"api.example.com", b"localhost", b""))
        self.assertEqual((json.loads(r.body)["app"], json.loads(r.body)["host"]), ("api", "api.example.com"))
        r = self.exchange(ask % (b"localhost", b"api.example.com", b""))
        self.assertEqual(json.loads(r.body)["app"], "server")
        r = self.exchange(ask % (b"localhost", b"localhost", b"x-forwarded-host: api.example.com\r\n"))
        self.assertEqual(json.loads(r.body)["app"], "server")
        self.assertEqual(self.exchange(ask % (b"user@api.example.com", b"localhost", b"")).status, 400)
        self.assertEqual(self.exchange(b"GET /where HTTP/1.1\r\nhost: a\r\nhost: api.example.com\r\n\r\n").status, 400)
        self.assertEqual(self.exchange(b"GET /where HTTP/1.1\r\nhost: a,api.example.com\r\n\r\n").status, 400)
        r = self.exchange(b"GET http://api.example.com?x HTTP/1.1\r\nhost: b\r\n\r\n")
        self.assertEqual(r.status, 404)
        with self.app.connect() as s:
            s.sendall(b"GET /where HTTP/1.0\r\n\r\n")
            self.assertIn(b'"app":"server"', s.makefile("rb").read())


class Errors(AppTest):
    def test_json_unless_asked_otherwise(self):
        r = self.get("/none")
        self.assertEqual((r.status, r.body, r.headers["content-type"]), (404, b'{"error":"Not Found"}', "application/json"))
        self.assertEqual(r.headers["vary"], "accept")
        browser = "accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
        for accept, wanted in (("accept: */*", "json"), ("accept: text/html, application/json", "json"), (browser, "html"),
                               ("accept: text/plain", "plain"), ("accept: text/*", "plain"), ("accept: image/png", "json"),
                               ("accept: text/html;q=0, text/plain;q=0.001", "plain"), ("accept: ,;q=,;;=;q", "json"),
                               ("accept: TEXT/HTML;Q=0.5, application/json;q=0.4", "html"), ("accept:", "json")):
            self.assertIn(wanted, self.get("/none", accept).headers["content-type"], accept)

    def test_messages_are_escaped(self):
        r = self.get("/refuse")
        self.assertNotIn("content-encoding", r.headers)
        self.assertEqual((r.status, r.headers["x-hint"]), (422, "kept"))
        self.assertEqual(json.loads(r.body), {"error": "Unprocessable Content", "message": '<b>"name" & more</b>'})
        r = self.get("/refuse", "accept: text/html")
        self.assertIn(b"<p>&lt;b&gt;&quot;name&quot; &amp; more&lt;/b&gt;</p>", r.body)
        self.assertNotIn(b"<b>", r.body)
        self.assertEqual(self.get("/refuse", "accept: text/plain").body, b'422 Unprocessable Content\n<b>"name" & more</b>\n')

    def test_a_failed_handler(self):
        r = self.get("/fail")
        self.assertEqual((r.status, r.body), (500, b'{"error":"Internal Server Error"}'))
        self.assertNotIn("x-half-done", r.headers)
        self.assertIn("x-request-id", r.headers)
        self.assertIn('the database "secret" is gone', self.app.output())
        r = self.get("/split")
        self.assertEqual((r.status, "set-cookie" in r.headers, "x-bad" in r.headers), (500, False, False))

    def test_own_pages(self):
        self.assertEqual(self.get("/pages/fail").body, b'own page: 500 NX_EIO - the database "secret" is gone')
        self.assertEqual(self.get("/pages/fail").status, 500)
        self.assertEqual(self.get("/pages/none").body, b"own page: 404 NX_OK - -")
        self.assertEqual(self.get("/pages/fail", method="POST").body, b"own page: 405 NX_OK - -")
        r = self.get("/pages/refuse")
        self.assertEqual((r.status, r.body, r.headers["content-type"]),
                         (422, b'own page: 422 NX_OK <b>"name" & more</b> -', "text/plain; charset=utf-8"))
        r = self.get("/pages/worse")
        self.assertEqual((r.status, r.body), (500, b'{"error":"Internal Server Error"}'))
        self.assertEqual(self.get("/pages/usual").status, 418)

    def test_errors_that_the_client_is_told(self):
        for how in ("plain", "fiber", "blocking"):
            for status in (400, 401, 403, 404, 409, 410, 418, 422, 429, 500, 503, 599):
                with self.subTest(how=how, status=status):
                    r = self.get(f"/told/{how}/{status}")
                    self.assertEqual((r.status, json.loads(r.body)["message"]), (status, f"there is no <item> {status}"))
                    self.assertEqual(("x-half-done" in r.headers, r.headers["retry-after"]), (False, "7"))
        self.assertIn(b"<p>there is no &lt;item&gt; 404</p>", self.get("/told/plain/404", "accept: text/html").body)
        self.assertEqual(self.get("/pages/told/plain/404").body, b"own page: 404 NX_ENOENT there is no <item> 404 there is no <item> 404")

    def test_errors_that_the_client_is_not_told(self):
        for path in ("/told/plain/399", "/told/plain/1000", "/told/lost/404", "/told/other/404", *(f"/own-fault?code={i}" for i in range(4))):
            with self.subTest(path):
                r = self.get(path)
                self.assertEqual((r.status, r.body), (500, b'{"error":"Internal Server Error"}'))
        self.assertIn("cannot make an error of status 399", self.app.output())
        self.assertIn("the database talks nonsense", self.app.output())

    def too_large(self, path, *more):
        head = f"POST {path} HTTP/1.1\r\nhost: test\r\ncontent-length: 9000000\r\n" + "".join(f"{h}\r\n" for h in more)
        with self.app.connect() as s:
            s.sendall(head.encode() + b"\r\nabc")
            with s.makefile("rb") as f:
                r = read_response(f)
                self.assertEqual((r.status, r.headers["connection"], f.read()), (413, "close", b""))
                return r

    def test_too_large_a_body(self):
        # It is not read, but the page is that of where it would have gone, behind the middleware there.
        self.assertEqual(self.too_large("/pages/upload/x").body, b"own page: 413 NX_OK the body is larger than max_body -")
        for path in ("/refuse", "/none", "/files/%zz", "/lost/x"):
            r = self.too_large(path)
            self.assertEqual(json.loads(r.body), {"error": "Content Too Large", "message": "the body is larger than max_body"})
            self.assertIn("x-request-id", r.headers)
        self.assertIn("<p>the body is larger", self.too_large("/refuse", "accept: text/html").body.decode())
        self.assertEqual(self.too_large("/pages/upload/x", "expect: 100-continue").status, 413)
        for how in ("whole", "piece"):
            self.assertEqual(self.too_large("/pages/peeked?" + how).headers["x-peek"], "NX_ETOOBIG")

    def test_not_found(self):
        r = self.get("/lost/and/found")
        self.assertEqual((r.status, r.body), (404, b"nothing here"))
        self.assertEqual(self.get("/lostandfound").body, b'{"error":"Not Found"}')


class TextPages(AppTest):
    app_args = ("text",)
    app_env = {"HEAD_MS": "1500"}

    def test_pages(self):
        r = self.get("/none")
        self.assertEqual((r.status, r.body, r.headers["content-type"]), (404, b"404 Not Found\n", "text/plain; charset=utf-8"))
        for accept, wanted in (("accept: */*", "plain"), ("accept: application/json", "json"), ("accept: text/html", "html"), ("accept: image/png", "plain"),
                               ("accept: application/json;q=0.5, text/plain;q=0.4", "json")):
            self.assertIn(wanted, self.get("/none", accept).headers["content-type"], accept)

    def test_refused(self):
        r = self.exchange(b"GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n")
        self.assertEqual((r.status, r.headers["content-type"], r.headers["connection"]), (400, "text/plain; charset=utf-8", "close"))
        self.assertRegex(r.body, rb"^400 Bad Request\n[\x20-\x7e]+\n$")
        self.assertEqual(self.exchange(b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\n\r\n").body.split(b"\n")[0], b"414 URI Too Long")
        self.assertEqual(self.exchange(b"GET / HT").body, b"408 Request Timeout\nthe request head did not come in time\n")


class Cors(AppTest):
    def test_simple(self):
        r = self.get("/open/data", "origin: https://anyone.example")
        self.assertEqual((r.body, r.headers["access-control-allow-origin"]), (b"ok", "*"))
        self.assertNotIn("vary", r.headers)
        self.assertNotIn("access-control-allow-credentials", r.headers)
        self.assertNotIn("access-control-allow-origin", self.get("/open/data").headers)
        r = self.get("/open/fail", "origin: https://anyone.example")
        self.assertEqual((r.status, r.headers["access-control-allow-origin"]), (500, "*"))
        r = self.get("/open/none", "origin: null")
        self.assertEqual((r.status, r.headers["access-control-allow-origin"]), (404, "*"))

    def test_named_origins(self):
        for origin, good in (("https://app.example.com", 1), ("https://a.example.org", 1), ("https://a.b.example.org", 1),
                             ("https://example.org", 0), ("https://evil-example.org", 0), ("http://app.example.com", 0),
                             ("https://app.example.com.evil.com", 0), ("https://evil.com#.example.org", 0),
                             ("https://evil.com/.example.org", 0), ("https://evil.com:80.example.org", 0), ("null", 0),
                             ("https://u@a.example.org", 0), ("https://.example.org", 0), ("https://app.example.com:8443", 0),
                             ("https://APP.example.com", 0), ("x" * 600 + "https://a.example.org", 0)):
            r = self.get("/api/items/1", "origin: " + origin)
            self.assertEqual(r.status, 200)
            self.assertEqual(r.headers.get("access-control-allow-origin"), origin if good else None, origin)
            self.assertEqual(r.headers.get("access-control-allow-credentials"), "true" if good else None)
            self.assertEqual(r.headers["vary"], "origin")

    def test_preflight(self):
        r = self.get("/api/items/1", "origin: https://app.example.com", "access-control-request-method: DELETE",
                     "access-control-request-headers: x-token, content-type", method="OPTIONS")
        self.assertEqual((r.status, r.body), (204, b""))
        self.assertEqual(r.headers["access-control-allow-origin"], "https://app.example.com")
        self.assertEqual(r.headers["access-control-allow-headers"], "x-token, content-type")
        self.assertEqual(r.headers["access-control-max-age"], "60")
        self.assertIn("DELETE", r.headers["access-control-allow-methods"])
        r = self.get("/open/data", "origin: https://a", "access-control-request-method: PUT", method="OPTIONS")
        self.assertEqual((r.status, r.headers["access-control-max-age"]), (204, "600"))
        r = self.get("/api/items/1", "origin: https://evil", "access-control-request-method: DELETE", method="OPTIONS")
        self.assertEqual((r.status, "access-control-allow-methods" in r.headers), (204, False))
        r = self.get("/api/items/1", "origin: https://app.example.com", "access-control-request-method: GET",
                     "access-control-request-headers: a<b>\"c\"", method="OPTIONS")
        self.assertNotIn("access-control-allow-headers", r.headers)


class Authentication(AppTest):
    def test_basic(self):
        r = self.get("/basic/who")
        self.assertEqual((r.status, r.headers["www-authenticate"]), (401, 'Basic realm="the vault", charset="UTF-8"'))
        self.assertEqual(self.json("/basic/who", basic("ada:love:lace"))["user"], "ada")
        self.assertEqual(self.json("/basic/who", basic("bob:"))["user"], "bob")
        self.assertEqual(self.json("/basic/who", basic("ada:love:lace").replace("Basic ", "bAsIc   "))["user"], "ada")
        good = base64.b64encode(b"ada:love:lace").decode()
        for bad in ("ada:love:lace", "Basic", "Basic ", "Basic !!!!", "Basic " + good[:-1], "Basic " + good + "=", "Basic" + good,
                    "Bearer " + good, "Basic " + good + " x", "Basic  " + good + ",", "Basic YWRh", "Basic " + good[:-2] + "V="):
            self.assertEqual(self.get("/basic/who", "authorization: " + bad).status, 401, bad)
        for bad in ("ada:", "ada:love", "ada:love:lac", "ada:love:lace2", "ada:love:lacf", "bob:x", ":", "", "ADA:love:lace",
                    "ada:love:lace\0", "\nada:love:lace", "eve:love:lace", "a" * 5000 + ":b"):
            self.assertEqual(self.get("/basic/who", basic(bad)).status, 401, bad)
        self.assertEqual(self.get("/basic/who", basic("ada:love:lace"), basic("ada:love:lace")).status, 401)

    def test_bearer(self):
        challenge = lambda r: (r.status, r.headers.get("www-authenticate"))
        self.assertEqual(challenge(self.get("/bearer/who")), (401, 'Bearer realm="api"'))
        self.assertEqual(self.json("/bearer/who", "authorization: Bearer good")["user"], 'token "x"\n')
        self.assertEqual(challenge(self.get("/bearer/who", "authorization: Bearer bad")),
                         (401, 'Bearer realm="api", error="invalid_token"'))
        self.assertEqual(challenge(self.get("/bearer/who", "authorization: Bearer weak")),
                         (403, 'Bearer realm="api", error="insufficient_scope"'))
        self.assertEqual(self.get("/bearer/who", "authorization: Bearer broken").status, 500)
        self.assertEqual(self.get("/bearer/who", 'authorization: Bearer go"od').status, 401)
        self.assertEqual(self.get("/bearer/who?access_token=good").status, 401)
        self.assertEqual(challenge(self.get("/keys/who")), (401, "Bearer"))
        self.assertEqual(self.get("/keys/who", "authorization: Bearer k2").status, 200)
        self.assertEqual(challenge(self.get("/keys/who", "authorization: Bearer k3")), (401, 'Bearer error="invalid_token"'))


class Limits(AppTest):
    clients = itertools.count(70)

    @short_deadlines
    def test_bucket(self):
        fields = lambda r: tuple(r.headers.get(f"ratelimit-{n}") for n in ("limit", "remaining", "reset"))
        n = next(self.clients)
        client = f"x-forwarded-for: 192.0.2.{n}"
        answers = [self.get("/limited", client) for _ in range(4)]
        self.assertEqual([r.status for r in answers], [200, 200, 200, 429])
        self.assertEqual([fields(r)[:2] for r in answers], [("3", "2"), ("3", "1"), ("3", "0"), ("3", "0")])
        self.assertEqual((answers[0].headers["ratelimit-reset"], answers[3].headers["retry-after"]), ("1", "1"))
        self.assertEqual(json.loads(answers[3].body), {"error": "Too Many Requests"})
        self.assertEqual(self.get("/limited", f"x-forwarded-for: 192.0.3.{n}").status, 200)
        time.sleep(1.05)
        self.assertEqual([self.get("/limited", client).status for _ in range(2)], [200, 429])
        # An IPv6 client has a whole network of addresses.
        statuses = [self.get("/limited", f"x-forwarded-for: 2001:dead:1:{n}::{i}").status for i in range(4)]
        self.assertEqual(statuses, [200, 200, 200, 429])
        self.assertEqual(self.get("/limited", "x-forwarded-for: 2001:dead:1:3::1").status, 200)

    def flood(self, keys):
        with self.app.connect() as s, s.makefile("rb") as f:
            for start in range(keys.start, keys.stop, 200):
                s.sendall(b"".join(b"GET /keyed HTTP/1.1\r\nhost: a\r\nx-key: %d\r\n\r\n" % i for i in range(start, start + 200)))
                for _ in range(200):
                    self.assertEqual(read_response(f).status, 200)

    def test_a_flood_of_keys(self):
        self.assertEqual([self.get("/keyed", "x-key: victim").status for _ in range(3)], [200, 200, 429])
        self.flood(range(10000))  # fills the buffer of the standard output, too
        before = self.app.rss()
        self.flood(range(10000, 40000))
        self.assertLess(self.app.rss() - before, 256)
        self.assertEqual(self.get("/keyed", "x-key: victim").status, 429)  # no flood sets him free
        self.assertEqual([self.get("/keyed").status for _ in range(5)], [200] * 5)  # no key, no limit
        self.assertNotIn("ratelimit-limit", self.get("/keyed", "x-key: quiet").headers)


class Proxies(AppTest):
    """The peer, 127.0.0.1, is trusted."""

    def peer(self, *headers):
        return self.json("/where", *headers)["peer"]

    def test_peer(self):
        for forwarded, wanted in (("192.0.2.1", "192.0.2.1"), ("6.6.6.6, 192.0.2.1", "192.0.2.1"), ("192.0.2.1,10.0.0.1", "192.0.2.1"),
                                  ("6.6.6.6, 192.0.2.1, 10.1.2.3, 127.0.0.1", "192.0.2.1"), ("10.0.0.1, 10.0.0.2", "10.0.0.1"),
                                  ("192.0.2.1:4711", "192.0.2.1"), ("[2001:db8::1]:80, 10.0.0.1", "2001:db8::1"), ("2001:0DB9::1", "2001:db9::1"),
                                  ("::ffff:192.0.2.9", "192.0.2.9"), ("unknown", "127.0.0.1"), ("192.0.2.1, unknown", "127.0.0.1"),
                                  ("192.0.2.1, 10.0.0.1:x", "127.0.0.1"), ("192.0.2.1, 10.0.0.1:", "127.0.0.1"), ("", "127.0.0.1"), (",", "127.0.0.1"), ("1.2.3", "127.0.0.1"),
                                  ("192.0.2.1, ", "127.0.0.1"), ("1" * 4000, "127.0.0.1"), ("<script>", "127.0.0.1"),
                                  (", ".join(["10.0.0.1"] * 500), "10.0.0.1"), ("fe80::1%eth0", "127.0.0.1")):
            self.assertEqual(self.peer("x-forwarded-for: " + forwarded), wanted, forwarded)
        self.assertEqual(self.peer("x-forwarded-for: 6.6.6.6", "X-Forwarded-For: 192.0.2.2"), "192.0.2.2")
        self.assertEqual(self.peer("x-forwarded-for: 192.0.2.2", "x-forwarded-for: 10.0.0.1"), "192.0.2.2")
        self.assertEqual(self.peer("forwarded: for=6.6.6.6"), "127.0.0.1")
        self.assertEqual(self.peer("x-real-ip: 6.6.6.6", "client-ip: 6.6.6.6"), "127.0.0.1")

    def test_scheme_and_host(self):
        def seen(*headers):
            r = self.json("/where", *headers)
            return r["scheme"], r["host"]
        self.assertEqual(seen(), ("http", "test"))
        self.assertEqual(seen("x-forwarded-proto: https", "x-forwarded-host: shop.example:8443"), ("https", "shop.example:8443"))
        self.assertEqual(seen("x-forwarded-for: 192.0.2.1", "x-forwarded-proto: https, http"), ("http", "test"))
        self.assertEqual(seen("x-forwarded-for: 192.0.2.1, 10.0.0.1", "x-forwarded-proto: https, http"), ("https", "test"))
        self.assertEqual(seen("x-forwarded-proto: gopher", "x-forwarded-host: a b"), ("http", "test"))
        self.assertEqual(seen("x-forwarded-host: <x>"), ("http", "test"))
        self.assertEqual(seen("x-forwarded-host: evil, good.example"), ("http", "good.example"))

    def test_request_ids(self):
        made = self.get("/").headers["x-request-id"]
        self.assertRegex(made, "^[0-9a-f]{32}$")
        self.assertEqual(self.get("/", "x-request-id: abc-1").headers["x-request-id"], "abc-1")
        self.assertEqual(self.json("/who", "x-request-id: abc-1")["id"], "abc-1")
        for bad in ("", "a b", "x" * 129, 'a"b', "é"):
            self.assertRegex(self.get("/", "x-request-id: " + bad.encode().decode("latin-1")).headers["x-request-id"], "^[0-9a-f]{32}$")


class Forwarded(AppTest):
    app_args = ("forwarded",)

    def test_forwarded(self):
        def seen(*headers):
            r = self.json("/where", *headers)
            return r["peer"], r["scheme"], r["host"]
        self.assertEqual(seen("forwarded: for=192.0.2.1;proto=https;host=shop.example"), ("192.0.2.1", "https", "shop.example"))
        self.assertEqual(seen('forwarded: For="[2001:db9::1]:47"; PROTO="https", for=10.0.0.1;proto=http'), ("2001:db9::1", "https", "test"))
        self.assertEqual(seen('forwarded: for=6.6.6.6;host=evil, for=192.0.2.1'), ("192.0.2.1", "http", "test"))
        # What a client leaves open does not swallow what the proxy adds.
        self.assertEqual(seen('forwarded: for=", for=192.0.2.1'), ("192.0.2.1", "http", "test"))
        self.assertEqual(seen('forwarded: for=6.6.6.6;host="a, for=192.0.2.1;host="b.example"'), ("192.0.2.1", "http", "b.example"))
        # Nor does what the proxy passes on in quotes say who it is from.
        self.assertEqual(seen('forwarded: for=192.0.2.1;host="a;for=6.6.6.6;b"'), ("192.0.2.1", "http", "a;for=6.6.6.6;b"))
        self.assertEqual(seen('forwarded: for=6.6.6.6;x=, for=192.0.2.1;host="a\\""'), ("192.0.2.1", "http", "test"))
        self.assertEqual(seen("forwarded: for=_hidden;proto=https"), ("127.0.0.1", "https", "test"))
        self.assertEqual(seen("forwarded: for=unknown"), ("127.0.0.1", "http", "test"))
        self.assertEqual(seen("forwarded: ;;=;for;for=", "x-forwarded-for: 6.6.6.6", "x-forwarded-proto: https"), ("127.0.0.1", "http", "test"))


class Untrusted(AppTest):
    """A peer that is no proxy can say what it likes."""

    app_source = "http.c"

    def test_nothing_is_believed(self):
        r = json.loads(self.ask("GET", "/items/1", headers=["x-forwarded-for: 6.6.6.6", "forwarded: for=6.6.6.6", "User-Agent: x"]).body)
        self.assertEqual(r["peer"], "127.0.0.1")


class AccessLog(AppTest):
    def lines(self):
        return [line for line in self.app.output().splitlines() if "HTTP/1." in line]

    def test_combined(self):
        r = self.get("/api/items/1?x=1", "referer: http://a/", "user-agent: tester/1", "x-forwarded-for: 192.0.2.9")
        wanted = (r'^192\.0\.2\.9 - - \[\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d \+0000\] "GET /api/items/1\?x=1 HTTP/1\.1" 200 %d '
                  r'"http://a/" "tester/1" \d+\.\d{3} %s$' % (len(r.body), r.headers["x-request-id"]))
        eventually(lambda: self.assertRegex(self.lines()[-1], wanted))
        self.get("/none")
        eventually(lambda: self.assertIn('"GET /none HTTP/1.1" 404 21 ', self.lines()[-1]))
        self.get("/fail")
        eventually(lambda: self.assertIn(' 500 33 ', self.lines()[-1]))
        self.get("/seen/nothing")
        eventually(lambda: self.assertIn(' 204 0 ', self.lines()[-1]))
        self.get("/basic/who", basic("ada:love:lace"))
        eventually(lambda: self.assertIn(" - ada [", self.lines()[-1]))
        self.get("/bearer/who", "authorization: Bearer good")
        eventually(lambda: self.assertIn(" - ? [", self.lines()[-1]))
        self.get("/healthz")
        self.settled()
        self.assertNotIn("/healthz", self.app.output())

    def test_a_peer_that_has_reset(self):
        """It is served what it has sent, and can't do that namelessly."""
        lines, end = [], time.time() + 60
        while len(lines) <= 10 and time.time() < end:  # a reset that overtakes what was sent takes it away
            for _ in range(20):
                with self.app.connect() as s:
                    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    s.sendall(b"GET /reset HTTP/1.1\r\nhost: a\r\nx-forwarded-for: 192.0.2.9\r\n\r\n")
            time.sleep(0.1)
            lines = [line for line in self.lines() if "GET /reset " in line]
        self.assertGreater(len(lines), 10)
        self.assertEqual({line.split()[0] for line in lines}, {"192.0.2.9"})

    def test_injection(self):
        before = self.settled()
        self.exchange(b'GET /"%0a\x7f\xff"?"\x9b HTTP/1.1\r\nhost: a\r\n\r\n')
        self.exchange(b'GET /x"y HTTP/1.1\r\nhost: a\r\nuser-agent: a" 200 "\x80\xff\\ \t\x9b31m\r\nreferer: \xc2\x9b31m\r\n\r\n')
        self.exchange(b"GET / HTTP/1.1\r\nhost: a\r\nx-forwarded-for: \"evil\xff\"\r\nuser-agent: " + b"\xff" * 8000 + b"\r\n\r\n")
        lines = self.since(before)
        self.assertIn(len(lines), (2, 3))
        for line in lines:
            self.assertRegex(line, r"^[ -~]+$")
            self.assertEqual(line.count('"'), 6)
        self.assertIn(r'"GET /x\x22y HTTP/1.1"', lines[-2])
        self.assertIn(r'\x22 200 \x22\x80\xFF\x5C \x09\x9B31m', lines[-2])
        self.assertIn('..."', lines[-1])


class Refused(AppTest):
    """What is no request is in the access log too."""

    app_env = {"HEAD_MS": "1500"}

    def last(self):
        return self.app.output().splitlines()[-1]

    TIME = r"\[\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d \+0000\]"

    def test_combined(self):
        for data, shown, status in (
                (b"GET /x HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n", r"GET /x HTTP/1\.1", 400), (b"\x16\x03\x01\x02\x00\x01\n", r"\\x16\\x03\\x01\\x02\\x00\\x01", 400),
                (b"CONNECT a:1 HTTP/1.1\r\nhost: a:1\r\n\r\n", r"CONNECT a:1 HTTP/1\.1", 501), (b"GET / HTTP/9.9\r\n\r\n", r"GET / HTTP/9\.9", 505),
                (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n\r\n", "GET /a{507}\\.\\.\\.", 414), (b"\r\nGET\x9b31m \"\\ HTTP/1.1\r\n\r\n", r"GET\\x9B31m \\x22\\x5C HTTP/1\.1", 400),
                (b"GET / HT", "GET / HT", 408)):
            with self.subTest(data[:20]):
                r = self.exchange(data)
                self.assertEqual(r.status, status)
                eventually(lambda: self.assertRegex(self.last(), rf'^127\.0\.0\.1 - - {self.TIME} "{shown}" {status} {len(r.body)} "-" "-" \d+\.\d{{3}} -$'))
        self.assertGreater(float(self.last().split()[-2]), 1000)

    def test_once_and_in_order(self):
        before = self.settled()
        good = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"
        with self.app.connect() as s:
            s.sendall(good + good + b"bad\r\n\r\n" + good)
            with s.makefile("rb") as f:
                self.assertEqual([read_response(f).status for _ in range(3)], [200, 200, 400])
                self.assertEqual(f.read(), b"")
        self.assertEqual([line.split('"')[1] for line in self.since(before)], ["GET / HTTP/1.1", "GET / HTTP/1.1", "bad"])

    def test_peers_that_leave(self):
        before = self.settled()
        for _ in range(20):
            with self.app.connect() as s:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                s.sendall(b"\0\n")
        time.sleep(0.3)
        lines = self.since(before)
        self.assertLessEqual(len(lines), 20)
        for line in lines:
            self.assertRegex(line, r'^(127\.0\.0\.1|-) - - .* "\\x00" 400 ')


class RefusedJson(AppTest):
    app_args = ("json",)

    def test_members(self):
        r = self.exchange(b'GET /"\x00\xe4\xc2\x9b HTTP/1.1\r\nhost: a\r\n\r\n')
        line = eventually(lambda: json.loads(self.app.output().splitlines()[-1]))
        self.assertRegex(line.pop("time"), r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
        self.assertEqual(line, {"peer": "127.0.0.1", "status": 400, "bytes": len(r.body), "ms": 0, "refused": json.loads(r.body)["message"],
                                "line": 'GET /"\x00\xe4\x9b HTTP/1.1'})


class RefusedElsewhere(AppTest):
    """The app's own function takes the lines, and takes its time."""

    app_args = ("slowly",)

    def test_write(self):
        def bad():
            begun = time.time()
            for _ in range(10):
                self.assertEqual(self.exchange(b"bad\r\n\r\n").status, 400)
            return time.time() - begun
        self.assertTrue(any(bad() < 1 for _ in range(5)), "nobody waits for the log")
        self.exchange(b"last\r\n\r\n")
        self.assertEqual(self.app.stop(), 0)
        self.assertIn(self.app.output().count('"bad" 400'), range(10, 51, 10))
        self.assertEqual(self.app.output().count('"last" 400'), 1, "the stop waits for it")


class AccessLogJson(AppTest):
    app_args = ("json",)

    def last(self, path="/"):
        return eventually(lambda: next(line for line in reversed(self.app.output().splitlines()) if f'"path":"{path}"' in line))

    def test_members(self):
        r = self.get("/api/items/1?x=1", "referer: http://a/", "user-agent: tester/1", basic("x:y"))
        line = json.loads(self.last("/api/items/1"))
        self.assertRegex(line.pop("time"), r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
        self.assertGreaterEqual(line.pop("ms"), 0)
        self.assertEqual(line, {"id": r.headers["x-request-id"], "peer": "127.0.0.1", "method": "GET", "host": "test",
                                "path": "/api/items/1", "query": "x=1", "status": 200, "bytes": len(r.body),
                                "referer": "http://a/", "agent": "tester/1"})

    def test_injection(self):
        self.exchange(b'GET / HTTP/1.1\r\nhost: a\r\nuser-agent: a","status":1,"x":"\\\xff\xc3\xa9\xc2\x9b\t\xe2\x28\r\n\r\n')
        self.assertEqual(json.loads(self.last())["agent"], 'a","status":1,"x":"\\ÿé\x9b\tâ(')
        self.assertRegex(self.last(), r"\\u009b\\u0009")
        self.get("/bearer/who", "authorization: Bearer good")
        self.assertEqual(json.loads(self.last("/bearer/who"))["user"], 'token "x"\n')


class AccessLogOfFiles(AppTest):
    """Answers that the server encodes, or sends from a file, go through another driver."""

    app_args = ("combined", FILES)

    def last(self):
        return [line for line in self.app.output().splitlines() if "HTTP/1." in line][-1]

    def test_bytes(self):
        for path in ("/assets/small.txt", "/assets/large.bin", "/trace"):
            for encoding in ("identity", "gzip"):
                r = self.get(path, "accept-encoding: " + encoding)
                self.assertEqual(r.status, 200)
                eventually(lambda: self.assertIn(f'"GET {path} HTTP/1.1" 200 {len(r.body)} ', self.last()))
        r = self.get("/assets/none", "accept-encoding: gzip")
        eventually(lambda: self.assertIn(f'"GET /assets/none HTTP/1.1" 404 {len(r.body)} ', self.last()))
        self.get("/assets/large.bin", method="HEAD")
        eventually(lambda: self.assertIn('"HEAD /assets/large.bin HTTP/1.1" 200 0 ', self.last()))


class Health(unittest.TestCase):
    def test_stopping(self):
        app = App("app.c", env={"STOP_MS": "8000"})
        ask = lambda path: self.answer(app, path)
        self.assertEqual((ask("/healthz"), ask("/readyz")), ((200, b'{"status":"ok"}'), (200, b'{"status":"ok"}')))
        app.process.send_signal(signal.SIGTERM)
        eventually(lambda: self.assertEqual(ask("/readyz"), (503, b'{"status":"stopping"}')))
        self.assertEqual(ask("/healthz"), (200, b'{"status":"ok"}'))
        self.assertEqual(ask("/"), (200, b"ok"))  # new connections are still taken
        self.assertEqual(app.process.wait(60), 0)
        app.kill()

    def test_stop_from_within(self):
        app = App("app.c", env={"STOP_MS": "8000"})
        with app.connect() as s, s.makefile("rb") as f:
            s.sendall(b"POST /stop HTTP/1.1\r\nhost: a\r\n\r\n")
            self.assertEqual(read_response(f).body, b"stopping")
            s.sendall(b"GET /readyz HTTP/1.1\r\nhost: a\r\n\r\n")
            self.assertEqual(read_response(f).status, 503)
        self.assertEqual(app.process.wait(60), 0)
        app.kill()

    def test_sick(self):
        app = App("app.c", env={"SICK": "1"})
        for _ in range(3):
            self.assertEqual(self.answer(app, "/healthz"), (503, b'{"status":"failing"}'))
        eventually(lambda: self.assertEqual(app.output().count("the health check fails: feeling unwell"), 1))
        self.assertEqual(self.answer(app, "/readyz")[0], 200)
        self.assertEqual(app.stop(), 0)

    def answer(self, app, path):
        with app.connect() as s, s.makefile("rb") as f:
            s.sendall(b"GET %s HTTP/1.1\r\nhost: a\r\n\r\n" % path.encode())
            r = read_response(f)
            return r.status, r.body


class Curl(AppTest):
    @need("curl")
    def test_curl(self):
        def curl(*args):
            return subprocess.run(["curl", "-s", *args], capture_output=True, timeout=120, check=False).stdout.decode()
        base = f"http://127.0.0.1:{self.app.port}"
        code = ("-o", os.devnull, "-w", "%{http_code}")
        self.assertEqual(curl(*code, base + "/basic/who"), "401")
        self.assertEqual(json.loads(curl("-u", "ada:love:lace", base + "/basic/who"))["user"], "ada")
        self.assertEqual(curl(*code, "-H", "Authorization: Bearer good", base + "/bearer/who"), "200")
        self.assertEqual(curl(*code, "--path-as-is", base + "/basic/../admin"), "401")
        self.assertEqual(json.loads(curl("-H", "Host: api.example.com", base + "/where"))["app"], "api")
        self.assertIn("<h1>404 Not Found</h1>", curl("-H", "Accept: text/html", base + "/none"))
        self.assertIn("access-control-allow-methods", curl("-i", "-X", "OPTIONS", "-H", "Origin: https://x", "-H",
                                                          "Access-Control-Request-Method: PUT", base + "/open/data"))


class Leaks(AppTest):
    def test_descriptors_and_memory(self):
        def round_of_requests():
            with self.app.connect() as s, s.makefile("rb") as f:
                paths = (b"/api/items/1", b"/none", b"/fail", b"/basic/who", b"/seen/stream", b"/pages/fail", b"/api/items/%zz")
                for _ in range(60):
                    s.sendall(b"".join(b"GET %s HTTP/1.1\r\nhost: a\r\naccept: text/html\r\norigin: https://a.example.org\r\n\r\n" % p
                                       for p in paths))
                    for _ in paths:
                        self.assertIsNotNone(read_response(f))
        round_of_requests()
        descriptors, memory = self.app.descriptors(), self.app.rss()
        for _ in range(5):
            round_of_requests()
        eventually(lambda: self.assertLessEqual(self.app.descriptors(), descriptors))
        self.assertLess(self.app.rss() - memory, 1024)


if __name__ == "__main__":
    unittest.main()
