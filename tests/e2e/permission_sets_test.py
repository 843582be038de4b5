#!/usr/bin/env python3
"""[permissions] of nexus.toml: NEXUS=path/to/nexus python3 tests/e2e/permission_sets_test.py [-k name]."""
import os
import shutil
import signal
import unittest

from command import Base, children, get, wait_for
from support import free_port

EXAMPLE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../examples/permissions")

# Reads what it is told, writes the next, and says how both have ended.
PROGRAM = r"""
#include <nexus.h>
#include <stdio.h>
int main(int argc, char **argv)
{
    nx_bytes text;
    for (int i = 1; i + 1 < argc; i += 2) {
        const char *what = argv[i + 1];
        nx_err err = argv[i][0] == 'r' ? nx_fs_read_file(what, &text) : nx_fs_write_file(what, nx_str("x"));
        printf("%s %s: %s\n", argv[i], what, err ? nx_error_last()->message : "done");
    }
    return 0;
}
"""


class Sets(Base):
    def setUp(self):
        super().setUp()
        self.write("app.c", PROGRAM)
        for folder in "data", "out":
            os.mkdir(os.path.join(self.dir, folder))
        self.write("data/a", "a")
        self.write("data/b", "b")

    def run_with(self, toml, *words, flags=(), code=0):
        self.write("nexus.toml", toml)
        run = self.nexus("run", "--no-prompt", *flags, "app.c", "--", *words)
        self.assertEqual(run.returncode, code, run.stderr)
        return run.stderr if code else run.stdout

    def test_what_it_grants_and_denies(self):
        toml = '[permissions]\nread = ["./data"]\ndeny-read = ["data/b"]\nwrite = ["out"]\n'
        said = self.run_with(toml, "read", "data/a", "read", "data/b", "write", "out/c", "write", "data/c")
        self.assertEqual(said, 'read data/a: done\nread data/b: reading "data/b" is denied by --deny-read\nwrite out/c: done\n'
                         'write data/c: writing "data/c" is not allowed; run with --allow-write=data/c\n')

    def test_flags_add_and_a_denial_of_either_wins(self):
        toml = '[permissions]\nread = ["data/a"]\ndeny-read = ["data/b"]\n'
        said = self.run_with(toml, "read", "data/a", "read", "data/b", "read", "app.c", flags=["--allow-read=data,app.c"])
        self.assertEqual(said, 'read data/a: done\nread data/b: reading "data/b" is denied by --deny-read\nread app.c: done\n')
        said = self.run_with('[permissions]\nread = true\n', "read", "data/a", flags=["--deny-read=data"])
        self.assertEqual(said, 'read data/a: reading "data/a" is denied by --deny-read\n')

    def test_paths_begin_at_the_project(self):
        self.write("nexus.toml", '[permissions]\nread = ["data/a"]\n')
        run = self.nexus("run", os.path.join(self.dir, "app.c"), "--", "read", os.path.join(self.dir, "data/a"))
        self.assertIn("a: done", run.stdout)
        os.mkdir(os.path.join(self.dir, "src"))
        self.write("src/app.c", PROGRAM)
        self.assertIn("a: done", self.nexus("run", "src/app.c", "--", "read", "data/a").stdout)

    def test_named_sets(self):
        toml = '[permissions]\nread = ["data/a"]\n[permissions.b]\nread = ["data/b"]\n[permissions.out]\nwrite = ["out"]\n'
        refused = 'is not allowed; run with'
        words = "read", "data/a", "read", "data/b", "write", "out/x"

        def ends(*flags):
            return [line.endswith("done") for line in self.run_with(toml, *words, flags=flags).splitlines()]

        self.assertEqual(ends(), [True, False, False])
        self.assertEqual(ends("--permissions=b"), [False, True, False])
        self.assertEqual(ends("--permissions=b", "--permissions=out"), [False, True, True])
        self.assertEqual(ends("--permissions=none"), [False, False, False])
        self.assertIn(refused, self.run_with(toml, *words, flags=["--permissions=none"]))
        for flag, error in (("--permissions=c", "nexus.toml has no [permissions.c]"),
                            ("--permissions=read", "nexus.toml has no [permissions.read]"),
                            ("--permissions=", "--permissions needs the name of a set"),
                            ("--permissions", "--permissions needs the name of a set")):
            with self.subTest(flag):
                self.assertIn(error, self.run_with(toml, flags=[flag], code=2))
        self.assertIn("which has no [permissions]", self.run_with("", flags=["--permissions=c"], code=2))
        os.unlink(os.path.join(self.dir, "nexus.toml"))
        run = self.nexus("run", "--permissions=c", "app.c")
        self.assertEqual((run.returncode, "which the project has not" in run.stderr), (2, True), run.stderr)

    def test_what_is_wrong_has_its_place(self):
        for toml, error in (
                ('[permissions]\nraed = ["x"]\n', '2:8: [permissions] has no key "raed"'),
                ('[permissions]\nread = "x"\n', "2:8: read needs a list of strings, or true"),
                ('[permissions]\nread = [1]\n', "2:9: an entry is a string"),
                ('[permissions]\nnet = [\n  "a:b"\n]\n', '3:3: "a:b" is no network address: a port is a number'),
                ('[permissions]\nnet = ["10.0.0.1/8"]\n', "2:8: \"10.0.0.1/8\" is no network address"),
                ('[permissions]\nsys = ["moon"]\n', '2:8: there is no fact "moon"'),
                ('[permissions]\nall = true\n', "2:7: all is granted on the command line alone"),
                ('[permissions]\nread = [""]\n', "2:9: an entry has 1 to"),
                ('permissions = 1\n', "1:15: permissions has to be a table"),
                ('[permissions.strict]\nread = true\n', '1:14: no set can be called "strict"'),
                ('[permissions]\n[permissions.read]\na = 1\n', "read needs a list of strings"),
                ('[permissions\n', "1:13: ")):
            with self.subTest(toml):
                self.assertIn("nexus: nexus.toml:" if error[0].isdigit() else error, self.run_with(toml, code=4))
                self.assertIn(error, self.run_with(toml, code=4))

    def test_a_file_that_the_program_could_write_grants_nothing(self):
        os.mkdir(os.path.join(self.dir, "private"))
        may = '[permissions]\nread = ["data"]\n'
        for toml, flags in ((may + 'write = ["."]\n', []), (may + "write = true\n", []), (may + 'write = ["/"]\n', []),
                            (may + 'write = ["nexus.toml"]\n', []), (may + 'write = ["./app.log"]\n', []), (may, ["--allow-write=."]),
                            (may, ["--allow-write"]), (may, ["--allow-write=" + os.path.dirname(self.dir)])):
            with self.subTest(toml=toml, flags=flags):
                self.assertIn("may hold no permissions where the program may write", self.run_with(toml, flags=flags, code=7))
        said = self.run_with(may + 'write = ["missing"]\n', code=7)
        self.assertIn("may write " + os.path.join(self.dir, "missing") + ", which is not there: make that folder", said)
        for toml, flags in ((may, ["--allow-write=private"]), (may, ["--allow-write", "--permissions=none"]),
                            (may, ["--allow-all"]), ("", ["--allow-write=."])):
            with self.subTest(toml=toml, flags=flags):
                self.run_with(toml, flags=flags)

    def test_a_file_by_others_grants_nothing(self):
        path = self.write("nexus.toml", '[permissions]\nread = ["data"]\n')
        os.chmod(path, 0o666)
        run = self.nexus("run", "app.c")
        self.assertEqual((run.returncode, "everybody may write it; chmod o-w" in run.stderr), (7, True), run.stderr)
        os.chmod(path, 0o644)
        if os.geteuid() == 0:
            os.chown(path, 12345, -1)
            run = self.nexus("run", "app.c")
            self.assertEqual((run.returncode, "belongs to another user" in run.stderr), (7, True), run.stderr)

    def test_the_example(self):
        shutil.copytree(EXAMPLE, self.dir, dirs_exist_ok=True)
        env = {"VISITOR": "Ada"}
        run = self.nexus("run", env=env)
        self.assertEqual((run.returncode, run.stdout, run.stderr), (0, "Hello, Ada!\n", ""))
        with open(os.path.join(self.dir, "visits/book")) as f:
            self.assertEqual(f.read(), "Ada")
        run = self.nexus("run", "--permissions=quiet", env=env)
        self.assertEqual((run.returncode, run.stdout), (0, "Hello, Ada!\n(no book is kept)\n"), run.stderr)
        run = self.nexus("run", "--permissions=none", env=env)
        self.assertEqual(run.returncode, 7)
        self.assertIn("run with --allow-read=greetings/en.txt", run.stderr)
        run = self.nexus("permissions", "suggest", "app.c", env=env)
        self.assertEqual(run.stdout.splitlines()[1:], ["nexus run app.c --allow-read=greetings/en.txt --allow-write=visits/book --allow-env=VISITOR", "",
                                                       "[permissions]", 'read = ["greetings/en.txt"]', 'write = ["visits/book"]',
                                                       'env = ["VISITOR"]'])

    def test_it_is_read_once(self):
        """A program that is started anew has what the launcher has read, whatever the file says by then."""
        self.write("app.c", r"""
#include <nexus.h>
#include <stdlib.h>
static nx_err root(nx_request *req, nx_response *res)
{
    nx_bytes text;
    nx_err err = nx_fs_read_file(nx_request_query_get(req, "file").data, &text);
    return nx_response_send(res, err ? nx_error_last()->message : "done");
}
int main(int argc, char **argv)
{
    nx_http_server *server = nx_http_server_new(.host = "127.0.0.1", .port = (uint16_t)atoi(argv[argc - 1]));
    nx_http_route(server, "GET", "/", root);
    return nx_http_listen(server);
}
""")
        port = free_port()
        grants = f'[permissions]\nnet = ["127.0.0.1:{port}"]\nread = ["data/a"'
        self.write("nexus.toml", grants + "]\n")
        running = self.start("run", "app.c", "--", str(port))
        wait_for(lambda: self.answers(port))
        self.assertEqual(get(port, "/?file=data/a"), "done")
        self.write("nexus.toml", grants + ', "data/b"]\n')
        before = children(running.process.pid)
        running.process.send_signal(signal.SIGHUP)
        wait_for(lambda: children(running.process.pid) and not set(before) & set(children(running.process.pid)))
        wait_for(lambda: self.answers(port))
        self.assertIn("is not allowed", get(port, "/?file=data/b"))

    @staticmethod
    def answers(port):
        try:
            return get(port, "/?file=data/a")
        except OSError:
            return False


if __name__ == "__main__":
    unittest.main()
