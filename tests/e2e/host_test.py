"""Facts about the machine, from a program under nexus run."""
import os
import platform
import subprocess
import unittest

from support import HERE, NEXUS

EXAMPLE = os.path.abspath(os.path.join(HERE, "../../examples/host-facts/app.c"))


class Host(unittest.TestCase):
    def test_the_example(self):
        run = subprocess.run([os.path.abspath(NEXUS), "run", "app.c"], cwd=os.path.dirname(EXAMPLE), capture_output=True, text=True,
                             timeout=60)
        self.assertEqual((run.returncode, run.stderr), (0, ""))
        rows = dict(line.split(maxsplit=1) for line in run.stdout.splitlines())
        self.assertEqual(rows["host"], platform.node())
        self.assertIn(platform.release(), rows["kernel"])
        self.assertTrue(rows["program"].startswith(EXAMPLE + ", process "), rows["program"])
        self.assertEqual(rows["lo"], "127.0.0.1/8" if "::1" not in run.stdout else rows["lo"])
        self.assertTrue(rows["cache"].endswith("/host-facts"))


if __name__ == "__main__":
    unittest.main()
