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

NX_TEST(a_waiter_gets_its_signal)
{
    int one = SIGUSR1, two = SIGUSR2;
    nx_fiber *f[2] = {NULL};
    EXPECT_EQ(nx_spawn(&f[0], waits, &one), NX_OK);
    EXPECT_EQ(nx_spawn(&f[1], waits, &two), NX_OK);
    settle();
    EXPECT_EQ(raise(SIGUSR2), 0);
    EXPECT_EQ(nx_join(f[1]), NX_OK);
    EXPECT_EQ(two, SIGUSR2);
    EXPECT_EQ(one, 0);
    EXPECT_EQ(kill(getpid(), SIGUSR1), 0);
    EXPECT_EQ(nx_join(f[0]), NX_OK);
    EXPECT_EQ(one, SIGUSR1);
}

NX_TEST(two_waiters_take_turns)
{
    int a = SIGUSR1, b = SIGUSR1;
    nx_fiber *f[2] = {NULL};
    EXPECT_EQ(nx_spawn(&f[0], waits, &a), NX_OK);
    EXPECT_EQ(nx_spawn(&f[1], waits, &b), NX_OK);
    settle();
    EXPECT_EQ(raise(SIGUSR1), 0);
    EXPECT_EQ(nx_join(f[0]), NX_OK);
    EXPECT_EQ(a, SIGUSR1);
    EXPECT_EQ(b, 0);
    EXPECT_EQ(raise(SIGUSR1), 0);
    EXPECT_EQ(nx_join(f[1]), NX_OK);
}

NX_TEST(a_signal_before_the_wait_is_kept)
{
    int signo = 0;
    EXPECT_EQ(raise(SIGUSR1), 0); /* was waited for before, so it is handled */
    EXPECT_EQ(nx_sleep(NX_MS(2)), NX_OK);
    EXPECT_EQ(nx_signal_wait(bit(SIGUSR1) | bit(SIGUSR2), &signo), NX_OK);
    EXPECT_EQ(signo, SIGUSR1);
}

NX_TEST(signals_that_cannot_be_waited_for)
{
    int signo;
    EXPECT_EQ(nx_signal_wait(0, &signo), NX_EINVAL);
    EXPECT_EQ(nx_signal_wait(1, &signo), NX_EINVAL);
    EXPECT_EQ(nx_signal_wait(bit(SIGKILL), &signo), NX_EINVAL);
    EXPECT_EQ(nx_signal_wait(bit(SIGSEGV) | bit(SIGUSR1), &signo), NX_EINVAL);
}

static void raises(void *arg)
{
    (void)arg;
    EXPECT_EQ(kill(getpid(), SIGUSR2), 0);
}

NX_TEST(many_signals)
{
    for (int i = 0; i < 100; i++) {
        int signo = 0;
        EXPECT(nx_set_immediate(raises, NULL) != 0);
        EXPECT_EQ(nx_signal_wait(bit(SIGUSR2), &signo), NX_OK);
        EXPECT_EQ(signo, SIGUSR2);
    }
}

/* ---- A graceful stop */

static int stops;

static void stop(struct nx__service *service)
{
    stops++;
    nx__list_remove(&service->link);
}

NX_TEST(shutdown_tells_the_services)
{
    struct nx__service a = {.shutdown = stop}, b = {.shutdown = stop};
    nx__list_insert(&nx__loop()->services, &a.link);
    nx__list_insert(&nx__loop()->services, &b.link);
    nx_shutdown();
    EXPECT_EQ(stops, 2);
    EXPECT(nx__list_empty(&nx__loop()->services));
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
    EXPECT(pid > 0);
    return pid;
}

NX_TEST(children_that_exit)
{
    if (on_valgrind()) return;
    int status = -1;
    EXPECT_EQ(nx_child_wait(child(7, 0, 10), &status), NX_OK);
    EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 7);
    pid_t pid = child(3, 0, 0);
    EXPECT_EQ(nx_sleep(NX_MS(20)), NX_OK); /* has ended already */
    EXPECT_EQ(nx_child_wait(pid, &status), NX_OK);
    EXPECT_EQ(WEXITSTATUS(status), 3);
    EXPECT_EQ(nx_child_wait(pid, &status), NX_EINVAL); /* not twice */
}

NX_TEST(a_child_that_is_killed)
{
    if (on_valgrind()) return;
    int status = -1;
    EXPECT_EQ(nx_child_wait(child(0, SIGKILL, 5), &status), NX_OK);
    EXPECT(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

NX_TEST(not_a_child)
{
    if (on_valgrind()) return;
    int status;
    EXPECT_EQ(nx_child_wait(getppid(), &status), NX_EINVAL);
    EXPECT(strstr(last_message(), "no child") != NULL);
    EXPECT_EQ(nx_child_wait(-1, &status), NX_EINVAL);
    EXPECT_EQ(nx_child_wait(0, &status), NX_EINVAL);
    EXPECT_EQ(nx_child_wait(0x3fffff, &status), NX_EINVAL);
}

static nx_err waits_for_child(void *arg)
{
    int status;
    NX_TRY(nx_child_wait(*(pid_t *)arg, &status));
    return WEXITSTATUS(status) == 5 ? NX_OK : NX_EFAILED;
}

NX_TEST(many_children)
{
    if (on_valgrind()) return;
    enum { N = 10 };
    pid_t pids[N];
    nx_scope *scope;
    EXPECT_EQ(nx_scope_open(&scope), NX_OK);
    for (int i = 0; i < N; i++) {
        pids[i] = child(5, 0, i * 2);
        EXPECT_EQ(nx_spawn(NULL, waits_for_child, &pids[i]), NX_OK);
    }
    EXPECT_EQ(nx_scope_close(&scope), NX_OK);
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

NX_TEST(waiting_for_a_descriptor)
{
    int fds[2];
    EXPECT_EQ(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
    struct nx__poller *poller = &nx__loop()->poller;
    struct nx__watch watch = {.ready = ready};
    EXPECT_EQ(nx__poller_add(poller, &watch, fds[0], NX__READABLE), NX_OK);
    EXPECT_EQ(nx__wait_fd(&watch, NX__READABLE, nx__deadline(NX_MS(3))), NX_ETIMEDOUT);
    EXPECT(watch.waiter == NULL);
    nx_fiber *f = NULL;
    EXPECT_EQ(nx_spawn(&f, writes, &fds[1]), NX_OK);
    EXPECT_EQ(nx__wait_fd(&watch, NX__READABLE, NX_FOREVER), NX_OK);
    EXPECT_EQ(nx_join(f), NX_OK);
    EXPECT_EQ(reported, 0);
    EXPECT_EQ(write(fds[1], "y", 1), 1); /* nobody waits: the callback's */
    EXPECT_EQ(nx_sleep(NX_MS(2)), NX_OK);
    EXPECT_EQ(reported, NX__READABLE);
    reported = 0;
    (void)close(fds[1]);
    EXPECT_EQ(nx_sleep(NX_MS(2)), NX_OK);
    EXPECT(reported & NX__HANGUP);
    nx__poller_remove(poller, &watch);
    nx__poller_remove(poller, &watch);
    (void)close(fds[0]);
    struct nx__watch bad = {.ready = ready};
    EXPECT(nx__poller_add(poller, &bad, -1, NX__READABLE) != NX_OK);
    EXPECT_EQ(bad.fd, -1);
}
