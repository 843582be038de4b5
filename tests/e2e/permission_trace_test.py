#!/usr/bin/env python3
"""What a program asks for, told: NEXUS=path/to/nexus python3 tests/e2e/permission_trace_test.py [-k name]."""
import json
import os
import shlex
import signal
import unittest

from command import Base, get, wait_for
from support import free_port

PROGRAM = r"""
#include <nexus.h>
#include <stdio.h>
#include <string.h>
static nx_err load(const char *name)
{
    nx_bytes text;
    return nx_fs_read_file(name, &text); /* line 8 */
}
static nx_err later(void *arg) { return load(arg); }
int main(int argc, char **argv)
{
    nx_host host = {.size = sizeof host};
    nx_run_result done;
    nx_fiber *fiber;
    nx_err worst = NX_OK, err;
    for (int i = 1; i + 1 < argc; i += 2) {
        const char *what = argv[i + 1];
        err = NX_OK;
        if (strcmp(argv[i], "read") == 0) err = load(what);
        if (strcmp(argv[i], "spawn") == 0 && !(err = nx_spawn(&fiber, later, (void *)what))) err = nx_join(fiber);
        if (strcmp(argv[i], "write") == 0) err = nx_fs_write_file(what, nx_str("x")); /* line 22 */
        if (strcmp(argv[i], "env") == 0) err = nx_env(what) ? NX_OK : NX_ENOENT;
        if (strcmp(argv[i], "run") == 0) err = nx_run(&done, NX_ARGV(what));
        if (strcmp(argv[i], "host") == 0) err = nx_host_get(&host);
        if (strcmp(argv[i], "folder") == 0)
            for (int k = 0; k < 9; k++) err = load(nx_format("%s/%d", what, k));
        if (err) worst = err;
    }
    if (worst) fprintf(stderr, "app: %s\n", nx_error_last()->message);
    return worst;
}
"""

SERVER = r"""
#include <nexus.h>
#include <stdlib.h>
static nx_err root(nx_request *req, nx_response *res)
{
    nx_bytes text;
    NX_TRY(nx_fs_read_file("data/a", &text));
    (void)req;
    return nx_response_send_bytes(res, text);
}
int main(int argc, char **argv)
{
    nx_http_server *server = nx_http_server_new(.host = "127.0.0.1", .port = (uint16_t)atoi(argv[argc - 1]));
    nx_http_route(server, "GET", "/", root);
    return nx_http_listen(server);
}
"""


class Told(Base):
    def setUp(self):
        super().setUp()
        self.write("app.c", PROGRAM)
        for folder in "data", "log":
            os.mkdir(os.path.join(self.dir, folder))
        for name in "ab012345678":
            self.write(f"data/{name}", name)

    def path(self, name):
        return os.path.join(self.dir, name)

    def lines(self, run):
        return [line.removeprefix("nexus: ") for line in run.stderr.splitlines() if line.startswith("nexus: ")]

    def test_trace(self):
        run = self.nexus("run", "app.c", "--trace-permissions", "--allow-read=data/a", "--", "read", "data/a", "spawn", "data/b",
                         "write", "out", "env", "SECRET", "host", "-")
        source = self.path("app.c")
        said = self.lines(run)
        self.assertEqual(said[:3], [f"granted read {self.path('data/a')}, {source}:8", f"refused read {self.path('data/b')}, {source}:8",
                                    f"refused write {self.path('out')}, {source}:22"])
        self.assertEqual(said[3], f"refused env SECRET, {source}:23")
        self.assertIn(f"refused sys hostname, {source}:25", said)
        self.assertNotIn("granted", self.nexus("run", "app.c", "--allow-read", "--", "read", "data/a").stderr)

    def test_what_is_printed_is_clean(self):
        run = self.nexus("run", "app.c", "--trace-permissions", "--audit-permissions=log/audit", "--", "read", "a\x1b[2J\nb\"\\é")
        self.assertIn(f"refused read {self.path('a[2Jb')}\"\\é,", self.lines(run)[0])
        with open(self.path("log/audit")) as f:
            self.assertEqual(json.loads(f.read())["what"], self.path("a\x1b[2J\nb\"\\é"))

    def test_audit(self):
        words = "read", "data/a", "read", "data/b", "write", "out"
        for _ in range(2):
            self.nexus("run", "app.c", "--audit-permissions=log/audit", "--allow-read=data/a", "--", *words)
        with open(self.path("log/audit")) as f:
            entries = [json.loads(line) for line in f]
        self.assertEqual(len(entries), 6)
        self.assertEqual([(e["permission"], e["granted"], e["what"]) for e in entries[:3]],
                         [("read", True, self.path("data/a")), ("read", False, self.path("data/b")), ("write", False, self.path("out"))])
        self.assertEqual(entries[0]["at"], f"{self.path('app.c')}:8")
        self.assertRegex(entries[0]["time"], r"^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
        self.assertEqual(entries[0]["process"], entries[2]["process"])
        self.assertNotEqual(entries[0]["process"], entries[3]["process"])
        self.assertEqual(os.stat(self.path("log/audit")).st_mode & 0o777, 0o600)

    def test_no_line_is_lost_at_the_end(self):
        self.nexus("run", "app.c", "--audit-permissions=log/audit", "--", *(["read", "none"] * 400))
        with open(self.path("log/audit")) as f:
            self.assertEqual(len(f.readlines()), 400)

    def test_an_audit_log_that_the_program_could_forge(self):
        for flag in "--allow-write", "--allow-write=.", "--allow-write=log", "--allow-write=log/audit", "--allow-write=log/other":
            with self.subTest(flag):
                run = self.nexus("run", "app.c", flag, "--audit-permissions=log/audit")
                self.assertEqual((run.returncode, "it could forge it" in run.stderr), (7, True), run.stderr)
        os.symlink("nowhere", self.path("dangling"))
        for flag, code in (("--audit-permissions=dangling", 2), ("--audit-permissions=", 2), ("--audit-permissions=none/x", 8)):
            with self.subTest(flag):
                self.assertEqual(self.nexus("run", "app.c", flag).returncode, code)

    def test_a_program_that_writes_lines_by_itself(self):
        """They are of its own process, and what is no whole line does no harm."""
        self.write("forger.c", r"""
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
struct packet { unsigned magic, kind, backlog, unix_mode, port, sockets, workers, wants; unsigned long long address; char text[600]; };
static void tell(unsigned port, unsigned sockets, const char *text, size_t len)
{
    struct packet p = {0x4e58424b, 10, 0, 0, port, sockets, 0, 1, 0x1234, ""};
    memcpy(p.text, text, len);
    send(3, &p, sizeof p - sizeof p.text + len, 0);
}
int main(void)
{
    static char junk[65536], name[600];
    memset(junk, 'x', sizeof junk);
    memset(name, 'y', sizeof name);
    name[sizeof name - 1] = 0;
    tell(0, 3, "\0/forged", sizeof "\0/forged");
    send(3, junk, sizeof junk, 0);
    tell(0, 3, "m", 2);                 /* without a name */
    tell(0, 3, name, sizeof name);      /* a module that is too long */
    tell(99, 3, "\0a", 3);            /* no kind */
    tell(0, 0, "\0a", 3);             /* no use */
    tell(0, 3, "/etc/passwd\0b", sizeof "/etc/passwd\0b"); /* a module that is none */
    return 0;
}
""")
        run = self.nexus("run", "forger.c", "--audit-permissions=log/audit")
        self.assertEqual(run.returncode, 0, run.stderr)
        with open(self.path("log/audit")) as f:
            entries = [json.loads(line) for line in f]
        self.assertEqual([(e["what"], e["at"]) for e in entries], [("/forged", ""), ("", ""), ("b", "")])
        self.assertEqual(len({e["process"] for e in entries}), 1)

    def test_suggest(self):
        words = "read", "data/a", "read", "/etc/hostname", "write", "out", "env", "SECRET", "run", "true", "host", "-", "env", "HOME"
        env = {"SECRET": "x"}
        run = self.nexus("permissions", "suggest", "app.c", "--", *words, "env", "NX_NOT_SET", env=env)
        self.assertEqual(run.returncode, 8)
        self.assertNotIn("NX_NOT_SET", run.stdout)
        run = self.nexus("permissions", "suggest", "app.c", "--", *words, env=env)
        self.assertEqual((run.returncode, run.stderr), (0, ""))
        flags, empty, *toml = run.stdout.splitlines()
        self.assertEqual(flags, "nexus run app.c --allow-read=/etc/hostname,data/a --allow-write=out --allow-env=SECRET --allow-run=true "
                         "--allow-sys=cpus,hostname,load,memory,os,uptime")
        self.assertEqual(toml, ["[permissions]", 'read = ["/etc/hostname", "data/a"]', 'write = ["out"]', 'env = ["SECRET"]',
                                'run = ["true"]', 'sys = ["cpus", "hostname", "load", "memory", "os", "uptime"]'])
        # It is enough, and each part of it is needed.
        given = shlex.split(flags)[2:]
        self.assertEqual(self.nexus("run", *given, "--", *words, env=env).returncode, 0)
        for left_out in given[1:]:
            with self.subTest(left_out):
                less = [flag for flag in given if flag != left_out]
                self.assertEqual(self.nexus("run", *less, "--", *words, env=env).returncode, 8 if "env" in left_out else 7)

    def test_suggest_prints_clean_names(self):
        run = self.nexus("permissions", "suggest", "app.c", "--", "read", "a\x1b[2J'\u202eb", "read", 'c"\\d')
        self.assertEqual(run.stdout.splitlines(), ["nexus run app.c --allow-read='a[2J'\\''b','c\"\\d'", "", "[permissions]",
                                                   'read = ["a[2J\'b", "c\\"\\\\d"]'])

    def test_suggest_folders(self):
        run = self.nexus("permissions", "suggest", "app.c", "--", "folder", "data")
        self.assertIn("--allow-read=data\n", run.stdout)
        self.assertIn('read = ["data"]\n', run.stdout)
        run = self.nexus("permissions", "suggest", "app.c")
        self.assertEqual(run.stdout, "nexus run app.c\n")

    def test_suggest_what_does_not_compile_or_fails(self):
        run = self.nexus("permissions", "suggest", "app.c", "--", "read", "none")
        self.assertEqual((run.returncode, run.stdout.splitlines()[0]), (8, "nexus run app.c --allow-read=none"))
        self.write("broken.c", "int main(void) { return }")
        self.assertEqual(self.nexus("permissions", "suggest", "broken.c").stdout, "")
        for words, said in ((["permissions"], "needs an action"), (["permissions", "x"], "there is suggest")):
            run = self.nexus(*words)
            self.assertEqual((run.returncode, said in run.stderr), (2, True), run.stderr)

    def test_suggest_a_server(self):
        port = free_port()
        self.write("server.c", SERVER)
        running = self.start("permissions", "suggest", "server.c", "--", str(port))
        wait_for(lambda: self.answers(port))
        running.process.send_signal(signal.SIGINT)
        said = running.process.stdout.read()
        running.wait()
        self.assertEqual(said.splitlines()[0], f"nexus run server.c --allow-read=data/a --allow-listen=127.0.0.1:{port}")

    @staticmethod
    def answers(port):
        try:
            return get(port) == "a"
        except OSError:
            return False


if __name__ == "__main__":
    unittest.main()
