"""h2spec, whole, against a running server: through TLS, where each connection is one of HTTP/2 by ALPN; and with prior knowledge, where
what is no preface at all is a request of HTTP/1.1 and answered as one."""
import os
import re
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "e2e"))

from certificates import Authority
from support import App

H2SPEC = os.path.join(HERE, "../../build/peers/bin/h2spec")


@unittest.skipUnless(os.access(H2SPEC, os.X_OK), "h2spec is not there; it comes with: scripts/setup test")
class H2spec(unittest.TestCase):
    def h2spec(self, app, *args):
        run = subprocess.run([H2SPEC, "--host", "127.0.0.1", "-p", str(app.port), "-o", "5", *args], capture_output=True, text=True,
                             timeout=600)
        found = re.search(r"(\d+) tests, (\d+) passed, (\d+) skipped, (\d+) failed", run.stdout)
        self.assertTrue(found, run.stdout + run.stderr)
        failures = run.stdout.partition("Failures:")[2]
        return [int(n) for n in found.groups()], failures

    def finish(self, app):
        self.assertEqual(app.stop(), 0)
        self.assertNotRegex(app.output(), "crash|failed:")

    def test_tls(self):
        with tempfile.TemporaryDirectory() as folder:
            app = App("https.c", *Authority(folder).issue("localhost", ["DNS:localhost", "IP:127.0.0.1"]))
            self.addCleanup(app.kill)
            counts, failures = self.h2spec(app, "-t", "-k")
            self.assertEqual(counts, [145, 145, 0, 0], failures)
            self.finish(app)

    def test_prior_knowledge(self):
        app = App("http.c")
        self.addCleanup(app.kill)
        counts, failures = self.h2spec(app)
        self.assertEqual(re.findall(r"× (\d+: .*)", failures), ["2: Sends invalid connection preface"], failures)
        self.assertEqual(counts, [145, 144, 0, 1])
        self.finish(app)


if __name__ == "__main__":
    unittest.main()
