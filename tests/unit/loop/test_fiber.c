/* Fibers: spawn and join, order, names, locals, numbers, stacks. */
#define LOOP_TEST_LIMITS .max_operations = 60000
#include "loop_test.h"

#include <math.h>
#include <netdb.h>
#include <time.h>

static char trace[64];

static void traced(char c)
{
    size_t len = strlen(trace);
    trace[len] = c;
    trace[len + 1] = '\0';
}

static nx_err ok(void *arg)
{
    (void)arg;
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

NX_TEST(a_fiber_needs_a_function)
{
    nx_fiber *fiber;
    EXPECT_EQ(nx_spawn(NULL, NULL, NULL), NX_EINVAL);
    EXPECT_EQ(nx_spawn(&fiber, NULL, NULL), NX_EINVAL);
    EXPECT(fiber == NULL);
}

NX_TEST(join_returns_the_result)
{
    nx_fiber *f = NULL;
    EXPECT_EQ(nx_spawn(&f, ok, NULL), NX_OK);
    EXPECT_EQ(nx_join(f), NX_OK);
    EXPECT_EQ(nx_spawn(&f, fails, (void *)(uintptr_t) "frame"), NX_OK);
    EXPECT_EQ(nx_join(f), NX_EPROTO);
    EXPECT_EQ(nx_error_last()->code, NX_EPROTO);
    EXPECT_STR(last_message(), "bad frame");
}

NX_TEST(join_of_an_ended_fiber)
{
    nx_fiber *f = NULL;
    EXPECT_EQ(nx_spawn(&f, fails, (void *)(uintptr_t) "end"), NX_OK);
    settle();
    EXPECT_EQ(nx_join(f), NX_EPROTO);
    EXPECT_STR(last_message(), "bad end");
}

static nx_err stale(void *arg)
{
    (void)arg;
    NX_IGNORE(nx_fail(NX_EINVAL, "an error of before"));
    return NX_EIO;
}

NX_TEST(message_belongs_to_the_result)
{
    nx_fiber *f = NULL;
    EXPECT_EQ(nx_spawn(&f, fails_silently, NULL), NX_OK);
    EXPECT_EQ(nx_join(f), NX_EIO);
    EXPECT_STR(last_message(), nx_err_text(NX_EIO));
    EXPECT_EQ(nx_spawn(&f, stale, NULL), NX_OK);
    EXPECT_EQ(nx_join(f), NX_EIO);
    EXPECT_STR(last_message(), nx_err_text(NX_EIO));
}

static void fails_too(void *arg)
{
    (void)arg;
    NX_IGNORE(nx_fail(NX_EIO, "cleaning up failed"));
}

static nx_err fails_and_cleans(void *arg)
{
    (void)arg;
    NX_TRY(nx_defer(fails_too, NULL));
    return nx_fail(NX_EPROTO, "the first");
}

NX_TEST(deferred_errors_do_not_replace_the_result)
{
    nx_fiber *f = NULL;
    EXPECT_EQ(nx_spawn(&f, fails_and_cleans, NULL), NX_OK);
    EXPECT_EQ(nx_join(f), NX_EPROTO);
    EXPECT_STR(last_message(), "the first");
}

static nx_err join_it(void *arg)
{
    return nx_join(arg);
}
static nx_err sleeps(void *arg)
{
    return nx_sleep(*(nx_duration *)arg);
}

NX_TEST(join_refused)
{
    EXPECT_EQ(nx_join(NULL), NX_ESTATE);
    EXPECT_EQ(nx_join(nx_fiber_current()), NX_ESTATE);
    nx_duration span = NX_MS(5);
    nx_fiber *f = NULL, *first = NULL;
    EXPECT_EQ(nx_spawn(&f, sleeps, &span), NX_OK);
    EXPECT_EQ(nx_spawn(&first, join_it, f), NX_OK);
    settle();
    EXPECT_EQ(nx_join(f), NX_ESTATE); /* somebody does already */
    EXPECT_EQ(nx_join(first), NX_OK);
}

static nx_err trace_twice(void *arg)
{
    traced(*(const char *)arg);
    NX_TRY(nx_yield());
    traced(*(const char *)arg);
    return NX_OK;
}

NX_TEST(fibers_run_in_order)
{
    trace[0] = '\0';
    nx_fiber *f[3] = {NULL};
    for (int i = 0; i < 3; i++)
        EXPECT_EQ(nx_spawn(&f[i], trace_twice, (void *)(uintptr_t) & "abc"[i]), NX_OK);
    traced('.'); /* none has run yet */
    for (int i = 0; i < 3; i++) EXPECT_EQ(nx_join(f[i]), NX_OK);
    EXPECT_STR(trace, ".abcabc");
}

static nx_err renames(void *arg)
{
    (void)arg;
    EXPECT_STR(nx_fiber_name(nx_fiber_current()), "a name that is longer than thir");
    nx_fiber_rename("other");
    EXPECT_STR(nx_fiber_name(nx_fiber_current()), "other");
    return NX_OK;
}

NX_TEST(names)
{
    EXPECT_STR(nx_fiber_name(nx_fiber_current()), "main");
    nx_fiber *f = NULL;
    EXPECT_EQ(nx_spawn(&f, ok, NULL), NX_OK);
    EXPECT_STR(nx_fiber_name(f), "fiber");
    EXPECT_EQ(nx_join(f), NX_OK);
    EXPECT_EQ(nx_spawn(&f, renames, NULL, .name = "a name that is longer than thirty-one bytes"),
              NX_OK);
    EXPECT_EQ(strlen(nx_fiber_name(f)), 31);
    nx_fiber_rename("main");
    NX_IGNORE(nx_join(f));
}

static nx_local key;

static nx_err own_local(void *arg)
{
    EXPECT(nx_local_get(&key) == NULL);
    EXPECT_EQ(nx_local_set(&key, arg), NX_OK);
    settle();
    EXPECT(nx_local_get(&key) == arg);
    return NX_OK;
}

NX_TEST(locals_are_a_fibers_own)
{
    int a, b;
    EXPECT(nx_local_get(&key) == NULL);
    EXPECT_EQ(nx_local_set(&key, &key), NX_OK);
    nx_fiber *f[2] = {NULL};
    EXPECT_EQ(nx_spawn(&f[0], own_local, &a), NX_OK);
    EXPECT_EQ(nx_spawn(&f[1], own_local, &b), NX_OK);
    EXPECT_EQ(nx_join(f[0]), NX_OK);
    EXPECT_EQ(nx_join(f[1]), NX_OK);
    EXPECT(nx_local_get(&key) == &key);

    static nx_local more[NX_MAX_LOCALS];
    int made = 0;
    while (made < NX_MAX_LOCALS && nx_local_set(&more[made], &a) == NX_OK) made++;
    EXPECT_EQ(made, NX_MAX_LOCALS - 1);
    EXPECT_EQ(nx_error_last()->code, NX_ELIMIT);
    EXPECT(nx_local_get(&more[made]) == NULL);
    EXPECT_EQ(nx_local_set(&key, NULL), NX_OK); /* those that are there still work */
}

static nx_err errno_kept(void *arg)
{
    errno = *(int *)arg;
    settle();
    EXPECT_EQ(errno, *(int *)arg);
    return NX_OK;
}

NX_TEST(errno_and_last_error_are_a_fibers_own)
{
    int a = ENOENT, b = EPERM;
    nx_fiber *f[2] = {NULL};
    NX_IGNORE(nx_fail(NX_EIO, "mine"));
    EXPECT_EQ(nx_spawn(&f[0], errno_kept, &a), NX_OK);
    EXPECT_EQ(nx_spawn(&f[1], errno_kept, &b), NX_OK);
    settle();
    EXPECT_STR(last_message(), "mine");
    EXPECT_EQ(nx_join(f[0]), NX_OK);
    EXPECT_EQ(nx_join(f[1]), NX_OK);
}

static nx_err libc_heavy(void *arg)
{
    char text[512];
    (void)snprintf(text, sizeof text, "%.40f %Lf %e", M_PI, (long double)M_E, 1e300);
    EXPECT(strncmp(text, "3.14159", 7) == 0);
    time_t now = 0;
    struct tm tm;
    EXPECT(localtime_r(&now, &tm) != NULL);
    EXPECT(strtod("1.7976931348623157e308", NULL) > 1e308);
    struct addrinfo *found = NULL, hints = {.ai_flags = AI_NUMERICSERV};
    if (getaddrinfo("localhost", "80", &hints, &found) == 0) freeaddrinfo(found);
    return *(int *)arg ? nx_yield() : NX_OK;
}

NX_TEST(libc_fits_the_stack)
{
    int yes = 1;
    nx_fiber *f = NULL;
    EXPECT_EQ(nx_spawn(&f, libc_heavy, &yes), NX_OK);
    EXPECT_EQ(nx_join(f), NX_OK);
}

static nx_err uses_stack(void *arg)
{
    volatile char block[160 * 1024];
    for (size_t i = 0; i < sizeof block; i += 1024) block[i] = (char)i;
    NX_TRY(nx_yield());
    for (size_t i = 0; i < sizeof block; i += 1024)
        if (block[i] != (char)i) return NX_EFAILED;
    (*(int *)arg)++;
    return NX_OK;
}

NX_TEST(stacks_keep_their_contents)
{
    int count = 0;
    nx_fiber *f[8] = {NULL};
    for (int i = 0; i < 8; i++) EXPECT_EQ(nx_spawn(&f[i], uses_stack, &count), NX_OK);
    for (int i = 0; i < 8; i++) EXPECT_EQ(nx_join(f[i]), NX_OK);
    EXPECT_EQ(count, 8);
}

static uint64_t alive;

static nx_err counts(void *arg)
{
    (void)arg;
    alive++;
    NX_TRY(nx_sleep(NX_MS(20)));
    alive--;
    return NX_OK;
}

static void many(int n)
{
    nx_scope *scope;
    EXPECT_EQ(nx_scope_open(&scope), NX_OK);
    int started = 0;
    while (started < n && nx_spawn(NULL, counts, NULL) == NX_OK) started++;
    EXPECT_EQ(started, n);
    EXPECT_EQ(nx_scope_close(&scope), NX_OK);
    EXPECT_EQ(alive, 0);
    nx_stats stats = {.size = sizeof stats};
    nx_stats_get(&stats);
    EXPECT_EQ(stats.fibers, 1);
    EXPECT_EQ(stats.operations, 0);
    EXPECT(stats.fibers_peak > (uint64_t)n);
}

NX_TEST(ten_thousand_at_once)
{
    many(scaled(10000));
}
NX_TEST(fifty_thousand_at_once)
{
    many(scaled(50000));
}

NX_TEST(spawn_and_join_many_times)
{
    int n = scaled(300000);
    for (int i = 0; i < n; i++) {
        nx_fiber *f = NULL;
        if (nx_spawn(&f, ok, NULL) || nx_join(f)) {
            EXPECT_EQ(i, n); /* went wrong before */
            return;
        }
    }
}

static nx_err deeper(void *arg)
{
    int *depth = arg;
    if (*depth == 0) return nx_fail(NX_EPROTO, "the bottom");
    --*depth;
    nx_fiber *f = NULL;
    NX_TRY(nx_spawn(&f, deeper, depth));
    return nx_join(f);
}

NX_TEST(deep_nesting)
{
    int depth = scaled(20000);
    nx_fiber *f = NULL;
    EXPECT_EQ(nx_spawn(&f, deeper, &depth), NX_OK);
    EXPECT_EQ(nx_join(f), NX_EPROTO);
    EXPECT_STR(last_message(), "the bottom");
}

#if defined(__x86_64__)
struct control {
    uint32_t mxcsr;
    uint16_t x87;
};

static struct control control_get(void)
{
    struct control control;
    __asm__ volatile("stmxcsr %0\n\tfnstcw %1" : "=m"(control.mxcsr), "=m"(control.x87));
    return control;
}

static void control_set(struct control control)
{
    __asm__ volatile("ldmxcsr %0\n\tfldcw %1" : : "m"(control.mxcsr), "m"(control.x87));
}

/* Rounds as `arg` says while it waits. */
static nx_err rounds(void *arg)
{
    const struct control *own = arg;
    struct control before = control_get();
    control_set(*own);
    for (int i = 0; i < 3; i++) {
        EXPECT_EQ(nx_yield(), NX_OK);
        EXPECT_EQ(control_get().mxcsr & 0xffc0u, own->mxcsr & 0xffc0u);
        EXPECT_EQ(control_get().x87, own->x87);
    }
    control_set(before);
    return NX_OK;
}

NX_TEST(floating_point_control_is_a_fibers_own)
{
    struct control mine = control_get(), down = mine, chopped = mine;
    down.mxcsr |= 0x2000u;  /* the vectors' alone */
    chopped.x87 |= 0x0c00u; /* the x87's alone */
    down.mxcsr |= 1u;       /* a status flag, which is nobody's */
    nx_fiber *a = NULL, *b = NULL;
    EXPECT_EQ(nx_spawn(&a, rounds, &down), NX_OK);
    EXPECT_EQ(nx_spawn(&b, rounds, &chopped), NX_OK);
    EXPECT_EQ(nx_join(a), NX_OK);
    EXPECT_EQ(nx_join(b), NX_OK);
    EXPECT_EQ(control_get().mxcsr & 0xffc0u, mine.mxcsr & 0xffc0u);
    EXPECT_EQ(control_get().x87, mine.x87);
}
#endif
