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

NX_TEST("blocking calls run side by side")
{
    static atomic_int count;
    int n = scaled(500);
    nx_scope *scope;
    nx_expect_ok(nx_scope_open(&scope));
    for (int i = 0; i < n; i++) nx_expect_ok(nx_spawn(NULL, blocking_nap, &count));
    nx_expect_ok(nx_scope_close(&scope));
    nx_expect_eq(count, n);
}

NX_TEST("blocking errors are carried")
{
    nx_expect_err(NX_EPROTO, nx_blocking(fails, (void *)(uintptr_t) "call"));
    nx_expect_eq(nx_error_last()->code, NX_EPROTO);
    nx_expect_eq(last_message(), "bad call");
    nx_expect_err(NX_EIO, nx_blocking(fails_silently, NULL));
    nx_expect_eq(last_message(), nx_err_text(NX_EIO));
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

NX_TEST("cancelled blocking calls")
{
    enum { N = 20 };
    static struct gate gate;
    nx_fiber *f[N] = {NULL};
    nx_limits limits = {.size = sizeof limits};
    nx_limits_get(&limits);
    int threads = (int)limits.blocking_threads;
    for (int i = 0; i < N; i++) nx_expect_ok(nx_spawn(&f[i], blocks_at_the_gate, &gate));
    while (atomic_load(&gate.started) < threads) nx_expect_ok(nx_sleep(NX_MS(1)));
    for (int i = 0; i < N; i++) nx_cancel(f[i]);
    settle();
    atomic_store(&gate.open, true);
    int canceled = 0, finished = 0;
    for (int i = 0; i < N; i++) {
        nx_err err = nx_join(f[i]);
        canceled += err == NX_ECANCELED; /* had not begun */
        finished += err == NX_EAGAIN;    /* was not cut short */
    }
    nx_expect_eq(finished, threads);
    nx_expect_eq(canceled, N - threads);
    nx_expect_eq(gate.started, threads);
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

NX_TEST("posts from eight threads")
{
    struct poster posters[THREADS];
    int64_t want = 0;
    posts_each = scaled(10000);
    loop_thread = pthread_self();
    for (int i = 0; i < THREADS; i++) {
        posters[i] = (struct poster){.loop = nx_loop_current(), .value = i + 1};
        want += (int64_t)(i + 1) * posts_each;
        nx_expect_eq(pthread_create(&posters[i].thread, NULL, post_many, &posters[i]), 0);
    }
    while (received < want && received >= 0) NX_IGNORE(nx_sleep(NX_MS(1)));
    for (int i = 0; i < THREADS; i++) {
        nx_expect_eq(pthread_join(posters[i].thread, NULL), 0);
        nx_expect_eq(posters[i].posted, posts_each);
    }
    nx_expect_ok(nx_sleep(NX_MS(2)));
    nx_expect_eq(received, want);
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
    nx_expect_eq(nx_fiber_current(), NULL);
    nx_expect_err(NX_EWOULDSUSPEND, nx_yield());
    nx_expect_ok(nx_spawn(&spawned, ends, NULL));
    (void)arg;
}

static void appends(void *arg)
{
    order[strlen(order)] = *(const char *)arg;
}

NX_TEST("a post runs in the loop's context")
{
    nx_expect_ok(nx_post(nx_loop_current(), appends, (void *)(uintptr_t) "a"));
    nx_expect_ok(nx_post(nx_loop_current(), spawns, (void *)(uintptr_t) ""));
    nx_expect_ok(nx_post(nx_loop_current(), appends, (void *)(uintptr_t) "b"));
    while (!spawned) nx_expect_ok(nx_sleep(NX_MS(1)));
    nx_expect_ok(nx_join(spawned));
    nx_expect_eq(order, "ab");
}

static void *post_late(void *arg)
{
    (void)usleep(20000);
    return nx_post(arg, appends, (void *)(uintptr_t) "c") == NX_OK ? arg : NULL;
}

NX_TEST("a post wakes a sleeping loop")
{
    pthread_t thread;
    nx_expect_eq(pthread_create(&thread, NULL, post_late, nx_loop_current()), 0);
    nx_duration start = nx_now();
    while (strcmp(order, "c") != 0 && nx_now() - start < NX_S(30)) {
        nx_scope *scope;
        nx_expect_ok(nx_scope_open(&scope, .deadline = NX_MS(500)));
        NX_IGNORE(nx_sleep(NX_S(60)));
        NX_IGNORE(nx_scope_close(&scope));
    }
    nx_expect_eq(order, "c");
    void *result = NULL;
    nx_expect_eq(pthread_join(thread, &result), 0);
    nx_expect(result != NULL);
}

/* ---- What is due before the loop polls again */

struct late_test {
    struct nx__late late;
    struct nx__op op;
    int rounds;
};

static void late_again(struct nx__late *late)
{
    struct late_test *test = nx__container_of(late, struct late_test, late);
    if (++test->rounds < 5)
        nx__loop_late(nx__loop(), late);
    else
        nx__op_complete(&test->op, 0);
}

NX_TEST("what becomes due late while late things run is not slept over", .deadline = NX_S(10))
{
    struct late_test test = {.late.fn = late_again};
    nx__list_init(&test.late.link);
    nx__loop_late(nx__loop(), &test.late);
    nx_expect_eq(nx__op_wait_uncanceled(&test.op), 0);
    nx_expect_eq(test.rounds, 5);
}
