/* Loops over many items. */
#include "../loop/loop_test.h"

#include "base/cpus.h"
#include "loop/loop_thread.h"
#include <nexus/worker.h>
#include <sys/resource.h>

enum { ITEMS = 10000 };

struct marks {
    _Atomic int *items;
    _Atomic int done;
    size_t bad;
    nx_err err;
};

static nx_err mark(size_t index, void *arg)
{
    struct marks *marks = arg;
    atomic_fetch_add(&marks->items[index], 1);
    atomic_fetch_add(&marks->done, 1);
    return NX_OK;
}

NX_TEST("each item is done once, whatever the count", .deadline = NX_S(60))
{
    static const size_t counts[] = {0, 1, 2, 3, 7, 64, 1000, ITEMS};
    for (size_t k = 0; k < sizeof counts / sizeof *counts; k++) {
        for (uint32_t workers = 0; workers < 4; workers++) {
            _Atomic int *items = nx_alloc_zero(ITEMS, sizeof *items);
            struct marks marks = {.items = items};
            nx_expect_ok(nx_parallel(counts[k], mark, &marks, .workers = workers,
                                     .chunk = workers == 3 ? 7 : 0));
            nx_expect_eq(atomic_load(&marks.done), counts[k]);
            for (size_t i = 0; i < ITEMS; i++)
                nx_require_eq(atomic_load(&items[i]), i < counts[k] ? 1 : 0);
        }
    }
}

static nx_err square(const void *in, void *out, void *arg)
{
    int64_t n = *(const int *)in;
    *(int64_t *)out = n * n + *(int *)arg;
    return NX_OK;
}

NX_TEST("results are in order")
{
    static int in[1000];
    static int64_t out[1000];
    int more = 3;
    for (int i = 0; i < 1000; i++) in[i] = i;
    nx_expect_ok(nx_parallel_map(out, in, 1000, square, &more));
    for (int i = 0; i < 1000; i++) nx_require_eq(out[i], (int64_t)i * i + 3);
}

/* ---- What an item may do */

static nx_err adds(void *arg)
{
    NX_TRY(nx_sleep(NX_US(10)));
    atomic_fetch_add((_Atomic int *)arg, 1);
    return NX_OK;
}

static void adds_ten(void *arg)
{
    atomic_fetch_add((_Atomic int *)arg, 10);
}

static nx_err lives(size_t index, void *arg)
{
    struct marks *marks = arg;
    char *text = nx_format("%zu", index);
    if (!text) return NX_ENOMEM;
    NX_TRY(nx_sleep(NX_US(10)));
    NX_TRY(nx_spawn(NULL, adds, (void *)&marks->done));
    NX_TRY(nx_defer(adds_ten, (void *)&marks->done));
    return text[0] ? NX_OK : NX_EFAILED;
}

NX_TEST("an item suspends, spawns, allocates and defers")
{
    struct marks marks = {0};
    nx_expect_ok(nx_parallel(100, lives, &marks));
    nx_expect_eq(atomic_load(&marks.done), 1100);
}

static nx_err inner(size_t index, void *arg)
{
    (void)index;
    atomic_fetch_add((_Atomic int *)arg, 1);
    return NX_OK;
}

static nx_err outer(size_t index, void *arg)
{
    if (index % 2) NX_TRY(nx_sleep(NX_US(10)));
    return nx_parallel(20, inner, arg);
}

static nx_err from_a_worker(void *arg)
{
    return nx_parallel(20, outer, arg);
}

NX_TEST("calls nest, from workers too", .deadline = NX_S(60))
{
    _Atomic int count = 0;
    nx_expect_ok(nx_parallel(20, outer, (void *)&count));
    nx_expect_eq(atomic_load(&count), 400);
    nx_scope *scope;
    nx_require_ok(nx_scope_open(&scope));
    for (int i = 0; i < 3; i++) nx_require_ok(nx_worker_start(NULL, from_a_worker, (void *)&count));
    nx_expect_ok(nx_scope_close(&scope));
    nx_expect_eq(atomic_load(&count), 1600);
}

/* ---- Errors */

static nx_err fails_at(size_t index, void *arg)
{
    struct marks *marks = arg;
    atomic_fetch_add(&marks->done, 1);
    if (index == marks->bad) return nx_fail(NX_ETYPE, "item %zu is bad", index);
    return nx_sleep(NX_US(50));
}

NX_TEST("the first error ends it", .deadline = NX_S(60))
{
    struct marks marks = {.bad = 5};
    nx_expect_err(NX_ETYPE, nx_parallel(100000, fails_at, &marks, .chunk = 1));
    nx_expect_eq(last_message(), "item 5 is bad");
    nx_expect_lt(atomic_load(&marks.done), 100000);
}

static nx_err fails_or_waits(size_t index, void *arg)
{
    struct marks *marks = arg;
    if (index == 0) {
        while (!atomic_load(&marks->done)) NX_TRY(nx_sleep(NX_US(100)));
        return nx_fail(NX_ETYPE, "the other waits");
    }
    atomic_store(&marks->done, 1);
    marks->err = nx_sleep(NX_S(600));
    return marks->err;
}

NX_TEST("and cancels what waits", .deadline = NX_S(60))
{
    if (nx__cpus() < 2) nx_skip("there is one core");
    struct marks marks = {0};
    nx_expect_err(NX_ETYPE, nx_parallel(2, fails_or_waits, &marks));
    nx_expect_eq(last_message(), "the other waits");
    nx_expect_err(NX_ECANCELED, marks.err);
}

static nx_err fails_in_a_fiber(void *arg)
{
    (void)arg;
    return nx_fail(NX_EIO, "the fiber of an item failed");
}

static nx_err spawns_a_failure(size_t index, void *arg)
{
    (void)index;
    return nx_spawn(NULL, fails_in_a_fiber, arg);
}

NX_TEST("a fiber that an item has spawned fails for it")
{
    nx_expect_err(NX_EIO, nx_parallel(3, spawns_a_failure, NULL));
    nx_expect_eq(last_message(), "the fiber of an item failed");
}

/* ---- Cancelling */

static nx_err waits(size_t index, void *arg)
{
    (void)index;
    atomic_fetch_add((_Atomic int *)arg, 1);
    return nx_sleep(NX_S(600));
}

static nx_err computes(size_t index, void *arg)
{
    (void)index;
    atomic_fetch_add((_Atomic int *)arg, 1);
    while (!nx_canceled()) (void)usleep(1000);
    return NX_OK;
}

struct call {
    nx_parallel_fn fn;
    _Atomic int begun;
    nx_err err;
};

static nx_err calls(void *arg)
{
    struct call *call = arg;
    call->err = nx_parallel(1000, call->fn, (void *)&call->begun);
    return NX_OK;
}

NX_TEST("cancelled, it waits for what runs", .deadline = NX_S(60))
{
    for (int i = 0; i < 2; i++) {
        struct call call = {.fn = i ? computes : waits};
        nx_fiber *fiber;
        nx_require_ok(nx_spawn(&fiber, calls, &call));
        while (!atomic_load(&call.begun)) nx_expect_ok(nx_sleep(NX_MS(1)));
        nx_cancel(fiber);
        nx_expect_ok(nx_join(fiber));
        nx_expect_err(NX_ECANCELED, call.err);
        nx_expect_lt(atomic_load(&call.begun), 1000);
    }
}

NX_TEST("cancelled before it began, and as it ends", .deadline = NX_S(60))
{
    for (int i = 0; i < scaled(300); i++) {
        struct marks marks = {.items = nx_alloc_zero(64, sizeof(_Atomic int))};
        nx_scope *scope;
        nx_require_ok(nx_scope_open(&scope, .deadline = NX_US(10 + i)));
        nx_err err = nx_parallel(64, mark, &marks, .chunk = 1);
        nx_expect(err == NX_OK || err == NX_ECANCELED);
        nx_expect(err != NX_OK || atomic_load(&marks.done) == 64);
        NX_IGNORE(nx_scope_close(&scope));
    }
}

/* ---- What can't be */

static nx_err outside;
static void calls_from_the_loop(void *arg)
{
    outside = nx_parallel(3, inner, arg);
}

NX_TEST("what is refused")
{
    _Atomic int count = 0;
    nx_expect_err(NX_EINVAL, nx_parallel(3, NULL, NULL));
    nx_expect_err(NX_EINVAL, nx_parallel_map((int *)NULL, (int *)NULL, 3, NULL, NULL));
    nx_require_ok(nx_post(nx_loop_current(), calls_from_the_loop, (void *)&count));
    nx_expect_ok(nx_sleep(NX_MS(1)));
    nx_expect_err(NX_ESTATE, outside);
    nx__loop()->operations += nx__limits.max_operations;
    nx_err err = nx_parallel(3, inner, (void *)&count);
    nx__loop()->operations -= nx__limits.max_operations;
    nx_expect_err(NX_ELIMIT, err);
    uint64_t before = nx__limits.max_fibers;
    nx_expect_ok(nx_parallel(1, inner, (void *)&count)); /* there is a crew */
    nx__limits.max_fibers = 0;
    err = nx_parallel(3, inner, (void *)&count);
    nx__limits.max_fibers = before;
    nx_expect_err(NX_ELIMIT, err);
    nx_expect_contains(last_message(), "--max-fibers");
    nx_expect_eq(atomic_load(&count), 1);
}

NX_TEST("no descriptors for a crew, and then there are")
{
    _Atomic int count = 0;
    struct rlimit before, none;
    nx_expect_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = 0;
    nx_expect_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    nx_err err = nx_parallel(3, inner, (void *)&count);
    nx_expect_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
    nx_expect_err(NX_EMFILE, err);
    nx_expect_ok(nx_parallel(3, inner, (void *)&count));
    nx_expect_eq(atomic_load(&count), 3);
    /* The end of the program; and a next one in the same process has threads too. */
    for (int i = 2; i < 4; i++) {
        void (*last)(void) = atomic_load(&nx__loop_last);
        last();
        nx_expect_eq(nx__loop_threads_count(), 0);
        nx_expect_ok(nx_parallel(3, inner, (void *)&count));
        nx_expect_eq(atomic_load(&count), 3 * i);
    }
}
