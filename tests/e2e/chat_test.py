"""examples/chat: over HTTP, and in two tabs of a headless Chromium, driven through its debugging pipe.
CHAT_SCREENSHOTS=DIRECTORY keeps what the tabs look like."""
import base64
import json
import os
import shutil
import subprocess
import tempfile
import time
import unittest
import urllib.error
import urllib.request

from support import HERE, App

CHAT = os.path.join(HERE, "../../examples/chat")
CHROMIUM = next((p for p in map(shutil.which, ("chromium", "chromium-browser", "google-chrome")) if p), None)


def chat():
    page = os.path.abspath(os.path.join(CHAT, "index.html"))
    return App(os.path.abspath(os.path.join(CHAT, "app.c")), page, flags=("--allow-net", f"--allow-read={page}"))


class Chromium:
    """A browser on a pipe: JSON messages that end in NUL, both ways."""

    def __init__(self):
        self.profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        to_read, self.to = os.pipe()
        self.of, of_write = os.pipe()

        def descriptors():  # 3 and 4 are where it looks for them
            high_read, high_write = os.dup(to_read), os.dup(of_write)
            os.dup2(high_read, 3)
            os.dup2(high_write, 4)

        self.process = subprocess.Popen(
            [CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
             "--disable-background-networking", "--remote-debugging-pipe", f"--user-data-dir={self.profile.name}"],
            preexec_fn=descriptors, close_fds=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(to_read)
        os.close(of_write)
        self.buffer, self.last = b"", 0

    def call(self, method, session=None, **params):
        self.last += 1
        message = {"id": self.last, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        os.write(self.to, json.dumps(message).encode() + b"\0")
        while True:
            while b"\0" not in self.buffer:
                data = os.read(self.of, 1 << 20)
                if not data:
                    raise RuntimeError("Chromium has ended")
                self.buffer += data
            text, _, self.buffer = self.buffer.partition(b"\0")
            answer = json.loads(text)
            if answer.get("id") == self.last:
                if "error" in answer:
                    raise RuntimeError(answer["error"])
                return answer["result"]

    def close(self):
        self.process.kill()
        self.process.wait()
        os.close(self.to)
        os.close(self.of)
        self.profile.cleanup()


class Tab:
    def __init__(self, browser, url, width=900, height=720, scheme="light"):
        self.browser = browser
        self.target = browser.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = browser.call("Target.attachToTarget", targetId=self.target, flatten=True)["sessionId"]
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600)
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.call("Page.navigate", url=url)

    def call(self, method, **params):
        return self.browser.call(method, self.session, **params)

    def run(self, script):
        result = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in result:
            raise RuntimeError(result["exceptionDetails"])
        return result["result"].get("value")

    def wait(self, script, seconds=20):
        end = time.time() + seconds
        while time.time() < end:
            if self.run(f"(() => {{ try {{ return !!({script}) }} catch {{ return false }} }})()"):  # loading, maybe
                return
            time.sleep(0.05)
        raise AssertionError(f"never true: {script}\n{self.run('document.body.innerText')}")

    def type(self, text):
        self.call("Input.insertText", text=text)

    def enter(self):
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key="Enter", code="Enter", text="\r", windowsVirtualKeyCode=13)

    def say(self, text):
        self.run('document.getElementById("text").focus()')
        self.type(text)
        self.enter()

    def screenshot(self, name):
        folder = os.environ.get("CHAT_SCREENSHOTS")
        data = base64.b64decode(self.call("Page.captureScreenshot")["data"])
        if folder:
            with open(os.path.join(folder, name + ".png"), "wb") as f:
                f.write(data)
        return data


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
        with urllib.request.urlopen(self.url + "/events/Ann%20B", timeout=10) as events:
            def data():
                while True:
                    line = events.readline()
                    if line.startswith(b"data: "):
                        return json.loads(line[6:])
            self.assertEqual(data(), ["Ann B"])
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
        ann = Tab(browser, self.url)
        ann.wait('document.readyState === "complete" && document.getElementById("who").open')
        ann.screenshot("join")
        ann.type("Ann")
        ann.enter()
        ann.wait('document.getElementById("state").className === "on"')
        bob = Tab(browser, self.url + "/?name=Bob%20Lee", scheme="dark")
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
        eve = Tab(browser, self.url + "/?name=Eve", width=390, height=760)
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
