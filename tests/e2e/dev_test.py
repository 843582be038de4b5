"""nexus dev: its pages by plain clients, and what nexus run keeps to itself."""
import http.client
import json
import os
import re
import socket
import subprocess
import tempfile
import unittest

from command import sanitized
from dev_project import APP, BROKEN, HTML, SLOW, STORE_C, STORE_H, DevTest, visible
from support import NEXUS


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
        p = self.project("--compiler=gcc")
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


@unittest.skipIf(sanitized(), "the reports of crashes are the sanitizer's own")
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
        p = self.project("--compiler=gcc")
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
    @unittest.skipIf(sanitized(), "the reports of crashes are the sanitizer's own")
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

    def test_a_page_of_another_site_is_told_nothing(self):
        p = self.project()
        secrets = ("store", "missing.json", "Crashed", "Segmentation", p.dir, "NX_ENOENT", "undeclared")
        here = f"127.0.0.1:{p.port}"
        strangers = ({"host": f"rebound.example:{p.port}"}, {"host": "127.0.0.1.example"}, {"host": "example.localhost.com."},
                     {"host": here, "origin": "https://site.example"}, {"host": here, "origin": "null"},
                     {"host": here, "origin": "http://203.0.113.7"}, {"host": here, "origin": "http://127.0.0.1.example"})
        friends = ({"host": here}, {"host": "localhost"}, {"host": f"app.localhost:{p.port}"}, {"host": "[::1]:80"}, {"host": "192.0.2.7"},
                   {"host": "laptop:3000"}, {"host": "laptop.local"}, {"host": here, "origin": "http://" + here},
                   {"host": here, "origin": "http://localhost:5173"}, {"host": here, "origin": "http://127.0.0.1:1"})
        for head in strangers:
            for accept in (HTML, {}):
                r = p.ask("/boom", headers={**accept, **head})
                self.assertEqual(r.status, 500)
                self.assertFalse([s for s in secrets if s in r.body], (head, r.body))
        for head in friends:
            self.assertIn("missing.json", p.ask("/boom", headers={**HTML, **head}).body, head)
        if not sanitized():
            with self.assertRaises((OSError, http.client.HTTPException)):
                p.ask("/crash", headers=strangers[0])
            p.wait_for(lambda: p.ask("/").status == 200)
        p.break_it(BROKEN)
        for head in strangers:
            r = p.ask("/", headers={**HTML, **head})
            self.assertEqual(r.status, 503)
            self.assertFalse([s for s in secrets if s in r.body], (head, r.body))
        for head in friends:
            self.assertIn("Does not compile", p.ask("/", headers={**HTML, **head}).body, head)

    def test_descriptors_that_nobody_asked_for_are_closed(self):
        packets = r"""
#include <sys/socket.h>
#include <sys/uio.h>
static void pack(void *packet, size_t len, size_t count)
{
    _Alignas(struct cmsghdr) char space[CMSG_SPACE(4 * sizeof(int))] = {0};
    int fds[4] = {0, 1, 2, 0};
    struct iovec part = {packet, len};
    struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = space, .msg_controllen = CMSG_SPACE(count * sizeof(int))};
    struct cmsghdr *header = CMSG_FIRSTHDR(&m);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(count * sizeof(int));
    memcpy(CMSG_DATA(header), fds, count * sizeof(int));
    sendmsg(3, &m, 0);
}
static void flood(void)
{
    struct { uint32_t magic, kind, backlog, mode, port, count, wants; uint64_t socket; char text[8]; } r = {.magic = 0x4e58424b};
    for (int i = 0; i < 50; i++) {
        pack("no report", 9, 1);
        r.kind = 2;
        pack(&r, sizeof r, 1);
        pack(&r, 12, 1);
        r.kind = 6;
        pack(&r, sizeof r, 2);
        pack(&r, sizeof r, 4);
    }
}
int main(int argc, char **argv)
{
    flood();
"""
        app = APP.replace("int main(int argc, char **argv)\n{\n", "#include <string.h>" + packets, 1)
        p = self.project(files={"app.c": app, "store.h": STORE_H, "store.c": STORE_C})
        self.assertLess(len(os.listdir(f"/proc/{p.process.pid}/fd")), 40)

    def test_nexus_run_tells_nothing(self):
        p = self.project("--watch", command="run")
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


if __name__ == "__main__":
    unittest.main()
