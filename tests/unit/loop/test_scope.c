/* Scopes: who belongs to them, what ends them, in which order. */
#include "loop_test.h"

static char trace[64];

static void traced(void *arg)
{
    size_t len = strlen(trace);
    trace[len] = *(const char *)arg;
    trace[len + 1] = '\0';
}

static void *letter(const char *text)
{
    return (void *)(uintptr_t)text;
}

static nx_err sleeps(void *arg)
{
    return nx_sleep(*(nx_duration *)arg);
}
static nx_err waits(void *arg)
{
    nx_err err = nx_sleep(NX_S(60));
    if (arg && err == NX_ECANCELED) ++*(int *)arg;
    return err;
}
static nx_err fails(void *arg)
{
    return nx_fail(NX_EPROTO, "bad %s", (const char *)arg);
}
static nx_err fails_later(void *arg)
{
    NX_TRY(nx_sleep(NX_MS(1)));
    return fails(arg);
}

NX_TEST("close waits for the fibers")
{
    nx_scope *scope;
    nx_duration span = NX_MS(10), start = nx_now();
    nx_expect_ok(nx_scope_open(&scope));
    nx_expect_ok(nx_spawn(NULL, sleeps, &span));
    nx_expect_ok(nx_scope_close(&scope));
    nx_expect_eq(scope, NULL);
    nx_expect_ge(nx_now() - start, span);
    nx_expect_ok(nx_scope_close(&scope)); /* NULL is fine */
}

NX_TEST("an error cancels the siblings")
{
    nx_scope *scope;
    int canceled = 0;
    nx_expect_ok(nx_scope_open(&scope));
    for (int i = 0; i < 5; i++) nx_expect_ok(nx_spawn(NULL, waits, &canceled));
    nx_expect_ok(nx_spawn(NULL, fails_later, letter("luck")));
    nx_expect_err(NX_ECANCELED, nx_sleep(NX_S(60))); /* the opener's own work inside it too */
    nx_expect(nx_canceled());
    nx_expect_err(NX_EPROTO, nx_scope_close(&scope));
    nx_expect_eq(last_message(), "bad luck");
    nx_expect_eq(canceled, 5);
    nx_expect(!nx_canceled());
    nx_expect_ok(nx_yield());
}

NX_TEST("a joinable error is the joiner's")
{
    nx_scope *scope;
    nx_fiber *f = NULL;
    nx_expect_ok(nx_scope_open(&scope));
    nx_expect_ok(nx_spawn(&f, fails, letter("a")));
    nx_expect_err(NX_EPROTO, nx_join(f));
    nx_expect(!nx_canceled());
    nx_expect_ok(nx_scope_close(&scope));
}

NX_TEST("a joinable error that nobody joined")
{
    nx_scope *scope;
    nx_fiber *f = NULL;
    nx_expect_ok(nx_scope_open(&scope));
    nx_expect_ok(nx_spawn(&f, fails, letter("b")));
    settle();
    nx_expect(!nx_canceled());
    nx_expect_err(NX_EPROTO, nx_scope_close(&scope));
    nx_expect_eq(last_message(), "bad b");
}

NX_TEST("deadline")
{
    nx_scope *scope;
    int canceled = 0;
    nx_duration start = nx_now();
    nx_expect_ok(nx_scope_open(&scope, .deadline = NX_MS(10)));
    nx_expect_ok(nx_spawn(NULL, waits, &canceled));
    nx_expect_err(NX_ETIMEDOUT, nx_scope_close(&scope));
    nx_expect_contains(last_message(), "deadline");
    nx_expect_eq(canceled, 1);
    nx_expect_ge(nx_now() - start, NX_MS(10));

    nx_expect_ok(nx_scope_open(&scope, .deadline = NX_MS(5)));
    nx_expect_err(NX_ECANCELED, nx_sleep(NX_S(60)));
    nx_expect_err(NX_ETIMEDOUT, nx_scope_close(&scope));

    nx_expect_ok(nx_scope_open(&scope, .deadline = NX_FOREVER - 1));
    nx_expect_ok(nx_yield());
    nx_expect_ok(nx_scope_close(&scope));
}

NX_TEST("nested scopes")
{
    nx_scope *outer, *inner;
    nx_expect_ok(nx_scope_open(&outer));
    nx_expect_ok(nx_scope_open(&inner));
    nx_expect_err(NX_ESTATE, nx_scope_close(&outer)); /* not the innermost */
    nx_expect(outer != NULL);
    nx_scope_cancel(inner);
    nx_expect(nx_canceled());
    nx_expect_err(NX_ECANCELED, nx_spawn(NULL, waits, NULL));
    nx_expect_ok(nx_spawn(NULL, waits, NULL, .scope = outer)); /* the outer one goes on */
    nx_expect_err(NX_ECANCELED, nx_scope_close(&inner));
    nx_expect(!nx_canceled());
    int canceled = 0;
    nx_expect_ok(nx_scope_open(&inner));
    nx_expect_ok(nx_spawn(NULL, waits, &canceled));
    nx_scope_cancel(outer); /* reaches what the inner one holds */
    nx_scope_cancel(outer);
    nx_expect_err(NX_ECANCELED, nx_scope_close(&inner));
    nx_expect_eq(canceled, 1);
    nx_expect_err(NX_ECANCELED, nx_scope_close(&outer));
    nx_scope_cancel(NULL);
}

static nx_err spawns(void *arg)
{
    NX_TRY(nx_spawn(NULL, waits, arg));
    NX_TRY(nx_spawn(NULL, waits, arg));
    return NX_OK; /* its own scope waits for them */
}

NX_TEST("cancellation reaches grandchildren")
{
    nx_scope *scope;
    int canceled = 0;
    nx_expect_ok(nx_scope_open(&scope));
    nx_expect_ok(nx_spawn(NULL, spawns, &canceled));
    settle();
    nx_scope_cancel(scope);
    nx_expect_err(NX_ECANCELED, nx_scope_close(&scope));
    nx_expect_eq(canceled, 2);
}

static nx_err child_fails(void *arg)
{
    NX_TRY(nx_spawn(NULL, fails_later, arg));
    return nx_sleep(NX_S(60)); /* is cancelled by the child's error, and that is the reason */
}

NX_TEST("the cause is reported, not the cancellation")
{
    nx_fiber *f = NULL;
    nx_expect_ok(nx_spawn(&f, child_fails, letter("cause")));
    nx_expect_err(NX_EPROTO, nx_join(f));
    nx_expect_eq(last_message(), "bad cause");
}

static nx_err child_of(void *arg)
{
    int *depth = arg;
    if (--*depth == 0) return nx_sleep(NX_S(60));
    return nx_spawn(NULL, child_of, depth);
}

NX_TEST("cancelling a deep tree")
{
    nx_scope *scope;
    int depth = scaled(9000);
    nx_expect_ok(nx_scope_open(&scope));
    nx_expect_ok(nx_spawn(NULL, child_of, &depth));
    while (depth) nx_expect_ok(nx_yield());
    nx_scope_cancel(scope);
    nx_expect_err(NX_ECANCELED, nx_scope_close(&scope));
}

static nx_err leaves_open(void *arg)
{
    nx_scope *first, *second;
    NX_TRY(nx_scope_open(&first));
    NX_TRY(nx_defer(traced, letter("1")));
    NX_TRY(nx_scope_open(&second));
    NX_TRY(nx_defer(traced, letter("2")));
    NX_TRY(nx_spawn(NULL, waits, arg));
    NX_TRY(nx_yield());
    return nx_fail(NX_EPROTO, "left in the middle");
}

NX_TEST("scopes left open end with the fiber")
{
    trace[0] = '\0';
    nx_fiber *f = NULL;
    int canceled = 0;
    nx_expect_ok(nx_spawn(&f, leaves_open, &canceled));
    nx_expect_err(NX_EPROTO, nx_join(f));
    nx_expect_eq(last_message(), "left in the middle");
    nx_expect_eq(canceled, 1);
    nx_expect_eq(trace, "21");
}

NX_TEST("scope auto cancels")
{
    int canceled = 0;
    {
        NX_AUTO(nx_scope) *scope = NULL;
        nx_expect_ok(nx_scope_open(&scope));
        nx_expect_ok(nx_spawn(NULL, waits, &canceled));
        settle();
    }
    nx_expect_eq(canceled, 1);
    nx_expect(!nx_canceled());
}

static nx_err fails_inside(void *arg)
{
    NX_AUTO(nx_scope) *scope = NULL;
    NX_TRY(nx_scope_open(&scope));
    NX_TRY(nx_spawn(NULL, waits, arg));
    NX_TRY(nx_yield());
    return nx_fail(NX_EPROTO, "the reason");
}

static nx_err fails_with_cause(void *arg)
{
    (void)arg;
    return nx_fail(NX_EFAILED, "the cause");
}

static nx_err waits_beside(void *arg)
{
    (void)arg;
    NX_AUTO(nx_scope) *scope = NULL;
    NX_TRY(nx_scope_open(&scope));
    NX_TRY(nx_spawn(NULL, fails_with_cause, NULL));
    return nx_sleep(NX_S(60));
}

NX_TEST("scope auto keeps the error that it is left with")
{
    nx_fiber *f = NULL;
    int canceled = 0;
    nx_expect_ok(nx_spawn(&f, fails_inside, &canceled));
    nx_expect_err(NX_EPROTO, nx_join(f));
    nx_expect_eq(last_message(), "the reason");
    nx_expect_eq(canceled, 1);
}

NX_TEST("what was cancelled by the failure of a fiber beside it has that error")
{
    nx_fiber *f = NULL;
    nx_expect_ok(nx_spawn(&f, waits_beside, NULL));
    nx_expect_err(NX_EFAILED, nx_join(f));
    nx_expect_eq(last_message(), "the cause");
}

/* ---- Deferred calls */

NX_TEST("last deferred, first called")
{
    trace[0] = '\0';
    nx_scope *outer, *inner;
    nx_expect_ok(nx_scope_open(&outer));
    nx_expect_ok(nx_defer(traced, letter("a")));
    nx_expect_ok(nx_defer(traced, letter("b")));
    nx_expect_ok(nx_scope_open(&inner));
    nx_expect_ok(nx_defer(traced, letter("c")));
    nx_expect_ok(nx_scope_close(&inner));
    nx_expect_eq(trace, "c");
    nx_expect_ok(nx_scope_close(&outer));
    nx_expect_eq(trace, "cba");
}

static nx_err traces_later(void *arg)
{
    NX_TRY(nx_sleep(NX_MS(1)));
    traced(arg);
    return NX_OK;
}

static void spawns_and_defers(void *arg)
{
    traced(arg);
    nx_expect_ok(nx_sleep(NX_MS(1)));
    nx_expect_ok(nx_spawn(NULL, traces_later, letter("f")));
    nx_expect_ok(nx_defer(traced, letter("e")));
}

NX_TEST("deferred calls run after the fibers, and may do anything")
{
    trace[0] = '\0';
    nx_scope *scope;
    nx_expect_ok(nx_scope_open(&scope));
    nx_expect_ok(nx_defer(traced, letter("a")));
    nx_expect_ok(nx_defer(spawns_and_defers, letter("b")));
    nx_expect_ok(nx_spawn(NULL, traces_later, letter("1")));
    nx_expect_ok(nx_scope_close(&scope));
    nx_expect_eq(trace, "1bfea");
}

/* ---- Memory */

struct check {
    char *text;
    bool intact;
};

static void check(void *arg)
{
    struct check *c = arg;
    c->intact = strcmp(c->text, "number 7") == 0;
}

NX_TEST("memory lasts to the end of the scope")
{
    nx_scope *scope;
    struct check c = {0};
    nx_expect_ok(nx_scope_open(&scope));
    c.text = nx_format("number %d", 7);
    nx_expect_ok(nx_defer(check, &c));
    for (int i = 1; i < 300; i++) {
        char *block = nx_alloc((size_t)i * 64);
        nx_expect(block != NULL && (uintptr_t)block % 16 == 0);
        if (block) memset(block, i, (size_t)i * 64);
    }
    nx_expect(nx_alloc(0) != NULL);
    char *zero = nx_alloc_zero(100, 3);
    nx_expect(zero && zero[0] == 0 && zero[299] == 0);
    nx_expect_eq(nx_alloc_zero(SIZE_MAX / 2, 3), NULL);
    nx_expect_eq(nx_error_last()->code, NX_ENOMEM);
    char *copy = nx_copy(nx_slice("abcdef", 3));
    nx_expect_eq(copy, "abc");
    nx_expect_ok(nx_scope_close(&scope));
    nx_expect(c.intact);
}

/* ---- Detached fibers */

static nx_err after(void *arg)
{
    NX_TRY(nx_sleep(NX_MS(5)));
    ++*(int *)arg;
    return NX_OK;
}

static nx_err detaches(void *arg)
{
    return nx_spawn(NULL, after, arg, .detached = true);
}

NX_TEST("detached fibers outlive the scope")
{
    static int count;
    nx_fiber *f = NULL;
    nx_expect_ok(nx_spawn(&f, detaches, &count));
    nx_expect_ok(nx_join(f));
    nx_expect_eq(count, 0);
    nx_expect_ok(nx_sleep(NX_MS(20)));
    nx_expect_eq(count, 1);
    nx_expect_ok(
        nx_spawn(NULL, fails, letter("(meant to be logged)"), .detached = true, .name = "logged"));
    settle();
    nx_expect(!nx_canceled());
    nx_expect_ok(nx_spawn(&f, after, &count, .detached = true));
    nx_expect_ok(nx_join(f));
}
