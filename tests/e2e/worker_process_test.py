#!/usr/bin/env python3
"""Process workers from outside: NEXUS=path/to/nexus python3 tests/e2e/worker_process_test.py [-k name]."""
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import unittest

from command import NEXUS, SLOW, Base, Running, alive, children, get, sanitized, wait_for
from support import free_port, without_reports

HERE = os.path.dirname(os.path.abspath(__file__))
EXAMPLES = os.path.join(HERE, "../../examples")

PROGRAM = r"""
#include <nexus.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static int setting = 1;

/* ---- Workers */

static nx_err echo(nx_port *port)
{
    nx_bytes text;
    nx_err err;
    while ((err = nx_port_recv(port, &text)) == NX_OK) NX_TRY(nx_port_send(port, text));
    return err == NX_ECLOSED ? NX_OK : err;
}

static nx_err fails(nx_port *port)
{
    (void)port;
    return nx_fail(NX_ETYPE, "the third row is odd");
}

static nx_err child(void *arg)
{
    (void)arg;
    return nx_fail(NX_EIO, "of a fiber of its own");
}

static nx_err fails_below(nx_port *port)
{
    (void)port;
    return nx_spawn(NULL, child, NULL);
}

static nx_err tells(nx_port *port)
{
    printf("setting %d, %s\n", setting, getenv("NEXUS_PROCESS_WORKER") ? "marked" : "clean");
    (void)fflush(stdout);
    return nx_port_send(port, nx_str(nx_format("%d", (int)getpid())));
}

static nx_err touches(nx_port *port)
{
    NX_TRY(nx_port_send(port, nx_str("about to")));
    *(volatile int *)8 = 1;
    return NX_OK;
}

static nx_err aborts(nx_port *port)
{
    (void)port;
    abort();
    return NX_OK;
}

static nx_err exits(nx_port *port)
{
    (void)port;
    exit(3);
    return NX_OK;
}

static nx_err leaves(nx_port *port)
{
    (void)port;
    _exit(0);
    return NX_OK;
}

static nx_err killed(nx_port *port)
{
    (void)port;
    raise(SIGKILL);
    return NX_OK;
}

static nx_err sleeps(nx_port *port)
{
    NX_TRY(nx_port_send(port, nx_str(nx_format("%d", (int)getpid()))));
    return nx_sleep(NX_S(600));
}

static nx_err stubborn(nx_port *port)
{
    NX_TRY(nx_port_send(port, nx_str(nx_format("%d", (int)getpid()))));
    for (;;) pause();
    return NX_OK;
}

/* Looks for the socket that its port has. */
static int socket_of_port(void)
{
    for (int fd = 3; fd < 64; fd++) {
        int type;
        socklen_t len = sizeof type;
        if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_STREAM) return fd;
    }
    return -1;
}

static nx_err scribbles(nx_port *port)
{
    char garbage[4096];
    (void)port;
    memset(garbage, 'G', sizeof garbage);
    return send(socket_of_port(), garbage, sizeof garbage, 0) > 0 ? NX_OK : NX_EIO;
}

static nx_err asks_for_much(nx_port *port)
{
    /* As a message begins that has a terabyte. */
    struct { unsigned magic, kind; unsigned long long len; } head = {0x4e58504f, 1, 1ull << 40};
    (void)port;
    return send(socket_of_port(), &head, sizeof head, 0) > 0 ? NX_OK : NX_EIO;
}

static nx_err breaks_off(nx_port *port)
{
    struct { unsigned magic, kind; unsigned long long len; char text[4]; } part = {0x4e58504f, 1, 100, "four"};
    (void)port;
    if (send(socket_of_port(), &part, 20, 0) < 0) return NX_EIO;
    raise(SIGKILL);
    return NX_OK;
}

static nx_err upper(nx_port *port)
{
    nx_shared *picture, *answer;
    NX_TRY(nx_port_recv_shared(port, &picture));
    NX_TRY(nx_shared_new(&answer, nx_shared_size(picture), "answer"));
    char *from = nx_shared_data(picture), *to = nx_shared_data(answer);
    for (size_t i = 0; i < nx_shared_size(picture); i++) to[i] = (char)(from[i] - 'a' + 'A');
    from[0] = '!';
    return nx_port_send_shared(port, answer);
}

static nx_err listens(nx_port *port)
{
    (void)port;
    nx_http_server *server = nx_http_server_new(.host = "127.0.0.1", .port = 0);
    return nx_http_listen(server);
}

static nx_err inner(nx_port *port)
{
    NX_TRY(nx_port_send(port, nx_str("from within")));
    return nx_fail(NX_EEXIST, "innermost");
}

static nx_err starts_another(nx_port *port)
{
    nx_fiber *worker;
    nx_port *own;
    nx_bytes text;
    NX_TRY(nx_process_worker_start(&worker, &own, inner, .name = "inner"));
    NX_TRY(nx_port_recv(own, &text));
    NX_TRY(nx_port_send(port, text));
    return nx_join(worker);
}

static nx_err imports(nx_port *port)
{
    nx_module *module;
    int (*answer)(void);
    NX_TRY(nx_import(&module, "./part.c"));
    NX_TRY(nx_module_symbol(module, "answer", &answer));
    return nx_port_send(port, nx_str(nx_format("%d", answer())));
}

static nx_err reads(nx_port *port)
{
    nx_bytes text;
    NX_TRY(nx_fs_read_file("secret", &text));
    return nx_port_send(port, text);
}

/* ---- The program */

static void show(const char *what, nx_err err)
{
    printf("%s %s%s%s\n", what, nx_err_name(err), err ? ": " : "", err ? nx_error_last()->message : "");
    (void)fflush(stdout);
}

/* Runs one to its end: what it says, and what becomes of it. */
static nx_err watch(nx_port_fn fn)
{
    nx_fiber *worker;
    nx_port *port;
    nx_bytes text;
    nx_err err;
    NX_TRY(nx_process_worker_start(&worker, &port, fn, .name = "thumbnails"));
    while ((err = nx_port_recv(port, &text)) == NX_OK) printf("said %s\n", text.data);
    show("port", err);
    show("joined", nx_join(worker));
    return NX_OK;
}

static nx_err order(void)
{
    enum { COUNT = 5000, AHEAD = 50 };
    nx_fiber *worker;
    nx_port *port;
    nx_bytes text;
    NX_TRY(nx_process_worker_start(&worker, &port, echo));
    for (int i = 0; i < COUNT + AHEAD; i++) {
        if (i < COUNT) NX_TRY(nx_port_send(port, nx_str(nx_format("message %d", i))));
        if (i == COUNT) NX_TRY(nx_port_finish(port));
        if (i < AHEAD) continue;
        NX_TRY(nx_port_recv(port, &text));
        if (atoi(text.data + 8) != i - AHEAD) return nx_fail(NX_EFAILED, "%d is %s", i - AHEAD, text.data);
    }
    show("then", nx_port_recv(port, &text));
    NX_TRY(nx_join(worker));
    printf("in order\n");
    return NX_OK;
}

static nx_err large(void)
{
    enum { SIZE = 64 << 20 };
    nx_fiber *worker;
    nx_port *port;
    nx_bytes text;
    char *data = malloc(SIZE);
    if (!data) return NX_ENOMEM;
    for (size_t i = 0; i < SIZE; i++) data[i] = (char)(i * 7 + i / 4096);
    NX_TRY(nx_process_worker_start(&worker, &port, echo, .most = SIZE));
    show("more", nx_port_send(port, nx_slice(data, SIZE + 1)));
    NX_TRY(nx_port_send(port, nx_slice(data, SIZE)));
    NX_TRY(nx_port_recv(port, &text));
    printf("%s\n", text.len == SIZE && memcmp(text.data, data, SIZE) == 0 ? "the same" : "another");
    nx_port_close(port);
    free(data);
    return nx_join(worker);
}

/* Its number, for who looks from outside. */
static nx_err hold(nx_fiber **worker, nx_port **port, nx_port_fn fn, nx_duration grace)
{
    nx_bytes text;
    NX_TRY(nx_process_worker_start(worker, port, fn, .name = "held", .grace = grace));
    NX_TRY(nx_port_recv(*port, &text));
    printf("worker %s\n", text.data);
    (void)fflush(stdout);
    return NX_OK;
}

static nx_err cancels(nx_port_fn fn, nx_duration grace)
{
    nx_fiber *worker;
    nx_port *port;
    NX_TRY(hold(&worker, &port, fn, grace));
    nx_cancel(worker);
    show("joined", nx_join(worker));
    return NX_OK;
}

static nx_err owner(const char *how)
{
    nx_fiber *worker;
    nx_port *port;
    NX_TRY(hold(&worker, &port, stubborn, 0));
    if (!strcmp(how, "crash")) *(volatile int *)8 = 1;
    if (!strcmp(how, "kill")) raise(SIGKILL);
    if (!strcmp(how, "exit")) exit(0);
    return nx_join(worker);
}

static nx_err limit(void)
{
    nx_scope *scope;
    NX_TRY(nx_scope_open(&scope));
    for (int i = 0; i <= NX_PROCESS_WORKERS_MAX; i++) {
        nx_port *port;
        nx_err err = nx_process_worker_start(NULL, &port, echo, .name = nx_format("w%d", i));
        if (err) show(nx_format("number %d", i), err);
        if (err) break;
    }
    nx_scope_cancel(scope);
    show("scope", nx_scope_close(&scope));
    NX_TRY(watch(fails)); /* there is room again */
    return NX_OK;
}

static nx_err many(int count)
{
    for (int i = 0; i < count; i++) {
        nx_scope *scope;
        nx_fiber *worker;
        NX_TRY(nx_scope_open(&scope));
        NX_TRY(nx_process_worker_start(&worker, NULL, i % 4 == 3 ? killed : echo));
        nx_err err = nx_join(worker);
        if (err != (i % 4 == 3 ? NX_ECRASHED : NX_OK)) return err;
        NX_TRY(nx_scope_close(&scope));
    }
    return NX_OK;
}

static nx_err leak(void)
{
    nx_channel *signals;
    int signo;
    NX_TRY(many(4));
    NX_TRY(nx_signals(&signals, 1ull << SIGUSR1));
    printf("begin %d\n", (int)getpid());
    (void)fflush(stdout);
    NX_TRY(nx_recv(signals, &signo));
    NX_TRY(many(100));
    printf("end\n");
    (void)fflush(stdout);
    return nx_sleep(NX_S(600));
}

static nx_err shares(void)
{
    enum { SIZE = 1 << 20 };
    nx_fiber *worker;
    nx_port *port;
    nx_shared *picture, *answer;
    NX_TRY(nx_shared_new(&picture, SIZE, "picture"));
    memset(nx_shared_data(picture), 'x', SIZE);
    NX_TRY(nx_process_worker_start(&worker, &port, upper));
    NX_TRY(nx_port_send_shared(port, picture));
    NX_TRY(nx_port_recv_shared(port, &answer));
    NX_TRY(nx_join(worker));
    char *data = nx_shared_data(answer);
    printf("%c%c %c\n", data[0], data[SIZE - 1], *(char *)nx_shared_data(picture));
    return NX_OK;
}

static nx_err scoped(void)
{
    nx_scope *scope;
    nx_fiber *worker;
    nx_port *port;
    NX_TRY(nx_scope_open(&scope));
    NX_TRY(hold(&worker, &port, sleeps, 0));
    NX_TRY(nx_process_worker_start(NULL, NULL, fails)); /* nobody joins it: it cancels the scope */
    show("joined", nx_join(worker));
    show("scope", nx_scope_close(&scope));
    return NX_OK;
}

static nx_err foreign(void)
{
    nx_port *port;
    union { void (*any)(void); nx_port_fn fn; } libc = {.any = (void (*)(void))free};
    show("start", nx_process_worker_start(NULL, &port, libc.fn, .name = "foreign"));
    return NX_OK;
}

static nx_err writes_late(void)
{
    nx_fiber *worker;
    nx_port *port;
    NX_TRY(nx_process_worker_start(&worker, &port, killed));
    show("joined", nx_join(worker));
    show("sent", nx_port_send(port, nx_str("too late")));
    return NX_OK;
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    static const struct { const char *name; nx_port_fn fn; } watched[] = {
        {"fails", fails}, {"fails_below", fails_below}, {"tells", tells}, {"touches", touches}, {"aborts", aborts},
        {"exits", exits}, {"leaves", leaves}, {"killed", killed}, {"scribbles", scribbles},
        {"asks_for_much", asks_for_much}, {"breaks_off", breaks_off}, {"listens", listens},
        {"starts_another", starts_another}, {"imports", imports}, {"reads", reads},
    };
    setting = 2;
    for (size_t i = 0; i < sizeof watched / sizeof *watched; i++)
        if (!strcmp(what, watched[i].name)) return watch(watched[i].fn);
    if (!strcmp(what, "order")) return order();
    if (!strcmp(what, "large")) return large();
    if (!strcmp(what, "cancel")) return cancels(sleeps, 0);
    if (!strcmp(what, "cancel_stubborn")) return cancels(stubborn, NX_MS(300));
    if (!strcmp(what, "owner")) return owner(argv[2]);
    if (!strcmp(what, "limit")) return limit();
    if (!strcmp(what, "leak")) return leak();
    if (!strcmp(what, "shares")) return shares();
    if (!strcmp(what, "scoped")) return scoped();
    if (!strcmp(what, "foreign")) return foreign();
    if (!strcmp(what, "writes_late")) return writes_late();
    return NX_EUSAGE;
}
"""

SERVER = r"""
#include <nexus.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#define VERSION "%(version)s"

static nx_err answers(nx_port *port)
{
    nx_bytes text;
    while (nx_port_recv(port, &text) == NX_OK) {
        if (!strcmp(text.data, "slow")) NX_TRY(nx_sleep(NX_S(1)));
        NX_TRY(nx_port_send(port, nx_str(nx_format("%%s %%d", VERSION, (int)getpid()))));
    }
    return NX_OK;
}
static nx_port *port;
static nx_err ask(nx_response *res, const char *what)
{
    nx_bytes answer;
    NX_TRY(nx_port_send(port, nx_str(what)));
    NX_TRY(nx_port_recv(port, &answer));
    return nx_response_send(res, answer.data);
}
static nx_err root(nx_request *req, nx_response *res) { (void)req; return ask(res, ""); }
static nx_err slow(nx_request *req, nx_response *res)
{
    (void)req;
    printf("asked\n");
    return ask(res, "slow");
}
static nx_err crash(nx_request *req, nx_response *res) { (void)req; (void)res; *(volatile int *)8 = 1; return NX_OK; }
int main(int argc, char **argv)
{
    nx_fiber *worker;
    NX_TRY(nx_process_worker_start(&worker, &port, answers, .name = "answers"));
    nx_http_server *server = nx_http_server_new(.host = "127.0.0.1", .port = (uint16_t)atoi(argv[argc - 1]));
    nx_http_route(server, "GET", "/", root);
    nx_http_route(server, "GET", "/slow", slow);
    nx_http_route(server, "GET", "/crash", crash);
    nx_err err = nx_http_listen(server);
    nx_http_server_free(server);
    nx_port_close(port);
    return err ? err : nx_join(worker);
}
"""


def runs(name):
    """Whether a process of this name does."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/comm", encoding="utf-8") as file:
                if file.read().strip() == name and alive(pid):
                    return True
        except OSError:
            pass
    return False


class Common:
    """What holds for a program under `nexus run`, and for one that is linked with libnexus.a."""

    def run_it(self, what, *flags):
        result = self.nexus("run", *flags, self.file, "--", what)
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        return result

    def lines(self, what, *flags):
        result = self.run_it(what, *flags)
        self.assertEqual(without_reports(result.stderr), "")
        return result.stdout.splitlines()

    def test_a_result_with_its_message(self):
        self.assertEqual(self.lines("fails"), ['port NX_ECLOSED: worker "thumbnails" sends no more',
                                               "joined NX_ETYPE: the third row is odd"])
        self.assertEqual(self.lines("fails_below")[-1], "joined NX_EIO: of a fiber of its own")

    def test_it_is_the_same_program_anew(self):
        said = self.lines("tells")
        self.assertIn("setting 1, clean", said)
        self.assertEqual(said[-1], "joined NX_OK")

    def test_messages_in_their_order(self):
        self.assertEqual(self.lines("order"), ['then NX_ECLOSED: worker "worker" sends no more', "in order"])

    def test_64_mib_there_and_back(self):
        self.assertEqual(self.lines("large"), ['more NX_ETOOBIG: cannot send 67108865 bytes to worker "worker": '
                                               "a message has 67108864 at most (.most)", "the same"])

    def test_a_crash_is_reported_and_survived(self):
        result = self.run_it("touches")
        self.assertEqual(result.stdout.splitlines(), ["said about to", 'port NX_ECLOSED: worker "thumbnails" sends no more',
                                                      'joined NX_ECRASHED: worker "thumbnails" crashed (Segmentation fault)'])
        if not sanitized():
            self.assertIn('nexus: worker "thumbnails" crashed in fiber "thumbnails": segmentation fault at address 0x8',
                          result.stderr)
            self.assertRegex(result.stderr, r"touches .*app\.c:\d+")
        self.assertNotIn("apart_main", result.stderr)

    def test_other_ends(self):
        self.assertIn('joined NX_ECRASHED: worker "thumbnails" crashed (Aborted)', self.run_it("aborts").stdout)
        for what, code in (("exits", 3), ("leaves", 0)):
            self.assertEqual(self.lines(what)[-1],
                             f'joined NX_ECRASHED: worker "thumbnails" ended with exit code {code} instead of a result')
        self.assertEqual(self.lines("killed")[-1], 'joined NX_ECRASHED: worker "thumbnails" crashed (Killed)')
        self.assertEqual(self.lines("writes_late")[-1],
                         'sent NX_ECLOSED: cannot send to worker "worker": it receives no more')

    def test_what_is_no_message(self):
        self.assertEqual(self.lines("scribbles"), ['port NX_EPROTO: worker "thumbnails" has sent what is no message',
                                                   "joined NX_OK"])
        self.assertEqual(self.lines("asks_for_much"),
                         ['port NX_EPROTO: worker "thumbnails" has sent what is no message', "joined NX_OK"])
        self.assertEqual(self.lines("breaks_off"), ['port NX_ECLOSED: worker "thumbnails" has ended in the middle of a message',
                                                    'joined NX_ECRASHED: worker "thumbnails" crashed (Killed)'])

    def test_cancelled(self):
        self.assertEqual(self.lines("cancel")[-1], "joined NX_ECANCELED: cancelled while sleeping")

    def test_cancelled_and_killed(self):
        said = self.lines("cancel_stubborn")
        self.assertEqual(said[-1], 'joined NX_ECANCELED: worker "held" was cancelled, and killed when it had not ended '
                                   "within 0.3 s")
        self.assertFalse(alive(int(said[0].split()[1])))

    def test_an_error_that_nobody_joins_cancels_the_scope(self):
        said = self.lines("scoped")
        self.assertRegex(said[1], "joined NX_ECANCELED")
        self.assertEqual(said[2], "scope NX_ETYPE: the third row is odd")

    def test_the_limit(self):
        said = self.lines("limit")
        self.assertEqual(said[0], 'number 64 NX_ELIMIT: cannot start worker "w64": 64 process workers are alive, which is '
                                  "the limit")
        self.assertEqual(said[-1], "joined NX_ETYPE: the third row is odd")

    def test_a_shared_region(self):
        self.assertEqual(self.lines("shares"), ["XX !"])

    def test_it_can_not_listen(self):
        self.assertIn('NX_ENOTSUP: worker "thumbnails" can\'t listen: a process worker serves its program',
                      self.lines("listens", "--allow-net")[-1])

    def test_one_starts_another(self):
        self.assertEqual(self.lines("starts_another"), ["said from within", 'port NX_ECLOSED: worker "thumbnails" sends no more',
                                                        "joined NX_EEXIST: innermost"])

    def test_a_function_of_another_module(self):
        self.assertEqual(self.lines("foreign"), ['start NX_EINVAL: cannot start worker "foreign": its function is not the '
                                                 "program's own, but of a module that it has loaded"])

    def worker_of(self, running):
        return int(re.fullmatch(r"worker (\d+)\n", running.process.stdout.readline())[1])

    def test_it_goes_with_who_has_started_it(self):
        for how, code in (("crash", 128 + 11), ("kill", 128 + 9), ("exit", 0)):
            with self.start("owner", how) as running:
                worker = self.worker_of(running)
                self.assertIn(running.wait(), (code, 128 - code), running.errors)
                wait_for(lambda: not alive(worker))

    def test_signals_are_for_the_program(self):
        with self.start("owner", "waits") as running:
            worker = self.worker_of(running)
            for signo in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                os.kill(worker, signo)
            self.assertTrue(alive(worker))
            running.stop(signal.SIGINT)
            wait_for(lambda: not alive(worker))

    def test_nothing_is_left_of_100(self):
        with self.start("leak") as running:
            program = int(re.fullmatch(r"begin (\d+)\n", running.process.stdout.readline())[1])

            def left():
                """Of the launcher, where there is one, and the program: descriptors and children."""
                return [count for pid in (running.process.pid, program)
                        for count in (len(os.listdir(f"/proc/{pid}/fd")), len(children(pid)))]

            wait_for(lambda: set(children(running.process.pid)) <= {program})  # the compiler may look for warnings still
            before = left()
            os.kill(program, signal.SIGUSR1)
            self.assertEqual(running.process.stdout.readline(), "end\n")
            wait_for(lambda: all(now <= then for now, then in zip(left(), before)))
            running.stop(signal.SIGKILL)


class Run(Common, Base):
    file = "app.c"

    def setUp(self):
        super().setUp()
        self.write("app.c", PROGRAM)

    def start(self, *args):
        return Running("run", "app.c", "--", *args, cwd=self.dir)

    def test_it_imports_and_has_the_programs_permissions(self):
        self.write("part.c", "int answer(void);\nint answer(void) { return 42; }\n")
        self.assertEqual(self.lines("imports")[0], "said 42")
        self.write("secret", "word")
        self.assertEqual(self.lines("reads", "--allow-read=secret")[0], "said word")
        self.assertIn("NX_EPERM", self.lines("reads")[-1])

    def test_under_dev(self):
        with Running("dev", "app.c", "--", "touches", cwd=self.dir) as running:
            if not sanitized():
                running.said('worker "thumbnails" crashed in fiber "thumbnails"')
            running.said("ended")
            running.stop()


class Plain(Common, Base):
    """Linked with libnexus.a: it starts itself once more."""
    file = "app.c"

    @classmethod
    def setUpClass(cls):
        archive = os.path.join(os.path.dirname(NEXUS), "../lib/libnexus.a")
        if not os.path.exists(archive):
            raise unittest.SkipTest("libnexus.a is not built")
        cls.built = tempfile.mkdtemp(prefix="nexus-plain-")
        cls.addClassCleanup(shutil.rmtree, cls.built)
        cls.program = os.path.join(cls.built, "program")
        source = os.path.join(cls.built, "app.c")
        with open(source, "w", encoding="utf-8") as file:
            file.write(PROGRAM)
        subprocess.run(["cc", "-g", "-D_GNU_SOURCE", source, f"-I{HERE}/../../include", archive, "-Wl,--wrap=main", "-lm",
                        "-pthread", "-o", cls.program], check=True)

    def nexus(self, *args, **options):
        return subprocess.run([self.program, args[-1]], cwd=self.dir, capture_output=True, text=True, errors="replace",
                              timeout=60 * SLOW, check=False)

    def start(self, *args):
        return Running(*args, cwd=self.dir, program=self.program)

    def test_the_mark_alone_does_nothing(self):
        for mark in ("", "1:3", "x", f"{os.getpid()}:0", f"{os.getpid()}:99", f"{os.getpid()}:3x"):
            result = subprocess.run([self.program, "fails"], capture_output=True, text=True, timeout=60 * SLOW, check=False,
                                    env={**os.environ, "NEXUS_PROCESS_WORKER": mark})
            self.assertIn("joined NX_ETYPE", result.stdout)


class Servers(Base):
    def begin(self, version="one"):
        self.write("app.c", SERVER % {"version": version})

    def answer(self, port):
        version, worker = get(port).split()
        return version, int(worker)

    def test_a_restart_has_its_own(self):
        self.begin()
        port = free_port()
        with Running("run", "app.c", f"--allow-net=127.0.0.1:{port}", "--", str(port), cwd=self.dir) as running:
            running.serving(port)
            version, first = self.answer(port)
            self.assertEqual(version, "one")
            self.begin("two")
            running.process.send_signal(signal.SIGHUP)
            running.said("restarted")
            wait_for(lambda: self.answer(port)[0] == "two")
            second = self.answer(port)[1]
            self.assertNotEqual(first, second)
            wait_for(lambda: not alive(first))
            self.assertTrue(alive(second))
            running.stop()
            wait_for(lambda: not alive(second))

    def test_what_an_old_one_is_asked_it_answers(self):
        self.begin()
        port = free_port()
        with Running("run", "app.c", f"--allow-net=127.0.0.1:{port}", "--", str(port), cwd=self.dir) as running:
            running.serving(port)
            answers = []
            asks = threading.Thread(target=lambda: answers.append(get(port, "/slow", 20)))
            asks.start()
            self.assertEqual(running.process.stdout.readline(), "asked\n")
            self.begin("two")
            running.process.send_signal(signal.SIGHUP)
            asks.join()
            self.assertRegex(answers[0], r"^one \d+$")
            running.stop()

    def test_a_program_that_crashes_has_a_new_one(self):
        self.begin()
        port = free_port()
        with Running("run", "app.c", f"--allow-net=127.0.0.1:{port}", "--", str(port), cwd=self.dir) as running:
            running.serving(port)
            first = self.answer(port)[1]
            try:
                get(port, "/crash")
            except OSError:
                pass
            running.said("starting it again")
            wait_for(lambda: not alive(first))
            running.serving(port)
            self.assertNotEqual(self.answer(port)[1], first)
            running.stop()


TESTS = r"""
#include <nexus/fs.h>
#include <nexus/test.h>
#include <nexus/worker.h>

static int setting = 1;

static nx_err doubles(nx_port *port)
{
    nx_bytes text;
    while (nx_port_recv(port, &text) == NX_OK) {
        if (!strcmp(text.data, "crash")) *(volatile int *)8 = setting;
        NX_TRY(nx_port_send(port, nx_str(nx_format("%s%s%d", text.data, text.data, setting))));
    }
    return NX_OK;
}

NX_TEST("answers, crashes, and again")
{
    setting = 2;
    for (int i = 0; i < 3; i++) {
        nx_fiber *worker;
        nx_port *port;
        nx_bytes text;
        nx_require_ok(nx_process_worker_start(&worker, &port, doubles, .name = "doubles"));
        nx_require_ok(nx_port_send(port, nx_str("ab")));
        nx_require_ok(nx_port_recv(port, &text));
        nx_expect_eq(text, "abab1");
        nx_require_ok(nx_port_send(port, nx_str("crash")));
        nx_expect_err(NX_ECLOSED, nx_port_recv(port, &text));
        nx_expect_err(NX_ECRASHED, nx_join(worker));
        nx_expect_contains(nx_error_last()->message, "worker \"doubles\" crashed (Segmentation fault)");
    }
}

static nx_err reads(nx_port *port)
{
    nx_bytes text;
    NX_TRY(nx_fs_read_file("thing.txt", &text));
    return nx_port_send(port, text);
}

NX_TEST("reads what the project has")
{
    nx_port *port;
    nx_bytes text;
    nx_require_ok(nx_process_worker_start(NULL, &port, reads));
    nx_require_ok(nx_port_recv(port, &text));
    nx_expect_eq(text, "here");
}

static nx_err stays(nx_port *port)
{
    (void)port;
    for (;;) NX_TRY(nx_sleep(NX_S(1)));
}

NX_TEST("leaves one behind")
{
    nx_port *port;
    nx_require_ok(nx_process_worker_start(NULL, &port, stays, .detached = true, .name = "left-behind"));
}
"""


class Tests(Base):
    def test_under_nexus_test(self):
        self.write("thing_test.c", TESTS)
        self.write("thing.txt", "here")
        result = self.nexus("test", "--parallel=2", "--repeat=4")
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        self.assertIn("12 passed", result.stdout)
        self.assertNotIn("crashed in fiber", result.stdout + result.stderr)  # a test that passes is silent
        wait_for(lambda: not runs("left-behind"))
        result = self.nexus("test", "--output", "--filter=answers")
        if not sanitized():
            self.assertIn('worker "doubles" crashed in fiber "doubles": segmentation fault', result.stderr)


class Example(Base):
    def test_the_example(self):
        shutil.copy(os.path.join(EXAMPLES, "worker-process/app.c"), os.path.join(self.dir, "app.c"))
        result = self.nexus("run", "app.c", "--", "(a (b))", "a)", "()", ")", "")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(result.stdout, '(a (b)): 2\na): worker "parser" crashed (Segmentation fault)\n(): 1\n'
                                        '): worker "parser" crashed (Segmentation fault)\n: 0\n')
        if not sanitized():
            self.assertEqual(result.stderr.count('worker "parser" crashed in fiber "parser": segmentation fault'), 2)


if __name__ == "__main__":
    unittest.main()
