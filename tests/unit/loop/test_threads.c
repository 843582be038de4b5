/* The blocking pool, and calls posted from other threads. */
#include "loop_test.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

static nx_err naps(void *arg)
{
    (void)usleep(1000);
    atomic_fetch_add((atomic_int *)arg, 1);
    return NX_OK;
}

static nx_err fails(void *arg)
{
    return nx_fail(NX_EPROTO, "bad %s", (const char *)arg);
}

static nx_err fails_silently(void *arg)
{
    (void)arg;
    return NX_EIO;
}

static nx_err blocking_nap(void *arg)
{
    return nx_blocking(naps, arg);
}

NX_TEST(blocking_calls_run_side_by_side)
{
    static atomic_int count;
    int n = scaled(500);
    nx_scope *scope;
    EXPECT_EQ(nx_scope_open(&scope), NX_OK);
    for (int i = 0; i < n; i++) EXPECT_EQ(nx_spawn(NULL, blocking_nap, &count), NX_OK);
    EXPECT_EQ(nx_scope_close(&scope), NX_OK);
    EXPECT_EQ(count, n);
}

NX_TEST(blocking_errors_are_carried)
{
    EXPECT_EQ(nx_blocking(fails, (void *)(uintptr_t) "call"), NX_EPROTO);
    EXPECT_EQ(nx_error_last()->code, NX_EPROTO);
    EXPECT_STR(last_message(), "bad call");
    EXPECT_EQ(nx_blocking(fails_silently, NULL), NX_EIO);
    EXPECT_STR(last_message(), nx_err_text(NX_EIO));
}

struct gate {
    atomic_bool open;
    atomic_int started;
};

static nx_err waits_at_the_gate(void *arg)
{
    struct gate *gate = arg;
    atomic_fetch_add(&gate->started, 1);
    while (!atomic_load(&gate->open)) (void)usleep(200);
    return NX_EAGAIN;
}

static nx_err blocks_at_the_gate(void *arg)
{
    return nx_blocking(waits_at_the_gate, arg);
}

NX_TEST(cancelled_blocking_calls)
{
    enum { N = 20 };
    static struct gate gate;
    nx_fiber *f[N] = {NULL};
    nx_limits limits = {.size = sizeof limits};
    nx_limits_get(&limits);
    int threads = (int)limits.blocking_threads;
    for (int i = 0; i < N; i++) EXPECT_EQ(nx_spawn(&f[i], blocks_at_the_gate, &gate), NX_OK);
    while (atomic_load(&gate.started) < threads) EXPECT_EQ(nx_sleep(NX_MS(1)), NX_OK);
    for (int i = 0; i < N; i++) nx_cancel(f[i]);
    settle();
    atomic_store(&gate.open, true);
    int canceled = 0, finished = 0;
    for (int i = 0; i < N; i++) {
        nx_err err = nx_join(f[i]);
        canceled += err == NX_ECANCELED; /* had not begun */
        finished += err == NX_EAGAIN;    /* was not cut short */
    }
    EXPECT_EQ(finished, threads);
    EXPECT_EQ(canceled, N - threads);
    EXPECT_EQ(gate.started, threads);
}

/* ---- Posts */

enum { THREADS = 8 };
static int posts_each;
static int64_t received;
static pthread_t loop_thread;

static void receive(void *arg)
{
    received += *(int *)arg;
    if (!pthread_equal(pthread_self(), loop_thread)) received = INT64_MIN;
}

struct poster {
    pthread_t thread;
    nx_loop *loop;
    int value, posted;
};

static void *post_many(void *arg)
{
    struct poster *poster = arg;
    if (nx_loop_current()) return NULL; /* a thread of its own has none */
    while (poster->posted < posts_each && nx_post(poster->loop, receive, &poster->value) == NX_OK)
        poster->posted++;
    return NULL;
}

NX_TEST(posts_from_eight_threads)
{
    struct poster posters[THREADS];
    int64_t want = 0;
    posts_each = scaled(10000);
    loop_thread = pthread_self();
    for (int i = 0; i < THREADS; i++) {
        posters[i] = (struct poster){.loop = nx_loop_current(), .value = i + 1};
        want += (int64_t)(i + 1) * posts_each;
        EXPECT_EQ(pthread_create(&posters[i].thread, NULL, post_many, &posters[i]), 0);
    }
    while (received < want && received >= 0) NX_IGNORE(nx_sleep(NX_MS(1)));
    for (int i = 0; i < THREADS; i++) {
        EXPECT_EQ(pthread_join(posters[i].thread, NULL), 0);
        EXPECT_EQ(posters[i].posted, posts_each);
    }
    EXPECT_EQ(nx_sleep(NX_MS(2)), NX_OK);
    EXPECT_EQ(received, want);
}

static nx_fiber *spawned;
static char order[8];

static nx_err ends(void *arg)
{
    (void)arg;
    return NX_OK;
}

static void spawns(void *arg)
{
    EXPECT(nx_fiber_current() == NULL);
    EXPECT_EQ(nx_yield(), NX_EWOULDSUSPEND);
    EXPECT_EQ(nx_spawn(&spawned, ends, NULL), NX_OK);
    (void)arg;
}

static void appends(void *arg)
{
    order[strlen(order)] = *(const char *)arg;
}

NX_TEST(a_post_runs_in_the_loops_context)
{
    EXPECT_EQ(nx_post(nx_loop_current(), appends, (void *)(uintptr_t) "a"), NX_OK);
    EXPECT_EQ(nx_post(nx_loop_current(), spawns, (void *)(uintptr_t) ""), NX_OK);
    EXPECT_EQ(nx_post(nx_loop_current(), appends, (void *)(uintptr_t) "b"), NX_OK);
    while (!spawned) EXPECT_EQ(nx_sleep(NX_MS(1)), NX_OK);
    EXPECT_EQ(nx_join(spawned), NX_OK);
    EXPECT_STR(order, "ab");
}

static void *post_late(void *arg)
{
    (void)usleep(20000);
    return nx_post(arg, appends, (void *)(uintptr_t) "c") == NX_OK ? arg : NULL;
}

NX_TEST(a_post_wakes_a_sleeping_loop)
{
    pthread_t thread;
    EXPECT_EQ(pthread_create(&thread, NULL, post_late, nx_loop_current()), 0);
    nx_duration start = nx_now();
    while (strcmp(order, "abc") != 0 && nx_now() - start < NX_S(30)) {
        nx_scope *scope;
        EXPECT_EQ(nx_scope_open(&scope, .deadline = NX_MS(500)), NX_OK);
        NX_IGNORE(nx_sleep(NX_S(60)));
        NX_IGNORE(nx_scope_close(&scope));
    }
    EXPECT_STR(order, "abc");
    void *result = NULL;
    EXPECT_EQ(pthread_join(thread, &result), 0);
    EXPECT(result != NULL);
}
