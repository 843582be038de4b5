"""nexus test, from outside: what it runs, says and writes."""
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
import unittest
import xml.etree.ElementTree as ElementTree

from support import NEXUS

HEAD = "#include <nexus.h>\n#include <nexus/test.h>\n#include <stdio.h>\n#include <stdlib.h>\n"
COMPILERS = [c for c in ("tcc", "gcc", "clang") if shutil.which(c)]


class Project(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.dir = os.path.join(folder.name, "project")
        self.tmp = os.path.join(folder.name, "tmp")
        os.mkdir(self.dir)
        os.mkdir(self.tmp)
        self.env = {k: v for k, v in os.environ.items() if k not in ("CC", "NO_COLOR")}
        self.env.update(TMPDIR=self.tmp, NEXUS_CACHE=os.path.join(folder.name, "cache"))

    def write(self, name, text):
        path = os.path.join(self.dir, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as f:
            f.write(text)

    def source(self, body, name="a_test.c"):
        self.write(name, HEAD + body)

    def run_tests(self, *flags, code=0, cwd=None):
        r = subprocess.run([NEXUS, "test", *flags], cwd=cwd or self.dir, env=self.env, capture_output=True, text=True, timeout=120)
        self.assertEqual(r.returncode, code, r.stdout + r.stderr)
        self.assertNotIn("\033", r.stdout, "colour is for terminals")
        self.assertEqual(os.listdir(self.tmp), [], "the tests' folders are removed")
        return r.stdout + r.stderr


class Running(Project):
    def test_passes_with_what_it_imports(self):
        self.write("mylib.h", "int add(int a, int b);\n")
        self.write("mylib.c", '#include "./mylib.h"\nint add(int a, int b) { return a + b; }\n')
        self.write("sub/test_other.c", HEAD + 'NX_TEST("other") { nx_expect(true); }\n')
        self.write("sub/test_helper.c", "int main(void) { return 1; }\n")  # no test in it
        self.write(".hidden/b_test.c", "not C, NX_TEST\n")
        self.write("nexus_modules/p/b_test.c", "not C, NX_TEST\n")
        self.source('#include "./mylib.h"\nNX_TEST("adds") { nx_expect_eq(add(1, 2), 3); }\nNX_TEST("more") { nx_expect_eq(add(-1, 1), 0u); }\n')
        for compiler in COMPILERS:
            with self.subTest(compiler=compiler):
                out = self.run_tests(f"--compiler={compiler}")
                self.assertIn("✓ a_test.c  2 tests", out)
                self.assertIn("✓ sub/test_other.c  1 test ", out)
                self.assertIn("3 passed in", out)

    def test_failures_show_place_expressions_and_values(self):
        self.source(r'''
NX_TEST("values") {
    int n = 3;
    const char *s = NULL;
    nx_expect_eq(n, 4);
    nx_expect_eq((size_t)3, -1);
    nx_expect_eq("hello wörld", "hello wörlt");
    nx_expect_eq("a\nb\nc\n", "a\nx\nc\n");
    nx_expect_eq(nx_slice("\1\2\3", 3), nx_slice("\1\5\3", 3));
    nx_expect_eq(s, "text");
    nx_expect_near(1.0, 2.0, 0.5);
    nx_expect_contains("hello", "world");
    nx_expect_ok(nx_fail(NX_ENOENT, "no file \"x\""));
    nx_expect_err(NX_EINVAL, nx_fail(NX_ENOENT, "no file"));
    nx_expect_lt(2, 1);
    nx_expect_ne(EOF, EOF);
    nx_expect_eq(&n, NULL);
    nx_test_fail("in words: %d", 7);
}
''')
        for compiler in COMPILERS:
            with self.subTest(compiler=compiler):
                out = self.run_tests(f"--compiler={compiler}", code=1)
                for text in ("a_test.c:9: expected n == 4", "found:  3", ">    9 |     nx_expect_eq(n, 4);", "expected (size_t)3 == -1",
                             'wanted: "hello wörlt"', "^ byte 11", "- b", "+ x", "the first difference is at byte 1", "[02]", "[05]",
                             "found:  NULL", "apart:  1, more than 0.5", 'to contain "world"', 'NX_ENOENT: no file "x"',
                             "to fail with NX_EINVAL", "expected 2 < 1", "expected EOF != EOF", "expected &n == NULL", "in words: 7"):
                    self.assertIn(text, out)

    def test_hard_failures_end_the_test_from_nested_functions(self):
        self.source('''
static void undo(void *text) { puts(text); }
static void nested(void) { nx_require_eq(1, 2); puts("wrong"); }
NX_TEST("hard") { nx_require_ok(nx_defer(undo, "deferred")); nested(); puts("wrong"); }
static nx_err fiber(void *arg) { (void)arg; nx_require(false); return NX_OK; }
NX_TEST("in a fiber") { nx_fiber *f; nx_require_ok(nx_spawn(&f, fiber, NULL)); nx_require_ok(nx_sleep(NX_S(100))); puts("wrong"); }
NX_TEST("unjoined") { nx_require_ok(nx_spawn(NULL, fiber, NULL)); }
static nx_err fails(void *arg) { (void)arg; return nx_fail(NX_EINVAL, "bad thing"); }
NX_TEST("fiber with an error") { nx_require_ok(nx_spawn(NULL, fails, NULL)); }
NX_TEST("after") { nx_expect(true); }
''')
        out = self.run_tests(code=1)
        self.assertIn("deferred", out)
        self.assertNotIn("wrong", out.replace('puts("wrong")', ""))
        self.assertIn("a fiber of the test has failed: bad thing", out)
        self.assertIn("1 passed, 4 failed", out)

    def test_crashes_and_exits_are_their_own(self):
        self.source('''
NX_TEST("crashes") { int *volatile p = NULL; puts("last words"); *p = 1; }
NX_TEST("aborts") { abort(); }
NX_TEST("exits") { exit(0); }
NX_TEST("passes") { puts("never shown"); }
''')
        out = self.run_tests("--compiler=gcc", code=1)
        self.assertIn("1 passed, 3 failed", out)
        self.assertIn("crashed: Segmentation fault", out)
        self.assertRegex(out, r"nx_test_body_0 +\S*a_test.c:6")
        self.assertIn("last words", out)
        self.assertIn("exit code 0 in the middle of it", out)
        self.assertNotIn("never shown", out)

    def test_deadlines(self):
        self.source('''
NX_TEST("spins", .deadline = NX_MS(100)) { nx_expect(true); for (volatile int i = 0;; i++) {} }
NX_TEST("waits", .deadline = NX_MS(100)) { nx_expect_err(NX_ECANCELED, nx_sleep(NX_S(100))); }
static nx_err forever(void *arg) { (void)arg; return nx_sleep(NX_S(100)); }
NX_TEST("leaves a fiber", .deadline = NX_MS(100)) { nx_require_ok(nx_spawn(NULL, forever, NULL, .name = "sleeper")); }
NX_TEST("blocks", .deadline = NX_MS(100)) { for (;;) (void)getchar(); }
NX_TEST("has time") { nx_expect_ok(nx_sleep(NX_MS(300))); }
''')
        started = time.time()
        out = self.run_tests(code=1)
        self.assertLess(time.time() - started, 90)
        self.assertIn("1 passed, 4 failed", out)
        self.assertRegex(out, r"✗ spins .*\n +it has not given way")
        self.assertRegex(out, r"nx_test_\w+ +\S*a_test.c:6")  # where it was
        self.assertIn("the deadline of 0.1 s has passed", out)
        self.assertIn('still running: "sleeper"', out)
        out = self.run_tests("--filter=has time", "--deadline=0.1", code=1)
        self.assertIn("the deadline of 0.1 s has passed", out)

    def test_fixtures_subtests_and_skips(self):
        self.source('''
typedef struct fixture { int n; char *text; } fixture;
static nx_err setup(fixture *f) { f->text = nx_format("text %d", ++f->n); return NX_OK; }
static void teardown(fixture *f) { printf("teardown of %s\\n", f->text); }
NX_FIXTURE(fixture, setup, teardown);
NX_TEST_WITH(fixture, f, "one") { nx_expect_eq(f->n, 1); f->n = 7; }
NX_TEST_WITH(fixture, f, "two") { nx_expect_eq(f->text, "text 1"); nx_require_eq(f->n, 2); }
typedef struct broken { int n; } broken;
static nx_err broken_setup(broken *f) { (void)f; return nx_fail(NX_EIO, "no database"); }
static void broken_teardown(broken *f) { (void)f; puts("wrong"); }
NX_FIXTURE(broken, broken_setup, broken_teardown);
NX_TEST_WITH(broken, b, "broken") { (void)b; puts("wrong"); }
static void helper(int i) { nx_subtest("inner %d", i) { if (i == 2) return; nx_expect_ne(i, 3); } }
NX_TEST("table") {
    volatile int ran = 0;
    for (int i = 0; i < 6; i++)
        nx_subtest("row %d", i) {
            ran++;
            if (i == 0) nx_skip("no zero");
            if (i == 1) nx_require(i == 0);
            if (i == 4) break;
            if (i == 5) continue;
            helper(i);
        }
    nx_expect_eq(ran, 6);
    printf("name: %s\\n", nx_test_name());
}
NX_TEST("skipped") { nx_skip("for %s", "a reason"); }
NX_TEST("returns") { nx_subtest("a") nx_subtest("b") { return; } }
''')
        for compiler in COMPILERS:
            with self.subTest(compiler=compiler):
                out = self.run_tests(f"--compiler={compiler}", code=1)
                self.assertIn("2 passed, 3 failed, 1 skipped", out)
                self.assertIn("teardown of text 1", out)
                self.assertIn("the setup failed: no database", out)
                self.assertNotIn("wrong", out.replace('puts("wrong")', ""))
                self.assertIn("table/row 0  skipped: no zero", out)
                self.assertIn("in table/row 1", out)
                self.assertIn("in table/row 3/inner 3", out)
                self.assertNotIn("expected ran == 6", out)
                self.assertIn("name: table\n", out)
                self.assertIn("skipped: for a reason", out)

    def test_authority(self):
        self.write("nexus.toml", "")
        self.write("data.txt", "project")
        self.write("sub/a_test.c", HEAD + '''
static nx_err serve(void *server) { return nx_http_listen(server); }
NX_TEST("files") {
    nx_bytes b;
    const char *path = nx_format("%s/x", nx_test_dir());
    nx_expect_eq(nx_test_dir(), nx_test_dir());
    nx_require_ok(nx_fs_write_file(path, nx_str("mine")));
    nx_require_ok(nx_fs_read_file(path, &b));
    nx_expect_eq(b, "mine");
    nx_require_ok(nx_fs_read_file("data.txt", &b)); /* the project's folder is the current one */
    nx_expect_eq(b, "project");
    nx_expect_err(NX_EPERM, nx_fs_write_file("data.txt", nx_str("x")));
    nx_expect_err(NX_EPERM, nx_fs_read_file("/etc/passwd", &b));
}
NX_TEST("network") {
    nx_http_server *s = nx_http_server_new(.port = NX_HTTP_ANY_PORT);
    nx_fiber *f;
    nx_require_ok(nx_spawn(&f, serve, s));
    nx_require_ok(nx_sleep(NX_MS(20)));
    nx_http_stop(s);
    nx_expect_ok(nx_join(f));
    nx_http_server_free(s);
}
''')
        self.assertIn("2 passed", self.run_tests())
        self.assertIn("2 passed", self.run_tests(cwd=os.path.join(self.dir, "sub")))
        out = self.run_tests("--deny-net=127.0.0.1", code=1)
        self.assertIn("1 passed, 1 failed", out)
        self.assertIn("denied by --deny-net", out)

    def test_the_kernel_holds_them(self):
        """C code that calls the system by itself, too; a test has its folder to do in what it likes."""
        with tempfile.TemporaryDirectory() as other:
            with open(os.path.join(other, "secret"), "w") as f:
                f.write("secret")
            self.source('#define OTHER "' + other + '''"
#include <nexus/worker.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
NX_TEST("outside") {
    nx_expect_eq(open(OTHER "/secret", O_RDONLY), -1);
    nx_expect_eq(open(OTHER "/made", O_WRONLY | O_CREAT, 0600), -1);
    nx_expect_eq(open("made", O_WRONLY | O_CREAT, 0600), -1);
    nx_expect_eq(chmod(OTHER "/secret", 0777), -1);
    nx_expect_eq(chmod("data.txt", 0777), -1);
    nx_expect_eq(socket(AF_PACKET, SOCK_RAW, 0), -1);
    nx_expect_eq(execl("/bin/true", "true", (char *)0), -1);
}
NX_TEST("inside") {
    nx_expect_eq(chdir(nx_test_dir()), 0);
    int fd = open("made", O_RDWR | O_CREAT, 0600);
    nx_expect_ne(fd, -1);
    nx_expect_eq(fchmod(fd, 0644), 0);
    nx_expect_eq(chmod("made", 0600), 0);
    nx_expect_ne(socket(AF_INET, SOCK_STREAM, 0), -1);
}
static nx_err in_worker(nx_port *port)
{
    (void)port;
    return open(OTHER "/secret", O_RDONLY) == -1 && errno == EACCES ? NX_OK : NX_EFAILED;
}
NX_TEST("worker") {
    nx_fiber *worker;
    nx_require_ok(nx_process_worker_start(&worker, NULL, in_worker));
    nx_expect_ok(nx_join(worker));
}
''')
            self.assertIn("3 passed", self.run_tests())
            self.assertIn("1 failed", self.run_tests("--filter=outside", f"--allow-read={other}", code=1))

    def test_grants_of_the_project(self):
        self.source('''
NX_TEST("variable") { nx_expect_eq(getenv("SECRET"), "s3cret"); }
''')
        self.env["SECRET"] = "s3cret"
        self.run_tests(code=1)
        for toml, flags, code in (('[permissions]\nenv = ["SECRET"]\n', (), 0), ('[permissions]\nenv = ["SECRET"]\n', ("--permissions=none",), 1),
                                  ('[permissions.ci]\nenv = true\n', (), 1), ('[permissions.ci]\nenv = true\n', ("--permissions=ci",), 0),
                                  ('[permissions]\nenv = ["SECRET"]\n', ("--deny-env=SECRET",), 1), ("[permissions]\nenvs = true\n", (), 4),
                                  ("", ("--permissions=strict",), 2), ("", ("--permissions=ci",), 2)):
            with self.subTest(toml=toml, flags=flags):
                with open(os.path.join(self.dir, "nexus.toml"), "w") as f:
                    f.write(toml)
                self.run_tests(*flags, code=code)

    def test_http_without_a_port(self):
        self.source('''
static nx_err echo(nx_request *req, nx_response *res)
{
    nx_bytes body;
    NX_TRY(nx_request_body(req, &body));
    nx_response_header(res, "x-type", nx_copy(nx_request_header(req, "content-type")));
    return nx_response_send_bytes(res, body);
}
static nx_err pieces(nx_request *req, nx_response *res)
{
    (void)req;
    for (int i = 0; i < 3; i++) {
        NX_TRY(nx_sleep(NX_MS(2)));
        NX_TRY(nx_response_write(res, nx_str(i == 1 ? "0\\r\\n\\r\\n" : "piece")));
    }
    return NX_OK;
}
static nx_err demands(nx_request *req, nx_response *res) { nx_expect_eq(nx_request_query(req), "a=1"); nx_require(false); return nx_response_send(res, ""); }
static nx_http_server *server(void)
{
    nx_http_server *s = nx_http_server_new();
    nx_http_route(s, "*", "/echo", echo);
    nx_http_route(s, "GET", "/pieces", pieces);
    nx_http_route(s, "GET", "/demands", demands);
    return s;
}
NX_TEST("answers") {
    nx_http_server *s = server();
    nx_test_answer a;
    nx_require_ok(nx_test_request(s, &a, .path = "/echo", .body = "text", .headers = nx_headers("content-type", "a/b", "x", "y")));
    nx_expect_eq(a.status, 200);
    nx_expect_eq(a.reason, "OK");
    nx_expect_eq(a.body, "text");
    nx_expect_eq(nx_test_answer_header(&a, "X-Type"), "a/b");
    nx_expect_eq(nx_test_answer_header(&a, "none").data, NULL);
    nx_require_ok(nx_test_request(s, &a, .path = "/echo", .json = nx_obj("n", 1)));
    nx_expect_eq(a.body, "{\\"n\\":1}");
    nx_expect_eq(nx_test_answer_header(&a, "x-type"), "application/json");
    nx_require_ok(nx_test_request(s, &a, .path = "/pieces"));
    nx_expect_eq(a.body, "piece0\\r\\n\\r\\npiece");
    nx_require_ok(nx_test_request(s, &a, .method = "HEAD", .path = "/pieces"));
    nx_expect_eq(a.body.len, 0);
    nx_require_ok(nx_test_request(s, &a, .path = "/none"));
    nx_expect_eq(a.status, 404);
    char *big = nx_alloc(900000);
    memset(big, 'x', 900000);
    nx_require_ok(nx_test_request(s, &a, .path = "/echo", .bytes = nx_slice(big, 900000)));
    nx_expect_eq(a.body.len, 900000);
    nx_require_ok(nx_test_request(s, &a, .path = "/echo", .bytes = nx_slice(big, 900000), .headers = nx_headers("content-length", "1")));
    nx_expect_eq(a.status, 400);
    nx_expect_err(NX_EINVAL, nx_test_request(s, &a, .path = "/\\r\\nx"));
    nx_http_stats stats = {0};
    nx_http_stats_get(s, &stats);
    nx_expect_eq(stats.connections, 0);
    nx_http_server_free(s);
}
NX_TEST("mistakes come out") {
    nx_http_server *s = nx_http_server_new();
    nx_http_route(s, "GET", "no slash", echo);
    nx_test_answer a;
    nx_expect_err(NX_EINVAL, nx_test_request(s, &a, .path = "/"));
    nx_http_server_free(s);
}
NX_TEST("a check in a handler") {
    nx_http_server *s = server();
    nx_test_answer a;
    NX_IGNORE(nx_test_request(s, &a, .path = "/demands?a=1"));
    puts("wrong");
}
''')
        out = self.run_tests(code=1)
        self.assertIn("2 passed, 1 failed", out)
        self.assertIn("expected false", out)
        self.assertNotIn("expected nx_request_query", out)
        self.assertNotIn("wrong", out.replace('puts("wrong")', ""))

    def test_imports_at_run_time(self):
        self.write("lib.c", "int seven(void) { return 7; }\n")
        self.source('NX_TEST("imports") { nx_module *m; int (*f)(void); nx_require_ok(nx_import(&m, "./lib.c"));'
                       ' nx_require_ok(nx_module_symbol(m, "seven", &f)); nx_expect_eq(f(), 7); }')
        self.run_tests()

    def test_a_child_that_is_left_is_ended(self):
        self.source('#include <unistd.h>\nNX_TEST("forks") { pid_t pid = fork(); if (pid == 0) { for (;;) pause(); } printf("child %d\\n", pid); nx_expect(false); }\n')
        pid = re.search(r"child (\d+)", self.run_tests(code=1))[1]
        end = time.time() + 60
        while time.time() < end:
            try:
                with open(f"/proc/{pid}/stat") as f:
                    if f.read().rsplit(")", 1)[1].split()[0] in "ZX":
                        return
            except FileNotFoundError:
                return
            time.sleep(0.02)
        self.fail("it still runs")

    def test_checks_in_a_process_that_the_test_forks_are_the_tests(self):
        self.source(
            "#include <sys/wait.h>\n#include <unistd.h>\n"
            'NX_TEST("forks") { int status = 0; pid_t pid = fork();\n'
            'if (pid == 0) { nx_expect_eq(1, 2); nx_require(pid != 0); puts("went on"); _exit(0); }\n'
            "nx_expect_eq(waitpid(pid, &status, 0), pid); nx_expect_eq(WEXITSTATUS(status), 1); }\n"
        )
        out = self.run_tests(code=1)
        self.assertIn("expected 1 == 2", out)
        self.assertIn("expected pid != 0", out)
        self.assertEqual(out.count("a_test.c:8: expected"), 2, out)
        self.assertNotIn("went on\n", out)
        self.assertNotIn("exit code", out)

    def test_endless_output_is_cut(self):
        self.source('NX_TEST("talks") { for (int i = 0; i < 200000; i++) printf("line %d\\n", i); nx_expect(false); }')
        out = self.run_tests(code=1)
        self.assertIn("line 0\n", out)
        self.assertIn("line 199999\n", out)
        self.assertRegex(out, r"\.\.\. \d+ bytes are not shown")
        self.assertLess(len(out), 1 << 20)

    def test_control_characters_do_not_reach_the_terminal(self):
        self.source('NX_TEST("a\\033[2Jb") { puts("\\033]0;title\\007"); nx_expect_eq("\\033", "x"); nx_test_fail("\\033[1m"); }')
        self.run_tests(code=1)


class Choosing(Project):
    def setUp(self):
        super().setUp()
        self.source('NX_TEST("adds (1)") { }\nNX_TEST("adds 2") { }\nNX_TEST("takes") { }\nNX_BENCH("hash") { while (nx_bench_loop(b)) { } }\n')
        self.source('NX_TEST("other") { nx_expect(false); }\n', "b_test.c")

    def test_filter_and_list(self):
        self.assertIn("1 passed", self.run_tests("--filter=adds (1)"))  # as text, though it is an expression too
        self.assertIn("2 passed", self.run_tests("--filter=^adds"))
        self.assertIn("1 passed", self.run_tests("a_test.c", "--filter=takes"))
        self.assertEqual(self.run_tests("--list").splitlines(),
                         ["a_test.c:5: adds (1)", "a_test.c:6: adds 2", "a_test.c:7: takes", "b_test.c:5: other"])
        self.assertEqual(self.run_tests("--list", "--bench").splitlines(), ["a_test.c:8: hash"])
        self.assertIn("no test matches", self.run_tests("--filter=nothing", code=8))
        self.assertIn("no such file", self.run_tests("c_test.c", code=8))

    def test_order_and_repetition(self):
        def order(*flags):
            out = self.run_tests("a_test.c", "--tap", "--parallel=1", *flags)
            return re.findall(r"^ok \d+ - a_test.c: (.*)$", out, re.M)
        self.assertEqual(order(), ["adds (1)", "adds 2", "takes"])
        self.assertEqual(len(order("--repeat=20")), 60)
        self.assertEqual(order("--repeat=5", "--shuffle=7"), order("--repeat=5", "--shuffle=7"))
        self.assertNotEqual(order("--repeat=5", "--shuffle=7"), order("--repeat=5", "--shuffle=8"))
        self.assertRegex(self.run_tests("a_test.c", "--shuffle"), r"the order was --shuffle=\d+")

    def test_bail(self):
        self.source('NX_TEST("first") { nx_expect(false); }\n' + "".join(f'NX_TEST("t{i}") {{ }}\n' for i in range(50)), "0_test.c")
        self.assertRegex(self.run_tests("--bail", "--parallel=1", code=1), r"0 passed, 1 failed, \d+ not run")

    def test_usage(self):
        for flags, text in ((["--filtr=x"], "did you mean --filter?"), (["--parallel=0"], "--parallel needs a number"),
                            (["--junit"], "--junit needs a value"), (["--bail=1"], "--bail takes no value"),
                            (["--baseline=x"], "--bench"), (["--asan", "--coverage"], "does not go with")):
            with self.subTest(flags=flags):
                self.assertIn(text, self.run_tests(*flags, code=2))
        self.assertIn("--junit=FILE", self.run_tests("--help"))

    def test_a_file_that_does_not_compile(self):
        self.source("NX_TEST(\"x\") { this is no C; }\n", "bad_test.c")
        out = self.run_tests("a_test.c", "bad_test.c", code=18)
        self.assertIn("✗ bad_test.c  does not compile", out)
        self.assertIn("bad_test.c:5:", out)
        self.assertIn("3 passed, 1 file could not be run", out)
        self.run_tests("b_test.c", "bad_test.c", code=1)

    def test_a_file_that_does_not_load(self):
        self.source("int nowhere(void);\nNX_TEST(\"x\") { nx_expect_eq(nowhere(), 1); }\n", "bad_test.c")
        self.assertIn("undefined reference to 'nowhere'", self.run_tests("bad_test.c", code=18))

    def test_interrupt(self):
        self.source('NX_TEST("long", .deadline = NX_FOREVER) { nx_test_dir(); NX_IGNORE(nx_sleep(NX_S(1000))); }\n', "c_test.c")
        p = subprocess.Popen([NEXUS, "test", "c_test.c"], cwd=self.dir, env=self.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        end = time.time() + 60
        while not any(os.listdir(os.path.join(self.tmp, d)) for d in os.listdir(self.tmp)) and time.time() < end:
            time.sleep(0.02)
        p.send_signal(signal.SIGINT)
        out, _ = p.communicate(timeout=60)
        self.assertEqual(p.returncode, 130, out)
        self.assertIn("1 not run", out)
        self.assertEqual(os.listdir(self.tmp), [])


class Formats(Project):
    def setUp(self):
        super().setUp()
        self.source('''
NX_TEST("passes") { }
NX_TEST("fails <&> \\"x\\" # hash") { puts("out\\001put"); nx_expect_eq("a<b", "a>b"); nx_subtest("sub") { nx_expect(false); } }
NX_TEST("skipped") { nx_skip("why # not"); }
NX_TEST("crashes") { abort(); }
''')
        self.source("NX_TEST(\"x\") { no C }\n", "bad_test.c")

    def test_junit(self):
        self.run_tests("--junit=out.xml", code=1)
        root = ElementTree.parse(os.path.join(self.dir, "out.xml")).getroot()
        self.assertEqual(root.tag, "testsuites")
        counts = {k: int(root.get(k)) for k in ("tests", "failures", "errors", "skipped")}
        self.assertEqual(counts, {"tests": 5, "failures": 2, "errors": 1, "skipped": 1})
        for suite in root:
            self.assertEqual(int(suite.get("tests")), len(suite.findall("testcase")))
            self.assertEqual(int(suite.get("failures")), len(suite.findall("testcase/failure")))
            self.assertEqual(int(suite.get("errors")), len(suite.findall("testcase/error")))
            self.assertEqual(int(suite.get("skipped")), len(suite.findall("testcase/skipped")))
        cases = {c.get("name"): c for c in root.iter("testcase")}
        failed = cases['fails <&> "x" # hash']
        self.assertEqual((failed.get("file"), failed.get("line"), failed.get("classname")), ("a_test.c", "7", "a_test.c"))
        self.assertIn('"a>b"', failed.find("failure").text)
        self.assertIn("sub: a_test.c:7: expected false", failed.find("failure").text)
        self.assertEqual(failed.find("system-out").text.strip(), "out?put")
        self.assertEqual(cases["skipped"].find("skipped").get("message"), "why # not")
        self.assertEqual(cases["crashes"].find("failure").get("type"), "crash")
        self.assertGreaterEqual(float(cases["passes"].get("time")), 0)

    def test_tap(self):
        lines = self.run_tests("--tap", code=1).splitlines()
        self.assertEqual(lines[0], "TAP version 14")
        plan = re.fullmatch(r"1\.\.(\d+)", lines[1])
        points, block = [], None
        for line in lines[2:]:
            if block is not None:  # the YAML of a result: indented by two, from --- to ...
                self.assertTrue(line.startswith("  "), line)
                block = None if line == "  ..." else block + [line]
            elif line == "  ---":
                block = []
            else:
                point = re.fullmatch(r"(not )?ok (\d+) - ((?:[^#\\]|\\.)*?)(?: # SKIP (.*))?", line)
                self.assertIsNotNone(point, line)
                points.append(point)
        self.assertIsNone(block)
        self.assertEqual([int(p[2]) for p in points], list(range(1, int(plan[1]) + 1)))
        by_name = {p[3]: p for p in points}
        self.assertIsNone(by_name["a_test.c: passes"][1])
        self.assertEqual(by_name["a_test.c: skipped"][4], "why \\# not")
        self.assertEqual(by_name['a_test.c: fails <&> "x" \\# hash'][1], "not ")
        self.assertEqual(by_name["bad_test.c"][1], "not ")

    def test_a_report_that_can_not_be_written(self):
        self.assertIn("cannot write", self.run_tests("--junit=/none/x.xml", code=8))


class Tools(Project):
    def test_asan(self):
        self.source('''
NX_TEST("heap") { char *volatile p = malloc(4); p[4] = 1; free(p); }
NX_TEST("leak") { for (int i = 0; i < 30; i++) { char *volatile p = malloc(40); p[0] = 1; p = NULL; } }
NX_TEST("undefined") { volatile int n = 2147483647; n = n + 1; }
static nx_err over(void *arg) { char a[8]; volatile int i = 9; (void)arg; memset(a, 1, (size_t)i); return a[0] ? NX_OK : NX_EFAILED; }
NX_TEST("stack of a fiber") { nx_fiber *f; nx_require_ok(nx_spawn(&f, over, NULL)); nx_expect_ok(nx_join(f)); }
static nx_err clean(void *arg) { char a[64]; (void)arg; memset(a, 1, sizeof a); NX_TRY(nx_sleep(1)); return a[9] == 1 ? NX_OK : NX_EFAILED; }
NX_TEST("clean") { free(malloc(4)); for (int i = 0; i < 50; i++) nx_require_ok(nx_spawn(NULL, clean, NULL)); }
NX_TEST("subtests") { for (int i = 0; i < 3; i++) nx_subtest("%d", i) { char a[64]; memset(a, 1, sizeof a); if (i == 1) nx_skip("one"); } }
''')
        for compiler in COMPILERS:
            if compiler == "tcc":
                self.assertIn("needs gcc or clang", self.run_tests("--asan", "--compiler=tcc", code=19))
                continue
            with self.subTest(compiler=compiler):
                out = self.run_tests("--asan", f"--compiler={compiler}", code=1)
                self.assertIn("2 passed, 4 failed", out)
                for text in ("heap-buffer-overflow", "detected memory leaks", "signed integer overflow", "stack-buffer-overflow", "a_test.c:6"):
                    self.assertIn(text, out)

    def test_coverage(self):
        self.write("lib.h", "int sign(int n);\n")
        self.write("lib.c", '#include "./lib.h"\nint sign(int n)\n{\n    if (n < 0)\n        return -1;\n    return n > 0;\n}\n')
        self.source('#include "./lib.h"\nNX_TEST("one") { nx_expect_eq(sign(3), 1); }\nNX_TEST("two") { nx_expect_eq(sign(0), 0); }\n')
        for compiler in COMPILERS:
            if compiler == "tcc" or (compiler == "clang" and not shutil.which("llvm-cov")):
                continue
            for _ in range(2):  # from the cache too
                with self.subTest(compiler=compiler):
                    out = self.run_tests("--coverage", f"--compiler={compiler}")
                    self.assertRegex(out, r"lib\.c +\d+\.\d %  .*not run: 5")
                    with open(os.path.join(self.dir, "lcov.info")) as f:
                        records = f.read().split("end_of_record\n")
                    self.assertEqual(len(records), 2, "lib.c alone: no test, no system header")
                    record = dict(re.findall(r"^(SF|LF|LH):(.*)$", records[0], re.M))
                    lines = dict(re.findall(r"^DA:(\d+),(\d+)$", records[0], re.M))
                    self.assertEqual(os.path.realpath(record["SF"]), os.path.realpath(os.path.join(self.dir, "lib.c")))
                    self.assertEqual((lines["5"], lines["6"], lines["4"]), ("0", "2", "2"))
                    self.assertEqual(int(record["LF"]), len(lines))
                    self.assertEqual(int(record["LH"]), sum(n != "0" for n in lines.values()))

    def test_bench(self):
        self.source('''
#include <time.h>
NX_BENCH("pause") { struct timespec t = {0, 200000}; nx_bench_bytes(b, 1000); while (nx_bench_loop(b)) nanosleep(&t, NULL); }
NX_TEST("not run") { nx_expect(false); }
''')
        out = self.run_tests("--bench", "--save-baseline=b.tsv")
        row = re.search(r"pause +([\d.]+) us .* MB/s", out)
        self.assertIsNotNone(row, out)
        self.assertGreater(float(row[1]), 200)
        self.assertRegex(self.run_tests("--bench", "--baseline=b.tsv"), r"pause .* [+-][\d.]+ %, (within the noise|slower|faster)")
        with open(os.path.join(self.dir, "b.tsv")) as f:
            name = f.read().splitlines()[1].split("\t")
        self.assertEqual(name[:2], ["a_test.c", "pause"])
        self.write("b.tsv", "a_test.c\tpause\t1000\t1\n")
        self.assertIn("1 slower than the baseline", self.run_tests("--bench", "--baseline=b.tsv", "--slower=10", code=1))
        self.assertIn("--save-baseline=none.tsv makes it", self.run_tests("--bench", "--baseline=none.tsv", code=8))
        self.source('NX_BENCH("no loop") { (void)b; }\n')
        self.assertIn("a benchmark has a loop", self.run_tests("--bench", code=1))

    def test_watch(self):
        self.write("lib.h", "int n(void);\n")
        self.write("lib.c", '#include "./lib.h"\nint n(void) { return 1; }\n')
        self.source('#include "./lib.h"\nNX_TEST("n") { nx_expect_eq(n(), 2); }\n')
        self.source('NX_TEST("other") { }\n', "b_test.c")
        p = subprocess.Popen([NEXUS, "test", "--watch"], cwd=self.dir, env=self.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.addCleanup(p.stdout.close)
        self.addCleanup(p.kill)

        def run():
            lines = []
            for line in p.stdout:
                lines.append(line)
                if line == "waiting for a change\n":
                    return "".join(lines)
            self.fail("".join(lines))
        self.assertIn("1 passed, 1 failed", run())
        self.write("lib.c", '#include "./lib.h"\nint n(void) { return 2; }\n')
        out = run()
        self.assertIn("1 passed in", out)
        self.assertNotIn("b_test.c", out)
        self.source('NX_TEST("new") { }\n', "c_test.c")
        self.assertIn("c_test.c", run())
        self.write("lib.c", "no C")
        self.assertIn("does not compile", run())
        self.write("lib.c", '#include "./lib.h"\nint n(void) { return 2; }\n')
        self.assertIn("1 passed in", run())
        p.send_signal(signal.SIGINT)
        p.communicate(timeout=60)
        self.assertEqual(os.listdir(self.tmp), [])


if __name__ == "__main__":
    unittest.main()
