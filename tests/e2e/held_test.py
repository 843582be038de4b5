"""What the kernel alone holds of a program's grants: each of tests/attack/*.c tries a way round them by system calls of its own, with every
grant but the one that it needs, and once more with it, when it has to get in."""
import contextlib
import glob
import os
import pty
import re
import shutil
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
GRANTS = {"open": ["--allow-write=open"], "read": ["--allow-read=closed"], "write": ["--allow-write=closed"], "run": ["--allow-run"], "net": ["--allow-net"],
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
                [NEXUS, "run", "--no-prompt", "--watchdog=0", *base, *grants, os.path.abspath(path), "--", f"{folder}/open", f"{folder}/closed", str(self.port),
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


# ---- What a source has its compiler read

SOURCES = {
    "incbin": '__asm__(".incbin \\"@SECRET@\\"");',
    "incbin of a part": '__asm__(".section .rodata\\n.global secret\\nsecret: .incbin \\"@SECRET@\\", 0, 16\\n.text");',
    "an include of the assembler's": '__asm__(".include \\"@SECRET@\\"");',
    "include": '#include "@SECRET@"',
    "include in brackets": "#include <@SECRET@>",
    "include by a macro": '#define SECRET "@SECRET@"\n#include SECRET',
    "a path that leads out": '#include "../closed/secret"',
    "a link": '#include "link.h"',
    "a link to a folder": '#include "folder/secret"',
    "/proc": '#include "/proc/self/root@SECRET@"',
    "the compiler's variables": '#include "/proc/self/environ"',
    "the launcher's input": '#include "/dev/fd/0"',
    "embed": "static const unsigned char secret[] = {\n#embed \"@SECRET@\"\n};",
    "imacros": '#pragma GCC pch_preprocess "@SECRET@"',
    "a dependency": '#pragma GCC dependency "@SECRET@"',
}


@unittest.skipIf(landlock() < 1, "this kernel has no Landlock")
class Compiler(unittest.TestCase):
    """.incbin and its like: a source that is not trusted may not have its compiler read for it."""

    def test_sources(self):
        for compiler in filter(shutil.which, ("tcc", "gcc", "clang")):
            for name, text in SOURCES.items():
                with self.subTest(name, compiler=compiler), tempfile.TemporaryDirectory() as folder:
                    os.mkdir(f"{folder}/closed")
                    os.mkdir(f"{folder}/project")
                    with open(f"{folder}/closed/secret", "w") as f:
                        f.write("the_secret of_another_folder;\n")
                    os.symlink("../closed/secret", f"{folder}/project/link.h")
                    os.symlink("../closed", f"{folder}/project/folder")
                    with open(f"{folder}/project/app.c", "w") as f:
                        f.write(text.replace("@SECRET@", f"{folder}/closed/secret") + "\nint main(void) { return 0; }\n")
                    with open(f"{folder}/closed/secret") as given:
                        run = subprocess.run([NEXUS, "run", "--no-prompt", f"--compiler={compiler}", "app.c"], cwd=f"{folder}/project", stdin=given,
                                             env={**os.environ, "NEXUS_CACHE": f"{folder}/cache", "NOT_FOR_THE_COMPILER": "the_secret"},
                                             capture_output=True, timeout=120, check=False)
                    self.assertNotIn(b"the_secret", run.stdout + run.stderr)
                    for found, _, files in os.walk(f"{folder}/cache"):
                        for file in files:
                            with open(os.path.join(found, file), "rb") as f:
                                self.assertNotIn(b"the_secret", f.read(), file)

    def test_what_is_tried_works_without_a_seal(self):
        """Or these prove nothing."""
        with tempfile.TemporaryDirectory() as folder:
            with open(f"{folder}/secret", "w") as f:
                f.write("the_secret of_another_folder;\n")
            with open(f"{folder}/app.c", "w") as f:
                f.write(SOURCES["incbin"].replace("@SECRET@", f"{folder}/secret") + "\nint main(void) { return 0; }\n")
            subprocess.run([shutil.which("gcc") or "cc", "-c", "app.c"], cwd=folder, check=True)
            with open(f"{folder}/app.o", "rb") as f:
                self.assertIn(b"the_secret", f.read())


if __name__ == "__main__":
    unittest.main()
