/* A program's life on a loop: what main's end waits for, exit codes, limits, statistics. Each
 * program is a process, which has left the test's loop. */
#include "loop_test.h"

#include "loop/files.h"
#include <nexus/fs.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* A program: its main, its limits (NULL: the usual ones), and what it has written to stderr. */
struct program {
    int (*entry)(int, char **);
    const nx_limits *limits;
    int file;
    char said[4096];
};

static int program_main(void *arg)
{
    const struct program *p = arg;
    if (dup2(p->file, STDERR_FILENO) < 0) return 99;
    if (p->limits) nx_expect_ok(nx_limits_set_with(p->limits));
    return nx__program_run(p->entry, 0, NULL);
}

/* Runs it and returns its exit code. */
static int program_run(struct program *p)
{
    p->file = memfd_create("stderr", MFD_CLOEXEC);
    int code = apart(program_main, p);
    ssize_t n = pread(p->file, p->said, sizeof p->said - 1, 0);
    p->said[n > 0 ? n : 0] = '\0';
    (void)close(p->file);
    nx_test_log("%s", p->said);
    return code;
}

static int run(int (*entry)(int, char **))
{
    return program_run(&(struct program){.entry = entry});
}

#define run_limited(main, ...)                                                                     \
    program_run(&(struct program){.entry = (main),                                                 \
                                  .limits = &(nx_limits){.size = sizeof(nx_limits), __VA_ARGS__}})

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
    nx_expect_ok(nx_spawn(NULL, sleeps, NULL));
    nx_expect_ok(nx_spawn(NULL, sleeps, NULL, .detached = true));
    nx_expect(nx_set_timeout(step, NULL, NX_MS(3)) != 0);
    nx_expect(nx_set_immediate(again, NULL) != 0);
    return 9;
}

/* One program after the other. */
static int twice(void *arg)
{
    (void)arg;
    for (int i = 0; i < 2; i++) {
        steps = repeats = 0;
        nx_expect_eq(nx__program_run(leaves_work, 0, NULL), 9);
        nx_expect_eq(steps, 3);
        nx_expect_eq(repeats, 5);
    }
    return 0;
}

NX_TEST("what is pending is waited for")
{
    nx_expect_eq(apart(twice, NULL), 0);
}

static nx_err fails(void *arg)
{
    (void)arg;
    return nx_fail(NX_EPROTO, "a fiber that nobody joins failed (meant to be printed)");
}

static int fails_beside(int argc, char **argv)
{
    (void)argc, (void)argv;
    nx_expect_ok(nx_spawn(NULL, fails, NULL));
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
    nx_expect_ok(nx_scope_open(&scope));
    return (int)nx_spawn(NULL, sleeps, NULL);
}

NX_TEST("an error of main's fibers is the exit code")
{
    nx_expect_eq(run(fails_beside), NX_EPROTO);
    nx_expect_eq(run(fails_after), NX_EPROTO);
    nx_expect_eq(run(leaves_a_scope), 0);
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
    nx_expect_eq(nx_error_last()->message, "mine");
    return NX_EPROTO;
}

static int looks_before(int argc, char **argv)
{
    (void)argc, (void)argv;
    nx_expect_eq(nx_error_last()->code, NX_OK);
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

NX_TEST("an error that main returns is said once")
{
    static const struct {
        const char *name;
        int (*entry)(int, char **);
        int code;
        const char *said;
    } rows[] = {
        {"returns error", returns_error, NX_EPROTO, "nexus: mine\n"},
        {"returns another", returns_another, NX_EIO, ""},
        {"looks at error", looks_at_error, NX_EPROTO, ""},
        {"looks before", looks_before, NX_EPROTO, "nexus: mine\n"},
        {"joins one that looked", joins_one_that_looked, NX_EPROTO, ""},
        {"joins one that did not look", joins_one_that_did_not_look, NX_EPROTO, "nexus: mine\n"},
        {"calls a thread", calls_a_thread, NX_EPROTO, ""},
        {"is cancelled", is_cancelled, NX_ECANCELED, "nexus: cancelled while sleeping\n"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        nx_subtest ("%s", rows[i].name) {
            struct program p = {.entry = rows[i].entry};
            nx_expect_eq(program_run(&p), rows[i].code);
            nx_expect_eq(p.said, rows[i].said);
        }
    struct program p = {.entry = fails_beside};
    nx_expect_eq(program_run(&p), NX_EPROTO);
    nx_expect_contains(p.said, "meant to be printed");
    nx_expect(!strstr(p.said, "cancelled"));
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
    nx_expect_ok(nx_post(loop, deliver, NULL));
    (void)usleep(50000);
    return NULL;
}

static int waits_for_a_thread(int argc, char **argv)
{
    (void)argc, (void)argv;
    pthread_t thread;
    NX_TRY(nx_channel_new(&posted_to, sizeof(int), 0));
    nx_expect_eq(pthread_create(&thread, NULL, posts_later, nx_loop_current()), 0);
    nx_err err = receives(posted_to);
    nx_expect_eq(pthread_join(thread, NULL), 0);
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

NX_TEST("a program that nothing can wake ends")
{
    static const struct {
        const char *name;
        int (*entry)(int, char **);
        int code;
        const char *said;
    } rows[] = {
        {"receives for ever", receives_for_ever, NX_EDEADLOCK,
         "nexus: the program waits for what nothing can bring: \"main\" in nx_recv\n"},
        {"wait in a ring", wait_in_a_ring, NX_EDEADLOCK,
         "nexus: all fibers wait for each other: \"main\" in nx_join, \"w1\" in nx_recv, \"w2\" in nx_send\n"},
        {"leaves a receiver", leaves_a_receiver, NX_EDEADLOCK,
         "nexus: the program waits for what nothing can bring: \"left\" in nx_recv\n"},
        {"waits for a thread", waits_for_a_thread, NX_ECLOSED, "nexus: the channel is closed\n"},
        {"waits for a handler", waits_for_a_handler, NX_ECLOSED, "nexus: the channel is closed\n"},
        {"is woken from outside", is_woken_from_outside, 0, ""}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        nx_subtest ("%s", rows[i].name) {
#ifdef NX__TSAN
            if (rows[i].code == NX_EDEADLOCK) nx_skip("ThreadSanitizer has a thread of its own");
#endif
            struct program p = {.entry = rows[i].entry};
            nx_expect_eq(program_run(&p), rows[i].code);
            nx_expect_eq(p.said, rows[i].said);
        }
}

/* ---- Limits */

static int too_many_fibers(int argc, char **argv)
{
    (void)argc, (void)argv;
    int started = 0;
    while (started < 100 && nx_spawn(NULL, nothing, NULL, .name = "one") == NX_OK) started++;
    nx_expect_eq(started, 29); /* and main */
    nx_expect_eq(nx_error_last()->code, NX_ELIMIT);
    nx_expect_contains(nx_error_last()->message, "--max-fibers");
    settle();
    nx_expect_ok(nx_spawn(NULL, nothing, NULL));
    return 0;
}

NX_TEST("max fibers")
{
    nx_expect_eq(run_limited(too_many_fibers, .max_fibers = 30), 0);
}

static int refused, gone_through;

static void count(nx_err err)
{
    refused += err == NX_ELIMIT;
    gone_through += err == NX_OK;
    if (err == NX_ELIMIT) nx_expect_contains(nx_error_last()->message, "--max-operations");
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
    nx_expect_ok(nx_channel_new(&c, sizeof value, 0));
    nx_expect_err(NX_ELIMIT, nx_recv(c, &value));
    nx_expect_err(NX_ELIMIT, nx_send(c, &value));
    nx_expect_err(NX_ELIMIT, nx_select(&which, nx_on_recv(c, &value), nx_on_timeout(NX_S(9))));
    nx_channel_free(c);
    nx_expect_err(NX_ELIMIT, nx_sleep(NX_FOREVER));
    nx_expect_err(NX_ELIMIT, nx_join(arg));
    nx_expect_err(NX_ELIMIT, nx_signal_wait(1u << 10, &signo));
    nx_expect_eq(nx_set_timeout(step, NULL, 0), 0);
    nx_expect_eq(nx_error_last()->code, NX_ELIMIT);
    /* These may be quicker than the refusal. */
    nx_err err = nx_fs_read_file("/proc/self/status", &got);
    nx_expect(err == NX_ELIMIT || err == NX_OK);
    err = nx_blocking(nothing, NULL);
    nx_expect(err == NX_ELIMIT || err == NX_OK);
    nx_expect_ok(nx_yield()); /* is no operation */
    return NX_OK;
}

static int too_many_operations(int argc, char **argv)
{
    (void)argc, (void)argv;
    nx_fiber *f[25] = {NULL}, *last = NULL;
    for (int i = 0; i < 25; i++) nx_expect_ok(nx_spawn(&f[i], sleeps_counted, NULL));
    settle();
    nx_expect_eq(refused, 5);
    nx_expect_ok(nx_spawn(&last, each_call, f[0]));
    while (gone_through == 0) nx_expect_ok(nx_yield());
    for (int i = 0; i < 25; i++) nx_expect_ok(nx_join(f[i]));
    nx_expect_eq(gone_through, 20);
    nx_expect_ok(nx_join(last));
    nx_stats stats = {.size = sizeof stats};
    nx_stats_get(&stats);
    nx_expect_eq(stats.operations, 0);
    nx_expect_eq(stats.timers, 0);
    return 0;
}

NX_TEST("max operations")
{
    nx_expect_eq(run_limited(too_many_operations, .max_operations = 20), 0);
}

static int turns_forever(int argc, char **argv)
{
    (void)argc, (void)argv;
    while (nx_sleep(NX_US(10)) == NX_OK) steps++;
    return 1;
}

NX_TEST("max iterations")
{
    nx_expect_eq(run_limited(turns_forever, .max_iterations = 50), NX_ELIMIT);
}

static int sets_late(int argc, char **argv)
{
    (void)argc, (void)argv;
    nx_expect_ok(nx_sleep(NX_MS(1)));
    nx_expect_err(NX_ESTATE, nx_limits_set(.max_fibers = 10));
    return 0;
}

static int sets_in_time(int argc, char **argv)
{
    (void)argc, (void)argv;
    nx_expect_ok(nx_limits_set(.max_fibers = 2));
    nx_expect_ok(nx_spawn(NULL, nothing, NULL));
    nx_expect_err(NX_ELIMIT, nx_spawn(NULL, nothing, NULL));
    return 0;
}

static int sets_them(void *arg)
{
    (void)arg;
    nx_limits limits = {.size = sizeof limits};
    nx_expect_err(NX_EINVAL, nx_limits_set(.stack_size = 1000));
    nx_expect_err(NX_EINVAL, nx_limits_set(.stack_size = UINT64_C(1) << 40));
    nx_expect_err(NX_EINVAL, nx_limits_set(.blocking_threads = 100000));
    nx_expect_err(NX_EINVAL, nx_limits_set(.watchdog = NX_US(1)));
    nx_expect_err(NX_EINVAL, nx_limits_set(.watchdog = -1));
    nx_expect_ok(nx_limits_set(.stack_size = 100001));
    nx_limits_get(&limits);
    nx_expect_eq(limits.stack_size, 102400); /* whole pages */
    nx_expect_eq(limits.max_fibers, 100000);
    /* A program that was built when the structure was smaller. */
    nx_limits old = {.size = offsetof(nx_limits, max_fibers), .max_fibers = 42};
    nx_limits_get(&old);
    nx_expect_eq(old.max_fibers, 42);
    return 0;
}

NX_TEST("setting limits")
{
    nx_expect_eq(apart(sets_them, NULL), 0);
    nx_expect_eq(run(sets_late), 0);
    nx_expect_eq(run(sets_in_time), 0);
}

/* ---- Statistics */

static int counts_itself(int argc, char **argv)
{
    (void)argc, (void)argv;
    nx_stats stats = {.size = sizeof stats};
    nx_stats_get(&stats);
    nx_expect_eq(stats.fibers, 1);
    nx_expect_eq(stats.operations, 0);
    nx_fiber *f[10] = {NULL};
    for (int i = 0; i < 10; i++) nx_expect_ok(nx_spawn(&f[i], sleeps, NULL));
    settle();
    nx_stats_get(&stats);
    nx_expect_eq(stats.fibers, 11);
    nx_expect_eq(stats.fibers_peak, 11);
    nx_expect_eq(stats.fibers_started, 11);
    nx_expect_eq(stats.operations, 10);
    nx_expect_eq(stats.timers, 10);
    for (int i = 0; i < 10; i++) nx_expect_ok(nx_join(f[i]));
    for (int i = 0; i < 3; i++) nx_expect_ok(nx_sleep(NX_MS(1)));
    nx_stats_get(&stats);
    nx_expect_eq(stats.fibers, 1);
    nx_expect_eq(stats.operations, 0);
    nx_expect_ge(stats.operations_peak, 10);
    nx_expect_eq(stats.timers, 0);
    nx_expect_gt(stats.iterations, 0);
    uint64_t turns = 0;
    for (int i = 0; i < NX_LATENCY_BUCKETS; i++) turns += stats.latency[i];
    nx_expect(turns > 0 && turns <= stats.iterations);
    nx_expect(stats.latency_p50 > 0 && stats.latency_p50 <= stats.latency_p99);
    nx_expect_gt(stats.latency_max, 0);
    nx_stats old = {.size = offsetof(nx_stats, fibers_peak), .fibers_peak = 42};
    nx_stats_get(&old);
    nx_expect_eq(old.fibers_peak, 42);
    nx_expect_eq(old.fibers, 1);
    return 0;
}

NX_TEST("statistics")
{
    nx_expect_eq(run(counts_itself), 0);
}

/* ---- The watchdog */

static int blocks(int argc, char **argv)
{
    (void)argc, (void)argv;
    nx_expect_ok(nx_sleep(NX_MS(1)));
    volatile char big[512] = {0};
    for (nx_duration start = nx_now(); nx_now() - start < NX_MS(500);) big[0]++;
    nx_expect_ok(nx_sleep(NX_MS(1)));
    nx_stats stats = {.size = sizeof stats};
    nx_stats_get(&stats);
    return stats.blocked > 0 ? 0 : 1;
}

NX_TEST("a blocked loop is noticed")
{
    if (!on_valgrind()) nx_expect_eq(run(blocks), 0); /* there the default is another */
    nx_subtest ("later than this program blocks")
        nx_expect_eq(run_limited(blocks, .watchdog = NX_S(60)), 1);
    nx_subtest ("never") nx_expect_eq(run_limited(blocks, .watchdog = NX_FOREVER), 1);
    nx_subtest ("soon") nx_expect_eq(run_limited(blocks, .watchdog = NX_MS(1)), 0);
}

static int has_no_loop(int argc, char **argv)
{
    (void)argc, (void)argv;
    return nx_loop_current() == NULL;
}

static int has_none_around(void *arg)
{
    (void)arg;
    nx_expect_eq(nx_loop_current(), NULL);
    nx_expect_eq(nx_fiber_current(), NULL);
    nx_expect(!nx_canceled());
    nx_expect_eq(nx__program_run(has_no_loop, 0, NULL), 0);
    nx_expect_eq(nx_loop_current(), NULL);
    return 0;
}

NX_TEST("without a loop")
{
    nx_expect_eq(apart(has_none_around, NULL), 0);
}
