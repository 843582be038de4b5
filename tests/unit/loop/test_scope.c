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

NX_TEST(close_waits_for_the_fibers)
{
    nx_scope *scope;
    nx_duration span = NX_MS(10), start = nx_now();
    EXPECT_EQ(nx_scope_open(&scope), NX_OK);
    EXPECT_EQ(nx_spawn(NULL, sleeps, &span), NX_OK);
    EXPECT_EQ(nx_scope_close(&scope), NX_OK);
    EXPECT(scope == NULL);
    EXPECT(nx_now() - start >= span);
    EXPECT_EQ(nx_scope_close(&scope), NX_OK); /* NULL is fine */
}

NX_TEST(an_error_cancels_the_siblings)
{
    nx_scope *scope;
    int canceled = 0;
    EXPECT_EQ(nx_scope_open(&scope), NX_OK);
    for (int i = 0; i < 5; i++) EXPECT_EQ(nx_spawn(NULL, waits, &canceled), NX_OK);
    EXPECT_EQ(nx_spawn(NULL, fails_later, letter("luck")), NX_OK);
    EXPECT_EQ(nx_sleep(NX_S(60)), NX_ECANCELED); /* the opener's own work inside it too */
    EXPECT(nx_canceled());
    EXPECT_EQ(nx_scope_close(&scope), NX_EPROTO);
    EXPECT_STR(last_message(), "bad luck");
    EXPECT_EQ(canceled, 5);
    EXPECT(!nx_canceled());
    EXPECT_EQ(nx_yield(), NX_OK);
}

NX_TEST(a_joinable_error_is_the_joiners)
{
    nx_scope *scope;
    nx_fiber *f = NULL;
    EXPECT_EQ(nx_scope_open(&scope), NX_OK);
    EXPECT_EQ(nx_spawn(&f, fails, letter("a")), NX_OK);
    EXPECT_EQ(nx_join(f), NX_EPROTO);
    EXPECT(!nx_canceled());
    EXPECT_EQ(nx_scope_close(&scope), NX_OK);
}

NX_TEST(a_joinable_error_that_nobody_joined)
{
    nx_scope *scope;
    nx_fiber *f = NULL;
    EXPECT_EQ(nx_scope_open(&scope), NX_OK);
    EXPECT_EQ(nx_spawn(&f, fails, letter("b")), NX_OK);
    settle();
    EXPECT(!nx_canceled());
    EXPECT_EQ(nx_scope_close(&scope), NX_EPROTO);
    EXPECT_STR(last_message(), "bad b");
}

NX_TEST(deadline)
{
    nx_scope *scope;
    int canceled = 0;
    nx_duration start = nx_now();
    EXPECT_EQ(nx_scope_open(&scope, .deadline = NX_MS(10)), NX_OK);
    EXPECT_EQ(nx_spawn(NULL, waits, &canceled), NX_OK);
    EXPECT_EQ(nx_scope_close(&scope), NX_ETIMEDOUT);
    EXPECT(strstr(last_message(), "deadline") != NULL);
    EXPECT_EQ(canceled, 1);
    EXPECT(nx_now() - start >= NX_MS(10));

    EXPECT_EQ(nx_scope_open(&scope, .deadline = NX_MS(5)), NX_OK);
    EXPECT_EQ(nx_sleep(NX_S(60)), NX_ECANCELED);
    EXPECT_EQ(nx_scope_close(&scope), NX_ETIMEDOUT);

    EXPECT_EQ(nx_scope_open(&scope, .deadline = NX_FOREVER - 1), NX_OK);
    EXPECT_EQ(nx_yield(), NX_OK);
    EXPECT_EQ(nx_scope_close(&scope), NX_OK);
}

NX_TEST(nested_scopes)
{
    nx_scope *outer, *inner;
    EXPECT_EQ(nx_scope_open(&outer), NX_OK);
    EXPECT_EQ(nx_scope_open(&inner), NX_OK);
    EXPECT_EQ(nx_scope_close(&outer), NX_ESTATE); /* not the innermost */
    EXPECT(outer != NULL);
    nx_scope_cancel(inner);
    EXPECT(nx_canceled());
    EXPECT_EQ(nx_spawn(NULL, waits, NULL), NX_ECANCELED);
    EXPECT_EQ(nx_spawn(NULL, waits, NULL, .scope = outer), NX_OK); /* the outer one goes on */
    EXPECT_EQ(nx_scope_close(&inner), NX_ECANCELED);
    EXPECT(!nx_canceled());
    int canceled = 0;
    EXPECT_EQ(nx_scope_open(&inner), NX_OK);
    EXPECT_EQ(nx_spawn(NULL, waits, &canceled), NX_OK);
    nx_scope_cancel(outer); /* reaches what the inner one holds */
    nx_scope_cancel(outer);
    EXPECT_EQ(nx_scope_close(&inner), NX_ECANCELED);
    EXPECT_EQ(canceled, 1);
    EXPECT_EQ(nx_scope_close(&outer), NX_ECANCELED);
    nx_scope_cancel(NULL);
}

static nx_err spawns(void *arg)
{
    NX_TRY(nx_spawn(NULL, waits, arg));
    NX_TRY(nx_spawn(NULL, waits, arg));
    return NX_OK; /* its own scope waits for them */
}

NX_TEST(cancellation_reaches_grandchildren)
{
    nx_scope *scope;
    int canceled = 0;
    EXPECT_EQ(nx_scope_open(&scope), NX_OK);
    EXPECT_EQ(nx_spawn(NULL, spawns, &canceled), NX_OK);
    settle();
    nx_scope_cancel(scope);
    EXPECT_EQ(nx_scope_close(&scope), NX_ECANCELED);
    EXPECT_EQ(canceled, 2);
}

static nx_err child_fails(void *arg)
{
    NX_TRY(nx_spawn(NULL, fails_later, arg));
    return nx_sleep(NX_S(60)); /* is cancelled by the child's error, and that is the reason */
}

NX_TEST(the_cause_is_reported_not_the_cancellation)
{
    nx_fiber *f = NULL;
    EXPECT_EQ(nx_spawn(&f, child_fails, letter("cause")), NX_OK);
    EXPECT_EQ(nx_join(f), NX_EPROTO);
    EXPECT_STR(last_message(), "bad cause");
}

static nx_err child_of(void *arg)
{
    int *depth = arg;
    if (--*depth == 0) return nx_sleep(NX_S(60));
    return nx_spawn(NULL, child_of, depth);
}

NX_TEST(cancelling_a_deep_tree)
{
    nx_scope *scope;
    int depth = scaled(9000);
    EXPECT_EQ(nx_scope_open(&scope), NX_OK);
    EXPECT_EQ(nx_spawn(NULL, child_of, &depth), NX_OK);
    while (depth) EXPECT_EQ(nx_yield(), NX_OK);
    nx_scope_cancel(scope);
    EXPECT_EQ(nx_scope_close(&scope), NX_ECANCELED);
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

NX_TEST(scopes_left_open_end_with_the_fiber)
{
    trace[0] = '\0';
    nx_fiber *f = NULL;
    int canceled = 0;
    EXPECT_EQ(nx_spawn(&f, leaves_open, &canceled), NX_OK);
    EXPECT_EQ(nx_join(f), NX_EPROTO);
    EXPECT_STR(last_message(), "left in the middle");
    EXPECT_EQ(canceled, 1);
    EXPECT_STR(trace, "21");
}

NX_TEST(scope_auto_cancels)
{
    int canceled = 0;
    {
        NX_AUTO(nx_scope) *scope = NULL;
        EXPECT_EQ(nx_scope_open(&scope), NX_OK);
        EXPECT_EQ(nx_spawn(NULL, waits, &canceled), NX_OK);
        settle();
    }
    EXPECT_EQ(canceled, 1);
    EXPECT(!nx_canceled());
}

/* ---- Deferred calls */

NX_TEST(last_deferred_first_called)
{
    trace[0] = '\0';
    nx_scope *outer, *inner;
    EXPECT_EQ(nx_scope_open(&outer), NX_OK);
    EXPECT_EQ(nx_defer(traced, letter("a")), NX_OK);
    EXPECT_EQ(nx_defer(traced, letter("b")), NX_OK);
    EXPECT_EQ(nx_scope_open(&inner), NX_OK);
    EXPECT_EQ(nx_defer(traced, letter("c")), NX_OK);
    EXPECT_EQ(nx_scope_close(&inner), NX_OK);
    EXPECT_STR(trace, "c");
    EXPECT_EQ(nx_scope_close(&outer), NX_OK);
    EXPECT_STR(trace, "cba");
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
    EXPECT_EQ(nx_sleep(NX_MS(1)), NX_OK);
    EXPECT_EQ(nx_spawn(NULL, traces_later, letter("f")), NX_OK);
    EXPECT_EQ(nx_defer(traced, letter("e")), NX_OK);
}

NX_TEST(deferred_calls_run_after_the_fibers_and_may_do_anything)
{
    trace[0] = '\0';
    nx_scope *scope;
    EXPECT_EQ(nx_scope_open(&scope), NX_OK);
    EXPECT_EQ(nx_defer(traced, letter("a")), NX_OK);
    EXPECT_EQ(nx_defer(spawns_and_defers, letter("b")), NX_OK);
    EXPECT_EQ(nx_spawn(NULL, traces_later, letter("1")), NX_OK);
    EXPECT_EQ(nx_scope_close(&scope), NX_OK);
    EXPECT_STR(trace, "1bfea");
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

NX_TEST(memory_lasts_to_the_end_of_the_scope)
{
    nx_scope *scope;
    struct check c = {0};
    EXPECT_EQ(nx_scope_open(&scope), NX_OK);
    c.text = nx_format("number %d", 7);
    EXPECT_EQ(nx_defer(check, &c), NX_OK);
    for (int i = 1; i < 300; i++) {
        char *block = nx_alloc((size_t)i * 64);
        EXPECT(block != NULL && (uintptr_t)block % 16 == 0);
        if (block) memset(block, i, (size_t)i * 64);
    }
    EXPECT(nx_alloc(0) != NULL);
    char *zero = nx_alloc_zero(100, 3);
    EXPECT(zero && zero[0] == 0 && zero[299] == 0);
    EXPECT(nx_alloc_zero(SIZE_MAX / 2, 3) == NULL);
    EXPECT_EQ(nx_error_last()->code, NX_ENOMEM);
    char *copy = nx_copy(nx_slice("abcdef", 3));
    EXPECT_STR(copy, "abc");
    EXPECT_EQ(nx_scope_close(&scope), NX_OK);
    EXPECT(c.intact);
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

NX_TEST(detached_fibers_outlive_the_scope)
{
    static int count;
    nx_fiber *f = NULL;
    EXPECT_EQ(nx_spawn(&f, detaches, &count), NX_OK);
    EXPECT_EQ(nx_join(f), NX_OK);
    EXPECT_EQ(count, 0);
    EXPECT_EQ(nx_sleep(NX_MS(20)), NX_OK);
    EXPECT_EQ(count, 1);
    EXPECT_EQ(
        nx_spawn(NULL, fails, letter("(meant to be logged)"), .detached = true, .name = "logged"),
        NX_OK);
    settle();
    EXPECT(!nx_canceled());
    EXPECT_EQ(nx_spawn(&f, after, &count, .detached = true), NX_OK);
    EXPECT_EQ(nx_join(f), NX_OK);
}
