/* Programs step by step: their streams, signals, ends and terminals. */
#include "process_test.h"

#include "process/living.h"

NX_TEST("one writes and reads while it runs")
{
    nx_process *p;
    nx_process_end end;
    char text[16];
    size_t got;
    nx_require_ok(nx_process_start(&p, NX_ARGV("cat"), .in = NX_IO_PIPE, .out = NX_IO_PIPE));
    nx_expect_gt(nx_process_pid(p), 1);
    nx_expect_eq(kill(nx_process_pid(p), 0), 0);
    nx_expect_ok(nx_stream_write(nx_process_in(p), nx_str("hello\n")));
    nx_expect_eq(line_of(p), "hello");
    nx_expect_ok(nx_stream_finish(nx_process_in(p)));
    nx_expect_ok(nx_stream_read(nx_process_out(p), text, sizeof text, &got));
    nx_expect_eq(got, 0);
    nx_expect_ok(nx_process_wait(p, &end));
    nx_expect(end.ok);
    nx_expect_ok(nx_process_wait(p, NULL)); /* and again */
    nx_expect_err(NX_ECLOSED, nx_stream_write(nx_process_in(p), nx_str("more")));
    nx_expect_err(NX_ESTATE, nx_stream_read(nx_process_err(p), text, 1, &got));
    nx_expect_eq(nx_error_last()->message,
                 "the standard error of \"cat\" is no pipe: start it with NX_IO_PIPE");
    if (!under_valgrind()) nx_expect(no_zombie());
    nx_process_close(p);
    nx_process_close(p);
    nx_process_close(NULL);
    nx_expect(no_zombie());
    nx_expect_err(NX_ECLOSED, nx_process_wait(p, &end));
    nx_expect_err(NX_ECLOSED, nx_process_signal(p, SIGTERM));
    nx_expect_err(NX_ECLOSED, nx_process_stop(p));
}

NX_TEST("streams go through pipes and close once")
{
    nx_process *p;
    nx_bytes out;
    nx_require_ok(
        nx_process_start(&p, NX_ARGV("tr", "a-z", "A-Z"), .in = NX_IO_PIPE, .out = NX_IO_PIPE));
    nx_expect_ok(nx_pipe(nx_memory_reader(nx_str("shout")), nx_process_in(p)));
    nx_expect_ok(nx_pipe(nx_process_out(p), nx_memory_writer(&out, 100)));
    nx_expect_eq(out, "SHOUT");
    nx_expect_ok(nx_process_wait(p, NULL));
    /* One after the other through this program, then by the system. */
    nx_process *first, *second;
    nx_require_ok(nx_process_start(&first, NX_ARGV("seq", "3"), .out = NX_IO_PIPE));
    nx_require_ok(nx_process_start(&second, NX_ARGV("tac"), .in = NX_IO_PIPE, .out = NX_IO_PIPE));
    nx_expect_ok(nx_pipe(nx_process_out(first), nx_process_in(second)));
    nx_expect_ok(nx_pipe(nx_process_out(second), nx_memory_writer(&out, 100)));
    nx_expect_eq(out, "3\n2\n1\n");
    nx_run_result r;
    nx_require_ok(nx_process_start(&first, NX_ARGV("seq", "100000"), .out = NX_IO_PIPE));
    nx_expect_ok(nx_run(&r, NX_ARGV("tail", "-n", "1"), .in = NX_IO_FROM(first)));
    nx_expect_eq(r.out, "100000\n");
    nx_expect_err(NX_ECLOSED, nx_pipe(nx_process_out(first), nx_memory_writer(&out, 100)));
    nx_expect_err(NX_EINVAL, nx_run(&r, NX_ARGV("cat"), .in = NX_IO_FROM(first)));
    nx_expect_contains(nx_error_last()->message, "no open pipe");
}

NX_TEST("a program that floods waits, and one that closes early is an error to who writes")
{
    nx_process *p;
    char text[100];
    size_t got;
    nx_require_ok(nx_process_start(&p, NX_ARGV("yes"), .out = NX_IO_PIPE));
    for (int i = 0; i < 3; i++) {
        nx_expect_ok(nx_stream_read(nx_process_out(p), text, sizeof text, &got));
        nx_expect(got > 0 && text[0] == 'y');
    }
    /* Nobody reads its output any more, of which it ends as in a shell. */
    nx_stream_close(nx_process_out(p));
    nx_process_end end;
    nx_expect_ok(nx_process_wait(p, &end));
    nx_expect_eq(end.signal, SIGPIPE);
    nx_require_ok(nx_process_start(&p, NX_ARGV("true"), .in = NX_IO_PIPE));
    nx_expect_ok(nx_process_wait(p, NULL));
    nx_expect_err(NX_ECLOSED, nx_stream_write(nx_process_in(p), nx_str("x")));
    nx_expect_eq(nx_error_last()->message, "\"true\" reads no more of its standard input");
}

static nx_err writes(void *arg)
{
    nx_process *p = arg;
    char *much = nx_alloc_zero(1, 1 << 20);
    return nx_stream_write(nx_process_in(p), nx_slice(much, 1 << 20));
}

static nx_err reads(void *arg)
{
    char text[8];
    size_t got;
    return nx_stream_read(nx_process_out(arg), text, sizeof text, &got);
}

NX_TEST("who waits for a pipe can be cancelled, and hears of its closing")
{
    nx_process *p;
    nx_fiber *writer, *reader;
    nx_require_ok(
        nx_process_start(&p, NX_ARGV("sleep", "1000"), .in = NX_IO_PIPE, .out = NX_IO_PIPE));
    nx_require_ok(nx_spawn(&writer, writes, p));
    nx_require_ok(nx_spawn(&reader, reads, p));
    nx_require_ok(nx_sleep(NX_MS(20)));
    nx_cancel(writer);
    nx_cancel(reader);
    nx_expect_err(NX_ECANCELED, nx_join(writer));
    nx_expect_err(NX_ECANCELED, nx_join(reader));
    nx_process_close(p);
    /* One that has left the group has the pipe still, and no reader waits for that. */
    nx_require_ok(nx_process_start(&p, NX_SHELL("setsid sleep 1000 & echo $!"), .out = NX_IO_PIPE));
    pid_t escaped = atoi(line_of(p));
    nx_expect_ok(nx_process_wait(p, NULL));
    for (int i = 0; i < 1000 && getsid(escaped) != escaped; i++) nx_require_ok(nx_sleep(NX_MS(5)));
    nx_require_ok(nx_spawn(&reader, reads, p));
    nx_require_ok(nx_sleep(NX_MS(20)));
    nx_stream *out = nx_process_out(p);
    nx_process_close(p);
    nx_expect_err(NX_ECLOSED, nx_join(reader));
    nx_expect_eq(nx_error_last()->message, "the standard output of \"/bin/sh\" is closed");
    nx_stream_close(out);
    nx_expect_eq(kill(escaped, SIGKILL), 0);
    nx_expect(no_zombie());
}

/* ---- Pipes whose program is closed by another fiber */

/* One that has left the group, and has the pipe still: its end is not what a reader hears of. */
static const char escape[] = "setsid sh -c 'echo $$; exec sleep 1000' &";
static pid_t escaped;

static nx_err hold_up(void *arg, nx_bytes bytes, nx_stream *next)
{
    (void)arg;
    escaped = atoi(nx_copy(bytes));
    NX_TRY(nx_sleep(NX_MS(20)));
    return nx_stream_write(next, bytes);
}

static nx_err gather_slowly(void *arg)
{
    nx_bytes out;
    return nx_pipe(nx_process_out(arg), nx_transform(hold_up, NULL), nx_memory_writer(&out, 100));
}

static nx_err save(void *arg)
{
    return nx_pipe(nx_process_out(arg), nx_fs_writer(at("saved")));
}

NX_TEST("a pipe hears of its program's closing wherever it is")
{
    nx_process *p;
    nx_fiber *f;
    nx_bytes saved = {0};
    nx_require_ok(nx_process_start(&p, NX_SHELL(escape), .out = NX_IO_PIPE));
    nx_require_ok(nx_spawn(&f, gather_slowly, p));
    while (!escaped) nx_require_ok(nx_sleep(NX_MS(1)));
    nx_process_close(p);
    nx_expect_err(NX_ECLOSED, nx_join(f));
    nx_expect_eq(kill(escaped, SIGKILL), 0);
    nx_require_ok(nx_process_start(&p, NX_SHELL(escape), .out = NX_IO_PIPE));
    nx_require_ok(nx_fs_write_file(at("saved"), nx_str("")));
    nx_require_ok(nx_spawn(&f, save, p));
    while (!saved.len) {
        nx_require_ok(nx_sleep(NX_MS(1)));
        nx_require_ok(nx_fs_read_file(at("saved"), &saved));
    }
    nx_process_close(p);
    nx_expect_err(NX_ECLOSED, nx_join(f));
    nx_expect_eq(kill(atoi(saved.data), SIGKILL), 0);
    nx_expect(no_zombie());
}

static nx_err read_all(void *arg)
{
    char text[16];
    size_t got;
    nx_process *p = arg;
    do NX_TRY(nx_stream_read(nx_process_out(p), text, sizeof text, &got));
    while (got);
    return NX_OK;
}

NX_TEST("a pipe is waited for by one fiber, and the second is told so")
{
    nx_process *p;
    nx_fiber *first;
    nx_require_ok(nx_process_start(&p, NX_ARGV("cat"), .in = NX_IO_PIPE, .out = NX_IO_PIPE));
    nx_require_ok(nx_spawn(&first, read_all, p));
    nx_require_ok(nx_yield());
    nx_expect_err(NX_ESTATE, read_all(p));
    nx_expect_eq(nx_error_last()->message,
                 "another fiber waits for the standard output of \"cat\" already");
    nx_expect_ok(nx_stream_finish(nx_process_in(p)));
    nx_expect_ok(nx_join(first));
    nx_process_close(p);
}

NX_TEST("a signal goes to the program alone, and never to a stranger")
{
    nx_process *p;
    nx_process_end end;
    nx_require_ok(nx_process_start(&p,
                                   NX_SHELL("trap 'echo usr1' USR1; echo ready; sleep 1000 &"
                                            "echo $!; while :; do sleep 0.02; done"),
                                   .out = NX_IO_PIPE));
    nx_expect_eq(line_of(p), "ready");
    pid_t grandchild = atoi(line_of(p));
    nx_expect_ok(nx_process_signal(p, SIGUSR1));
    nx_expect_eq(line_of(p), "usr1");
    nx_expect_err(NX_EINVAL, nx_process_signal(p, 1000));
    nx_expect_ok(nx_process_signal(p, SIGKILL));
    nx_expect_ok(nx_process_wait(p, &end));
    nx_expect_eq(end.signal, SIGKILL);
    nx_expect_eq(kill(grandchild, 0), 0);
    nx_expect_err(NX_ESTATE, nx_process_signal(p, SIGTERM));
    nx_expect_contains(nx_error_last()->message, "it has ended");
    nx_process_close(p); /* takes what is left with it */
    nx_expect(gone(grandchild));
}

NX_TEST("a stop reaches all of the tree, gently and then not")
{
    nx_process *p;
    nx_process_end end;
    nx_require_ok(nx_process_start(&p,
                                   NX_SHELL("trap 'exit 4' TERM; (trap '' TERM; sleep 1000) &"
                                            "echo $!; while :; do sleep 0.02; done"),
                                   .out = NX_IO_PIPE));
    pid_t grandchild = atoi(line_of(p));
    nx_expect_ok(nx_process_stop(p));
    nx_expect_ok(nx_process_wait(p, &end));
    nx_expect_eq(end.code, 4);
    nx_expect(gone(grandchild));
    nx_expect_ok(nx_process_stop(p)); /* again is harmless */
    nx_require_ok(nx_process_start(&p,
                                   NX_SHELL("trap '' TERM; echo a; while :; do sleep 0.02; done"),
                                   .out = NX_IO_PIPE, .grace = NX_MS(50)));
    nx_expect_eq(line_of(p), "a");
    nx_expect_ok(nx_process_stop(p));
    nx_expect_ok(nx_process_wait(p, &end));
    nx_expect_eq(end.signal, SIGKILL);
}

static nx_err stops(void *arg)
{
    return nx_process_stop(arg);
}

NX_TEST("a stop that is cancelled kills at once")
{
    nx_process *p;
    nx_fiber *fiber;
    nx_process_end end;
    nx_require_ok(nx_process_start(&p,
                                   NX_SHELL("trap '' TERM; echo a; while :; do sleep 0.02; done"),
                                   .out = NX_IO_PIPE, .grace = NX_S(1000)));
    nx_expect_eq(line_of(p), "a");
    nx_require_ok(nx_spawn(&fiber, stops, p));
    nx_require_ok(nx_sleep(NX_MS(20)));
    nx_cancel(fiber);
    nx_expect_err(NX_ECANCELED, nx_join(fiber));
    nx_expect_ok(nx_process_wait(p, &end));
    nx_expect_eq(end.signal, SIGKILL);
}

static nx_err waits(void *arg)
{
    nx_process_end end;
    return nx_process_wait(arg, &end);
}

NX_TEST("any number may wait, and a cancelled wait leaves it running")
{
    nx_process *p;
    nx_fiber *fibers[3];
    nx_require_ok(nx_process_start(&p, NX_ARGV("cat"), .in = NX_IO_PIPE));
    for (int i = 0; i < 3; i++) nx_require_ok(nx_spawn(&fibers[i], waits, p));
    nx_require_ok(nx_sleep(NX_MS(20)));
    nx_cancel(fibers[0]);
    nx_expect_err(NX_ECANCELED, nx_join(fibers[0]));
    nx_expect_eq(kill(nx_process_pid(p), 0), 0);
    nx_expect_ok(nx_stream_finish(nx_process_in(p)));
    nx_expect_ok(nx_join(fibers[1]));
    nx_expect_ok(nx_join(fibers[2]));
}

NX_TEST("a program ends with its scope, and a zombie is nobody's")
{
    nx_scope *scope;
    nx_process *p;
    nx_require_ok(nx_scope_open(&scope));
    nx_require_ok(nx_process_start(&p, NX_SHELL("sleep 1000 & echo $!; wait"), .out = NX_IO_PIPE));
    pid_t pid = nx_process_pid(p), grandchild = atoi(line_of(p));
    nx_expect_ok(nx_scope_close(&scope));
    nx_expect(kill(pid, 0) != 0 && errno == ESRCH);
    nx_expect(gone(grandchild));
    /* One that nobody waits for is taken all the same. */
    if (under_valgrind()) nx_skip("without handles it is taken when its own is closed");
    nx_require_ok(nx_process_start(&p, NX_ARGV("true")));
    pid = nx_process_pid(p);
    for (int i = 0; i < 1000 && kill(pid, 0) == 0; i++) nx_require_ok(nx_sleep(NX_MS(5)));
    nx_expect(no_zombie());
}

NX_TEST("one with a grace may end by itself when its handle is closed")
{
    nx_process *p;
    const char *line = nx_format(
        "trap 'echo bye; touch %s; exit' TERM; echo a; while :; do sleep 0.02; done", at("bye"));
    nx_require_ok(nx_process_start(&p, NX_SHELL(line), .out = NX_IO_PIPE, .grace = NX_S(8)));
    nx_expect_eq(line_of(p), "a");
    nx_process_close(p);
    nx_expect_eq(access(at("bye"), F_OK), 0);
}

static nx_err pumps(void *arg)
{
    NX_AUTO(nx_process) *p = NULL;
    nx_bytes out;
    NX_TRY(nx_process_start(&p, NX_SHELL(arg), .out = NX_IO_PIPE, .grace = NX_S(8)));
    return nx_pipe(nx_process_out(p), nx_memory_writer(&out, 1 << 20));
}

NX_TEST("its last words, however many, do not end it before its time")
{
    nx_fiber *fiber;
    const char *line = nx_format("trap 'seq 100000; touch %s; exit' TERM; touch %s;"
                                 "while :; do sleep 0.02; done",
                                 at("ended"), at("begun"));
    nx_require_ok(nx_spawn(&fiber, pumps, (void *)(uintptr_t)line));
    for (int i = 0; i < 1000 && access(at("begun"), F_OK) != 0; i++)
        nx_require_ok(nx_sleep(NX_MS(5)));
    nx_cancel(fiber);
    nx_expect_err(NX_ECANCELED, nx_join(fiber));
    nx_expect_eq(access(at("ended"), F_OK), 0);
}

NX_TEST("what is detached outlives its handle")
{
    nx_scope *scope;
    nx_process *p;
    nx_require_ok(nx_scope_open(&scope));
    nx_require_ok(
        nx_process_start(&p, NX_SHELL("read x; exit 0"), .detached = true, .in = NX_IO_PIPE));
    pid_t pid = nx_process_pid(p);
    nx_expect_eq(getsid(pid), pid);
    nx_stream *in = nx_process_in(p);
    (void)in;
    nx_process *lasting;
    nx_require_ok(nx_process_start(&lasting, NX_ARGV("sleep", "1000"), .detached = true));
    pid_t last = nx_process_pid(lasting);
    nx_expect_ok(nx_scope_close(&scope));
    /* The first has read its end by the closing of the pipe, and is taken though it has no handle.
     */
    for (int i = 0; i < 1000 && kill(pid, 0) == 0; i++) nx_require_ok(nx_sleep(NX_MS(5)));
    nx_expect(kill(pid, 0) != 0);
    nx_expect_eq(kill(last, 0), 0);
    nx_expect_eq(kill(last, SIGKILL), 0);
    for (int i = 0; i < 1000 && kill(last, 0) == 0; i++) nx_require_ok(nx_sleep(NX_MS(5)));
    nx_expect(no_zombie());
}

NX_TEST("an end that somebody else has taken is said")
{
    nx_process *p;
    nx_require_ok(nx_process_start(&p, NX_ARGV("cat"), .in = NX_IO_PIPE));
    nx_expect_eq(kill(nx_process_pid(p), SIGKILL), 0);
    nx_expect_eq(waitpid(nx_process_pid(p), NULL, 0), nx_process_pid(p));
    nx_expect_err(NX_ESTATE, nx_process_wait(p, NULL));
    nx_expect_contains(nx_error_last()->message, "waits for any child");
}

NX_TEST("time that is up is told by the wait")
{
    nx_process *p;
    nx_process_end end;
    nx_require_ok(nx_process_start(&p, NX_ARGV("sleep", "1000"), .timeout = NX_MS(50)));
    nx_expect_err(NX_ETIMEDOUT, nx_process_wait(p, &end));
    nx_expect_eq(end.signal, SIGKILL);
    nx_require_ok(nx_process_start(&p, NX_ARGV("true"), .timeout = NX_S(1000)));
    nx_expect_ok(nx_process_wait(p, &end));
    nx_expect(end.ok);
}

NX_TEST("a terminal is one to the program")
{
    nx_process *p;
    nx_process_end end;
    nx_require_ok(nx_process_start(&p,
                                   NX_SHELL("tty >/dev/null && stty size && read x && echo got $x; "
                                            "read y || echo end"),
                                   .terminal = {.rows = 24, .columns = 100}));
    nx_expect_eq(line_of(p), "24 100\r");
    nx_expect_ok(nx_stream_write(nx_process_in(p), nx_str("word\n")));
    nx_expect_eq(line_of(p), "word\r"); /* the terminal's echo */
    nx_expect_eq(line_of(p), "got word\r");
    nx_expect_ok(nx_stream_finish(nx_process_in(p)));
    nx_expect_eq(line_of(p), "end\r");
    nx_expect_eq(line_of(p), ""); /* its end is the output's */
    nx_expect_ok(nx_process_wait(p, &end));
    nx_expect(end.ok);
}

NX_TEST("a terminal changes its size, and its keys are signals")
{
    nx_process *p;
    nx_process_end end;
    nx_require_ok(nx_process_start(&p,
                                   NX_SHELL("trap 'stty size' WINCH; trap 'echo int; exit 5' INT;"
                                            "stty -echo; echo a; while :; do sleep 0.02; done"),
                                   .terminal = {.rows = 10}));
    nx_expect_eq(line_of(p), "a\r");
    nx_expect_ok(nx_process_resize(p, 50, 60));
    nx_expect_eq(line_of(p), "50 60\r");
    nx_expect_ok(nx_stream_write(nx_process_in(p), nx_str("\003"))); /* Ctrl-C */
    nx_expect_contains(line_of(p), "int");
    nx_expect_ok(nx_process_wait(p, &end));
    nx_expect_eq(end.code, 5);
    nx_require_ok(nx_process_start(&p, NX_ARGV("cat"), .in = NX_IO_PIPE));
    nx_expect_err(NX_ESTATE, nx_process_resize(p, 1, 1));
    nx_run_result r;
    nx_expect_ok(nx_run(&r, NX_ARGV("cat"), .terminal = {.rows = 9}, .input = nx_str("hello\nx")));
    nx_expect_contains(r.out, "hello\r\n");
    nx_expect(r.end.ok);
}

NX_TEST("trees are signalled by number where there is no handle for it")
{
    nx_process *p;
    nx_require_ok(nx_process_start(&p, NX_SHELL("sleep 1000 & echo $!; wait"), .out = NX_IO_PIPE));
    pid_t grandchild = atoi(line_of(p));
    /* -1 is no pidfd: the group's number has to do. */
    nx__tree_signal(&(struct nx__tree){nx_process_pid(p), -1, true, false}, SIGKILL);
    nx_expect(gone(grandchild));
    nx_process_end end;
    nx_expect_ok(nx_process_wait(p, &end));
    nx_expect_eq(end.signal, SIGKILL);
}
