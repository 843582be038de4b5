/* Workers: what they run, how they end, what belongs to whom. */
#include "../loop/loop_test.h"

#include <nexus/worker.h>
#include <sys/resource.h>

/* ---- Running */

struct seen {
    nx_loop *loop;
    pid_t thread;
    int value;
    char name[32];
};

static nx_err child(void *arg)
{
    NX_TRY(nx_sleep(NX_MS(1)));
    ((struct seen *)arg)->value++;
    return NX_OK;
}

static void tick(void *arg)
{
    ((struct seen *)arg)->value++;
}

static nx_err looks(void *arg)
{
    struct seen *seen = arg;
    seen->loop = nx_loop_current();
    seen->thread = gettid();
    (void)snprintf(seen->name, sizeof seen->name, "%s", nx_fiber_name(nx_fiber_current()));
    NX_TRY(nx_sleep(NX_MS(1)));
    nx_fiber *fiber;
    NX_TRY(nx_spawn(&fiber, child, seen));
    NX_TRY(nx_join(fiber));
    NX_TRY(nx_spawn(NULL, child, seen));                               /* its scope waits */
    NX_TRY(nx_spawn(NULL, child, seen, .detached = true));             /* the worker does */
    return nx_set_timeout(tick, seen, NX_MS(20)) ? NX_OK : NX_EFAILED; /* and for this */
}

NX_TEST("a worker has a thread and a loop of its own")
{
    struct seen seen = {0};
    nx_fiber *worker;
    nx_require_ok(nx_worker_start(&worker, looks, &seen, .name = "reader"));
    nx_expect_eq(nx_fiber_name(worker), "reader");
    nx_expect_ok(nx_join(worker));
    nx_expect_ne(seen.loop, nx_loop_current());
    nx_expect_ne(seen.thread, gettid());
    nx_expect_eq(seen.name, "reader");
    nx_expect_eq(seen.value, 4);
}

static nx_err fails(void *arg)
{
    NX_IGNORE(nx_sleep(NX_MS(1)));
    return nx_fail(NX_ETYPE, "row %d is odd", *(int *)arg);
}

NX_TEST("a result and its message come out of the join")
{
    int row = 7;
    nx_fiber *worker;
    nx_require_ok(nx_worker_start(&worker, fails, &row));
    nx_expect_eq(nx_fiber_name(worker), "worker");
    nx_expect_err(NX_ETYPE, nx_join(worker));
    nx_expect_eq(last_message(), "row 7 is odd");
}

static nx_err spawns_one_that_fails(void *arg)
{
    return nx_spawn(NULL, fails, arg);
}

NX_TEST("a fiber that fails there is the worker's error")
{
    int row = 9;
    nx_fiber *worker;
    nx_require_ok(nx_worker_start(&worker, spawns_one_that_fails, &row));
    nx_expect_err(NX_ETYPE, nx_join(worker));
    nx_expect_eq(last_message(), "row 9 is odd");
}

static nx_err starts_another(void *arg)
{
    nx_fiber *inner;
    NX_TRY(nx_worker_start(&inner, fails, arg, .name = "inner"));
    nx_err err = nx_join(inner);
    return err == NX_ETYPE ? NX_OK : nx_fail(NX_EFAILED, "the inner one returned %d", err);
}

NX_TEST("workers start workers")
{
    int row = 1;
    nx_fiber *worker;
    nx_require_ok(nx_worker_start(&worker, starts_another, &row));
    nx_expect_ok(nx_join(worker));
}

/* ---- Cancelling */

static nx_err waits(void *arg)
{
    nx_err err = nx_sleep(NX_S(600));
    atomic_store((_Atomic int *)arg, (int)err);
    return err;
}

static nx_err waits_in_a_child(void *arg)
{
    if (!nx_set_interval(tick, &(struct seen){0}, NX_S(600))) return NX_EFAILED;
    NX_TRY(nx_spawn(NULL, waits, arg, .detached = true));
    return nx_sleep(NX_S(600));
}

static nx_err computes(void *arg)
{
    atomic_store((_Atomic int *)arg, 1);
    while (!nx_canceled()) (void)usleep(1000);
    atomic_store((_Atomic int *)arg, 2);
    return NX_OK;
}

static nx_err in_a_child(void *arg)
{
    nx_fiber *fiber;
    NX_TRY(nx_spawn(&fiber, computes, arg));
    return nx_join(fiber);
}

NX_TEST("cancelled at once, and while it waits", .deadline = NX_S(60))
{
    for (int i = 0; i < 4; i++) {
        _Atomic int result = -1;
        nx_fiber *worker;
        nx_require_ok(nx_worker_start(&worker, i % 2 ? waits_in_a_child : waits, (void *)&result));
        if (i >= 2) nx_expect_ok(nx_sleep(NX_MS(20)));
        nx_cancel(worker);
        nx_expect_err(NX_ECANCELED, nx_join(worker));
        /* Where it had not begun by then it was refused its child. */
        nx_expect(atomic_load(&result) == NX_ECANCELED || (i == 1 && atomic_load(&result) == -1));
    }
}

NX_TEST("one that computes asks", .deadline = NX_S(60))
{
    for (int i = 0; i < 2; i++) {
        _Atomic int state = 0;
        nx_fiber *worker;
        nx_require_ok(nx_worker_start(&worker, i ? in_a_child : computes, (void *)&state));
        while (!atomic_load(&state)) nx_expect_ok(nx_sleep(NX_MS(1)));
        nx_cancel(worker);
        nx_err err = nx_join(worker);
        nx_expect(i ? err == NX_OK || err == NX_ECANCELED : err == NX_OK);
        nx_expect_eq(atomic_load(&state), 2);
    }
}

/* ---- Scopes */

NX_TEST("a scope waits for its workers")
{
    struct seen seen = {0};
    nx_scope *scope;
    nx_require_ok(nx_scope_open(&scope));
    nx_require_ok(nx_worker_start(NULL, looks, &seen));
    nx_expect_ok(nx_scope_close(&scope));
    nx_expect_eq(seen.value, 4);
}

NX_TEST("a worker that fails cancels its scope, and so the other", .deadline = NX_S(60))
{
    int row = 3;
    _Atomic int result = -1;
    nx_scope *scope;
    nx_require_ok(nx_scope_open(&scope));
    nx_require_ok(nx_worker_start(NULL, waits, (void *)&result));
    nx_require_ok(nx_worker_start(NULL, fails, &row));
    nx_expect_err(NX_ETYPE, nx_scope_close(&scope));
    nx_expect_eq(last_message(), "row 3 is odd");
    nx_expect_eq(atomic_load(&result), NX_ECANCELED);
}

NX_TEST("a deadline ends them", .deadline = NX_S(60))
{
    _Atomic int result = -1;
    nx_scope *scope;
    nx_require_ok(nx_scope_open(&scope, .deadline = NX_MS(30)));
    nx_require_ok(nx_worker_start(NULL, waits, (void *)&result));
    nx_expect_err(NX_ETIMEDOUT, nx_scope_close(&scope));
    nx_expect_eq(atomic_load(&result), NX_ECANCELED);
}

NX_TEST("a scope that is given, and one that is left for the loop's own")
{
    struct seen seen = {0};
    nx_scope *outer, *inner;
    nx_require_ok(nx_scope_open(&outer));
    nx_require_ok(nx_scope_open(&inner));
    nx_require_ok(nx_worker_start(NULL, looks, &seen, .scope = outer));
    nx_expect_ok(nx_scope_close(&inner));
    nx_expect_ok(nx_scope_close(&outer));
    nx_expect_eq(seen.value, 4);

    nx_fiber *worker;
    nx_require_ok(nx_scope_open(&inner));
    _Atomic int result = -1;
    nx_require_ok(nx_worker_start(&worker, waits, (void *)&result, .detached = true));
    nx_expect_ok(nx_scope_close(&inner));
    nx_expect_eq(atomic_load(&result), -1); /* it has not waited */
    nx_cancel(worker);
    nx_expect_err(NX_ECANCELED, nx_join(worker));
}

/* ---- What is another thread's */

struct foreign {
    nx_fiber *fiber;
    nx_scope *scope;
    nx_channel *channel;
    nx_err join, cancel, scope_cancel, spawn, send, recv, close;
};

static nx_err error_of(void)
{
    nx_err err = nx_error_last()->code;
    NX_IGNORE(nx_fail(NX_EFAILED, "in between"));
    return err;
}

static nx_err touches(void *arg)
{
    struct foreign *f = arg;
    int value = 1;
    f->join = nx_join(f->fiber);
    nx_cancel(f->fiber);
    f->cancel = error_of();
    nx_scope_cancel(f->scope);
    f->scope_cancel = error_of();
    f->spawn = nx_spawn(NULL, child, NULL, .scope = f->scope);
    f->send = nx_send(f->channel, &value);
    f->recv = nx_recv(f->channel, &value);
    nx_channel_close(f->channel);
    f->close = error_of();
    return NX_OK;
}

static nx_err receives(void *arg)
{
    int value;
    NX_TRY(nx_recv(arg, &value));
    return value == 5 ? NX_OK : NX_EFAILED;
}

NX_TEST("the calls of another thread are refused, and do nothing")
{
    struct foreign f = {0};
    nx_require_ok(nx_channel_new(&f.channel, sizeof(int), 4));
    nx_require_ok(nx_scope_open(&f.scope));
    nx_require_ok(nx_spawn(&f.fiber, receives, f.channel));
    settle();
    nx_fiber *worker;
    nx_require_ok(nx_worker_start(&worker, touches, &f));
    nx_expect_ok(nx_join(worker));
    nx_expect_err(NX_ESTATE, f.join);
    nx_expect_err(NX_ESTATE, f.cancel);
    nx_expect_err(NX_ESTATE, f.scope_cancel);
    nx_expect_err(NX_ESTATE, f.spawn);
    nx_expect_err(NX_ESTATE, f.send);
    nx_expect_err(NX_ESTATE, f.recv);
    nx_expect_err(NX_ESTATE, f.close);
    int value = 5;
    nx_expect_ok(nx_send(f.channel, &value));
    nx_expect_ok(nx_join(f.fiber));
    nx_expect_ok(nx_scope_close(&f.scope));
    nx_channel_free(f.channel);
}

static nx_err makes_a_channel(void *arg)
{
    nx_channel **out = arg;
    NX_TRY(nx_channel_new(out, sizeof(int), 1));
    int value = 1;
    return nx_send(*out, &value);
}

NX_TEST("a channel whose thread has ended is freed by another")
{
    nx_channel *channel = NULL;
    nx_fiber *worker;
    int value;
    nx_require_ok(nx_worker_start(&worker, makes_a_channel, &channel));
    nx_expect_ok(nx_join(worker));
    nx_expect_err(NX_ESTATE, nx_recv(channel, &value));
    nx_channel_free(channel);
}

/* ---- What can't be had */

static nx_err never(void *arg)
{
    (void)arg;
    abort();
}

NX_TEST("what a worker may not be started with")
{
    nx_fiber *worker = (nx_fiber *)&worker;
    nx_expect_err(NX_EINVAL, nx_worker_start(&worker, NULL, NULL));
    nx_expect_eq(worker, NULL);
    nx_scope *scope;
    nx_require_ok(nx_scope_open(&scope));
    nx_scope_cancel(scope);
    nx_expect_err(NX_ECANCELED, nx_worker_start(&worker, never, NULL));
    nx_expect_eq(worker, NULL);
    nx_expect_err(NX_ECANCELED, nx_scope_close(&scope));
}

NX_TEST("no more than --max-workers", .deadline = NX_S(60))
{
    uint64_t before = nx__limits.max_workers;
    nx__limits.max_workers = 2;
    _Atomic int result = -1;
    nx_fiber *workers[2], *third;
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 2; i++)
            nx_require_ok(nx_worker_start(&workers[i], waits, (void *)&result));
        nx_expect_err(NX_ELIMIT, nx_worker_start(&third, never, NULL, .name = "third"));
        nx_expect_eq(last_message(),
                     "cannot start worker \"third\": 2 are alive (see --max-workers)");
        for (int i = 0; i < 2; i++) {
            nx_cancel(workers[i]);
            nx_expect_err(NX_ECANCELED, nx_join(workers[i]));
        }
    }
    nx__limits.max_workers = before;
}

NX_TEST("no descriptors for its loop")
{
    struct rlimit before, none;
    nx_expect_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = 0;
    nx_fiber *worker;
    nx_expect_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    nx_expect_ok(nx_worker_start(&worker, never, NULL));
    nx_err err = nx_join(worker);
    nx_expect_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
    nx_expect_err(NX_EMFILE, err);
    nx_expect_contains(last_message(), "event loop");
}

NX_TEST("past --max-operations it is cancelled, and that is told", .deadline = NX_S(60))
{
    _Atomic int result = -1;
    nx_fiber *worker;
    nx_require_ok(nx_worker_start(&worker, waits, (void *)&result));
    nx__loop()->operations += nx__limits.max_operations;
    NX_IGNORE(nx_yield()); /* the fiber that stands for it waits */
    nx__loop()->operations -= nx__limits.max_operations;
    nx_expect_err(NX_ELIMIT, nx_join(worker));
    nx_expect_contains(last_message(), "--max-operations");
}
