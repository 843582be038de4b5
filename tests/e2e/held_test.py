"""What the kernel alone holds of a program's grants: each of tests/attack/*.c tries a way round them by system calls of its own, with every
grant but the one that it needs, and once more with it, when it has to get in."""
import glob
import os
import re
import socket
import subprocess
import tempfile
import unittest

from support import HERE, NEXUS

ATTACKS = sorted(glob.glob(os.path.join(HERE, "../attack/*.c")))
REFUSED = {"EACCES", "EPERM", "EXDEV", "ESRCH"}  # EXDEV: what may not move between folders looks like two file systems
GRANTS = {"read": ["--allow-read=closed"], "write": ["--allow-write=closed"], "run": ["--allow-run"], "net": ["--allow-net"],
          "all": ["--allow-all"]}


def landlock():
    import ctypes
    return ctypes.CDLL(None).syscall(444, None, 0, 1)


def head(path):
    with open(path) as f:
        text = f.read()
    return dict(re.findall(r"^ \* (stands for|grant|held): (.*?)(?: \*/)?$", text, re.M))


class Held(unittest.TestCase):
    def serve(self, family, address):
        s = socket.socket(family)
        self.addCleanup(s.close)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        s.bind(address)
        s.listen(64)
        return s

    def setUp(self):
        self.port = self.serve(socket.AF_INET, ("127.0.0.1", 0)).getsockname()[1]
        self.abstract = f"nexus-held-{os.getpid()}-{self.port}"
        self.serve(socket.AF_UNIX, "\0" + self.abstract)

    def tried(self, path, *grants):
        """What the program says, with these grants besides those that are no use to it."""
        with tempfile.TemporaryDirectory() as folder, subprocess.Popen(["sleep", "1000"]) as victim:
            try:
                os.makedirs(f"{folder}/closed/empty")
                os.mkdir(f"{folder}/open")
                for name in ("secret", "spoilt"):
                    with open(f"{folder}/closed/{name}", "w") as f:
                        f.write("secret of the closed folder")
                result = subprocess.run(
                    [NEXUS, "run", "--no-prompt", "--allow-read=open", "--allow-write=open", "--allow-net=127.0.0.1:1", "--allow-env", *grants,
                     os.path.abspath(path), "--", f"{folder}/open", f"{folder}/closed", str(self.port), self.abstract, str(victim.pid)],
                    cwd=folder, env={**os.environ, "NEXUS_CLOSED": f"{folder}/closed"}, capture_output=True, text=True, timeout=120, check=False)
            finally:
                victim.kill()
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        return result.stdout.strip()

    def test_attacks(self):
        version = landlock()
        if version < 6:
            self.skipTest(f"this kernel has version {max(version, 0)} of Landlock, and what is tried needs 6")
        self.assertGreater(len(ATTACKS), 50)
        for path in ATTACKS:
            about = head(path)
            with self.subTest(os.path.basename(path), **about):
                needs = [flag for grant in about["grant"].split() for flag in GRANTS[grant]]
                alone, granted = self.tried(path), self.tried(path, *needs)
                if granted != "in":
                    print(f"\n{os.path.basename(path)}: cannot be done here in any case ({granted})")
                    self.assertIn(granted, ("ENOSYS", "EPROTONOSUPPORT", "EOPNOTSUPP"))
                elif about["held"] == "yes":
                    self.assertIn(alone, REFUSED)
                else:
                    self.assertEqual(alone, "in", "the kernel holds it: say so, here and in docs/security/guarantees.md")


if __name__ == "__main__":
    unittest.main()
