/* A program's life on a loop: what main's end waits for, exit codes, limits, statistics. Each test
 * runs programs of its own. */
#define LOOP_TEST_OWN_MAIN
#include "loop_test.h"

#include "loop/files.h"
#include <nexus/fs.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static int run(int (*entry)(int, char **))
{
    return nx__program_run(entry, 0, NULL);
}

/* Runs it in a process of its own, without its stderr, and returns how it ended. */
static int run_aside(int (*entry)(int, char **))
{
    (void)fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        if (!freopen("/dev/null", "w", stderr)) _exit(99);
        exit(run(entry));
    }
    int status = -1;
    EXPECT(waitpid(pid, &status, 0) == pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* The same, with what it wrote to stderr. */
static int run_heard(int (*entry)(int, char **), char *said, size_t size)
{
    (void)fflush(stdout);
    int file = memfd_create("stderr", MFD_CLOEXEC);
    pid_t pid = fork();
    if (pid == 0) {
        if (dup2(file, STDERR_FILENO) < 0) _exit(99);
        exit(run(entry));
    }
    int status = -1;
    EXPECT(waitpid(pid, &status, 0) == pid);
    ssize_t n = pread(file, said, size - 1, 0);
    said[n > 0 ? n : 0] = '\0';
    (void)close(file);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static const nx_limits defaults = {.size = sizeof(nx_limits),
                                   .max_memory = UINT64_MAX,
                                   .max_iterations = UINT64_MAX,
                                   .max_operations = 10000,
                                   .max_fibers = 100000,
                                   .stack_size = 256 * 1024,
                                   .blocking_threads = 4,
                                   .watchdog = NX_MS(100)};

static int steps;

static nx_err sleeps(void *arg)
{
    (void)arg;
    NX_TRY(nx_sleep(NX_MS(5)));
    steps++;
    return NX_OK;
}

static void step(void *arg)
{
    (void)arg;
    steps++;
}

static int repeats;

static void again(void *arg)
{
    (void)arg;
    if (++repeats < 5) (void)nx_set_timeout(again, NULL, NX_MS(1));
}

static int leaves_work(int argc, char **argv)
{
    (void)argc, (void)argv;
    EXPECT_EQ(nx_spawn(NULL, sleeps, NULL), NX_OK);
    EXPECT_EQ(nx_spawn(NULL, sleeps, NULL, .detached = true), NX_OK);
    EXPECT(nx_set_timeout(step, NULL, NX_MS(3)) != 0);
    EXPECT(nx_set_immediate(again, NULL) != 0);
    return 9;
}

NX_TEST(what_is_pending_is_waited_for)
{
    for (int i = 0; i < 2; i++) { /* one program after the other */
        steps = repeats = 0;
        EXPECT_EQ(run(leaves_work), 9);
        EXPECT_EQ(steps, 3);
        EXPECT_EQ(repeats, 5);
    }
}

static nx_err fails(void *arg)
{
    (void)arg;
    return nx_fail(NX_EPROTO, "a fiber that nobody joins failed (meant to be printed)");
}

static int fails_beside(int argc, char **argv)
{
    (void)argc, (void)argv;
    EXPECT_EQ(nx_spawn(NULL, fails, NULL), NX_OK);
    return (int)nx_sleep(NX_S(60));
}

static int fails_after(int argc, char **argv)
{
    (void)argc, (void)argv;
    return (int)nx_spawn(NULL, fails, NULL);
}

static int leaves_a_scope(int argc, char **argv)
{
    (void)argc, (void)argv;
    nx_scope *scope;
    EXPECT_EQ(nx_scope_open(&scope), NX_OK);
    return (int)nx_spawn(NULL, sleeps, NULL);
}

NX_TEST(an_error_of_mains_fibers_is_the_exit_code)
{
    EXPECT_EQ(run(fails_beside), NX_EPROTO);
    EXPECT_EQ(run(fails_after), NX_EPROTO);
    EXPECT_EQ(run(leaves_a_scope), 0);
}

static int returns_error(int argc, char **argv)
{
    (void)argc, (void)argv;
    return nx_fail(NX_EPROTO, "mine");
}

static int returns_another(int argc, char **argv)
{
    (void)argc, (void)argv;
    NX_IGNORE(nx_fail(NX_EPROTO, "mine"));
    return NX_EIO;
}

static int looks_at_error(int argc, char **argv)
{
    (void)argc, (void)argv;
    NX_IGNORE(nx_fail(NX_EPROTO, "mine"));
    EXPECT_STR(nx_error_last()->message, "mine");
    return NX_EPROTO;
}

static int looks_before(int argc, char **argv)
{
    (void)argc, (void)argv;
    EXPECT_EQ(nx_error_last()->code, NX_OK);
    return nx_fail(NX_EPROTO, "mine");
}

static nx_err fails_with_mine(void *looks)
{
    NX_IGNORE(nx_fail(NX_EPROTO, "mine"));
    return looks ? nx_error_last()->code : NX_EPROTO;
}

static int joins_one_that_looked(int argc, char **argv)
{
    (void)argc, (void)argv;
    nx_fiber *fiber;
    NX_TRY(nx_spawn(&fiber, fails_with_mine, &steps));
    return nx_join(fiber);
}

static int joins_one_that_did_not_look(int argc, char **argv)
{
    (void)argc, (void)argv;
    nx_fiber *fiber;
    NX_TRY(nx_spawn(&fiber, fails_with_mine, NULL));
    return nx_join(fiber);
}

static int calls_a_thread(int argc, char **argv)
{
    (void)argc, (void)argv;
    return nx_blocking(fails_with_mine, &steps);
}

static int is_cancelled(int argc, char **argv)
{
    (void)argc, (void)argv;
    nx_cancel(nx_fiber_current());
    return nx_sleep(NX_S(60));
}

NX_TEST(an_error_that_main_returns_is_said_once)
{
    static const struct {
        int (*entry)(int, char **);
        int code;
        const char *said;
    } rows[] = {{returns_error, NX_EPROTO, "nexus: mine\n"},
                {returns_another, NX_EIO, ""},
                {looks_at_error, NX_EPROTO, ""},
                {looks_before, NX_EPROTO, "nexus: mine\n"},
                {joins_one_that_looked, NX_EPROTO, ""},
                {joins_one_that_did_not_look, NX_EPROTO, "nexus: mine\n"},
                {calls_a_thread, NX_EPROTO, ""},
                {is_cancelled, NX_ECANCELED, "nexus: cancelled while sleeping\n"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char said[1024];
        EXPECT_EQ(run_heard(rows[i].entry, said, sizeof said), rows[i].code);
        EXPECT_STR(said, rows[i].said);
    }
    char said[1024];
    EXPECT_EQ(run_heard(fails_beside, said, sizeof said), NX_EPROTO);
    EXPECT(strstr(said, "meant to be printed") && !strstr(said, "cancelled"));
}

/* ---- Programs that nothing can wake */

static nx_err receives(void *channel)
{
    int value;
    return nx_recv(channel, &value);
}

static nx_err sends(void *channel)
{
    int value = 0;
    return nx_send(channel, &value);
}

static nx_err nothing(void *arg)
{
    (void)arg;
    return NX_OK;
}

static nx_err sleeps_aside(void *arg)
{
    (void)arg;
    (void)usleep(20000);
    return NX_OK;
}

static int receives_for_ever(int argc, char **argv)
{
    (void)argc, (void)argv;
    static nx_channel *channel; /* it is not freed: the program ends where it waits */
    NX_TRY(nx_channel_new(&channel, sizeof(int), 0));
    NX_TRY(nx_blocking(nothing, NULL)); /* the pool's thread is no reason to hope */
    return receives(channel);
}

static int wait_in_a_ring(int argc, char **argv)
{
    (void)argc, (void)argv;
    static nx_channel *a, *b;
    nx_fiber *fiber;
    NX_TRY(nx_channel_new(&a, sizeof(int), 0));
    NX_TRY(nx_channel_new(&b, sizeof(int), 0));
    NX_TRY(nx_spawn(NULL, receives, a, .name = "w1"));
    NX_TRY(nx_spawn(&fiber, sends, b, .name = "w2"));
    NX_TRY(nx_sleep(NX_MS(1)));
    return nx_join(fiber);
}

static int leaves_a_receiver(int argc, char **argv)
{
    (void)argc, (void)argv;
    static nx_channel *channel; /* it is not freed: the program ends where it waits */
    NX_TRY(nx_channel_new(&channel, sizeof(int), 0));
    return nx_spawn(NULL, receives, channel, .name = "left", .detached = true);
}

static nx_channel *posted_to;

static void deliver(void *arg)
{
    (void)arg;
    nx_channel_close(posted_to);
}

static void *posts_later(void *loop)
{
    (void)usleep(50000);
    EXPECT_EQ(nx_post(loop, deliver, NULL), NX_OK);
    (void)usleep(50000);
    return NULL;
}

static int waits_for_a_thread(int argc, char **argv)
{
    (void)argc, (void)argv;
    pthread_t thread;
    NX_TRY(nx_channel_new(&posted_to, sizeof(int), 0));
    EXPECT_EQ(pthread_create(&thread, NULL, posts_later, nx_loop_current()), 0);
    nx_err err = receives(posted_to);
    EXPECT_EQ(pthread_join(thread, NULL), 0);
    nx_channel_free(posted_to);
    return err;
}

static void on_alarm(int signo)
{
    (void)signo;
    deliver(NULL);
}

static int waits_for_a_handler(int argc, char **argv)
{
    (void)argc, (void)argv;
    NX_TRY(nx_channel_new(&posted_to, sizeof(int), 0));
    (void)signal(SIGALRM, on_alarm);
    (void)ualarm(50000, 0);
    nx_err err = receives(posted_to);
    nx_channel_free(posted_to);
    return err;
}

static int is_woken_from_outside(int argc, char **argv)
{
    (void)argc, (void)argv;
    nx_channel *channel;
    size_t which;
    int value, signo;
    NX_TRY(nx_channel_new(&channel, sizeof(int), 0));
    NX_TRY(nx_select(&which, nx_on_recv(channel, &value), nx_on_timeout(NX_MS(20))));
    nx_channel_free(channel);
    pid_t child = fork();
    if (child == 0) {
        (void)usleep(20000);
        (void)kill(getppid(), SIGUSR1);
        (void)usleep(20000);
        _exit(0);
    }
    NX_TRY(nx_signal_wait(UINT64_C(1) << SIGUSR1, &signo));
    if (!on_valgrind()) NX_TRY(nx_child_wait(child, &signo)); /* which has no pidfd */
    return nx_blocking(sleeps_aside, NULL);
}

NX_TEST(a_program_that_nothing_can_wake_ends)
{
    static const struct {
        int (*entry)(int, char **);
        int code;
        const char *said;
    } rows[] = {
        {receives_for_ever, NX_EDEADLOCK,
         "nexus: the program waits for what nothing can bring: \"main\" in nx_recv\n"},
        {wait_in_a_ring, NX_EDEADLOCK,
         "nexus: all fibers wait for each other: \"main\" in nx_join, \"w1\" in nx_recv, \"w2\" in nx_send\n"},
        {leaves_a_receiver, NX_EDEADLOCK,
         "nexus: the program waits for what nothing can bring: \"left\" in nx_recv\n"},
        {waits_for_a_thread, NX_ECLOSED, "nexus: the channel is closed\n"},
        {waits_for_a_handler, NX_ECLOSED, "nexus: the channel is closed\n"},
        {is_woken_from_outside, 0, ""}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char said[1024];
#ifdef NX__TSAN
        if (rows[i].code == NX_EDEADLOCK) continue; /* it has a thread of its own */
#endif
        EXPECT_EQ(run_heard(rows[i].entry, said, sizeof said), rows[i].code);
        EXPECT_STR(said, rows[i].said);
    }
}

/* ---- Limits */

static int too_many_fibers(int argc, char **argv)
{
    (void)argc, (void)argv;
    int started = 0;
    while (started < 100 && nx_spawn(NULL, nothing, NULL, .name = "one") == NX_OK) started++;
    EXPECT_EQ(started, 29); /* and main */
    EXPECT_EQ(nx_error_last()->code, NX_ELIMIT);
    EXPECT(strstr(nx_error_last()->message, "--max-fibers") != NULL);
    settle();
    EXPECT_EQ(nx_spawn(NULL, nothing, NULL), NX_OK);
    return 0;
}

NX_TEST(max_fibers)
{
    EXPECT_EQ(nx_limits_set(.max_fibers = 30), NX_OK);
    EXPECT_EQ(run(too_many_fibers), 0);
    EXPECT_EQ(nx_limits_set_with(&defaults), NX_OK);
}

static int refused, gone_through;

static void count(nx_err err)
{
    refused += err == NX_ELIMIT;
    gone_through += err == NX_OK;
    if (err == NX_ELIMIT) EXPECT(strstr(nx_error_last()->message, "--max-operations") != NULL);
}

static nx_err sleeps_counted(void *arg)
{
    (void)arg;
    count(nx_sleep(NX_MS(30)));
    return NX_OK;
}

static nx_err each_call(void *arg)
{
    nx_channel *c = NULL;
    size_t which;
    int value = 0, signo;
    nx_bytes got;
    EXPECT_EQ(nx_channel_new(&c, sizeof value, 0), NX_OK);
    EXPECT_EQ(nx_recv(c, &value), NX_ELIMIT);
    EXPECT_EQ(nx_send(c, &value), NX_ELIMIT);
    EXPECT_EQ(nx_select(&which, nx_on_recv(c, &value), nx_on_timeout(NX_S(9))), NX_ELIMIT);
    nx_channel_free(c);
    EXPECT_EQ(nx_sleep(NX_FOREVER), NX_ELIMIT);
    EXPECT_EQ(nx_join(arg), NX_ELIMIT);
    EXPECT_EQ(nx_signal_wait(1u << 10, &signo), NX_ELIMIT);
    EXPECT(nx_set_timeout(step, NULL, 0) == 0);
    EXPECT_EQ(nx_error_last()->code, NX_ELIMIT);
    /* These may be quicker than the refusal. */
    nx_err err = nx_fs_read_file("/proc/self/status", &got);
    EXPECT(err == NX_ELIMIT || err == NX_OK);
    err = nx_blocking(nothing, NULL);
    EXPECT(err == NX_ELIMIT || err == NX_OK);
    EXPECT_EQ(nx_yield(), NX_OK); /* is no operation */
    return NX_OK;
}

static int too_many_operations(int argc, char **argv)
{
    (void)argc, (void)argv;
    nx_fiber *f[25] = {NULL}, *last = NULL;
    for (int i = 0; i < 25; i++) EXPECT_EQ(nx_spawn(&f[i], sleeps_counted, NULL), NX_OK);
    settle();
    EXPECT_EQ(refused, 5);
    EXPECT_EQ(nx_spawn(&last, each_call, f[0]), NX_OK);
    while (gone_through == 0) EXPECT_EQ(nx_yield(), NX_OK);
    for (int i = 0; i < 25; i++) EXPECT_EQ(nx_join(f[i]), NX_OK);
    EXPECT_EQ(gone_through, 20);
    EXPECT_EQ(nx_join(last), NX_OK);
    nx_stats stats = {.size = sizeof stats};
    nx_stats_get(&stats);
    EXPECT_EQ(stats.operations, 0);
    EXPECT_EQ(stats.timers, 0);
    return 0;
}

NX_TEST(max_operations)
{
    EXPECT_EQ(nx_limits_set(.max_operations = 20), NX_OK);
    EXPECT_EQ(run(too_many_operations), 0);
    EXPECT_EQ(nx_limits_set_with(&defaults), NX_OK);
}

static int turns_forever(int argc, char **argv)
{
    (void)argc, (void)argv;
    while (nx_sleep(NX_US(10)) == NX_OK) steps++;
    return 1;
}

NX_TEST(max_iterations)
{
    EXPECT_EQ(nx_limits_set(.max_iterations = 50), NX_OK);
    EXPECT_EQ(run_aside(turns_forever), NX_ELIMIT);
    EXPECT_EQ(nx_limits_set_with(&defaults), NX_OK);
}

static int sets_late(int argc, char **argv)
{
    (void)argc, (void)argv;
    EXPECT_EQ(nx_sleep(NX_MS(1)), NX_OK);
    EXPECT_EQ(nx_limits_set(.max_fibers = 10), NX_ESTATE);
    return 0;
}

static int sets_in_time(int argc, char **argv)
{
    (void)argc, (void)argv;
    EXPECT_EQ(nx_limits_set(.max_fibers = 2), NX_OK);
    EXPECT_EQ(nx_spawn(NULL, nothing, NULL), NX_OK);
    EXPECT_EQ(nx_spawn(NULL, nothing, NULL), NX_ELIMIT);
    return 0;
}

NX_TEST(setting_limits)
{
    nx_limits limits = {.size = sizeof limits};
    EXPECT_EQ(nx_limits_set(.stack_size = 1000), NX_EINVAL);
    EXPECT_EQ(nx_limits_set(.stack_size = UINT64_C(1) << 40), NX_EINVAL);
    EXPECT_EQ(nx_limits_set(.blocking_threads = 100000), NX_EINVAL);
    EXPECT_EQ(nx_limits_set(.watchdog = NX_US(1)), NX_EINVAL);
    EXPECT_EQ(nx_limits_set(.watchdog = -1), NX_EINVAL);
    EXPECT_EQ(nx_limits_set(.stack_size = 100001), NX_OK);
    nx_limits_get(&limits);
    EXPECT_EQ(limits.stack_size, 102400); /* whole pages */
    EXPECT_EQ(limits.max_fibers, 100000);
    EXPECT_EQ(nx_limits_set_with(&defaults), NX_OK);
    EXPECT_EQ(run(sets_late), 0);
    EXPECT_EQ(run(sets_in_time), 0);
    EXPECT_EQ(nx_limits_set_with(&defaults), NX_OK);
    /* A program that was built when the structure was smaller. */
    nx_limits old = {.size = offsetof(nx_limits, max_fibers), .max_fibers = 42};
    nx_limits_get(&old);
    EXPECT_EQ(old.max_fibers, 42);
}

/* ---- Statistics */

static int counts_itself(int argc, char **argv)
{
    (void)argc, (void)argv;
    nx_stats stats = {.size = sizeof stats};
    nx_stats_get(&stats);
    EXPECT_EQ(stats.fibers, 1);
    EXPECT_EQ(stats.operations, 0);
    nx_fiber *f[10] = {NULL};
    for (int i = 0; i < 10; i++) EXPECT_EQ(nx_spawn(&f[i], sleeps, NULL), NX_OK);
    settle();
    nx_stats_get(&stats);
    EXPECT_EQ(stats.fibers, 11);
    EXPECT_EQ(stats.fibers_peak, 11);
    EXPECT_EQ(stats.fibers_started, 11);
    EXPECT_EQ(stats.operations, 10);
    EXPECT_EQ(stats.timers, 10);
    for (int i = 0; i < 10; i++) EXPECT_EQ(nx_join(f[i]), NX_OK);
    for (int i = 0; i < 3; i++) EXPECT_EQ(nx_sleep(NX_MS(1)), NX_OK);
    nx_stats_get(&stats);
    EXPECT_EQ(stats.fibers, 1);
    EXPECT_EQ(stats.operations, 0);
    EXPECT(stats.operations_peak >= 10);
    EXPECT_EQ(stats.timers, 0);
    EXPECT(stats.iterations > 0);
    uint64_t turns = 0;
    for (int i = 0; i < NX_LATENCY_BUCKETS; i++) turns += stats.latency[i];
    EXPECT(turns > 0 && turns <= stats.iterations);
    EXPECT(stats.latency_p50 > 0 && stats.latency_p50 <= stats.latency_p99);
    EXPECT(stats.latency_max > 0);
    nx_stats old = {.size = offsetof(nx_stats, fibers_peak), .fibers_peak = 42};
    nx_stats_get(&old);
    EXPECT_EQ(old.fibers_peak, 42);
    EXPECT_EQ(old.fibers, 1);
    return 0;
}

NX_TEST(statistics)
{
    EXPECT_EQ(run(counts_itself), 0);
}

/* ---- The watchdog */

static int blocks(int argc, char **argv)
{
    (void)argc, (void)argv;
    EXPECT_EQ(nx_sleep(NX_MS(1)), NX_OK);
    volatile char big[512] = {0};
    for (nx_duration start = nx_now(); nx_now() - start < NX_MS(500);) big[0]++;
    EXPECT_EQ(nx_sleep(NX_MS(1)), NX_OK);
    nx_stats stats = {.size = sizeof stats};
    nx_stats_get(&stats);
    return stats.blocked > 0 ? 0 : 1;
}

NX_TEST(a_blocked_loop_is_noticed)
{
    EXPECT_EQ(run_aside(blocks), 0);
    /* Later than this program blocks, never, and soon. */
    EXPECT_EQ(nx_limits_set(.watchdog = NX_S(60)), NX_OK);
    EXPECT_EQ(run(blocks), 1);
    EXPECT_EQ(nx_limits_set(.watchdog = NX_FOREVER), NX_OK);
    EXPECT_EQ(run(blocks), 1);
    EXPECT_EQ(nx_limits_set(.watchdog = NX_MS(1)), NX_OK);
    EXPECT_EQ(run_aside(blocks), 0);
    EXPECT_EQ(nx_limits_set_with(&defaults), NX_OK);
}

static int has_no_loop(int argc, char **argv)
{
    (void)argc, (void)argv;
    return nx_loop_current() == NULL;
}

NX_TEST(without_a_loop)
{
    EXPECT(nx_loop_current() == NULL);
    EXPECT(nx_fiber_current() == NULL);
    EXPECT(!nx_canceled());
    EXPECT_EQ(run(has_no_loop), 0);
    EXPECT(nx_loop_current() == NULL);
}

int main(int argc, char **argv)
{
    return nx_test_main(argc, argv);
}
