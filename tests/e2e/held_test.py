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
import time
import unittest

from support import HERE, NEXUS, free_port

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


# ---- --permissions=strict

TRY = """
#define _GNU_SOURCE 1
#include <errno.h>
#include <fcntl.h>
#include <nexus/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static void say(const char *what, long result)
{
    printf("%s: %s\\n", what, result >= 0 ? "in" : strerrorname_np(errno));
}

int main(int argc, char **argv)
{
    say("file", open(argv[1], O_RDONLY));
    say("beside", open(argv[2], O_RDONLY));
    say("into", open(argv[1], O_WRONLY));
    say("mode", chmod(argv[1], 0644));
    say("watch", inotify_init1(0));
    say("tcp", socket(AF_INET, SOCK_STREAM, 0));
    say("udp", socket(AF_INET, SOCK_DGRAM, 0));
    say("unix", socket(AF_UNIX, SOCK_STREAM, 0));
    for (int i = 3; i < argc; i++) say("replaced", nx_fs_write_file(argv[i], nx_str("new")) ? -1 : 0);
    return 0;
}
"""

SERVER = """
#include <nexus/http.h>
#include <stdlib.h>
static nx_err hello(nx_request *req, nx_response *res)
{
    return nx_response_send(res, "hello");
}
int main(int argc, char **argv)
{
    nx_http_server *server = nx_http_server_new(.host = "127.0.0.1", .port = (uint16_t)atoi(argv[1]));
    nx_http_route(server, "GET", "/", hello);
    return nx_http_listen(server);
}
"""


@unittest.skipIf(landlock() < 6, "what is held strictly needs version 6 of Landlock")
class Strict(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        for name, text in (("try.c", TRY), ("server.c", SERVER), ("one", "1"), ("other", "2")):
            with open(f"{self.folder}/{name}", "w") as f:
                f.write(text)

    def run_it(self, *flags, files=(), strict=True):
        result = subprocess.run(
            [NEXUS, "run", "--no-prompt", *(["--permissions=strict"] if strict else []), *flags, "try.c", "--", "one", "other", *files],
            cwd=self.folder, capture_output=True, text=True, timeout=120, check=False)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        return dict(line.split(": ") for line in result.stdout.splitlines())

    def test_a_file_is_that_file(self):
        loose, found = self.run_it("--allow-read=one", strict=False), self.run_it("--allow-read=one")
        self.assertEqual((loose["file"], loose["beside"]), ("in", "in"))
        self.assertEqual((found["file"], found["beside"], found["into"]), ("in", "EACCES", "EACCES"))

    def test_a_folder_is_all_in_it(self):
        found = self.run_it("--allow-read=.")
        self.assertEqual((found["file"], found["beside"], found["into"], found["watch"]), ("in", "in", "EACCES", "EPERM"))
        self.assertEqual(self.run_it("--allow-read")["watch"], "in")

    def test_modes_are_for_what_may_be_written(self):
        found = self.run_it("--allow-write=one", "--allow-read=.")
        self.assertEqual((found["into"], found["mode"]), ("in", "in"))
        self.assertEqual(self.run_it("--allow-write=other", "--allow-read=.")["mode"], "EPERM")
        self.assertEqual(self.run_it("--allow-write")["mode"], "in")
        found = self.run_it("--allow-write=.", "--allow-read=.", files=("one", "new"))
        self.assertEqual(found["replaced"], "in")
        with open(f"{self.folder}/one") as f:
            self.assertEqual(f.read(), "new")

    def test_the_keeper_ends_with_the_program(self):
        def keepers(parent):
            """That have this parent, or are it."""
            found = []
            for pid in filter(str.isdigit, os.listdir("/proc")):
                try:
                    with open(f"/proc/{pid}/stat") as f:
                        name, _, rest = f.read().partition("(")[2].rpartition(")")
                except OSError:
                    continue
                state, of = rest.split()[:2]
                if name == "nexus keeper" and state != "Z" and parent in (int(of), int(pid)):
                    found.append(int(pid))
            return found

        with open(f"{self.folder}/wait.c", "w") as f:
            f.write("#include <stdio.h>\n#include <sys/stat.h>\n"
                    "int main(void) { printf(\"%d\\n\", chmod(\"one\", 0600)); fflush(stdout); return getchar() == EOF; }\n")
        with subprocess.Popen([NEXUS, "run", "--no-prompt", "--allow-write=.", "wait.c"], cwd=self.folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as run:
            self.assertEqual(run.stdout.readline(), b"0\n")
            keeper, = keepers(run.pid)
            run.communicate(b"x", timeout=60)
        until = time.monotonic() + 60
        while keepers(keeper):
            self.assertLess(time.monotonic(), until, "the keeper is still there")
            time.sleep(0.01)

    def test_sockets(self):
        none = self.run_it()
        self.assertEqual((none["tcp"], none["udp"], none["unix"]), ("EPERM", "EPERM", "EPERM"))
        port = self.run_it("--allow-connect=:443")
        self.assertEqual((port["tcp"], port["udp"], port["unix"]), ("in", "EPERM", "EPERM"))
        listens = self.run_it("--allow-listen=127.0.0.1:3000")
        self.assertEqual((listens["tcp"], listens["udp"], listens["unix"]), ("EPERM", "EPERM", "EPERM"))
        all_of_it = self.run_it("--allow-net")
        self.assertEqual((all_of_it["tcp"], all_of_it["udp"], all_of_it["unix"]), ("in", "in", "in"))

    def test_a_server_listens_by_its_launcher(self):
        port = free_port()
        with subprocess.Popen([NEXUS, "run", "--no-prompt", "--permissions=strict", f"--allow-listen=127.0.0.1:{port}", "server.c", "--", str(port)],
                              cwd=self.folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as server:
            try:
                until = time.monotonic() + 60
                while True:
                    try:
                        with socket.create_connection(("127.0.0.1", port), 30) as s:
                            s.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                            answer = b"".join(iter(lambda: s.recv(4096), b""))
                        break
                    except ConnectionRefusedError:
                        self.assertLess(time.monotonic(), until, "it does not listen")
                        self.assertIsNone(server.poll(), server.poll() is not None and server.stderr.read())
                        time.sleep(0.01)
            finally:
                server.terminate()
        self.assertTrue(answer.startswith(b"HTTP/1.1 200 ") and answer.endswith(b"hello"), answer)

    def test_what_it_refuses_to_run(self):
        for flags, said in (
                (["--allow-all"], "--allow-all: what a program starts"),
                (["--allow-run=ls"], "--allow-run: what a program starts"),
                (["--allow-read=missing"], "--allow-read=.*/missing: it is not there"),
                (["--allow-read=.", "--deny-read=one"], "--deny-read=.*/one: the kernel denies nothing inside"),
                (["--allow-net=127.0.0.1:80"], "connecting to 127.0.0.1: the kernel knows ports, not hosts")):
            result = subprocess.run([NEXUS, "run", "--permissions=strict", *flags, "try.c", "--", "one", "other"],
                                    cwd=self.folder, capture_output=True, text=True, timeout=120, check=False)
            self.assertEqual((result.returncode != 0, result.stdout), (True, ""))
            self.assertRegex(result.stderr, f"^nexus: not held by the kernel: {said}")
            self.assertIn('cannot run "try.c" with --permissions=strict', result.stderr.splitlines()[-1])


if __name__ == "__main__":
    unittest.main()
