/* Signals, children, descriptors. */
#include "loop_test.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static uint64_t bit(int signo)
{
    return 1ull << signo;
}

static nx_err waits(void *arg)
{
    int *signo = arg, wanted = *signo;
    *signo = 0;
    return nx_signal_wait(bit(wanted), signo);
}

NX_TEST("a waiter gets its signal")
{
    int one = SIGUSR1, two = SIGUSR2;
    nx_fiber *f[2] = {NULL};
    nx_expect_ok(nx_spawn(&f[0], waits, &one));
    nx_expect_ok(nx_spawn(&f[1], waits, &two));
    settle();
    nx_expect_eq(raise(SIGUSR2), 0);
    nx_expect_ok(nx_join(f[1]));
    nx_expect_eq(two, SIGUSR2);
    nx_expect_eq(one, 0);
    nx_expect_eq(kill(getpid(), SIGUSR1), 0);
    nx_expect_ok(nx_join(f[0]));
    nx_expect_eq(one, SIGUSR1);
}

NX_TEST("two waiters take turns")
{
    int a = SIGUSR1, b = SIGUSR1;
    nx_fiber *f[2] = {NULL};
    nx_expect_ok(nx_spawn(&f[0], waits, &a));
    nx_expect_ok(nx_spawn(&f[1], waits, &b));
    settle();
    nx_expect_eq(raise(SIGUSR1), 0);
    nx_expect_ok(nx_join(f[0]));
    nx_expect_eq(a, SIGUSR1);
    nx_expect_eq(b, 0);
    nx_expect_eq(raise(SIGUSR1), 0);
    nx_expect_ok(nx_join(f[1]));
}

NX_TEST("a signal before the wait is kept")
{
    int signo = SIGUSR1;
    nx_fiber *f = NULL;
    nx_expect_ok(nx_spawn(&f, waits, &signo));
    settle();
    nx_expect_eq(raise(SIGUSR1), 0);
    nx_expect_ok(nx_join(f));
    nx_expect_eq(raise(SIGUSR1), 0); /* was waited for before, so it is handled */
    nx_expect_ok(nx_sleep(NX_MS(2)));
    nx_expect_ok(nx_signal_wait(bit(SIGUSR1) | bit(SIGUSR2), &signo));
    nx_expect_eq(signo, SIGUSR1);
}

NX_TEST("signals that cannot be waited for")
{
    int signo;
    nx_expect_err(NX_EINVAL, nx_signal_wait(0, &signo));
    nx_expect_err(NX_EINVAL, nx_signal_wait(1, &signo));
    nx_expect_err(NX_EINVAL, nx_signal_wait(bit(SIGKILL), &signo));
    nx_expect_err(NX_EINVAL, nx_signal_wait(bit(SIGSEGV) | bit(SIGUSR1), &signo));
}

static void raises(void *arg)
{
    (void)arg;
    nx_expect_eq(kill(getpid(), SIGUSR2), 0);
}

NX_TEST("many signals")
{
    for (int i = 0; i < 100; i++) {
        int signo = 0;
        nx_expect(nx_set_immediate(raises, NULL) != 0);
        nx_expect_ok(nx_signal_wait(bit(SIGUSR2), &signo));
        nx_expect_eq(signo, SIGUSR2);
    }
}

/* ---- A graceful stop */

static int stops;

static void stop(struct nx__service *service)
{
    stops++;
    nx__list_remove(&service->link);
}

NX_TEST("shutdown tells the services")
{
    struct nx__service a = {.shutdown = stop}, b = {.shutdown = stop};
    nx__list_insert(&nx__loop()->services, &a.link);
    nx__list_insert(&nx__loop()->services, &b.link);
    nx_shutdown();
    nx_expect_eq(stops, 2);
    nx_expect(nx__list_empty(&nx__loop()->services));
}

/* ---- Children. Valgrind does not know their descriptors. */

static pid_t child(int code, int signo, int after_ms)
{
    (void)fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        (void)usleep((unsigned)after_ms * 1000);
        if (signo) (void)kill(getpid(), signo);
        _exit(code);
    }
    nx_expect_gt(pid, 0);
    return pid;
}

NX_TEST("children that exit")
{
    if (on_valgrind()) nx_skip("valgrind has no descriptors of processes");
    int status = -1;
    nx_expect_ok(nx_child_wait(child(7, 0, 10), &status));
    nx_expect(WIFEXITED(status) && WEXITSTATUS(status) == 7);
    pid_t pid = child(3, 0, 0);
    nx_expect_ok(nx_sleep(NX_MS(20))); /* has ended already */
    nx_expect_ok(nx_child_wait(pid, &status));
    nx_expect_eq(WEXITSTATUS(status), 3);
    nx_expect_err(NX_EINVAL, nx_child_wait(pid, &status)); /* not twice */
}

NX_TEST("a child that is killed")
{
    if (on_valgrind()) nx_skip("valgrind has no descriptors of processes");
    int status = -1;
    nx_expect_ok(nx_child_wait(child(0, SIGKILL, 5), &status));
    nx_expect(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

NX_TEST("not a child")
{
    if (on_valgrind()) nx_skip("valgrind has no descriptors of processes");
    int status;
    nx_expect_err(NX_EINVAL, nx_child_wait(getppid(), &status));
    nx_expect_contains(last_message(), "no child");
    nx_expect_err(NX_EINVAL, nx_child_wait(-1, &status));
    nx_expect_err(NX_EINVAL, nx_child_wait(0, &status));
    nx_expect_err(NX_EINVAL, nx_child_wait(0x3fffff, &status));
}

static nx_err waits_for_child(void *arg)
{
    int status;
    NX_TRY(nx_child_wait(*(pid_t *)arg, &status));
    return WEXITSTATUS(status) == 5 ? NX_OK : NX_EFAILED;
}

NX_TEST("many children")
{
    if (on_valgrind()) nx_skip("valgrind has no descriptors of processes");
    enum { N = 10 };
    pid_t pids[N];
    nx_scope *scope;
    nx_expect_ok(nx_scope_open(&scope));
    for (int i = 0; i < N; i++) {
        pids[i] = child(5, 0, i * 2);
        nx_expect_ok(nx_spawn(NULL, waits_for_child, &pids[i]));
    }
    nx_expect_ok(nx_scope_close(&scope));
}

/* ---- Descriptors */

static uint32_t reported;

static void ready(struct nx__watch *watch, uint32_t events)
{
    (void)watch;
    reported |= events;
}

static nx_err writes(void *arg)
{
    NX_TRY(nx_sleep(NX_MS(2)));
    return write(*(int *)arg, "x", 1) == 1 ? NX_OK : NX_EFAILED;
}

NX_TEST("waiting for a descriptor")
{
    int fds[2];
    nx_expect_eq(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
    struct nx__poller *poller = &nx__loop()->poller;
    struct nx__watch watch = {.ready = ready};
    nx_expect_ok(nx__poller_add(poller, &watch, fds[0], NX__READABLE));
    nx_expect_err(NX_ETIMEDOUT, nx__wait_fd(&watch, NX__READABLE, nx__deadline(NX_MS(3))));
    nx_expect_eq(watch.waiter, NULL);
    nx_fiber *f = NULL;
    nx_expect_ok(nx_spawn(&f, writes, &fds[1]));
    nx_expect_ok(nx__wait_fd(&watch, NX__READABLE, NX_FOREVER));
    nx_expect_ok(nx_join(f));
    nx_expect_eq(reported, 0);
    nx_expect_eq(write(fds[1], "y", 1), 1); /* nobody waits: the callback's */
    nx_expect_ok(nx_sleep(NX_MS(2)));
    nx_expect_eq(reported, NX__READABLE);
    reported = 0;
    (void)close(fds[1]);
    nx_expect_ok(nx_sleep(NX_MS(2)));
    nx_expect(reported & NX__HANGUP);
    nx__poller_remove(poller, &watch);
    nx__poller_remove(poller, &watch);
    (void)close(fds[0]);
    struct nx__watch bad = {.ready = ready};
    nx_expect(nx__poller_add(poller, &bad, -1, NX__READABLE) != NX_OK);
    nx_expect_eq(bad.fd, -1);
}

/* ---- Channels of signals */

NX_TEST("a channel has each signal once, until it is taken")
{
    NX_AUTO(nx_channel) *signals = NULL;
    int signo = 0;
    nx_require_ok(nx_signals(&signals, bit(SIGUSR1) | bit(SIGUSR2)));
    for (int i = 0; i < 5; i++) {
        nx_expect_eq(raise(SIGUSR1), 0);
        settle();
        NX_IGNORE(nx_sleep(0));
    }
    nx_expect_eq(raise(SIGUSR2), 0);
    nx_expect_ok(nx_recv(signals, &signo));
    nx_expect_eq(signo, SIGUSR1);
    nx_expect_ok(nx_recv(signals, &signo));
    nx_expect_eq(signo, SIGUSR2);
    nx_expect_eq(nx_channel_len(signals), 0);
    nx_expect_eq(raise(SIGUSR1), 0);
    nx_expect_ok(nx_recv(signals, &signo));
    nx_expect_eq(signo, SIGUSR1);
}

NX_TEST("nx_select waits for signals beside other things, and that is no deadlock")
{
    NX_AUTO(nx_channel) *signals = NULL, *jobs = NULL;
    int signo = 0, job;
    size_t which = 9;
    nx_require_ok(nx_signals(&signals, bit(SIGUSR1)));
    nx_require_ok(nx_channel_new(&jobs, sizeof(int), 1));
    pid_t child = fork();
    if (child == 0) {
        (void)usleep(20 * 1000);
        _exit(kill(getppid(), SIGUSR1));
    }
    nx_expect_ok(nx_select(&which, nx_on_recv(jobs, &job), nx_on_recv(signals, &signo)));
    nx_expect_eq(which, 1);
    nx_expect_eq(signo, SIGUSR1);
    nx_expect_eq(waitpid(child, NULL, 0), child);
}

NX_TEST("each channel gets the signal, and a waiter too")
{
    NX_AUTO(nx_channel) *a = NULL, *b = NULL;
    int waiter = SIGUSR1, signo;
    nx_fiber *f;
    nx_require_ok(nx_signals(&a, bit(SIGUSR1)));
    nx_require_ok(nx_signals(&b, bit(SIGUSR1)));
    nx_require_ok(nx_spawn(&f, waits, &waiter));
    settle();
    nx_expect_eq(raise(SIGUSR1), 0);
    nx_expect_ok(nx_join(f));
    nx_expect_eq(waiter, SIGUSR1);
    nx_expect_ok(nx_recv(a, &signo));
    nx_expect_ok(nx_recv(b, &signo));
}

static int handled(int signo)
{
    struct sigaction action;
    nx_expect_eq(sigaction(signo, NULL, &action), 0);
    return (action.sa_flags & SA_SIGINFO) != 0;
}

NX_TEST("closing gives the signals their former effect back")
{
    nx_channel *a, *b;
    (void)signal(SIGUSR2, SIG_IGN);
    nx_require_ok(nx_signals(&a, bit(SIGUSR1) | bit(SIGUSR2)));
    nx_require_ok(nx_signals(&b, bit(SIGUSR1)));
    nx_expect(handled(SIGUSR1) && handled(SIGUSR2));
    nx_channel_close(a);
    nx_expect(handled(SIGUSR1) && !handled(SIGUSR2));
    nx_expect_eq(raise(SIGUSR2), 0); /* ignored as it was */
    nx_channel_free(a);
    nx_channel_free(b);
    nx_expect(!handled(SIGUSR1));
    (void)signal(SIGUSR2, SIG_DFL);
}

NX_TEST("what nx_signal_wait had kept goes to the channel")
{
    int signo = SIGUSR1;
    nx_fiber *f;
    nx_require_ok(nx_spawn(&f, waits, &signo));
    settle();
    nx_expect_eq(raise(SIGUSR1), 0);
    nx_expect_ok(nx_join(f));
    nx_expect_eq(raise(SIGUSR1), 0);
    NX_IGNORE(nx_sleep(NX_MS(5)));
    NX_AUTO(nx_channel) *signals = NULL;
    nx_require_ok(nx_signals(&signals, bit(SIGUSR1)));
    nx_expect_eq(nx_channel_len(signals), 1);
    nx_expect_ok(nx_recv(signals, &signo));
    nx_channel_close(signals);
    nx_expect(handled(SIGUSR1)); /* it was waited for: that stays */
}

NX_TEST("signals that no channel can have")
{
    nx_channel *signals = (nx_channel *)(uintptr_t)1;
    nx_expect_err(NX_EINVAL, nx_signals(&signals, 0));
    nx_expect_eq(signals, NULL);
    nx_expect_err(NX_EINVAL, nx_signals(&signals, bit(SIGKILL)));
    struct nx_loop *loop = nx__loop();
    loop->first = loop; /* as a worker's is */
    nx_err err = nx_signals(&signals, bit(SIGUSR1));
    loop->first = NULL;
    nx_expect_eq(err, NX_ESTATE);
}
