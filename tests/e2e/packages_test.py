"""What packages may do, by [permissions.packages.NAME] of nexus.toml: in a process of their own, held by the kernel; as WebAssembly, by the engine."""
import os
import shutil
import socket
import subprocess
import tempfile
import unittest

from support import NEXUS

# Asks the system by itself, as code of a package could.
APP = r"""
#define _GNU_SOURCE 1
#include <nexus.h>
#include <nexus/module.h>
#include <nexus/worker.h>
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void say(const char *what, int failed)
{
    printf("%s: %s\n", what, failed ? strerrorname_np(errno) : "in");
}

static void all(const char *who)
{
    const char *files[] = {"public/a", "private/a"};
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(PORT), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    nx_bytes bytes;
    for (int i = 0; i < 2; i++) {
        say(nx_format("%s read %s", who, files[i]), open(files[i], O_RDONLY) < 0);
        printf("%s api %s: %s\n", who, files[i], nx_err_name(nx_fs_read_file(files[i], &bytes)));
        say(nx_format("%s mode %s", who, files[i]), chmod(files[i], 0644));
    }
    say(nx_format("%s connect", who), connect(socket(AF_INET, SOCK_STREAM, 0), (struct sockaddr *)&to, sizeof to));
    printf("%s SECRET: %s, SIZE: %s\n", who, getenv("SECRET") ? "there" : "none", getenv("SIZE") ? "there" : "none");
    fflush(stdout);
}

static nx_err nested(nx_port *port)
{
    (void)port;
    all("nested");
    return NX_OK;
}

static nx_err start(nx_port_fn fn, const char *package)
{
    nx_fiber *worker;
    NX_TRY(nx_process_worker_start(&worker, NULL, fn, .package = package));
    return nx_join(worker);
}

static nx_err inside(nx_port *port)
{
    (void)port;
    all("worker");
    NX_TRY(start(nested, NULL));
    printf("other: %s\n", nx_err_name(start(nested, "other")));
    fflush(stdout);
    return NX_OK;
}

static nx_err doubles(nx_port *port)
{
    (void)port;
    nx_module *m;
    int (*twice)(int);
    NX_TRY(nx_import(&m, "thumb"));
    NX_TRY(nx_symbol(m, "twice", &twice));
    printf("twice: %d\n", twice(21));
    fflush(stdout);
    return NX_OK;
}

int main(int argc, char **argv)
{
    nx_module *m;
    if (argc > 1) {
        nx_err err = nx_import(&m, "thumb");
        printf("import: %s\n", err ? nx_error_last()->message : "done");
        fflush(stdout);
        return start(doubles, "thumb");
    }
    all("main");
    NX_TRY(start(inside, "thumb"));
    nx_err err = start(inside, "unknown");
    printf("unknown: %s\n", err ? nx_error_last()->message : "started");
    return NX_OK;
}
"""

TOML = """[permissions]
read = ["public", "private"]
write = ["public", "private"]
connect = ["127.0.0.1"]
env = ["SECRET", "SIZE"]

[permissions.packages.thumb]
read = ["./public", "/etc"]
write = ["public"]
env = ["SIZE", "HOME"]

[permissions.packages.other]
read = true
"""

GUEST = r"""(module
  (import "wasi_snapshot_preview1" "path_open" (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 16) "a")
  (func (export "try") (param $fd i32) (result i32)
    (call $open (local.get $fd) (i32.const 0) (i32.const 16) (i32.const 1) (i32.const 0) (i64.const 2) (i64.const 0) (i32.const 0) (i32.const 0))))
"""

WASM = r"""
#include <nexus.h>
#include <nexus/wasm.h>
#include <stdio.h>
static void load(const char *module, const char *folder, const char *const *env)
{
    nx_wasm *wasm;
    int32_t result = -1;
    nx_wasm_dir dirs[] = {{.path = folder, .guest = "."}, {.path = NULL}};
    nx_err err = nx_wasm_open(&wasm, module, .wasi = true, .policy.allow_fs = dirs, .policy.env = env);
    if (!err) err = nx_wasm_call(wasm, "try", &result, 3);
    if (err) printf("%s %s: %s\n", module, folder, nx_error_last()->message);
    else printf("%s %s: %d\n", module, folder, result);
    if (!err) nx_wasm_close(wasm);
}
int main(void)
{
    load("guest/index.wat", "public", NULL);
    load("guest/index.wat", "private", NULL);
    load("guest/index.wat", "public", (const char *const[]){"SIZE=1", NULL});
    load("guest/index.wat", "public", (const char *const[]){"SECRET=1", NULL});
    load("./nexus_modules/guest/index.wat", "private", NULL);
    load("./own.wat", "private", NULL);
    return 0;
}
"""


class Packages(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.dir = os.path.realpath(folder.name)
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.addCleanup(self.listener.close)
        port = self.listener.getsockname()[1]
        for name, text in (("app.c", f"#define PORT {port}\n{APP}"), ("nexus.toml", TOML), ("public/a", "a"), ("private/a", "a"),
                           ("nexus_modules/thumb/index.c", "#include \"./thumb.h\"\nint twice(int n) { return 2 * n; }\n"),
                           ("nexus_modules/thumb/thumb.c", "#include \"./thumb.h\"\nint twice(int n) { return 2 * n; }\n"),
                           ("nexus_modules/thumb/thumb.h", "int twice(int n);\n"), ("nexus_modules/other/index.c", "int other;\n")):
            self.write(name, text)

    def write(self, name, text):
        path = os.path.join(self.dir, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as f:
            f.write(text)

    def run_app(self, *args, flags=(), code=0):
        run = subprocess.run([NEXUS, "run", "--no-prompt", "--watchdog=0", *flags, "app.c", *args], cwd=self.dir, env={**os.environ, "SECRET": "s", "SIZE": "1"},
                             stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
        self.assertEqual(run.returncode, code, run.stdout + run.stderr)
        return run.stdout if code == 0 else run.stderr

    def test_a_worker_has_what_its_package_may(self):
        said = self.run_app().splitlines()
        main = ["main read public/a: in", "main api public/a: NX_OK", "main mode public/a: in", "main read private/a: in", "main api private/a: NX_OK",
                "main mode private/a: in", "main connect: in", "main SECRET: there, SIZE: there"]
        worker = ["worker read public/a: in", "worker api public/a: NX_OK", "worker mode public/a: in", "worker read private/a: EACCES",
                  "worker api private/a: NX_EPERM", "worker mode private/a: EPERM", "worker connect: EBADF", "worker SECRET: none, SIZE: there"]
        self.assertEqual(said, [*main, *worker, *(line.replace("worker", "nested") for line in worker), "other: NX_EPERM",
                                'unknown: cannot start worker "worker": nexus.toml has no [permissions.packages.unknown]'])

    def test_it_has_no_more_than_the_program(self):
        """What the table names and the program may not, it may not."""
        self.write("nexus.toml", TOML.split("[permissions.packages")[0].replace('read = ["public", "private"]', 'read = ["public"]')
                   + '[permissions.packages.thumb]\nread = true\nwrite = ["."]\nconnect = ["*.example.com", ":1"]\nenv = true\n')
        said = self.run_app(flags=("--deny-env=SECRET",))
        for line in ("worker read public/a: in", "worker read private/a: EACCES", "worker mode private/a: in", "worker connect: EBADF", "worker SECRET: none, SIZE: there"):
            self.assertIn(line + "\n", said)

    def test_one_that_is_isolated(self):
        self.write("nexus.toml", TOML.replace("[permissions.packages.thumb]\n", "[permissions.packages.thumb]\nisolate = true\n"))
        self.assertEqual(self.run_app("import").splitlines(), [
            'import: the package "thumb" is isolated by nexus.toml: import it in a process worker of its own, with .package = "thumb"', "twice: 42"])
        with open(os.path.join(self.dir, "app.c")) as f:
            text = f.read()
        self.write("app.c", text.replace("static void say", "#include <thumb/thumb.h>\nint three(void);\nint three(void) { return twice(1); }\nstatic void say"))
        self.assertIn('the package "thumb" is isolated by nexus.toml, and compiled into it', self.run_app(code=7))
        self.write("a_test.c", '#include <nexus/test.h>\n#include <thumb/thumb.h>\nNX_TEST("a") { nx_expect_eq(twice(1), 2); }\n')
        run = subprocess.run([NEXUS, "test", "a_test.c"], cwd=self.dir, capture_output=True, text=True, timeout=120)
        self.assertEqual(run.returncode, 7, run.stdout)
        self.assertIn('the package "thumb" is isolated by nexus.toml, and compiled into it', run.stdout)

    def test_what_is_wrong_is_said(self):
        for text, said in (('[permissions.packages]\nthumb = 1\n', "nexus.toml:2:9: a package's permissions are a table"),
                           ('[permissions]\npackages = 1\n', "packages"), ("[permissions.packages.a]\nisolate = 1\n", "isolate is true or false"),
                           ("[permissions.packages.a]\nreads = true\n", 'has no key "reads"'), ("[permissions.packages.a]\nall = true\n", "all is granted on the command line"),
                           ("[permissions.packages.thum]\nisolate = true\n", 'there is no package "thum" in nexus_modules'),
                           ('[permissions.packages]\nlong_name=1\n[other]\nsecret="s"\n', "[permissions.packages.long_name]\n")):
            with self.subTest(text):
                self.write("nexus.toml", text)
                self.assertIn(said, self.run_app(code=4))

    @unittest.skipUnless(os.path.exists(os.path.join(os.path.dirname(os.path.abspath(NEXUS)), "../lib/libnexus-engine.so")), "this Nexus has no WebAssembly")
    def test_webassembly(self):
        self.write("nexus.toml", TOML + '[permissions.packages.guest]\nread = ["public"]\nenv = ["SIZE"]\n')
        self.write("nexus_modules/guest/nexus.toml", 'main = "index.wat"\n')
        self.write("nexus_modules/guest/index.wat", GUEST)
        self.write("own.wat", GUEST)
        self.write("app.c", WASM)
        refused = 'the package "guest" may not have "%s": [permissions.packages] of nexus.toml has no such %s for it'
        self.assertEqual(self.run_app().splitlines(), [
            "guest/index.wat public: 0", f"guest/index.wat private: {refused % ('private', 'read')}", "guest/index.wat public: 0", f"guest/index.wat public: {refused % ('SECRET', 'env')}",
            f"./nexus_modules/guest/index.wat private: {refused % ('private', 'read')}", "./own.wat private: 0"])


if __name__ == "__main__":
    unittest.main()
