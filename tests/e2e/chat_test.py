"""examples/chat: over HTTP, and in two tabs of a headless Chromium, driven through its debugging pipe.
CHAT_SCREENSHOTS=DIRECTORY keeps what the tabs look like."""
import json
import os
import unittest
import urllib.error
import urllib.request

from browser import CHROMIUM, Chromium, Tab
from support import HERE, App

CHAT = os.path.join(HERE, "../../examples/chat")


def chat():
    page = os.path.abspath(os.path.join(CHAT, "index.html"))
    return App(os.path.abspath(os.path.join(CHAT, "app.c")), page, flags=("--allow-net", f"--allow-read={page}"))


class ChatTab(Tab):
    def say(self, text):
        self.run('document.getElementById("text").focus()')
        self.type(text)
        self.enter()

    def screenshot(self, name):
        folder = os.environ.get("CHAT_SCREENSHOTS")
        return super().screenshot(folder and os.path.join(folder, name + ".png"))


class Chat(unittest.TestCase):
    def setUp(self):
        self.app = chat()
        self.url = f"http://localhost:{self.app.port}"
        self.addCleanup(self.app.kill)

    def ask(self, path, body=None):
        try:
            with urllib.request.urlopen(urllib.request.Request(self.url + path, data=body), timeout=10) as r:
                return r.status, r.read()
        except urllib.error.HTTPError as e:
            return e.code, e.read()

    def test_over_http(self):
        self.assertEqual(self.ask("/")[0], 200)
        with urllib.request.urlopen(urllib.request.Request(self.url + "/events/Eve", method="HEAD"), timeout=10) as r:
            self.assertEqual((r.status, r.read()), (200, b""))
        with urllib.request.urlopen(self.url + "/events/Ann%20B", timeout=10) as events:
            def data():
                while True:
                    line = events.readline()
                    if line.startswith(b"data: "):
                        return json.loads(line[6:])
            self.assertEqual([data() for _ in range(3)], [["Eve"], [], ["Ann B"]])
            self.assertEqual(self.ask("/say/Ann%20B", "hé\n\ndata: <b>".encode())[0], 204)
            said = data()
            self.assertEqual((said["name"], said["text"]), ("Ann B", "hé\n\ndata: <b>"))
            for path, body in (("/say/a", b""), ("/say/a", b"x" * 2001), ("/say/a", b"\xff"), ("/say/" + "a" * 33, b"x"),
                               ("/say/%ff", b"x"), ("/events/%ff", None), ("/events/" + "a" * 33, None)):
                self.assertEqual(self.ask(path, body)[0], 400, path)
            self.assertEqual(self.ask("/say/a", b"end")[0], 204)
            self.assertEqual(data()["text"], "end")
        self.assertEqual(self.app.stop(), 0, self.app.output())

    @unittest.skipUnless(CHROMIUM, "no chromium, chromium-browser or google-chrome in PATH")
    def test_in_a_browser(self):
        browser = Chromium()
        self.addCleanup(browser.close)
        ann = ChatTab(browser, self.url)
        ann.wait('document.readyState === "complete" && document.getElementById("who").open')
        ann.screenshot("join")
        ann.type("Ann")
        ann.enter()
        ann.wait('document.getElementById("state").className === "on"')
        bob = ChatTab(browser, self.url + "/?name=Bob%20Lee", scheme="dark")
        bob.wait('document.getElementById("guests").innerText.includes("2 here")')
        ann.wait('document.getElementById("guests").innerText.includes("2 here")')

        ann.say("Hello! Is anybody there?")
        bob.wait('document.body.innerText.includes("Is anybody there?")')
        bob.say("Yes. <b>Not</b> bold, is it?")
        ann.wait('document.body.innerText.includes("<b>Not</b> bold")')
        self.assertEqual(ann.run('document.querySelectorAll("#log p b").length'), 0)
        ann.say("No 🙂")
        ann.say("The text of a message may be long, and then it goes over several lines, as one would wish; "
                "a-word-without-any-place-to-break-" + "it" * 60)
        bob.say("I see.")
        for tab in (ann, bob):
            tab.wait('document.querySelectorAll(".said").length === 5')
        self.assertEqual(ann.run('document.querySelectorAll(".said.mine").length'), 3)
        self.assertEqual(ann.run("document.documentElement.scrollWidth <= innerWidth"), True)
        ann.screenshot("light")
        bob.screenshot("dark")

        # Who comes later reads what was said; a small screen.
        eve = ChatTab(browser, self.url + "/?name=Eve", width=390, height=760)
        eve.wait('document.querySelectorAll(".said").length === 5')
        self.assertEqual(eve.run("document.documentElement.scrollWidth <= innerWidth"), True)
        eve.screenshot("small")

        # Who goes is seen to go.
        browser.call("Target.closeTarget", targetId=eve.target)
        ann.wait('document.getElementById("guests").innerText.includes("2 here")')
        self.assertEqual(self.app.stop(), 0, self.app.output())
        ann.wait('document.getElementById("state").className === "off"')
        ann.say("Into the void")
        ann.wait('document.getElementById("text").value === "Into the void"')
        ann.screenshot("lost")


if __name__ == "__main__":
    if not CHROMIUM:
        print("the chat is not tried in a browser: no chromium, chromium-browser or google-chrome in PATH")
    unittest.main()
