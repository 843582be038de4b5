"""What the kernel alone holds of a program's grants: each of tests/attack/*.c tries a way round them by system calls of its own, with every
grant but the one that it needs, and once more with it, when it has to get in."""
import contextlib
import glob
import os
import pty
import re
import socket
import subprocess
import tempfile
import threading
import unittest

from support import HERE, NEXUS

ATTACKS = sorted(glob.glob(os.path.join(HERE, "../attack/*.c")))
# EXDEV: what may not move between folders looks like two file systems; EBADF: of a call upon what a refused one would have made.
REFUSED = {"EACCES", "EPERM", "EXDEV", "ESRCH", "ENOSYS", "EBADF"}
ABSENT = ("ENOSYS", "EPROTONOSUPPORT", "EOPNOTSUPP", "EAFNOSUPPORT", "ESOCKTNOSUPPORT", "ENOENT", "ENOTTY")  # in this kernel or machine, or not for this user
BASE = {"read": "--allow-read=open", "write": "--allow-write=open", "net": "--allow-net=127.0.0.1:1", "env": "--allow-env"}
GRANTS = {"read": ["--allow-read=closed"], "write": ["--allow-write=closed"], "run": ["--allow-run"], "net": ["--allow-net"],
          "all": ["--allow-all"]}


def landlock():
    import ctypes
    return ctypes.CDLL(None).syscall(444, None, 0, 1)


def may_all():
    """Whether the user of the tests may do what root may, in no container."""
    with open("/proc/self/status") as f:
        status = dict(line.split(":\t") for line in f.read().splitlines() if ":\t" in line)
    return status["Seccomp"].strip() == "0" and int(status["CapEff"], 16) >> 21 & 1  # CAP_SYS_ADMIN


def head(path):
    with open(path) as f:
        text = f.read()
    return dict(re.findall(r"^ \* (stands for|grant|without|input|held): (.*?)(?: \*/)?$", text, re.M))


class Held(unittest.TestCase):
    def serve(self, family, address, kind=socket.SOCK_STREAM):
        s = socket.socket(family, kind)
        self.addCleanup(s.close)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        s.bind(address)
        if kind == socket.SOCK_STREAM:
            s.listen(64)
        return s

    def setUp(self):
        self.port = self.serve(socket.AF_INET, ("127.0.0.1", 0)).getsockname()[1]
        self.abstract = f"nexus-held-{os.getpid()}-{self.port}"
        self.serve(socket.AF_UNIX, "\0" + self.abstract)

    def give(self, listener, path):
        """Passes the file to whoever connects, until the listener is shut."""
        def run():
            while True:
                try:
                    client, _ = listener.accept()
                except OSError:
                    return
                with client, open(path) as f:
                    try:
                        socket.send_fds(client, [b"x"], [f.fileno()])
                    except OSError:
                        pass
        thread = threading.Thread(target=run)
        thread.start()
        return thread

    def tried(self, path, about, *grants):
        """What the program says, with these grants besides those that are no use to it."""
        base = [flag for kind, flag in BASE.items() if kind not in about.get("without", "").split()]
        with tempfile.TemporaryDirectory() as folder, subprocess.Popen(["sleep", "1000"]) as victim, contextlib.ExitStack() as last:
            last.callback(victim.kill)
            os.makedirs(f"{folder}/closed/empty")
            os.mkdir(f"{folder}/open")
            for name in ("secret", "spoilt"):
                with open(f"{folder}/closed/{name}", "w") as f:
                    f.write("secret of the closed folder")
            listener = self.serve(socket.AF_UNIX, f"{folder}/open/giver")
            thread = self.give(listener, f"{folder}/closed/secret")
            last.callback(thread.join)
            last.callback(listener.shutdown, socket.SHUT_RDWR)
            self.serve(socket.AF_UNIX, f"{folder}/open/mailbox", socket.SOCK_DGRAM)
            if about.get("input") == "terminal":
                master, given = pty.openpty()
                last.callback(os.close, master)
            else:
                given = os.open(f"{folder}/closed/spoilt", os.O_RDONLY)
            last.callback(os.close, given)
            result = subprocess.run(
                [NEXUS, "run", "--no-prompt", *base, *grants, os.path.abspath(path), "--", f"{folder}/open", f"{folder}/closed", str(self.port),
                 self.abstract, str(victim.pid)],
                cwd=folder, stdin=given, env={**os.environ, "NEXUS_CLOSED": f"{folder}/closed"}, capture_output=True, text=True, timeout=120, check=False)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        return result.stdout.strip()

    def test_attacks(self):
        version = landlock()
        if version < 6:
            self.skipTest(f"this kernel has version {max(version, 0)} of Landlock, and what is tried needs 6")
        self.assertGreater(len(ATTACKS), 140)
        for path in ATTACKS:
            about = head(path)
            with self.subTest(os.path.basename(path), **about):
                needs = [flag for grant in about["grant"].split() for flag in GRANTS[grant]]
                alone, granted = self.tried(path, about), self.tried(path, about, *needs)
                if granted != "in":
                    print(f"\n{os.path.basename(path)}: cannot be done here in any case ({granted})")
                    self.assertIn(granted, ABSENT if may_all() else (*ABSENT, "EPERM", "EACCES"))
                elif about["held"] == "yes":
                    self.assertIn(alone, REFUSED)
                else:
                    self.assertEqual(alone, "in", "the kernel holds it: say so, here and in docs/security/guarantees.md")


if __name__ == "__main__":
    unittest.main()
