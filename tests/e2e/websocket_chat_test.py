"""examples/websocket-chat: by hand, and in two tabs of a headless Chromium."""
import json
import os
import struct
import unittest

from browser import CHROMIUM, Chromium, Tab
from support import HERE, App
from ws_test import Raw

CHAT = os.path.abspath(os.path.join(HERE, "../../examples/websocket-chat"))


class Chat(unittest.TestCase):
    def setUp(self):
        page = os.path.join(CHAT, "index.html")
        self.app = App(os.path.join(CHAT, "app.c"), page, flags=("--allow-net", f"--allow-read={page}"))
        self.addCleanup(self.app.kill)

    def test_by_hand(self):
        def join(name):
            ws = Raw(self.app, f"/room?name={name}")
            self.addCleanup(ws.close)
            return ws

        def get(ws):
            first, data = ws.recv()
            self.assertEqual(first, 0x81)
            return json.loads(data)

        ann = join("Ann%20B")
        self.assertEqual(get(ann), {"guests": ["Ann B"]})
        bob = join("Bob")
        self.assertEqual(get(bob), {"guests": ["Ann B"]})  # what was sent lately
        for ws in (ann, bob):
            self.assertEqual(get(ws), {"guests": ["Bob", "Ann B"]})
        bob.send(1, "hé <b>".encode())
        for ws in (ann, bob):
            said = get(ws)
            self.assertEqual((said["name"], said["text"]), ("Bob", "hé <b>"))
        bob.send(1, b"x" * 2001)
        self.assertEqual(get(ann), {"guests": ["Ann B"]})
        self.assertEqual(bob.closed(), 1008)
        for name in ("", "a" * 33):
            with self.assertRaisesRegex(AssertionError, " 400 "):
                join(name)
        ann.send(8, struct.pack(">H", 1000))
        self.assertEqual(ann.closed(), 1000)
        self.assertEqual(self.app.stop(), 0, self.app.output())

    @unittest.skipUnless(CHROMIUM, "no chromium, chromium-browser or google-chrome in PATH")
    def test_in_a_browser(self):
        browser = Chromium()
        self.addCleanup(browser.close)

        def tab(name):
            t = Tab(browser, f"http://localhost:{self.app.port}")
            t.wait('document.readyState === "complete" && document.getElementById("text")')
            say(t, name)
            t.wait('document.getElementById("state").innerText === "connected"')
            return t

        def say(t, text):
            t.run('document.getElementById("text").focus()')
            t.type(text)
            t.enter()

        ann, bob = tab("Ann"), tab("Bob Lee")
        for t in (ann, bob):
            t.wait('document.getElementById("guests").innerText.startsWith("2 here")')
        say(ann, "Hello! Is anybody there?")
        bob.wait('document.body.innerText.includes("Is anybody there?")')
        say(bob, "Yes. <b>Not</b> bold, is it? 🙂 " + "and long " * 60)  # long enough to be compressed
        ann.wait('document.body.innerText.includes("<b>Not</b> bold, is it? 🙂 and long")')
        self.assertEqual(ann.run('document.querySelectorAll("#log b").length'), 0)
        self.assertEqual(ann.run('document.querySelectorAll(".said.mine").length'), 1)
        eve = tab("Eve")  # who comes later reads what was said
        eve.wait('document.querySelectorAll(".said").length === 2')
        browser.call("Target.closeTarget", targetId=eve.target)
        ann.wait('document.getElementById("guests").innerText.startsWith("2 here")')
        # The server goes, and comes back: the page connects anew by itself.
        self.assertEqual(self.app.stop(), 0, self.app.output())
        ann.wait('document.getElementById("state").innerText !== "connected"')
        port = self.app.port
        page = os.path.join(CHAT, "index.html")
        again = App(os.path.join(CHAT, "app.c"), page, flags=("--allow-net", f"--allow-read={page}"), port=str(port), wait=False)
        self.addCleanup(again.kill)
        ann.wait('document.getElementById("state").innerText === "connected"')
        again.port = port
        self.assertEqual(again.stop(), 0, again.output())


if __name__ == "__main__":
    if not CHROMIUM:
        print("the chat is not tried in a browser: no chromium, chromium-browser or google-chrome in PATH")
    unittest.main()
