#!/usr/bin/env python3
"""The command line end to end: NEXUS=path/to/nexus python3 tests/e2e/cli_test.py [-k name]."""
import http.client
import os
import pty
import re
import select
import signal
import socket
import subprocess
import sys
import threading
import time
import unittest

from command import NEXUS, SLOW, Base, alive, children, get, sanitized, wait_for
from support import free_port


class Commands(Base):
    def test_help(self):
        for args in (["help"], ["--help"], ["-h"]):
            result = self.nexus(*args)
            self.assertEqual((result.returncode, result.stderr), (0, ""))
            for command in ("run", "compile", "test", "init", "cert", "cache", "doctor", "wasm", "permissions", "completions", "version", "help"):
                self.assertIn(f"\n  {command}", result.stdout)
        for command in ("run", "compile", "test", "init", "cert", "cache", "doctor", "wasm", "permissions", "completions", "version", "help"):
            for args in ([command, "--help"], ["help", command]):
                result = self.nexus(*args)
                self.assertEqual((result.returncode, result.stderr), (0, ""))
                self.assertIn("Usage: nexus " + command, result.stdout)
                self.assertIn("Examples:", result.stdout)
        self.assertEqual(self.nexus().returncode, 2)

    def test_version(self):
        self.assertRegex(self.nexus("version").stdout, r"^nexus \d+\.\d+\.\d+\n$")
        self.assertEqual(self.nexus("version").stdout, self.nexus("--version").stdout)
        self.assertIn("kernel", self.nexus("version", "--verbose").stdout)
        self.assertEqual(self.nexus("version", "--loud").returncode, 2)

    def test_wrong_usage(self):
        self.write("app.c", "int main(void) { return 0; }")
        cases = [
            (["rnu"], 2, "did you mean nexus run?"),
            (["frobnicate"], 2, "nexus help"),
            (["run"], 2, "needs a file"),
            (["help", "rnu"], 2, "no command"),
            (["run", "app.c", "--wach"], 2, "did you mean --watch?"),
            (["run", "app.c", "--port"], 2, "nexus run app.c -- --port"),
            (["run", "app.c", "--watch=1"], 2, "takes no value"),
            (["run", "app.c", "--max-fibers"], 2, "--max-fibers=4096"),
            (["run", "app.c", "--max-fibers=0"], 2, "at least 1"),
            (["run", "app.c", "--max-memory=99999999999G"], 2, "number"),
            (["run", "app.c", "--watchdog"], 2, "--watchdog=250; 0 turns it off"),
            (["run", "app.c", "--watchdog="], 2, "milliseconds"),
            (["run", "app.c", "--watchdog=-1"], 2, "milliseconds"),
            (["run", "app.c", "--watchdog=1s"], 2, "milliseconds"),
            (["run", "app.c", "--watchdog=9223372036855"], 2, "milliseconds"),
            (["run", "app.c", "--wachdog=1"], 2, "did you mean --watchdog?"),
            (["run", "app.c", "--allow-net=a:b"], 2, "a port is a number"),
            (["run", "app.c", "--allow-read="], 2, "empty entry"),
            (["run", "nothing.c"], 8, 'cannot read "nothing.c": no such file'),
            (["nothing.c"], 8, "no such file"),
            (["run", "app.wasm"], 8, 'cannot read "app.wasm": no such file'),
            (["run", "--dir"], 2, "--dir data::/data"),
            (["run", "--env", "LEVEL", "app.c"], 2, "a name and a value"),
            (["run", "app.zig"], 19, "Zig comes in a later version"),
            (["init", "a", "b"], 2, "one directory"),
            (["cache", "clera"], 2, "clear"),
        ]
        for args, code, text in cases:
            result = self.nexus(*args)
            self.assertEqual(result.returncode, code, (args, result.stderr))
            self.assertTrue(result.stderr.startswith("nexus: "), result.stderr)
            self.assertIn(text, result.stderr)
            self.assertEqual(result.stdout, "")

    def test_control_characters_are_not_printed(self):
        for args in (["run", "a\x1b]0;x\x07.c"], ["run", "app.c", "--a\x1b[2Jb"], ["a\x1b[2J.zig"]):
            self.assertNotIn("\x1b", self.nexus(*args).stderr)

    def test_init(self):
        result = self.nexus("init", "hello there")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("nexus dev app.c --allow-net", result.stdout)
        made = os.path.join(self.dir, "hello there")
        self.assertEqual(sorted(os.listdir(made)), [".gitignore", "README.md", "app.c", "compile_commands.json", "nexus.toml"])
        with open(os.path.join(made, "nexus.toml")) as f:
            self.assertIn('name = "hello-there"', f.read())
        again = self.nexus("init", "hello there")
        self.assertEqual(again.returncode, 9)
        self.assertIn("nothing is overwritten", again.stderr)
        self.dir = made
        self.assertEqual(self.nexus("init").returncode, 9)

    def test_init_runs(self):
        self.assertEqual(self.nexus("init", ".").returncode, 0)
        with open(os.path.join(self.dir, "app.c")) as f:
            text = f.read()
        port = free_port()
        self.write("app.c", text.replace("3000", str(port)))
        app = self.start("app.c", f"--allow-net=127.0.0.1:{port}").serving(port, '{"message":"Hello from Nexus!"}')
        self.assertEqual(get(port, "/hello/Ada"), '{"hello":"Ada"}')
        self.assertEqual(app.stop(), 0)

    def test_cache(self):
        env = {"XDG_CACHE_HOME": os.path.join(self.dir, "cache"), "HOME": self.dir}
        self.write("app.c", "int main(void) { return 0; }")
        self.assertEqual(self.nexus("run", "app.c", env=env).returncode, 0)
        for args in (["cache"], ["cache", "info"], ["cache", "prune"], ["cache", "clear"], ["cache", "info"]):
            self.assertEqual(self.nexus(*args, env=env).returncode, 0, args)
        where = self.nexus("cache", "dir", env=env).stdout.strip()
        self.assertTrue(where.startswith(self.dir), where)
        self.assertEqual(self.nexus("run", "app.c", env=env).returncode, 0)


class Run(Base):
    def test_arguments_and_exit_code(self):
        self.write("app.c", r"""
#include <stdio.h>
int main(int argc, char **argv)
{
    for (int i = 0; i < argc; i++) printf("[%s]", argv[i]);
    return 7;
}""")
        for args in (["run", "app.c", "a", "--allow-read=/data", "b", "--", "--c", "--watch"],
                     ["run", "--release", "app.c", "--max-fibers=1K", "a", "b", "--", "--c", "--watch"],
                     ["app.c", "a", "b", "--", "--c", "--watch"],
                     ["--no-prompt", "app.c", "a", "b", "--", "--c", "--watch"]):
            result = self.nexus(*args)
            self.assertEqual((result.returncode, result.stdout), (7, "[app.c][a][b][--c][--watch]"), result.stderr)

    def test_ends_by_signal(self):
        for name, code in (("SIGSEGV", 139), ("SIGABRT", 134), ("SIGTERM", 143)):
            self.write("app.c", f"#include <signal.h>\nint main(void) {{ raise({name}); return 0; }}")
            self.assertEqual(self.nexus("run", "app.c").returncode, code)

    def test_compile_error(self):
        self.write("app.c", "int main(void)\n{\n    return nothing;\n}\n")
        result = self.nexus("run", "app.c")
        self.assertEqual(result.returncode, 18)
        self.assertRegex(result.stderr, r"app\.c:3")

    def test_descriptors_and_state_of_the_app(self):
        self.write("app.c", r"""
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <signal.h>
#include <unistd.h>
#include <sys/prctl.h>
int main(void)
{
    sigset_t set;
    sigprocmask(SIG_BLOCK, NULL, &set);
    for (int i = 1; i < 32; i++) if (sigismember(&set, i)) printf("blocked %d ", i);
    printf("nnp %d ", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
    int signo = 0; prctl(PR_GET_PDEATHSIG, &signo); printf("death %d\n", signo);
    DIR *open = opendir("/proc/self/fd");
    for (struct dirent *entry; (entry = readdir(open));) {
        char link[PATH_MAX] = "", path[300];
        snprintf(path, sizeof path, "/proc/self/fd/%s", entry->d_name);
        if (entry->d_name[0] == '.' || atoi(entry->d_name) == dirfd(open) || readlink(path, link, sizeof link - 1) < 0) continue;
        printf(" %s -> %s\n", entry->d_name, link);
    }
    return 0;
}""")
        reader, writer = os.pipe()
        self.addCleanup(os.close, reader)
        self.addCleanup(os.close, writer)
        os.set_inheritable(writer, True)
        result = self.nexus("run", "app.c", close_fds=False)
        self.assertIn("nnp 1 death 9\n", result.stdout)
        self.assertNotIn("blocked", result.stdout)
        numbers = [int(n) for n in re.findall(r" (\d+) -> ", result.stdout)]
        self.assertTrue(numbers and max(numbers) < 16, result.stdout)
        self.assertNotIn("inotify", result.stdout)
        self.assertNotIn("signalfd", result.stdout)
        self.assertNotIn(os.readlink(f"/proc/self/fd/{writer}"), result.stdout)

    def test_watchdog(self):
        self.write("app.c", r"""
#include <nexus.h>
#include <stdio.h>
#include <time.h>
int main(void)
{
    NX_TRY(nx_sleep(NX_MS(1)));
    nx_duration until = nx_now() + NX_MS(260);
    nx_limits limits = {.size = sizeof limits};
    nx_limits_get(&limits);
    nx_stats stats = {.size = sizeof stats};
    if (limits.watchdog <= NX_MS(100)) until += NX_S(60); /* until it has been told, however late the watchdog comes to it */
    while (nx_now() < until && !stats.blocked) nx_stats_get(&stats);
    printf("%lld %d\n", limits.watchdog == NX_FOREVER ? -1 : (long long)(limits.watchdog / NX_MS(1)), stats.blocked > 0);
    return 0;
}""")
        for flags, limit, told in (([], "100", True), (["--watchdog=20"], "20", True), (["--watchdog=0"], "-1", False),
                                   (["--watchdog=60000"], "60000", False)):
            result = self.nexus("run", "app.c", *flags, watchdog=True)
            self.assertEqual(result.stdout, f"{limit} {int(told)}\n", result.stderr)
            self.assertEqual(f"has blocked the loop for {limit} ms" in result.stderr, told, result.stderr)

    def test_no_color_when_not_a_terminal(self):
        self.assertNotIn("\x1b", self.nexus("run", "nothing.c").stderr)

    def test_closed_standard_descriptors(self):
        self.write("app.c", "#include <stdio.h>\nint main(void) { return puts(\"x\") < 0 ? 3 : 4; }")
        code = subprocess.run(["sh", "-c", f'exec "{NEXUS}" run app.c <&- >&- 2>&-'], cwd=self.dir, timeout=60).returncode
        self.assertEqual(code, 4)


class Permissions(Base):
    def test_refused_and_granted(self):
        self.server()
        port = free_port()
        result = self.nexus("run", "app.c", str(port))
        self.assertEqual(result.returncode, 7, result.stderr)
        self.assertIn(f"listening on 127.0.0.1:{port} is not allowed; run with --allow-net=127.0.0.1:{port}", result.stderr)
        for flag in (f"--allow-net=127.0.0.1:{port}", "--allow-net", f"--allow-net=:{port}"):
            with self.start("run", "app.c", str(port), flag) as app:
                app.serving(port, "one")
                self.assertEqual(app.stop(), 0)
        for flags in (["--allow-net", "--deny-net=127.0.0.1"], ["--deny-net", "--allow-net"], [f"--allow-net=:{port + 1}"]):
            self.assertEqual(self.nexus("run", "app.c", str(port), *flags).returncode, 7, flags)

    def test_native_libraries(self):
        self.write("app.c", """
#include <nexus.h>
#include <stdio.h>
int main(int argc, char **argv)
{
    (void)argc;
    nx_module *m;
    nx_err err = nx_import(&m, argv[1]);
    if (err) fprintf(stderr, "%s\\n", nx_error_last()->message);
    return err;
}""")
        self.write("lib.c", "int x;")
        subprocess.run(["gcc", "-shared", "-fPIC", "-o", "lib.so", "lib.c"], cwd=self.dir, check=True)
        refused = self.nexus("app.c", "./lib.so")
        self.assertEqual(refused.returncode, 7, refused.stderr)
        self.assertIn("--allow-ffi=", refused.stderr)
        self.assertEqual(self.nexus("app.c", "./lib.so", "--allow-ffi=lib.so").returncode, 0)
        self.assertEqual(self.nexus("app.c", "./lib.so", "--allow-ffi=li").returncode, 7)
        self.assertEqual(self.nexus("app.c", "./lib.c").returncode, 0)
        self.assertEqual(self.nexus("app.c", "./nothing.c").returncode, 8)

    def test_the_launcher_checks_for_itself(self):
        # An app that goes past its own checks, and one that sends rubbish.
        port = free_port()
        self.write("app.c", r"""
#include <nexus.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
struct request { uint32_t magic, kind, backlog, mode, port, sockets, workers, wants; uint64_t socket; char text[4096]; };
static int ask(uint32_t kind, const char *text, unsigned port)
{
    struct request r = {0x4e58424b, kind, 16, 0777, port, 0, 0, 0, 0, ""};
    int32_t answer[256];
    strcpy(r.text, text);
    if (send(3, &r, offsetof(struct request, text) + strlen(text) + 1, 0) < 0) return -1;
    return recv(3, answer, sizeof answer, 0) < 4 ? -1 : answer[0];
}
int main(int argc, char **argv)
{
    unsigned port = (unsigned)atoi(argv[1]);
    char rubbish[5000];
    printf("%d %d %d %d %d\n", ask(1, "0.0.0.0", port), ask(1, "127.0.0.1", port + 1), ask(1, "unix:/tmp/x", 0),
           ask(1, "127.0.0.1", port + 65536), ask(99, "x", 0));
    struct request r = {0x4e58424b, 1, 16, 0777, port, 0, 0, 0, 0, ""};
    memset(r.text, 'x', sizeof r.text); /* not ended by a NUL, and too short, and too long */
    send(3, &r, sizeof r, 0);
    send(3, &r, 12, 0);
    memset(rubbish, 0x4b, sizeof rubbish);
    memcpy(rubbish, &r, 4);
    send(3, rubbish, sizeof rubbish, 0);
    printf("%d\n", ask(1, "127.0.0.1", port));
    return 5;
}""")
        result = self.nexus("run", "app.c", str(port), f"--allow-net=127.0.0.1:{port}")
        self.assertEqual((result.returncode, result.stdout), (5, "7 7 7 4 14\n0\n"), result.stderr)

    def test_environment_never_grants(self):
        self.server()
        env = {name: "1" for name in ("NEXUS_ALLOW_ALL", "NEXUS_ALLOW_NET", "NEXUS_OPTIONS", "NEXUS_FLAGS")}
        self.assertEqual(self.nexus("run", "app.c", str(free_port()), env=env).returncode, 7)

    def test_read_and_write(self):
        self.write("app.c", r"""
#include <nexus.h>
#include <stdio.h>
int main(int argc, char **argv)
{
    nx_bytes text;
    nx_err err = argc > 2 ? nx_fs_write_file(argv[1], nx_str(argv[2])) : nx_fs_read_file(argv[1], &text);
    if (err) fprintf(stderr, "%s\n", nx_error_last()->message);
    return err;
}""")
        os.mkdir(os.path.join(self.dir, "data"))
        os.mkdir(os.path.join(self.dir, "database"))
        self.write("data/a", "x")
        self.write("database/a", "x")
        os.symlink("../database/a", os.path.join(self.dir, "data/link"))
        self.assertIn('reading "data/a" is not allowed; run with --allow-read=data/a', self.nexus("app.c", "data/a").stderr)
        self.assertEqual(self.nexus("app.c", "data/a", "--allow-read=data").returncode, 0)
        for path in ("database/a", "data/../database/a", "data/link", "/proc/self/root/etc/hostname"):
            self.assertEqual(self.nexus("app.c", path, "--allow-read=data").returncode, 7, path)
        self.assertEqual(self.nexus("app.c", "/proc/self/environ", "--allow-read").returncode, 7)
        self.assertEqual(self.nexus("app.c", "data/b", "text", "--allow-read").returncode, 7)
        self.assertEqual(self.nexus("app.c", "data/b", "text", "--allow-write=data").returncode, 0)
        self.assertEqual(self.nexus("app.c", "data/b", "text", "--allow-write", "--deny-write=data").returncode, 7)

    def ask(self, answer, *flags):
        """Runs on a terminal of its own and types `answer` at the question."""
        port = free_port()
        pid, terminal = pty.fork()
        if pid == 0:
            try:
                os.chdir(self.dir)
                os.execv(NEXUS, [NEXUS, "run", "app.c", str(port), *flags])
            finally:
                os._exit(127)
        seen = b""
        end = time.monotonic() + 60 * SLOW
        asked = served = False
        while time.monotonic() < end:
            ready, _, _ = select.select([terminal], [], [], 0.02)
            if ready:
                try:
                    piece = os.read(terminal, 4096)
                except OSError:
                    break
                if not piece:
                    break
                seen += piece
            if b"[y/N]" in seen and not asked:
                asked = True
                os.write(terminal, answer)
            if asked and not served:
                try:
                    served = get(port, timeout=0.5) == "one"
                except (OSError, http.client.HTTPException):
                    continue
                os.write(terminal, b"\x03")
        _, status = os.waitpid(pid, 0)
        os.close(terminal)
        return asked, served, os.waitstatus_to_exitcode(status), seen.decode(errors="replace")

    def test_question_on_a_terminal(self):
        self.server()
        asked, served, code, seen = self.ask(b"y\n")
        self.assertTrue(asked and served, seen)
        self.assertEqual(code, 0, seen)
        self.assertRegex(seen, r"nexus: app\.c wants to listen on 127\.0\.0\.1:\d+\. Allow\? \[y/N\]")
        asked, served, code, seen = self.ask(b"n\n")
        self.assertEqual((asked, served, code), (True, False, 7), seen)
        asked, served, code, seen = self.ask(b"\x03")
        self.assertEqual((asked, served, code), (True, False, 130), seen)
        asked, served, code, seen = self.ask(b"y\n", "--no-prompt")
        self.assertEqual((asked, served, code), (False, False, 7), seen)
        asked, served, code, seen = self.ask(b"y\n", "--deny-net")
        self.assertEqual((asked, served, code), (False, False, 7), seen)

    def test_interrupt_at_the_question_of_one_that_serves(self):
        # It handles SIGINT itself by then, and waits for the launcher to answer.
        first = free_port()
        self.write("app.c", r"""
#include <nexus.h>
#include <stdio.h>
#include <stdlib.h>
static nx_err root(nx_request *req, nx_response *res) { (void)req; return nx_response_send(res, "one"); }
static nx_err serve(uint16_t port)
{
    nx_http_server *server = nx_http_server_new(.host = "127.0.0.1", .port = port);
    nx_http_route(server, "GET", "/", root);
    nx_err err = nx_http_listen(server);
    if (err) fprintf(stderr, "app: %s\n", nx_error_last()->message);
    nx_http_server_free(server);
    return err;
}
static nx_err serve_first(void *port)
{
    nx_err err = serve(*(uint16_t *)port);
    printf("first: %d\n", err);
    return err;
}
int main(int argc, char **argv)
{
    (void)argc;
    uint16_t first = FIRST;
    nx_fiber *fiber;
    NX_TRY(nx_spawn(&fiber, serve_first, &first));
    NX_TRY(nx_sleep(NX_MS(50)));
    nx_err err = serve((uint16_t)atoi(argv[1]));
    NX_TRY(nx_join(fiber));
    return err;
}""".replace("FIRST", str(first)))
        asked, served, code, seen = self.ask(b"\x03", f"--allow-net=127.0.0.1:{first}")
        self.assertEqual((asked, served, code), (True, False, 7), seen)
        self.assertIn("first: 0", seen)


class Processes(Base):
    def start_server(self, *flags, **options):
        self.server()
        self.port = free_port()
        return self.start("run", "app.c", str(self.port), "--allow-net", *flags, **options).serving(self.port)

    def listens(self):
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=60).close()
            return True
        except OSError:
            return False

    def app_pid(self):
        return int(re.search(r"\d+", get(self.port, "/pid")).group())

    def test_address_in_use(self):
        self.server()
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            s.listen()
            port = s.getsockname()[1]
            result = self.nexus("run", "app.c", str(port), "--allow-net")
        self.assertEqual(result.returncode, 11)
        self.assertIn(f"cannot listen on 127.0.0.1:{port}: address in use", result.stderr)

    def test_graceful_stop(self):
        for signo in (signal.SIGTERM, signal.SIGINT):
            app = self.start_server()
            answer = []
            client = threading.Thread(target=lambda: answer.append(get(self.port, "/slow")))
            client.start()
            app.said("slow begins")
            self.assertEqual(app.stop(signo), 0)
            client.join()
            self.assertEqual(answer, ["one"])

    def test_signal_to_both_is_one(self):
        # As systemd and timeout(1) do: to the launcher and to the app, and the launcher forwards its own.
        app = self.start_server(start_new_session=True)
        answer = []
        client = threading.Thread(target=lambda: answer.append(get(self.port, "/slow")))
        client.start()
        app.said("slow begins")
        os.killpg(app.process.pid, signal.SIGTERM)
        self.assertEqual(app.wait(), 0)
        client.join()
        self.assertEqual(answer, ["one"])

    def test_second_signal_ends_at_once(self):
        app = self.start_server()
        client = threading.Thread(target=lambda: self.assertRaises((OSError, http.client.HTTPException), get, self.port, "/held"))
        client.start()
        app.said("held begins")
        app.process.send_signal(signal.SIGTERM)
        wait_for(lambda: not self.listens())  # it has come
        time.sleep(0.25)
        self.assertEqual(app.stop(), 143)
        client.join()

    def test_no_orphans(self):
        app = self.start_server()
        pid = self.app_pid()
        self.assertEqual(children(app.process.pid), [pid])
        app.process.kill()
        app.wait()
        wait_for(lambda: not alive(pid))

    def test_other_signals_are_forwarded(self):
        for signo in (signal.SIGUSR1, signal.SIGUSR2):
            app = self.start_server()
            self.assertEqual(app.stop(signo), 128 + signo)

    def test_crash_restarts_a_server(self):
        app = self.start_server()
        first = self.app_pid()
        with self.assertRaises((OSError, http.client.HTTPException)):
            get(self.port, "/crash")
        self.assertEqual(get(self.port), "one")  # nobody is refused in between
        self.assertNotEqual(self.app_pid(), first)
        app.said("starting it again")
        self.assertEqual(app.stop(), 0)

    def test_crashes_without_end_are_given_up(self):
        app = self.start_server()
        end = time.monotonic() + 60 * SLOW
        while app.process.poll() is None and time.monotonic() < end:  # five within 10 s are enough
            try:
                get(self.port, "/crash")
            except (OSError, http.client.HTTPException):
                pass
        self.assertEqual(app.wait(), 139)
        self.assertIn("giving up", app.errors)

    def test_two_servers_on_one_address(self):
        self.write("app.c", r"""
#include <nexus.h>
#include <stdio.h>
#include <stdlib.h>
static nx_http_server *server;
static nx_err serve(void *port)
{
    nx_http_server *own = nx_http_server_new(.port = (uint16_t)atoi(port));
    if (!server) server = own;
    return nx_http_listen(own);
}
int main(int argc, char **argv)
{
    (void)argc;
    NX_TRY(nx_spawn(NULL, serve, argv[1], .name = "first"));
    while (!server || !nx_http_port(server)) NX_TRY(nx_sleep(NX_MS(20)));
    nx_err err = serve(argv[1]);
    fprintf(stderr, "app: %s\n", nx_error_last()->message);
    exit(err);
}""")
        result = self.nexus("run", "app.c", str(free_port()), "--allow-net")
        self.assertEqual(result.returncode, 11, result.stderr)

    def test_listening_again_on_the_same_address(self):
        self.write("app.c", r"""
#include <nexus.h>
#include <stdlib.h>
static nx_http_server *server;
static void stop(void *arg) { (void)arg; nx_http_stop(server); }
int main(int argc, char **argv)
{
    (void)argc;
    for (int i = 0; i < 3; i++) {
        server = nx_http_server_new(.port = (uint16_t)atoi(argv[1]));
        nx_set_timeout(stop, NULL, NX_MS(20));
        NX_TRY(nx_http_listen(server));
        nx_http_server_free(server);
    }
    return 5;
}""")
        result = self.nexus("run", "app.c", str(free_port()), "--allow-net")
        self.assertEqual(result.returncode, 5, result.stderr)

    def test_unix_socket(self):
        self.server()
        path = os.path.join(self.dir, "s")
        app = self.start("run", "app.c", "0", f"unix:{path}", f"--allow-net=unix:{path}")
        with socket.socket(socket.AF_UNIX) as s:
            wait_for(lambda: s.connect_ex(path) == 0)
            s.sendall(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            answer = b""
            while piece := s.recv(4096):
                answer += piece
        self.assertTrue(answer.endswith(b"one"), answer)
        self.assertEqual(app.stop(), 0)
        self.assertFalse(os.path.exists(path))

    def memory(self, app):
        """KiB of launcher and program; of a file that both have mapped there is one copy in memory."""
        own, files = 0, {}
        for pid in (app.process.pid, self.app_pid()):
            held, path = {}, ""
            with open(f"/proc/{pid}/smaps") as f:
                for line in f:
                    field = line.split()
                    if re.match(r"[0-9a-f]+-", line):
                        path = " ".join(field[5:])
                    elif field[0] == "Anonymous:":
                        own += int(field[1])
                        held[path] = held.get(path, 0) - int(field[1])
                    elif field[0] == "Rss:":
                        held[path] = held.get(path, 0) + int(field[1])
            for path, size in held.items():
                files[path] = max(files.get(path, 0), size)
        return own + sum(files.values())

    def test_memory(self):
        app = self.start_server()
        if not sanitized():  # what starting took is given back when nothing follows
            wait_for(lambda: self.memory(app) < 5 * 1024)


if __name__ == "__main__":
    unittest.main(verbosity=2 if sys.stdout.isatty() else 1)
