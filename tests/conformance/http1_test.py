"""Each case of http1_cases.py against a running server: the answers, the connection, and that nothing stays behind."""
import concurrent.futures
import os
import re
import sys
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "e2e"))

from http1_cases import CASES
from http1_wire import observe
from support import App

QUIET = 0.4  # seconds in which the server answers what it answers


class Cases(unittest.TestCase):
    def test_table(self):
        self.assertEqual(len({name for name, *_ in CASES}), len(CASES), "two cases have the same name")
        for name, section, raw, wanted in CASES:
            self.assertRegex(section, r"^911[0-3] ([0-9]+|[A-C])(\.[0-9]+)*$", name)
            self.assertRegex(wanted, r"^([1-5]\d\d )*(keep|close|waits)$", name)

    def like(self, address, raw, wanted, outcome=None):
        """What comes of it; where the machine may have been busy, once more with more time."""
        for times in (4, 10):
            if outcome != wanted:
                outcome = observe(address, raw, times * QUIET)
        return outcome

    def serves(self, address):
        self.assertEqual(self.like(address, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "200 keep"), "200 keep")

    def test_each(self):
        app = App(os.path.join(HERE, "http1.c"))
        self.addCleanup(app.kill)
        address = ("127.0.0.1", app.port)
        self.serves(address)
        descriptors = app.descriptors()
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            found = list(pool.map(lambda case: observe(address, case[2], QUIET), CASES))
        for (name, section, raw, wanted), outcome in zip(CASES, found):
            with self.subTest(name, section=section):
                self.assertEqual(self.like(address, raw, wanted, outcome), wanted, raw[:200])
        self.serves(address)
        end = time.time() + 60
        while app.descriptors() > descriptors and time.time() < end:
            time.sleep(0.1)
        self.assertLessEqual(app.descriptors(), descriptors)
        self.assertEqual(app.stop(), 0)
        self.assertNotRegex(app.output(), "crash|failed")


if __name__ == "__main__":
    unittest.main()
