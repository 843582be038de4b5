/* Cancellation: every call that suspends gives up, whether it waits already or comes after. */
#include "loop_test.h"

#include "loop/files.h"
#include <fcntl.h>
#include <nexus/fs.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

static nx_channel *empty, *full;

static nx_err in_sleep(void *arg)
{
    (void)arg;
    return nx_sleep(NX_S(60));
}

static nx_err in_sleep_forever(void *arg)
{
    (void)arg;
    return nx_sleep(NX_FOREVER);
}

static nx_err in_join(void *arg)
{
    nx_fiber *f = NULL;
    NX_TRY(nx_spawn(&f, in_sleep, arg));
    return nx_join(f);
}

static nx_err in_recv(void *arg)
{
    int value;
    (void)arg;
    return nx_recv(empty, &value);
}

static nx_err in_send(void *arg)
{
    int value = 2;
    (void)arg;
    return nx_send(full, &value);
}

static nx_err in_select(void *arg)
{
    size_t which;
    int value = 1;
    (void)arg;
    return nx_select(&which, nx_on_recv(empty, &value), nx_on_send(full, &value),
                     nx_on_timeout(NX_S(60)));
}

static nx_err in_yield(void *arg)
{
    (void)arg;
    for (;;) NX_TRY(nx_yield());
}

static nx_err in_signal(void *arg)
{
    int signo;
    (void)arg;
    return nx_signal_wait(1ull << SIGUSR2, &signo);
}

static nx_err in_child(void *arg)
{
    int status;
    (void)arg;
    pid_t pid = fork();
    if (pid == 0) {
        (void)pause();
        _exit(0);
    }
    nx_err err = nx_child_wait(pid, &status);
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, &status, 0);
    return err;
}

static void ignore(struct nx__watch *watch, uint32_t events)
{
    (void)watch;
    (void)events;
}

static nx_err in_wait_fd(void *arg)
{
    (void)arg;
    struct nx_loop *loop = nx__loop();
    struct nx__watch watch = {.ready = ignore};
    int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    NX_TRY(nx__poller_add(&loop->poller, &watch, fd, NX__READABLE));
    nx_err err = nx__wait_fd(&watch, NX__READABLE, NX_FOREVER);
    nx__poller_remove(&loop->poller, &watch);
    (void)close(fd);
    return err;
}

/* The read end of a pipe that nobody writes to. */
static nx_err in_file_read(void *arg)
{
    (void)arg;
    int fds[2];
    char byte;
    if (pipe2(fds, O_CLOEXEC) != 0) return NX_EFAILED;
    int64_t n = nx__file_read(fds[0], &byte, 1, 0);
    (void)close(fds[0]);
    (void)close(fds[1]);
    return n == -ECANCELED ? NX_ECANCELED : NX_EFAILED;
}

static nx_err in_read_file(void *arg)
{
    nx_bytes text;
    (void)arg;
    for (;;) NX_TRY(nx_fs_read_file("/proc/self/status", &text));
}

static nx_err nothing(void *arg)
{
    (void)arg;
    return NX_OK;
}

static nx_err in_blocking(void *arg)
{
    for (;;) NX_TRY(nx_blocking(nothing, arg));
}

static nx_err in_scope(void *arg)
{
    nx_scope *scope;
    NX_TRY(nx_scope_open(&scope));
    NX_TRY(nx_spawn(NULL, in_sleep, arg));
    return nx_scope_close(&scope);
}

static const struct {
    const char *name;
    nx_err (*fn)(void *arg);
} calls[] = {{"sleep", in_sleep},         {"sleep forever", in_sleep_forever},
             {"join", in_join},           {"recv", in_recv},
             {"send", in_send},           {"select", in_select},
             {"yield", in_yield},         {"signal", in_signal},
             {"child", in_child},         {"wait_fd", in_wait_fd},
             {"read_file", in_read_file}, {"blocking", in_blocking},
             {"scope", in_scope},         {"file_read", in_file_read}};

enum { CALLS = sizeof calls / sizeof *calls };

/* How many turns the fiber gets before it is cancelled: none, or until it waits. */
static void cancel_each(bool waiting)
{
    int one = 1;
    nx_expect_ok(nx_channel_new(&empty, sizeof(int), 0));
    nx_expect_ok(nx_channel_new(&full, sizeof(int), 1));
    nx_expect_ok(nx_send(full, &one));
    for (size_t i = 0; i < CALLS; i++)
        nx_subtest ("%s", calls[i].name) {
            if (calls[i].fn == in_file_read && strcmp(nx__files_backend(), "io_uring") != 0)
                nx_skip("a thread of the pool cannot be called back from a read of a pipe");
            if (calls[i].fn == in_child && on_valgrind())
                nx_skip("valgrind has no descriptors of processes");
            nx_fiber *f = NULL;
            nx_expect_ok(nx_spawn(&f, calls[i].fn, NULL, .name = calls[i].name));
            if (waiting) nx_expect_ok(nx_sleep(NX_MS(2)));
            nx_cancel(f);
            nx_cancel(f);
            nx_expect_err(NX_ECANCELED, nx_join(f));
        }
    settle();
    nx_channel_free(empty);
    nx_channel_free(full);
    nx_stats stats = {.size = sizeof stats};
    nx_stats_get(&stats);
    nx_expect_eq(stats.operations, 0);
    nx_expect_eq(stats.fibers, 1);
}

NX_TEST("cancel while waiting")
{
    cancel_each(true);
}
NX_TEST("cancel before the start")
{
    cancel_each(false);
}

static nx_err tries_all(void *arg)
{
    (void)arg;
    nx_expect_err(NX_ECANCELED, nx_sleep(NX_S(60)));
    nx_expect(nx_canceled());
    /* What would not wait still goes through, so that a cancelled fiber can clean up. */
    nx_channel *c = NULL;
    int value = 3;
    nx_expect_ok(nx_channel_new(&c, sizeof value, 1));
    nx_expect_ok(nx_send(c, &value));
    nx_expect_ok(nx_recv(c, &value));
    nx_expect_err(NX_ECANCELED, nx_recv(c, &value));
    nx_channel_free(c);
    nx_expect_err(NX_ECANCELED, nx_spawn(NULL, nothing, NULL));
    nx_expect(nx_alloc(16) != NULL);
    nx_expect_err(NX_ECANCELED, nx_yield());
    return NX_OK;
}

NX_TEST("a cancelled fiber stays cancelled")
{
    nx_fiber *f = NULL;
    nx_expect_ok(nx_spawn(&f, tries_all, NULL));
    settle();
    nx_cancel(f);
    nx_expect_ok(nx_join(f)); /* its result is its own */
    nx_cancel(NULL);
}

static nx_err quick(void *arg)
{
    (void)arg;
    return nx_sleep(NX_MS(1));
}

static nx_err cancels_itself(void *arg)
{
    (void)arg;
    nx_cancel(nx_fiber_current());
    return nx_sleep(NX_S(60));
}

static nx_err joins(void *arg)
{
    return nx_join(arg);
}

NX_TEST("a cancelled join leaves the fiber joinable")
{
    nx_fiber *f = NULL, *joiner = NULL;
    nx_duration start = nx_now();
    nx_expect_ok(nx_spawn(&f, quick, NULL));
    nx_expect_ok(nx_spawn(&joiner, joins, f));
    settle();
    nx_cancel(joiner);
    nx_expect_err(NX_ECANCELED, nx_join(joiner));
    nx_expect_ok(nx_join(f));
    nx_expect_ge(nx_now() - start, NX_MS(1));
}

NX_TEST("edges")
{
    nx_fiber *f = NULL;
    nx_expect_ok(nx_spawn(&f, quick, NULL));
    nx_expect_ok(nx_sleep(NX_MS(5)));
    nx_cancel(f); /* has ended */
    nx_expect_ok(nx_join(f));
    nx_expect_ok(nx_spawn(&f, cancels_itself, NULL));
    nx_expect_err(NX_ECANCELED, nx_join(f));
}

NX_TEST("cancel over the thread pool")
{
    nx_fiber *f = NULL;
    nx_expect_ok(nx_spawn(&f, in_blocking, NULL));
    nx_expect_ok(nx_sleep(NX_MS(2)));
    nx_cancel(f);
    nx_expect_err(NX_ECANCELED, nx_join(f));
}
