#!/usr/bin/env python3
"""What the command says when something is wrong, and that it says it: NEXUS=path/to/nexus python3 tests/e2e/comfort_test.py."""
import http.client
import os
import pty
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
import unittest

from command import NEXUS, SERVER, SLOW, Base, get, sanitized, wait_for
from support import free_port, without_reports

LISTENS = r"""
#include <nexus/http.h>
#include <stdlib.h>
static nx_err root(nx_request *req, nx_response *res) { (void)req; return nx_response_send(res, "one"); }
int main(int argc, char **argv)
{
    NX_AUTO(nx_http_server) *server = nx_http_server_new(.host = "127.0.0.1", .port = (uint16_t)atoi(argc > 1 ? argv[1] : "0"));
    nx_http_route(server, "GET", "/", root);
    return nx_http_listen(server);
}
"""


class Terminal:
    """A command on a terminal of its own; `seen` is what it has written there, without colours."""

    def __init__(self, *args, cwd, env=None):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            try:
                os.chdir(cwd)
                os.execve(NEXUS, [NEXUS, *args], {**os.environ, **(env or {})})
            finally:
                os._exit(127)
        self.raw, self.code = b"", None

    def read(self, seconds):
        """Reads what comes in that time; False at the end."""
        if not select.select([self.fd], [], [], seconds)[0]:
            return True
        try:
            piece = os.read(self.fd, 4096)
        except OSError:
            piece = b""
        self.raw += piece
        return piece != b""

    @property
    def seen(self):
        return re.sub(r"\x1b\[[0-9;]*[mK]", "", self.raw.decode(errors="replace")).replace("\r\n", "\n")

    def said(self, text, seconds=60):
        end = time.monotonic() + seconds * SLOW
        while text not in self.seen:
            if not self.read(0.05) or time.monotonic() > end:
                raise AssertionError(f"{text!r} is not in {self.seen!r}")

    def end(self, keys=b"", seconds=60):
        """Types the keys and waits for the end; returns the exit code."""
        if self.code is None:
            if keys:
                os.write(self.fd, keys)
            end = time.monotonic() + seconds * SLOW
            while self.read(0.05):
                if time.monotonic() > end:
                    os.kill(self.pid, signal.SIGKILL)
            self.code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
            os.close(self.fd)
        return self.code


class Words(Base):
    def terminal(self, *args, **options):
        terminal = Terminal(*args, cwd=self.dir, **options)
        self.addCleanup(terminal.end, b"\x03")
        return terminal


class Errors(Words):
    def test_an_error_that_main_returns_is_said(self):
        self.write("listens.c", LISTENS)
        port = free_port()
        result = self.nexus("listens.c", str(port))
        self.assertEqual((result.returncode, result.stderr),
                         (7, f"nexus: listening on 127.0.0.1:{port} is not allowed; run with --allow-net=127.0.0.1:{port}\n"))
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            s.listen()
            port = s.getsockname()[1]
            result = self.nexus("listens.c", str(port), "--allow-net")
        self.assertEqual(result.returncode, 11)
        self.assertTrue(result.stderr.startswith(f"nexus: cannot listen on 127.0.0.1:{port}: address in use"), result.stderr)
        self.write("reads.c", "#include <nexus/fs.h>\nint main(void) { nx_bytes text; NX_TRY(nx_fs_read_file(\"none\", &text)); return 0; }")
        result = self.nexus("reads.c", "--allow-read")
        self.assertEqual((result.returncode, result.stderr), (8, 'nexus: cannot read "none": no such file\n'))


class Start(Words):
    def test_where_it_listens_is_said(self):
        self.write("answer.h", '#define ANSWER "one"\n')
        self.write("app.c", LISTENS.replace("#include", '#include "answer.h"\n#include', 1))
        port = free_port()
        terminal = self.terminal("app.c", str(port), "--allow-net")
        terminal.said(f"nexus: http://127.0.0.1:{port} (started in ")
        self.assertEqual(get(port), "one")
        self.assertEqual(terminal.end(b"\x03"), 0)
        self.assertNotIn("watching", terminal.seen)
        with self.start("run", "app.c", str(port), "--allow-net", "--watch") as app:
            app.serving(port)
            self.assertRegex(without_reports(app.errors), rf"^nexus: http://127.0.0.1:{port} \(started in \d+ ms\), watching 2 files\n$")
            self.write("answer.h", '#define ANSWER "two"\n')  # the socket goes on, and so it is not said again
            app.said("started anew")
            app.stop()
            self.assertEqual(app.errors.count("http://"), 1)
        with self.start("run", "app.c", str(port), "--allow-net") as app:
            app.serving(port)
            app.stop()
            self.assertEqual(without_reports(app.errors), "")

    def test_addresses(self):
        self.server()
        path = os.path.join(self.dir, "s")
        for host, port, said in (("0.0.0.0", free_port(), "http://localhost:%d (on every address, started in "),
                                 ("::1", free_port(), "http://[::1]:%d (started in "), (f"unix:{path}", 0, f"nexus: unix:{path} (started in "),
                                 ("127.0.0.1", 0, None)):
            with self.start("run", "app.c", str(port), host, "--allow-net", "--watch") as app:
                app.said("started in")
                if said:
                    self.assertIn(said % port if "%d" in said else said, app.errors)
                else:
                    self.assertRegex(app.errors, r"http://127.0.0.1:[1-9]\d+ ")
                app.stop()


DROPS = "#include <nexus.h>\nint main(void)\n{\n    nx_sleep(NX_MS(%d));\n    return 0;\n}\n"


@unittest.skipUnless(shutil.which("gcc") or shutil.which("clang"), "needs gcc or clang")
class Warnings(Words):
    def setUp(self):
        super().setUp()
        self.env = {"NEXUS_CACHE": os.path.join(self.dir, "cache"), "CC": ""}
        self.write("app.c", DROPS % 1)

    def warned(self, text):
        return len(re.findall(r"app\.c:4:\d+: warning: ignoring return value", text))

    def on_terminal(self, *flags, found=""):
        terminal = self.terminal("run", "app.c", *flags, env=self.env)
        terminal.said(found)
        self.assertEqual(terminal.end(b"\n"), 0, terminal.seen)
        return self.warned(terminal.seen)

    def test_on_a_terminal(self):
        self.write("app.c", (DROPS % 1).replace("    return", "    { int getchar(void); (void)getchar(); }\n    return"))
        self.assertEqual(self.on_terminal("--no-warnings"), 0)
        self.assertEqual(self.on_terminal(found="warning: ignoring"), 1)  # found out beside it
        self.assertEqual(self.on_terminal(), 1)  # known
        self.assertEqual(self.on_terminal("--no-warnings"), 0)
        self.assertEqual(self.nexus("run", "app.c", env=self.env).stderr, "")
        self.write("app.c", "int main(void) { return 0; }")
        self.assertEqual(self.on_terminal(), 0)
        self.assertEqual(len([name for name in os.listdir(self.env["NEXUS_CACHE"] + "/o") if name.endswith(".w")]), 2)

    @unittest.skipUnless(shutil.which("gcc"), "needs gcc")
    def test_what_gcc_said_is_said_again(self):
        self.env["CC"] = "gcc"
        self.assertEqual(self.warned(self.nexus("run", "app.c", env=self.env).stderr), 1)
        self.assertEqual(self.nexus("run", "app.c", env=self.env).stderr, "")
        self.assertEqual(self.on_terminal(), 1)
        self.assertEqual(self.on_terminal("--refresh"), 1)
        self.assertEqual(self.nexus("run", "app.c", "--refresh", "--no-warnings", env=self.env).stderr, "")

    def test_watch(self):
        self.write("app.c", DROPS % 100000)
        with self.start("run", "app.c", "--watch", env={**os.environ, **self.env}) as app:
            app.said("app.c:4:5: warning: ignoring")
            self.assertNotIn("\x1b", app.errors)
            self.write("app.c", DROPS % 100001)
            wait_for(lambda: self.warned(app.errors) == 2)
            self.write("app.c", DROPS % 100001)
            self.write("app.c", "#include <nexus.h>\nint main(void) { NX_TRY(nx_sleep(NX_S(100))); return 0; }")
            wait_for(lambda: app.errors.count("started anew") == 2)
        self.assertEqual(self.warned(app.errors), 2, app.errors)

    def test_a_header_brings_a_source_in(self):
        self.write("part.h", "int part(void);\n")
        self.write("part.c", "#include \"part.h\"\n#include <nexus.h>\nint part(void) { nx_sleep(1); return 0; }\n")
        self.write("text.c", "int broken_alone = NOWHERE;\n")
        self.write("app.c", "#define NOWHERE 0\n#include \"part.h\"\n#include \"text.c\"\nint getchar(void);\n"
                   "int main(void) { (void)getchar(); return part(); }\n")
        terminal = self.terminal("run", "app.c", env=self.env)
        terminal.said("part.c:3:")
        self.assertEqual(terminal.end(b"\n"), 0)
        self.assertIn("part.c:3:", terminal.seen)
        self.assertNotIn("text.c", terminal.seen)

    def test_macros_are_told_at_the_users_line(self):
        self.write("app.c", "#include <nexus/http.h>\nnx_err f(nx_response *res);\nnx_err f(nx_response *res)\n{\n"
                   "    return nx_response_json(res, nx_obj(\"n\", nothing, \"x\", 3));\n}\nint main(void) { return 0; }\n")
        for compiler in ("gcc", "clang"):
            if shutil.which(compiler):
                result = self.nexus("run", "app.c", f"--compiler={compiler}", env=self.env)
                self.assertEqual(result.returncode, 18)
                self.assertLess(result.stderr.count("\n"), 10, result.stderr)
                self.assertIn("app.c:5:", result.stderr)


ARGUMENTS = "#include <stdio.h>\nint main(int n, char **v) { for (int i = 0; i < n; i++) printf(\"[%s]\", v[i]); return 0; }\n"


class CommandLine(Words):
    def test_a_value_behind_a_space(self):
        self.write("app.c", ARGUMENTS)
        os.mkdir(os.path.join(self.dir, "data"))
        for flags, right in ((["app.c", "--allow-net", "127.0.0.1:3000"], "--allow-net=127.0.0.1:3000"),
                             (["--allow-net", "127.0.0.1:3000", "app.c"], "--allow-net=127.0.0.1:3000"),
                             (["app.c", "x", "--deny-read", "secret", "--watch"], "--deny-read=secret"),
                             (["--allow-read", "data", "app.c"], "--allow-read=data"),
                             (["--allow-read", "app", "app.c"], "--allow-read=app"),
                             (["--allow-net", "127.0.0.1:3000"], "--allow-net=127.0.0.1:3000"),  # no such file, though it has a dot
                             (["app.c", "--allow-run", "ls"], "--allow-run=ls")):
            flag = right.partition("=")[0]
            result = self.nexus("run", *flags)
            self.assertEqual((result.returncode, result.stdout, result.stderr),
                             (2, "", f'nexus: {flag} takes its value with "=": {right} (or put -- before the program\'s own arguments)\n'))
        for flags, words in ((["--allow-net", "app.c"], "[app.c]"), (["--allow-net", "app.c", "x"], "[app.c][x]"),
                             (["--allow-net", "app"], "[app.c]"), (["app.c", "--allow-net", "--", "x"], "[app.c][x]"),
                             (["app.c", "--allow-net", "--deny-ffi"], "[app.c]"), (["--no-prompt", "app.c", "--no-prompt", "x"], "[app.c][x]")):
            result = self.nexus("run", *flags)
            self.assertEqual((result.returncode, result.stdout), (0, words), result.stderr)

    def test_messages(self):
        self.write("app.c", ARGUMENTS)
        for args, code, text in ((["--allow-net=3000", "app.c"], 2, "as in :3000"),
                                 (["--max-memory=lots", "app.c"], 2, "--max-memory=512M"),
                                 (["--stack-size=1", "app.c"], 2, "--stack-size is 1 bytes, and may be 32K to 1G"),
                                 (["--blocking-threads=5000", "app.c"], 2, "--blocking-threads is 5000, and may be 1024 at most"),
                                 (["--compiler=icc", "app.c"], 8, 'cannot find the compiler "icc" that --compiler names'),
                                 (["--compiler=tcc", "--release", "app.c"], 4 if shutil.which("tcc") else 8, "that" if not shutil.which("tcc") else "which --compiler names")):
            result = self.nexus("run", *args)
            self.assertEqual(result.returncode, code, result.stderr)
            self.assertIn(text, result.stderr)
        self.assertIn('the compiler "icc" that CC names', self.nexus("run", "app.c", env={"CC": "icc"}).stderr)

    def test_projects(self):
        self.assertEqual(self.nexus("run").returncode, 2)
        self.assertEqual(self.nexus("init", "a/b/hello").returncode, 0)
        self.write("a/b/hello/app.c", ARGUMENTS)
        self.write("app.c", ARGUMENTS)
        for args, words in ((["app"], "[app.c]"), (["run", "app", "x"], "[app.c][x]"), (["run", "a/b/hello"], "[a/b/hello/app.c]"),
                            (["./a/b/hello/", "x"], "[./a/b/hello/app.c][x]")):
            self.assertEqual(self.nexus(*args).stdout, words)
        self.assertIn("without a nexus.toml", self.nexus("run", "a").stderr)
        self.dir += "/a/b/hello"
        for args, words in ((["run"], "[app.c]"), (["run", "."], "[app.c]"), (["."], "[app.c]"), (["run", "--", "x", "--y"], "[app.c][x][--y]"),
                            (["run", "--allow-net", "--no-prompt"], "[app.c]")):
            result = self.nexus(*args)
            self.assertEqual((result.returncode, result.stdout), (0, words), result.stderr)
        self.dir += "/inside"
        os.mkdir(self.dir)
        self.assertEqual(self.nexus("run").stdout, "[../app.c]")
        self.write("../nexus.toml", "[package]\n")
        self.assertIn('main = "app.c"', self.nexus("run").stderr)


LINGERS = r"""
#include <nexus.h>
#include <stdlib.h>
static nx_err waits(void *arg) { (void)arg; return nx_sleep(NX_FOREVER); }
static void tick(void *arg) { (void)arg; }
int main(int argc, char **argv)
{
    (void)argc;
    NX_AUTO(nx_http_server) *server = nx_http_server_new(.host = "127.0.0.1", .port = (uint16_t)atoi(argv[1]));
    NX_TRY(nx_spawn(NULL, waits, NULL, .name = "w1"));
    NX_TRY(nx_spawn(NULL, waits, NULL, .name = "w2", .detached = true));
    if (!nx_set_interval(tick, NULL, NX_S(60))) return 1; /* not due when the runtime looks */
    NX_TRY(nx_http_listen(server));
    return argc > 2 ? (int)nx_sleep(NX_FOREVER) : 0;
}
"""


class Hangs(Words):
    def test_what_keeps_a_stopped_program_is_said(self):
        self.write("app.c", LINGERS)
        for args, text in (([], 'still waiting for 1 timer and fibers "w1", "w2"; a second signal ends it\n'),
                           (["x"], 'still waiting for 1 timer and fibers "main", "w1", "w2"; a second signal ends it\n')):
            port = free_port()
            with self.start("run", "app.c", str(port), *args, "--allow-net") as app:
                wait_for(lambda: self.accepts(port))
                app.process.send_signal(signal.SIGTERM)
                app.said(text)
                self.assertEqual(app.stop(), 143)
                self.assertEqual(app.errors.count("still waiting"), 1)

    def accepts(self, port):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=60).close()
            return True
        except OSError:
            return False

    def test_a_deadlock(self):
        self.write("app.c", """#include <nexus.h>
static nx_err waits(void *channel) { int value; return nx_recv(channel, &value); }
int main(void)
{
    nx_channel *channel;
    NX_TRY(nx_channel_new(&channel, sizeof(int), 0));
    NX_TRY(nx_spawn(NULL, waits, channel, .name = "w1"));
    return waits(channel);
}""")
        if not sanitized():
            result = self.nexus("run", "app.c")
            self.assertEqual((result.returncode, result.stderr),
                             (26, 'nexus: all fibers wait for each other: "main" in nx_recv, "w1" in nx_recv\n'))


IMPORTS = (SERVER % {"answer": ""}).replace('#define ANSWER ""', "static const char *(*imported)(void);\n#define ANSWER imported()").replace(
    "    const char *port", """    nx_module *plugin;
    NX_TRY(nx_import(&plugin, "./plugin.c"));
    NX_TRY(nx_module_symbol(plugin, "answer", &imported));
    const char *port""", 1)
PLUGIN = 'const char *answer(void) { return "%s"; }\n'
BROKEN = "const char *answer(void) { return }\n"


class Watch(Words):
    def watch(self):
        self.port = free_port()
        return self.start("run", "app.c", str(self.port), "--allow-net", "--watch")

    def test_a_mistake_in_an_import_keeps_the_old(self):
        self.write("plugin.c", PLUGIN % "one")
        self.write("app.c", IMPORTS)
        app = self.watch().serving(self.port, "one")
        pid = get(self.port, "/pid")
        for _ in range(2):
            self.write("plugin.c", BROKEN)
            app.said("the running program stays; waiting for a change")
            self.assertIn("plugin.c:1:", app.errors)
            self.assertIn("plugin.c\" does not compile", app.errors)
            self.assertEqual(get(self.port, "/pid"), pid)
            app.errors = ""
        self.write("app.c", IMPORTS + "int more;\n")  # another program, with the same import
        app.said("the running program stays")
        self.assertEqual(get(self.port, "/pid"), pid)
        app.errors = ""
        self.write("plugin.c", PLUGIN % "two")
        wait_for(lambda: get(self.port) == "two")
        app.said("plugin.c changed: started anew")
        self.write("plugin.c", BROKEN)
        app.said("stays")
        self.server("none")  # does without it
        wait_for(lambda: get(self.port) == "none")
        app.said("app.c changed: started anew")
        self.assertEqual(app.stop(), 0)

    def test_a_mistake_in_an_import_at_the_start(self):
        self.server("one")
        app = self.watch().serving(self.port, "one")
        self.write("plugin.c", BROKEN)
        self.write("app.c", IMPORTS)
        app.said("waiting for a change")
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5 * SLOW)
        connection.request("GET", "/")
        response = connection.getresponse()
        self.assertEqual(response.status, 503)
        self.assertIn('plugin.c" does not compile', response.read().decode())
        connection.close()
        self.write("plugin.c", PLUGIN % "two")
        app.serving(self.port, "two")

    def test_the_files_that_changed_are_named(self):
        self.write("answer.h", "")
        self.write("app.c", (SERVER % {"answer": "one"}) + '#include "answer.h"\n')
        app = self.watch().serving(self.port, "one")
        self.write("answer.h", "extern int x;\n")
        app.said("nexus: answer.h changed: started anew")


class Imports(Words):
    def test_libraries_and_names(self):
        self.write("app.c", """#include <nexus.h>
int main(int argc, char **argv)
{
    (void)argc;
    nx_module *m;
    double (*cosine)(double);
    NX_TRY(nx_import(&m, argv[1]));
    NX_TRY(nx_module_symbol(m, "cos", &cosine));
    return (int)(cosine(0) * 42);
}""")
        libm = next((line.split()[-1] for line in subprocess.run(["ldconfig", "-p"], capture_output=True, text=True,
                     env={"PATH": "/sbin:/usr/sbin:/bin"}).stdout.splitlines() if line.strip().startswith("libm.so.6 ")), None)
        if libm:
            os.symlink(libm, os.path.join(self.dir, "libm6.so"))
            os.symlink(libm, os.path.join(self.dir, "my.so.6"))
            for name in ("libm.so.6", libm, "./libm6.so", "./my.so.6", self.dir + "/libm6.so"):
                self.assertEqual(self.nexus("--allow-ffi", "app.c", name).returncode, 42, name)
                self.assertIn("--allow-ffi=", self.nexus("app.c", name).stderr)
            self.assertEqual(self.nexus(f"--allow-ffi={libm}", "app.c", "libm.so.6").returncode, 42)
        self.write("plugin.c", "double cos(double x) { return x + 1; }\n")
        for name, text in (("plugin.c", 'did you mean "./plugin.c"?'), ("plugin", 'did you mean "./plugin"?'),
                           ("none", f'there is no nexus_modules in "{self.dir}" or above'), ("./none", "there is no such file"),
                           ("/none.so", "there is no such file"), ("libnone.so.1", "the system has no such library")):
            result = self.nexus("app.c", name)
            self.assertEqual(result.returncode, 8, result.stderr)
            self.assertIn(text, result.stderr)
        self.assertEqual(self.nexus("app.c", "./plugin").returncode, 42)
        os.mkdir(os.path.join(self.dir, "nexus_modules"))
        self.assertIn(f'no such package in "{self.dir}/nexus_modules"', self.nexus("app.c", "none").stderr)

    def test_a_package_that_is_not_there(self):
        os.mkdir(os.path.join(self.dir, "nexus_modules"))
        self.write("app.c", "#include <pkg/pkg.h>\nint main(void) { return 0; }\n")
        for compiler in ("gcc", "clang", "tcc"):
            if shutil.which(compiler):
                result = self.nexus("run", f"--compiler={compiler}", "app.c")
                self.assertEqual(result.returncode, 18)
                self.assertIn(f'nexus: <pkg/pkg.h> is in no package in "{self.dir}/nexus_modules"\n', result.stderr)
        self.write("app.c", '#include "none.h"\nint main(void) { return 0; }\n')
        self.assertNotIn("package", self.nexus("app.c").stderr)


CRASHES = r"""#include <nexus.h>
#include <stdio.h>
static nx_err fails(void *arg)
{
    (void)arg;
    printf("%s and %s\n", "one", (char *)8); /* in a library of the system */
    return NX_OK;
}
int main(int argc, char **argv)
{
    (void)argv;
    if (argc == 1) return fails(NULL);
    NX_TRY(nx_spawn(NULL, fails, NULL));
    return nx_sleep(NX_S(1));
}
"""


class Output(Words):
    def test_it_comes_while_the_program_waits(self):
        self.write("app.c", "#include <nexus.h>\n#include <stdio.h>\n"
                   "int main(void) { printf(\"waiting\"); NX_TRY(nx_sleep(NX_S(60))); return 0; }")
        app = self.start("run", "app.c")
        self.assertTrue(select.select([app.process.stdout], [], [], 10 * SLOW)[0])
        self.assertEqual(os.read(app.process.stdout.fileno(), 100), b"waiting")

    @unittest.skipIf(sanitized(), "the sanitizer has the handlers")
    def test_nothing_is_lost_in_a_crash(self):
        for end in ("*(volatile int *)8 = 1;", "abort();"):
            self.write("app.c", "#include <stdio.h>\n#include <stdlib.h>\n"
                       "int main(void) { for (int i = 0; i < 3000; i++) printf(\"line %%d\\n\", i); %s return 0; }" % end)
            result = self.nexus("run", "app.c")
            self.assertEqual(result.stdout.splitlines(), [f"line {i}" for i in range(3000)])


class Linking(Words):
    def compilers(self):
        return [name for name in ("tcc", "gcc", "clang") if shutil.which(name)]

    def test_a_name_that_nothing_has(self):
        self.write("part.h", "int part(void);\n")
        self.write("part.c", "int nowhere(int);\nint part(void)\n{\n    return nowhere(1);\n}\n")
        self.write("app.c", "#include <math.h>\n#include <nexus.h>\n#include \"part.h\"\nint missing(void);\n"
                   "int main(void)\n{\n    return missing() + (int)cos(1) + part() + (nx_now() > 0);\n}\n")
        for flags in ([], *([f"--compiler={name}"] for name in self.compilers())):
            result = self.nexus("run", *flags, "app.c")
            self.assertEqual(result.returncode, 18, result.stderr)
            line = "" if flags == ["--compiler=tcc"] or self.compilers() == ["tcc"] else ":%d"
            self.assertIn("app.c" + (line and line % 7) + ": error: undefined reference to 'missing'\n", result.stderr)
            self.assertIn("part.c:4: error: undefined reference to 'nowhere'\n" if line else "'nowhere'", result.stderr)
            self.assertNotIn("nx_now", result.stderr)
            self.assertNotIn("cos", result.stderr)
        self.write("app.c", "int missing(void);\nint main(void) { return missing(); }\n")
        result = self.nexus("app.c")
        self.assertEqual(result.stderr.count("undefined reference"), 1, result.stderr)

    def test_no_main(self):
        self.write("app.c", "int x;\n")
        for name in self.compilers():
            result = self.nexus("run", f"--compiler={name}", "app.c")
            self.assertEqual(result.returncode, 18)
            self.assertIn("app.c: error: there is no main", result.stderr)

    def test_nothing_writable_is_executable(self):
        self.write("part.h", "int part(void);\n")
        self.write("part.c", "static char room[9000];\nint part(void) { return room[8999]; }\n")
        self.write("app.c", r"""
#include <nexus.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include "part.h"
static nx_err fiber(void *unused) { (void)unused; return nx_sleep(NX_MS(1)); }
static void *thread(void *unused)
{
    char line[512];
    FILE *maps = fopen("/proc/self/maps", "r");
    while (maps && fgets(line, sizeof line, maps)) {
        char write = 0, execute = 0;
        if (sscanf(line, "%*s %*c%c%c", &write, &execute) == 2 && write == 'w' && execute == 'x') fputs(line, stdout);
        if (strstr(line, "[stack]")) puts("end");
    }
    if (maps) fclose(maps);
    return unused;
}
int main(void)
{
    nx_fiber *f;
    pthread_t t;
    nx_err err = nx_spawn(&f, fiber, NULL);
    if (!err) err = nx_join(f);
    if (pthread_create(&t, NULL, thread, NULL) == 0) pthread_join(t, NULL);
    return err ? (int)err : part();
}
""")
        for name in self.compilers():
            result = self.nexus("run", f"--compiler={name}", "--allow-read", "app.c")
            self.assertEqual((result.returncode, result.stdout), (0, "end\n"), f"{name}: {result.stderr}")

    def test_code_on_the_stack_is_refused(self):
        self.write("app.c", """#include <stdlib.h>
static int compare(const void *a, const void *b) { return *(const int *)a - *(const int *)b; }
int main(int argc, char **argv)
{
    int sign = argc;
    int other(const void *a, const void *b) { return sign * compare(a, b); }
    int numbers[] = {2, 1};
    qsort(numbers, 2, sizeof *numbers, other);
    return !argv;
}
""")
        result = self.nexus("run", "--compiler=gcc", "app.c")
        self.assertEqual(result.returncode, 18)
        self.assertIn("app.c: error: a function inside a function", result.stderr)

    def test_a_source_that_is_included_is_not_brought_in_too(self):
        self.write("part.h", "int part(void);\n")
        self.write("part.c", '#include "part.h"\nint part(void) { return 5; }\n')
        self.write("app.c", '#include "part.h"\n#include "part.c"\nint main(void) { return part(); }\n')
        for _ in range(2):
            self.assertEqual(self.nexus("app.c").returncode, 5)
        self.write("app.c", '#include "part.h"\nint main(void) { return part() + 1; }\n')
        self.assertEqual(self.nexus("app.c").returncode, 6)

    def test_the_old_one_goes_on(self):
        self.server("one")
        port = free_port()
        app = self.start("run", "app.c", str(port), "--allow-net", "--watch").serving(port, "one")
        self.write("app.c", "int missing(void);\nint main(void) { return missing(); }\n")
        app.said("the running program stays")
        self.assertEqual(get(port), "one")


@unittest.skipIf(sanitized(), "the reports are the sanitizer's own")
class Reports(Words):
    def test_frames_are_the_programs(self):
        self.write("app.c", CRASHES)
        bare = os.path.join(self.dir, "nexus")
        if not shutil.which("strip") or subprocess.run(["strip", "-o", bare, NEXUS]).returncode:
            bare = NEXUS
        for nexus in (NEXUS, bare):
            for args in ([], ["x"], ["--compiler=gcc"], ["x", "--compiler=gcc"]):
                if "gcc" in str(args) and not shutil.which("gcc"):
                    continue
                result = subprocess.run([nexus, "run", "app.c", *args], cwd=self.dir, capture_output=True, text=True, timeout=60 * SLOW)
                self.assertEqual(result.returncode, 139)
                self.assertRegex(result.stderr, r"\n    fails +/.*/app\.c:6\n")
                self.assertNotIn("+0x", result.stderr)

    def test_memory_that_a_flag_holds(self):
        self.write("app.c", "#include <nexus.h>\nint main(void) { return nx_alloc(1u << 30) ? 0 : NX_ENOMEM; }")
        result = self.nexus("run", "app.c", "--max-memory=64M")
        self.assertEqual((result.returncode, result.stderr),
                         (3, "nexus: cannot allocate 1073741824 bytes: out of memory (see --max-memory)\n"))


if __name__ == "__main__":
    unittest.main(verbosity=2 if sys.stdout.isatty() else 1)
