"""nexus dev: pages that come back by themselves, the request log, and what it looks like in a headless Chromium.
DEV_SCREENSHOTS=DIRECTORY keeps what the pages look like."""
import json
import os
import re
import socket
import tempfile
import time
import unittest

from browser import CHROMIUM, Chromium, Tab
from command import sanitized
from dev_project import APP, BROKEN, SLOW, STORE_C, STORE_H, DevTest


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

    @unittest.skipIf(sanitized(), "the reports of crashes are the sanitizer's own")
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
        streams = [self.stream(p) for _ in range(100)]  # by the one that stands in
        self.assertEqual(streams[0].recv(100), b"")
        self.assertEqual(p.browse().status, 503)
        p.write("app.c", APP)
        self.assertIn(b"event: change", streams[-1].recv(4096))

    def test_reload_of_the_programs_own_pages(self):
        p = self.project("--reload")
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
        p = self.project("--no-log")
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
        p = self.project("--open", env=env)
        p.said("there is no desktop here")

    def test_open(self):
        with tempfile.TemporaryDirectory() as tools:
            path = os.path.join(tools, "xdg-open")
            with open(path, "w") as f:
                f.write(f'#!/bin/sh\necho "$1" > {tools}/opened~ && mv {tools}/opened~ {tools}/opened\n')
            os.chmod(path, 0o755)
            p = self.project("--open", env={"DISPLAY": ":9", "PATH": tools + ":" + os.environ["PATH"]})
            p.wait_for(lambda: os.path.exists(tools + "/opened"))
            with open(tools + "/opened") as f:
                self.assertEqual(f.read(), f"http://127.0.0.1:{p.port}\n")


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

    @unittest.skipIf(sanitized(), "the reports of crashes are the sanitizer's own")
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

    @unittest.skipIf(sanitized(), "the reports of crashes are the sanitizer's own")
    def test_a_crash_is_not_repeated_and_comes_back(self):
        p = self.project()
        tab = Tab(self.browser, f"http://127.0.0.1:{p.port}/crash")
        tab.wait("document.title.includes('Segmentation')")
        time.sleep(1.5)
        self.assertEqual(p.output().count("the program crashed"), 1)
        p.write("store.c", STORE_C.replace("note->title", '"it works"').replace("struct note *note = find(7);", "(void)find(7);"))
        tab.wait("document.body.innerText.includes('it works')")

    def test_reload(self):
        p = self.project("--reload")
        tab = Tab(self.browser, f"http://127.0.0.1:{p.port}/")
        tab.wait("document.body.innerText.includes('VERSION')")
        for n in range(3):
            p.write("app.c", APP.replace("VERSION", f"version {n}"))
            tab.wait(f"document.body.innerText.includes('version {n}')")
        p.break_it(BROKEN)
        tab.wait("document.title.includes('undeclared_thing')")
        p.write("app.c", APP.replace("VERSION", "the end"))
        tab.wait("document.body.innerText.includes('the end')")

    @unittest.skipIf(sanitized(), "the reports of crashes are the sanitizer's own")
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
