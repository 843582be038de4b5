"""Autobahn's cases of WebSocket (websocket_cases.py has all 517 by its numbers), played by a peer of our own: against the server in both
forms, and against the client. Of series of 1,000 messages 25 are sent, fewer of large ones; WEBSOCKET_CASES=full sends them all."""
import collections
import concurrent.futures
import os
import socket
import subprocess
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "e2e"))
sys.path.insert(0, HERE)

from support import NEXUS, App
from websocket_cases import CASES, OFFERS
from websocket_peer import Peer, Unlike

FULL = os.environ.get("WEBSOCKET_CASES") == "full"
SOURCE = os.path.join(HERE, "websocket.c")


def most(steps):
    """How many messages of a series are sent."""
    if FULL or steps[0][0] != "echo":
        return 1000
    return 25 if steps[0][2] <= 4096 else 4


def offers_of(number):
    group = number.split(".")
    return ((False, 0),) if group[0] == "12" else OFFERS[int(group[1])] if group[0] == "13" else ()


class Table(unittest.TestCase):
    def test_all_are_there(self):
        count = collections.Counter(number.split(".")[0] for number in CASES)
        self.assertEqual(count, {"1": 16, "2": 11, "3": 7, "4": 10, "5": 20, "6": 145, "7": 37, "9": 54, "10": 1, "12": 90, "13": 126})


class Server(unittest.TestCase):
    def play(self, path):
        app = App(SOURCE)
        self.addCleanup(app.kill)

        def one(item):
            number, steps = item
            with app.connect() as s:
                peer = Peer(s, client=True)
                try:
                    peer.connect(path, offers_of(number))
                    peer.play(steps, most(steps))
                except (Unlike, EOFError, OSError) as e:
                    return number, f"{type(e).__name__}: {e}"
            return number, None

        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            found = dict(pool.map(one, CASES.items()))
        self.assertEqual({number: wrong for number, wrong in found.items() if wrong}, {})
        self.assertEqual(len(found), 517)
        self.assertEqual(app.stop(), 0, app.output())
        self.assertNotRegex(app.output(), "crash|failed|cannot")
        print(f"server, {path}: {len(found)} cases")

    def test_loop(self):
        self.play("/loop")

    def test_callbacks(self):
        self.play("/callbacks")


class Client(unittest.TestCase):
    def play(self, cases, words):
        listener = socket.create_server(("127.0.0.1", 0))
        process = subprocess.Popen([os.path.abspath(NEXUS), "run", "--allow-net", SOURCE, "--",
                                    f"ws://127.0.0.1:{listener.getsockname()[1]}/", words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.addCleanup(process.kill)
        listener.settimeout(60)
        found = {}
        for number, steps in cases.items():
            s, _ = listener.accept()
            with s:
                peer = Peer(s, client=False)
                try:
                    offers = offers_of(number)
                    # Ours does not take part in more than one offer: the first is answered.
                    peer.accept(offers[0] if offers else None)
                    peer.play(steps, most(steps))
                    found[number] = None
                except (Unlike, EOFError, OSError) as e:
                    found[number] = f"{type(e).__name__}: {e}"
        listener.close()
        out, _ = process.communicate(timeout=120)
        self.assertEqual({number: wrong for number, wrong in found.items() if wrong}, {})
        self.assertEqual(process.returncode, 0, out)
        print(f"client, {words}: {len(found)} cases")

    def test_plain(self):
        self.play({n: steps for n, steps in CASES.items() if not offers_of(n)}, "plain")

    def test_compressed(self):
        for words in ("context", "fresh"):
            self.play({n: steps for n, steps in CASES.items() if offers_of(n)}, words)


if __name__ == "__main__":
    unittest.main()
