"""nexus dev: its pages by plain clients and in a headless Chromium, its request log, and what nexus run keeps to itself.
DEV_SCREENSHOTS=DIRECTORY keeps what the pages look like."""
import html
import http.client
import json
import os
import pty
import re
import select
import signal
import socket
import subprocess
import tempfile
import time
import unittest

from browser import CHROMIUM, Chromium, Tab
from support import NEXUS, free_port

SLOW = int(os.environ.get("NEXUS_TEST_SLOW", "1"))
HTML = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}

APP = r"""#include <nexus/fiber.h>
#include <nexus/http.h>
#include <stdio.h>
#include <stdlib.h>
#include "store.h"

static nx_err root(nx_request *req, nx_response *res)
{
    (void)req;
    nx_response_header(res, "content-type", "text/html; charset=utf-8");
    return nx_response_send(res, "<!doctype html><title>all is well</title><h1>VERSION</h1>");
}

static nx_err crash(nx_request *req, nx_response *res)
{
    (void)req;
    fprintf(stderr, "about to follow a <pointer>\n");
    return store_crash(res);
}

static nx_err boom(nx_request *req, nx_response *res)
{
    (void)req;
    NX_TRY(store_load("missing.json"));
    return nx_response_send(res, "never");
}

static nx_err bare(nx_request *req, nx_response *res)
{
    (void)req;
    (void)res;
    return NX_EIO;
}

static int compare(const void *a, const void *b)
{
    const int *none = NULL;
    return *none + *(const int *)a + *(const int *)b;
}

static nx_err library(nx_request *req, nx_response *res)
{
    (void)req;
    int v[] = {4, 3, 2, 1};
    qsort(v, 4, sizeof *v, compare);
    return nx_response_json(res, nx_obj("v", v[0]));
}

static nx_err in_strlen(nx_request *req, nx_response *res)
{
    (void)req;
    const char *volatile none = NULL;
    return nx_response_json(res, nx_obj("length", (int)strlen(none)));
}

static nx_err child_main(void *arg)
{
    *(volatile int *)arg = 1;
    return NX_OK;
}

static nx_err child(nx_request *req, nx_response *res)
{
    (void)req;
    nx_fiber *fiber;
    NX_TRY(nx_spawn(&fiber, child_main, NULL));
    NX_TRY(nx_join(fiber));
    return nx_response_send(res, "never");
}

static nx_err late(nx_request *req, nx_response *res)
{
    (void)req;
    NX_TRY(nx_response_write(res, nx_str("begun")));
    abort();
}

static int deep(volatile char *above)
{
    volatile char here[1024];
    here[0] = above[0];
    return deep(here) + here[0];
}

static nx_err overflow(nx_request *req, nx_response *res)
{
    (void)req;
    volatile char none = 0;
    return nx_response_json(res, nx_obj("n", deep(&none)));
}

static nx_err quit(nx_request *req, nx_response *res)
{
    (void)req;
    (void)res;
    fprintf(stderr, "\033[31mleaving\033[0m\n");
    exit(11);
}

int main(int argc, char **argv)
{
    (void)argc;
    nx_http_server *server = nx_http_server_new(.port = (uint16_t)strtol(argv[1], NULL, 10));
    nx_http_route(server, "GET", "/", root);
    nx_http_route(server, "*", "/crash", crash);
    nx_http_route(server, "GET", "/crash/*rest", crash);
    nx_http_route(server, "GET", "/boom", boom);
    nx_http_route(server, "GET", "/bare", bare);
    nx_http_route(server, "GET", "/library", library);
    nx_http_route(server, "GET", "/strlen", in_strlen);
    nx_http_route(server, "GET", "/child", child);
    nx_http_route(server, "GET", "/late", late);
    nx_http_route(server, "GET", "/overflow", overflow);
    nx_http_route(server, "GET", "/quit", quit);
    return nx_http_listen(server);
}
"""

STORE_H = """#include <nexus/http.h>

nx_err store_crash(nx_response *res);
nx_err store_load(const char *name);
"""

STORE_C = """#include "store.h"

struct note {
    int id;
    char *title;
};

static struct note *find(int id)
{
    (void)id;
    return NULL;
}

nx_err store_crash(nx_response *res)
{
\tstruct note *note = find(7);
\treturn nx_response_send(res, note->title);\t/* \u65e5\u672c\u8a9e, and <b>tags</b> */
}

nx_err store_load(const char *name)
{
    return nx_fail(NX_ENOENT, "cannot read \\"%s\\": no such <file>", name);
}
"""


class Answer:
    def __init__(self, response):
        self.status, self.headers = response.status, response.headers
        self.body = response.read().decode()


class Project:
    """A program under nexus dev, or another command, in a folder of its own."""

    def __init__(self, *flags, command="dev", files=None, env=None, wait=True, terminal=False):
        self.folder = tempfile.TemporaryDirectory()
        self.dir = os.path.realpath(self.folder.name)
        self.cache = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self.port = free_port()
        for name, text in (files or {"app.c": APP, "store.h": STORE_H, "store.c": STORE_C, "nexus.toml": 'main = "app.c"\n'}).items():
            self.write(name, text)
        self.log = tempfile.TemporaryFile()
        self.terminal = None
        error = self.log
        if terminal:
            self.terminal, error = pty.openpty()
        self.process = subprocess.Popen([NEXUS, command, *(flags or ("--allow-all",)), "app.c", "--", str(self.port)], cwd=self.dir,
                                        stdin=subprocess.DEVNULL, stdout=self.log, stderr=error,
                                        env={**os.environ, "NEXUS_CACHE": self.cache.name, "TERM": "xterm", **(env or {})})
        if terminal:
            os.close(error)
        if wait:
            try:
                self.wait_for(lambda: self.ask("/").status == 200)
            except BaseException:
                self.close()
                raise

    def write(self, name, text):
        path = os.path.join(self.dir, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path + "~", "wb") as f:
            f.write(text if isinstance(text, bytes) else text.encode())
        os.rename(path + "~", path)

    def ask(self, path="/", method="GET", headers=None, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=15 * SLOW)
        try:
            connection.request(method, path, body, headers or {})
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def browse(self, path="/", **more):
        return self.ask(path, headers=HTML, **more)

    def wait_for(self, condition, seconds=20):
        end = time.time() + seconds * SLOW
        while time.time() < end and self.process.poll() is None:
            try:
                if condition():
                    return
            except (OSError, http.client.HTTPException):
                pass
            time.sleep(0.02)
        raise AssertionError("never true\n" + self.output())

    def said(self, text, seconds=20):
        self.wait_for(lambda: text in self.output(), seconds)

    def output(self):
        if self.terminal is not None:
            self.screen = getattr(self, "screen", b"")
            while select.select([self.terminal], [], [], 0)[0]:
                try:
                    data = os.read(self.terminal, 65536)
                except OSError:
                    break
                if not data:
                    break
                self.screen += data
            return self.screen.decode(errors="replace")
        self.log.seek(0)
        return self.log.read().decode(errors="replace")

    def break_it(self, text, name="app.c"):
        """Saves what does not compile, and waits until that is known."""
        before = self.output().count("waiting for a change")
        self.write(name, text)
        self.wait_for(lambda: self.output().count("waiting for a change") > before)
        time.sleep(0.15 * SLOW)  # connections that were open already may bring one more request to the old program

    def close(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            finally:
                if self.process.poll() is None:
                    self.process.kill()
                    self.process.wait()
        if self.terminal is not None:
            os.close(self.terminal)
        self.log.close()
        self.folder.cleanup()
        self.cache.cleanup()


class DevTest(unittest.TestCase):
    def project(self, *flags, **more):
        project = Project(*flags, **more)
        self.addCleanup(project.close)
        return project


def visible(page):
    """The text of a page, tags taken out."""
    page = re.sub(r"(?s)<(style|script)\b.*?</\1>", "", page)
    return html.unescape(re.sub(r"<[^>]*>", "", page))


BROKEN = APP.replace('    (void)req;\n    nx_response_header', '    int unused;\n    (void)req;\n\tint x = "\u65e5\u672c" + undeclared_thing;\n    nx_response_header', 1)


class CompileErrors(DevTest):
    def test_page_text_and_json(self):
        p = self.project()
        p.break_it(BROKEN)
        r = p.browse()
        self.assertEqual((r.status, r.headers["content-type"], r.headers["cache-control"]), (503, "text/html; charset=utf-8", "no-store"))
        text = visible(r.body)
        self.assertRegex(text, r"undeclared_thing.*undeclared")
        self.assertRegex(text, r"app\.c:\d+:\d+")
        self.assertIn("In function", text)
        self.assertRegex(text, r">\s+\d+ \| \tint x = ")
        self.assertRegex(r.body, r"<mark>undeclared_thing</mark>")  # behind a tab and wide characters
        line = BROKEN[:BROKEN.index("undeclared_thing")].count("\n") + 1
        self.assertIn(f'href="vscode://file{p.dir}/app.c:{line}:', r.body)
        self.assertIn("Note:", text)
        text = p.ask().body
        self.assertIn("undeclared_thing", text)
        self.assertNotIn("<", text.replace("<file>", ""))
        self.assertNotIn("\033", text)
        found = json.loads(p.ask(headers={"accept": "application/json"}).body)
        self.assertEqual((found["error"], found["diagnostics"][0]["line"]), ("Does not compile", line))
        self.assertEqual(p.ask(method="HEAD").body, "")
        self.assertEqual(p.ask("/anything", method="POST", body=b"x" * 1000000).status, 503)
        p.write("app.c", APP)
        p.wait_for(lambda: p.ask().status == 200)

    def test_in_a_header_and_in_another_source(self):
        p = self.project()
        p.break_it(STORE_H + "\nnope store_nope(void);\n", "store.h")
        text = visible(p.browse().body)
        self.assertRegex(text, r"store\.h:6")
        self.assertIn("In file included from", text)
        self.assertRegex(text, r">\s+6 \| nope store_nope")
        p.write("store.h", STORE_H)
        p.wait_for(lambda: p.ask().status == 200)
        p.break_it(STORE_C.replace("find(7)", "find(7"), "store.c")
        self.assertRegex(visible(p.browse().body), r"store\.c:\d+")

    def test_in_an_import(self):
        app = APP.replace("#include <nexus/http.h>", "#include <nexus/http.h>\n#include <nexus/module.h>", 1).replace(
            "    (void)argc;\n", '    (void)argc;\n    nx_module *plugin;\n    NX_TRY(nx_import(&plugin, "./plugin.c"));\n', 1)
        p = self.project(files={"app.c": app, "store.h": STORE_H, "store.c": STORE_C, "plugin.c": "int plugin(void) { return 1; }\n"})
        p.break_it("int plugin(void) { return nonsense; }\n", "plugin.c")
        text = visible(p.browse().body)
        self.assertIn("nonsense", text)
        self.assertRegex(text, r"plugin\.c:1")

    def test_what_the_linker_says(self):
        p = self.project()
        p.break_it(APP.replace("store_crash(res)", "store_gone(res)").replace('#include "store.h"', '#include "store.h"\nnx_err store_gone(nx_response *res);'))
        text = visible(p.browse().body)
        self.assertIn("undefined reference to 'store_gone'", text)
        self.assertIn("Hint:", text)
        self.assertRegex(text, r">\s+\d+ \|     return store_gone")

    def test_binary_garbage(self):
        p = self.project()
        garbage = bytes(range(256)) * 8 + b"\n\x1b[31m</pre><script>alert(1)</script>\xff\xfe\xe2\x80\xae\n" + b"x" * 100000 + b"\n"
        p.break_it(APP.encode().replace(b"static nx_err root", garbage + b"static nx_err root", 1))
        connection = http.client.HTTPConnection("127.0.0.1", p.port, timeout=15 * SLOW)
        self.addCleanup(connection.close)
        connection.request("GET", "/", headers=HTML)
        body = connection.getresponse().read()
        body.decode()  # UTF-8, whatever was in the source
        self.assertFalse(re.search(rb"[\x00-\x08\x0b-\x1f\x7f]", body))
        self.assertNotIn("\u202e", body.decode())
        self.assertNotIn(b"<script>alert", body)
        self.assertLess(len(body), 4 << 20)
        json.loads(p.ask(headers={"accept": "application/json"}).body)

    def test_hundreds_of_errors(self):
        p = self.project("--allow-all", "--compiler=gcc")
        p.break_it(APP + "".join(f"int f{i}(void) {{ return wrong_{i}; }}\n" for i in range(1500)))
        r = p.browse()
        text = visible(r.body)
        self.assertIn("1499 more errors", text)
        self.assertRegex(text, r"The other \d+ are not shown")
        self.assertLess(r.body.count("<h3>"), 101)
        self.assertLess(len(r.body), 1 << 20)
        self.assertTrue(r.body.rstrip().endswith("</html>"))

    def test_a_line_directive_shows_no_other_file(self):
        p = self.project()
        p.break_it(APP.replace("static nx_err root", '#line 1 "/etc/passwd"\nnonsense here;\nstatic nx_err root', 1))
        body = p.browse().body
        self.assertIn("/etc/passwd", body)
        self.assertNotIn("root:x:0", body)

    def test_a_file_that_goes_away(self):
        p = self.project()
        os.unlink(os.path.join(p.dir, "store.h"))
        p.write("app.c", APP + "\n")
        p.said("waiting for a change")
        self.assertIn("store.h", visible(p.browse().body))


class Crashes(DevTest):
    def test_the_request_that_crashed_is_answered(self):
        p = self.project()
        r = p.browse("/crash?x=1")
        self.assertEqual((r.status, r.headers["content-type"]), (500, "text/html; charset=utf-8"))
        text = visible(r.body)
        for words in ("Segmentation fault at address 0x8", "SIGSEGV", "GET /crash?x=1", "http", "NULL", "store_crash", "store.c:17", "app.c:18",
                      "about to follow a <pointer>", "of the runtime and of libraries", "日本語"):
            self.assertIn(words, text)
        self.assertRegex(text, r">\s+17 \| \treturn nx_response_send")
        self.assertNotIn("http-equiv", r.body)  # or it would crash again, and again
        p.wait_for(lambda: p.ask("/").status == 200)
        r = p.ask("/crash")
        self.assertEqual((r.status, r.headers["content-type"]), (500, "text/plain; charset=utf-8"))
        self.assertIn("store.c:17", r.body)
        p.wait_for(lambda: p.ask("/").status == 200)
        found = json.loads(p.ask("/crash", headers={"accept": "application/json"}).body)
        self.assertEqual(found["backtrace"][0]["function"], "store_crash")
        self.assertEqual(found["backtrace"][0]["line"], 17)
        self.assertEqual(found["request"], "GET /crash")

    def test_in_libraries_children_and_too_deep(self):
        p = self.project()
        self.assertRegex(visible(p.browse("/library").body), r"compare app\.c:\d+")
        p.wait_for(lambda: p.ask("/").status == 200)
        self.assertRegex(visible(p.browse("/strlen").body), r"in_strlen app\.c:\d+")
        p.wait_for(lambda: p.ask("/").status == 200)
        self.assertRegex(visible(p.browse("/child").body), r"child_main app\.c:\d+")
        p.wait_for(lambda: p.ask("/").status == 200)
        text = visible(p.browse("/overflow").body)
        self.assertIn("Stack overflow", text)
        self.assertIn("--stack-size", text)
        self.assertRegex(text, r"and \d+ more of the same")

    def test_with_gcc(self):
        p = self.project("--allow-all", "--compiler=gcc")
        text = visible(p.browse("/crash").body)
        self.assertIn("store.c:17", text)
        self.assertIn("app.c:18", text)

    def test_post_head_and_pipelined(self):
        p = self.project()
        r = p.ask("/crash", method="POST", headers=HTML, body=b"x" * 300000)
        self.assertEqual(r.status, 500)
        self.assertNotIn("data-reload", r.body)  # the browser would ask whether to send it again
        self.assertNotIn("Try again", r.body)
        p.wait_for(lambda: p.ask("/").status == 200)
        r = p.ask("/crash", method="HEAD", headers=HTML)
        self.assertEqual((r.status, r.body), (500, ""))
        p.wait_for(lambda: p.ask("/").status == 200)
        with socket.create_connection(("127.0.0.1", p.port), timeout=15 * SLOW) as s:
            s.sendall(b"GET / HTTP/1.1\r\nhost: x\r\n\r\nGET / HTTP/1.1\r\nhost: x\r\n\r\nGET /crash HTTP/1.1\r\nhost: x\r\n\r\n")
            data = b""
            while chunk := s.recv(65536):
                data += chunk
        self.assertEqual((data.count(b"HTTP/1.1 200"), data.count(b"HTTP/1.1 500")), (2, 1))
        self.assertLess(data.rindex(b"HTTP/1.1 200"), data.index(b"HTTP/1.1 500"))

    def test_an_answer_that_has_begun_is_cut_off(self):
        p = self.project()
        with socket.create_connection(("127.0.0.1", p.port), timeout=15 * SLOW) as s:
            s.sendall(b"GET /late HTTP/1.1\r\nhost: x\r\naccept: text/html\r\n\r\n")
            data = b""
            try:
                while chunk := s.recv(65536):
                    data += chunk
            except ConnectionResetError:
                pass
        self.assertIn(b"begun", data)
        self.assertNotIn(b"nexus dev", data)
        self.assertEqual(data.count(b"HTTP/1.1"), 1)

    def test_given_up_and_ended(self):
        p = self.project()
        for _ in range(5):
            p.wait_for(lambda: p.ask("/crash").status == 500)
        p.said("giving up")
        p.said("waiting for a change")
        r = p.browse("/other")
        self.assertEqual(r.status, 503)
        self.assertIn("store.c:17", visible(r.body))
        p.write("store.c", STORE_C + "\n")
        p.wait_for(lambda: p.ask("/").status == 200)
        with self.assertRaises((OSError, http.client.HTTPException)):
            p.ask("/quit")
        p.said("waiting for a change\n")
        p.wait_for(lambda: p.browse("/").status == 503)
        r = p.browse("/")
        text = visible(r.body)
        for words in ("exit code 11", "NX_EADDRINUSE", "leaving"):
            self.assertIn(words, text)
        self.assertNotIn("\033", r.body)

    def test_many_at_once(self):
        p = self.project()
        sockets = [socket.create_connection(("127.0.0.1", p.port), timeout=15 * SLOW) for _ in range(40)]
        for s in sockets:
            s.sendall(b"GET /crash HTTP/1.1\r\nhost: x\r\n\r\n")
        answers = []
        for s in sockets:
            try:
                answers.append(s.recv(65536)[:12])
            except OSError:
                answers.append(b"")
            s.close()
        self.assertIn(b"HTTP/1.1 500", answers)
        p.write("store.c", STORE_C + "\n")
        p.wait_for(lambda: p.ask("/").status == 200)


class Failures(DevTest):
    def test_an_error_that_a_handler_returns(self):
        p = self.project()
        r = p.browse("/boom")
        self.assertEqual((r.status, r.headers["content-type"]), (500, "text/html; charset=utf-8"))
        text = visible(r.body)
        for words in ('cannot read "missing.json": no such <file>', "NX_ENOENT (8)", "GET /boom", "store_load", "store.c:22", "app.c:24"):
            self.assertIn(words, text)
        found = json.loads(p.ask("/boom").body)  # as JSON where nothing else is asked for, as ever
        self.assertEqual((found["error"], found["message"]), ("Internal Server Error", 'cannot read "missing.json": no such <file>'))
        self.assertEqual(found["backtrace"][0], {"function": "store_load", "file": p.dir + "/store.c", "line": 22})
        text = p.ask("/boom", headers={"accept": "text/plain"}).body
        self.assertIn("store.c:22", text)
        text = visible(p.browse("/bare").body)
        self.assertIn("NX_EIO (15)", text)
        self.assertRegex(text, r"bare app\.c:\d+")  # the handler, since the error was recorded nowhere
        with socket.create_connection(("127.0.0.1", p.port), timeout=15 * SLOW) as s:  # the connection lives on
            s.sendall(b"GET /boom HTTP/1.1\r\nhost: x\r\n\r\nGET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            data = b""
            while chunk := s.recv(65536):
                data += chunk
        self.assertIn(b"HTTP/1.1 200", data)

    def test_a_handler_of_the_programs_own_has_its_way(self):
        app = APP.replace("int main(", """static nx_err own(nx_request *req, nx_response *res, const nx_http_failure *failure)
{
    (void)req;
    (void)failure;
    return nx_response_send(res, "mine");
}

int main(""", 1).replace("    return nx_http_listen", "    nx_http_on_error(server, own);\n    return nx_http_listen", 1)
        p = self.project(files={"app.c": app, "store.h": STORE_H, "store.c": STORE_C})
        self.assertEqual(p.browse("/boom").body, "mine")


class Hostile(DevTest):
    def test_a_target_is_text(self):
        p = self.project()
        for target in ("/crash?<script>alert(1)</script>", "/crash?%22onload=%22alert(1)", "/crash?'\"><img/src=x>", "/crash/</title><b>"):
            p.wait_for(lambda: p.ask("/").status == 200)
            with socket.create_connection(("127.0.0.1", p.port), timeout=15 * SLOW) as s:
                s.sendall(f"GET {target} HTTP/1.1\r\nhost: x\r\naccept: text/html\r\n\r\n".encode())
                data = b""
                while chunk := s.recv(65536):
                    data += chunk
            body = data.decode()
            self.assertTrue(body.startswith(("HTTP/1.1 500", "HTTP/1.1 400")), body[:80])
            self.assertNotIn("<script>alert", body)
            self.assertNotIn("<img", body)
            self.assertNotIn("</title><b>", body)
            self.write_again(p)

    def write_again(self, p):  # or it would be given up
        p.version = getattr(p, "version", 0) + 1
        p.write("store.c", STORE_C + "\n" * p.version)
        p.said_count = p.output().count("changed: started anew")
        p.wait_for(lambda: p.output().count("changed: started anew") >= p.version)

    def test_nothing_runs_but_with_the_nonce(self):
        p = self.project()
        p.break_it(BROKEN)
        nonces = set()
        for _ in range(3):
            r = p.browse()
            policy = r.headers["content-security-policy"]
            nonce = re.search(r"script-src 'nonce-([0-9a-f]{32})'", policy)[1]
            self.assertIn("default-src 'none'", policy)
            self.assertEqual(re.findall(r"<script[^>]*>", r.body), [f'<script nonce="{nonce}">'])
            self.assertNotRegex(r.body, r"(src|href)=\"(https?:)?//")
            nonces.add(nonce)
        self.assertEqual(len(nonces), 3)
        p.write("app.c", APP)
        p.wait_for(lambda: p.ask().status == 200)
        self.assertIn("nonce-", p.browse("/boom").headers["content-security-policy"])

    def test_an_editor_of_ones_own(self):
        p = self.project(env={"NEXUS_EDITOR_URL": "my-ed://open?f={file}&l={line}&c={column}&x=\"{y}"})
        p.break_it(BROKEN)
        self.assertRegex(p.browse().body, r'href="my-ed://open\?f=' + re.escape(p.dir) + r'/app\.c&amp;l=\d+&amp;c=\d+&amp;x=&quot;\{y\}"')
        p = self.project(env={"NEXUS_EDITOR_URL": ""})
        p.break_it(BROKEN)
        self.assertNotIn("vscode:", p.browse().body)

    def test_nexus_run_tells_nothing(self):
        p = self.project("--allow-all", "--watch", command="run")
        secrets = ("store_crash", "store.c", "SIGSEGV", "Segmentation", "missing.json", p.dir, "NX_ENOENT", "nexus dev")
        answers = [p.browse("/boom").body, p.ask("/boom").body, p.ask("/.nexus/live").body, p.ask("/.nexus/live.js").body]
        self.assertEqual(json.loads(answers[1]), {"error": "Internal Server Error"})
        for _ in range(2):
            try:
                answers.append(p.browse("/crash").body)
                self.fail("an answer")
            except (OSError, http.client.HTTPException):
                pass
            p.wait_for(lambda: p.ask("/").status == 200)
        p.break_it(BROKEN)
        self.assertEqual(p.browse().status, 200)  # the old one goes on
        for answer in answers:
            for secret in secrets:
                self.assertNotIn(secret, answer)


class Live(DevTest):
    def stream(self, p, path="/.nexus/live"):
        s = socket.create_connection(("127.0.0.1", p.port), timeout=15 * SLOW)
        self.addCleanup(s.close)
        s.sendall(f"GET {path} HTTP/1.1\r\nhost: x\r\n\r\n".encode())
        head = b""
        while not head.endswith(b"retry: 2000\n\n"):
            byte = s.recv(1)
            self.assertTrue(byte, head)
            head += byte
        self.assertIn(b"text/event-stream", head)
        return s

    def test_streams_outlive_the_program(self):
        p = self.project()
        s = self.stream(p)
        try:
            p.ask("/crash")
        except OSError:
            pass
        p.wait_for(lambda: p.ask("/").status == 200)
        s.settimeout(0.5)
        with self.assertRaises(TimeoutError):  # the same program again is no change
            s.recv(4096)
        s.settimeout(15 * SLOW)
        p.break_it(BROKEN)
        self.assertIn(b"event: change", s.recv(4096))
        self.assertEqual(s.recv(4096), b"")
        version = re.search(r'data-version="(\d+)"', p.browse().body)[1]
        s = self.stream(p, "/.nexus/live?" + version)  # by the one that stands in
        p.write("app.c", APP)
        self.assertIn(b"event: change", s.recv(4096))
        p.wait_for(lambda: p.ask("/").status == 200)
        late = self.stream(p, "/.nexus/live?" + version)  # it has missed the change
        self.assertIn(b"event: change", late.recv(4096))
        for odd in ("?", "?x", "?99999999999999999999999999", "?-1"):
            self.stream(p, "/.nexus/live" + odd)
        self.assertEqual(p.ask("/.nexus/other").status, 404)

    def test_there_is_room_for_the_latest(self):
        p = self.project()
        streams = [self.stream(p) for _ in range(40)]
        self.assertEqual(streams[0].recv(100), b"")
        p.break_it(BROKEN)
        self.assertIn(b"event: change", streams[-1].recv(4096))
        self.assertEqual(p.browse().status, 503)

    def test_reload_of_the_programs_own_pages(self):
        p = self.project("--allow-all", "--reload")
        body = p.browse("/").body
        script = re.search(r'<script src="(/\.nexus/live\.js\?(\d+))" async></script>\n$', body)
        self.assertIn(f"EventSource('/.nexus/live?{script[2]}')", p.ask(script[1]).body)
        self.assertIn("EventSource('/.nexus/live?')", p.ask("/.nexus/live.js?');alert('").body)
        p.break_it(BROKEN)
        self.assertIn(f"EventSource('/.nexus/live?{script[2]}')", p.ask(script[1]).body)
        self.assertIn("EventSource('/.nexus/live?')", p.ask("/.nexus/live.js?');alert('").body)
        self.assertNotIn("script", self.project().browse("/").body)


class Terminal(DevTest):
    def test_lines_about_requests(self):
        p = self.project()
        p.ask("/a%20b?c=d")
        p.ask("/boom")
        with socket.create_connection(("127.0.0.1", p.port), timeout=15 * SLOW) as s:
            s.sendall(b"nonsense\r\n\r\n")
            s.recv(4096)
        p.said("(no request)")
        out = p.output()
        self.assertRegex(out, r"(?m)^  200 GET /  [\d.]+ ms  \d+ B$")
        self.assertRegex(out, r"(?m)^! 404 GET /a%20b\?c=d  [\d.]+ ms  \d+ B$")
        self.assertRegex(out, r"(?m)^✗ 500 GET /boom  [\d.]+ ms  [\d.]+ (K?i?B)$")
        self.assertRegex(out, r"(?m)^! 400 \(no request\) ")
        self.assertNotIn("\033", out)
        self.assertRegex(out, rf"(?m)^nexus: http://127\.0\.0\.1:{p.port}$")
        self.assertRegex(out, r"(?m)^nexus: app\.c built in \d+ ms by \w+, started in \d+ ms; watching app\.c, store\.h, store\.c$")
        p.write("store.c", STORE_C + "\n")
        p.said("store.c changed: started anew")

    def test_no_log(self):
        p = self.project("--allow-all", "--no-log")
        p.ask("/")
        p.ask("/boom")
        p.said("handler of GET /boom failed")
        self.assertNotIn("200 GET", p.output())

    def test_a_program_that_logs_by_itself(self):
        app = APP.replace("    return nx_http_listen", "    nx_http_access_log(server);\n    return nx_http_listen", 1).replace(
            "#include <nexus/http.h>", "#include <nexus/http.h>\n#include <nexus/middleware.h>", 1)
        p = self.project(files={"app.c": app, "store.h": STORE_H, "store.c": STORE_C})
        p.ask("/once")
        p.said('"GET /once HTTP/1.1" 404')
        time.sleep(0.2)
        self.assertEqual(p.output().count("/once"), 1, p.output())

    def test_on_a_terminal(self):
        app = APP.replace("int main(int argc", '#include <unistd.h>\nint main(int argc', 1).replace(
            "    (void)argc;\n", '    (void)argc;\n    fprintf(stderr, "terminal: %d\\n", isatty(2));\n', 1)
        p = self.project(files={"app.c": app, "store.h": STORE_H, "store.c": STORE_C}, terminal=True, env={"NO_COLOR": ""})
        p.ask("/boom")
        p.said("terminal: 1")
        p.said("\033[1;31m✗ 500\033[0m GET /boom")
        p.said("\033[32m  200\033[0m GET /")

    def test_a_busy_program_is_not_held_up(self):
        p = self.project()
        with socket.create_connection(("127.0.0.1", p.port), timeout=15 * SLOW) as s:
            count = 3000
            s.sendall(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n" * count)
            data = b""
            while data.count(b"HTTP/1.1 200") < count:
                data += s.recv(1 << 20)
        p.ask("/last")
        p.said("/last")
        out = p.output()
        more = sum(map(int, re.findall(r"\.\.\. and (\d+) more", out)))
        self.assertGreaterEqual(out.count("200 GET /") + more, count)

    def test_open_without_a_desktop(self):
        env = {"DISPLAY": "", "WAYLAND_DISPLAY": ""}
        p = self.project("--allow-all", "--open", env=env)
        p.said("there is no desktop here")

    def test_open(self):
        with tempfile.TemporaryDirectory() as tools:
            path = os.path.join(tools, "xdg-open")
            with open(path, "w") as f:
                f.write(f'#!/bin/sh\necho "$1" > {tools}/opened~ && mv {tools}/opened~ {tools}/opened\n')
            os.chmod(path, 0o755)
            p = self.project("--allow-all", "--open", env={"DISPLAY": ":9", "PATH": tools + ":" + os.environ["PATH"]})
            p.wait_for(lambda: os.path.exists(tools + "/opened"))
            with open(tools + "/opened") as f:
                self.assertEqual(f.read(), f"http://127.0.0.1:{p.port}\n")


class Command(unittest.TestCase):
    def nexus(self, *args):
        return subprocess.run([NEXUS, *args], capture_output=True, text=True, timeout=30 * SLOW)

    def test_help_and_usage(self):
        self.assertIn("--reload", self.nexus("dev", "--help").stdout)
        self.assertIn("nexus dev", self.nexus("help", "dev").stdout)
        self.assertIn("\n  dev ", self.nexus("help").stdout)
        r = self.nexus("dev", "--opne", "app.c")
        self.assertEqual(r.returncode, 2)
        self.assertIn("--open", r.stderr)
        with tempfile.TemporaryDirectory() as empty:
            r = subprocess.run([NEXUS, "dev"], cwd=empty, capture_output=True, text=True, timeout=30 * SLOW)
            self.assertIn("nexus dev needs a file", r.stderr)
        self.assertIn("unknown flag --reload", self.nexus("run", "--reload", "app.c").stderr)


@unittest.skipUnless(CHROMIUM, "no chromium, chromium-browser or google-chrome in PATH")
class InABrowser(DevTest):
    def setUp(self):
        self.browser = Chromium()
        self.addCleanup(self.browser.close)

    def shots(self, name, url, words):
        folder = os.environ.get("DEV_SCREENSHOTS")
        for kind, scheme, width in (("light", "light", 1100), ("dark", "dark", 1100), ("phone", "light", 390)):
            tab = Tab(self.browser, url, width=width, height=800, scheme=scheme)
            tab.wait(f"document.readyState === 'complete' && document.body.innerText.includes({json.dumps(words)})")
            tab.wait("document.getElementById('live').textContent.length > 0")  # the script runs
            self.assertGreater(len(tab.screenshot(folder and os.path.join(folder, f"{name}-{kind}.png"), whole=True)), 10000)
            # Nothing but code that scrolls by itself is wider than the window.
            self.assertLessEqual(tab.run("document.documentElement.scrollWidth"), width)
            self.check_contrast(tab)
            self.browser.call("Target.closeTarget", targetId=tab.target)

    def check_contrast(self, tab):
        """Each text against what is behind it, WCAG 1.4.3."""
        bad = tab.run("""(() => {
            const parse = c => (c.match(/[\\d.]+/g) || []).map(Number);
            const lum = ([r, g, b]) => [r, g, b].map(v => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
                .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
            const behind = e => { for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor);
                if (c.length === 3 || c[3] === 1) return c; } return [255, 255, 255]; };
            const bad = [];
            for (const e of document.querySelectorAll('body *')) {
                if (![...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()) || !e.getClientRects().length) continue;
                if (['SCRIPT', 'STYLE'].includes(e.tagName)) continue;
                const a = lum(parse(getComputedStyle(e).color)), b = lum(behind(e));
                const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
                if (ratio < 4.5) bad.push(e.className + ' ' + e.textContent.slice(0, 30) + ' ' + ratio.toFixed(2));
            }
            return bad.join('\\n');
        })()""")
        self.assertEqual(bad, "")
        self.assertEqual(tab.run("['header', 'main', 'footer', 'h1', 'title'].filter(n => document.querySelectorAll(n).length !== 1).join()"), "")
        self.assertEqual(tab.run("document.documentElement.lang"), "en")

    def test_what_the_pages_look_like(self):
        p = self.project()
        url = f"http://127.0.0.1:{p.port}"
        self.shots("error", url + "/boom", "cannot read")
        p.break_it(BROKEN)
        self.shots("compile", url + "/", "undeclared_thing")
        p.write("app.c", APP)
        p.wait_for(lambda: p.ask().status == 200)
        self.shots("crash", url + "/crash", "store_crash")
        p.write("app.c", APP.replace("return nx_http_listen(server);", 'return nx_fail(NX_EADDRINUSE, "cannot listen: somebody else does");'))
        p.said("exit code 11")
        self.shots("ended", url + "/", "exit code 11")

    def test_a_page_comes_back_by_itself(self):
        p = self.project()
        url = f"http://127.0.0.1:{p.port}/"
        p.break_it(BROKEN)
        tab = Tab(self.browser, url)
        tab.wait("document.title.includes('undeclared_thing')")
        tab.wait("document.getElementById('live').textContent.includes('by itself')")
        p.write("app.c", BROKEN.replace("undeclared_thing", "another_thing"))
        tab.wait("document.title.includes('another_thing')")
        p.write("app.c", APP.replace("VERSION", "mended"))
        tab.wait("document.body.innerText.includes('mended')")

    def test_a_crash_is_not_repeated_and_comes_back(self):
        p = self.project()
        tab = Tab(self.browser, f"http://127.0.0.1:{p.port}/crash")
        tab.wait("document.title.includes('Segmentation')")
        time.sleep(1.5)
        self.assertEqual(p.output().count("the program crashed"), 1)
        p.write("store.c", STORE_C.replace("note->title", '"it works"').replace("struct note *note = find(7);", "(void)find(7);"))
        tab.wait("document.body.innerText.includes('it works')")

    def test_reload(self):
        p = self.project("--allow-all", "--reload")
        tab = Tab(self.browser, f"http://127.0.0.1:{p.port}/")
        tab.wait("document.body.innerText.includes('VERSION')")
        for n in range(3):
            p.write("app.c", APP.replace("VERSION", f"version {n}"))
            tab.wait(f"document.body.innerText.includes('version {n}')")
        p.break_it(BROKEN)
        tab.wait("document.title.includes('undeclared_thing')")
        p.write("app.c", APP.replace("VERSION", "the end"))
        tab.wait("document.body.innerText.includes('the end')")

    def test_hostile_targets_do_nothing(self):
        p = self.project()
        for target in ("/crash?<img src=x onerror=\"document.title='broken'\">", "/crash?</script><script>document.title='broken'</script>"):
            p.wait_for(lambda: p.ask("/").status == 200)
            tab = Tab(self.browser, f"http://127.0.0.1:{p.port}{target}")
            tab.wait("document.title.includes('Segmentation')")
            self.assertEqual(tab.run("document.querySelectorAll('img').length + ' ' + document.scripts.length"), "0 1")

    def test_without_scripts(self):
        p = self.project()
        p.break_it(BROKEN)
        tab = Tab(self.browser, "about:blank")
        tab.call("Emulation.setScriptExecutionDisabled", value=True)
        tab.call("Page.navigate", url=f"http://127.0.0.1:{p.port}/")
        tab.wait("document.title.includes('undeclared_thing')")
        p.write("app.c", APP.replace("VERSION", "mended"))
        tab.wait("document.body.innerText.includes('mended')")


if __name__ == "__main__":
    unittest.main()
