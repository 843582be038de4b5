/* Fibers: spawn and join, order, names, locals, numbers, stacks. */
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

NX_TEST("a fiber needs a function")
{
    nx_fiber *fiber;
    nx_expect_err(NX_EINVAL, nx_spawn(NULL, NULL, NULL));
    nx_expect_err(NX_EINVAL, nx_spawn(&fiber, NULL, NULL));
    nx_expect_eq(fiber, NULL);
}

NX_TEST("join returns the result")
{
    nx_fiber *f = NULL;
    nx_expect_ok(nx_spawn(&f, ok, NULL));
    nx_expect_ok(nx_join(f));
    nx_expect_ok(nx_spawn(&f, fails, (void *)(uintptr_t) "frame"));
    nx_expect_err(NX_EPROTO, nx_join(f));
    nx_expect_eq(nx_error_last()->code, NX_EPROTO);
    nx_expect_eq(last_message(), "bad frame");
}

NX_TEST("join of an ended fiber")
{
    nx_fiber *f = NULL;
    nx_expect_ok(nx_spawn(&f, fails, (void *)(uintptr_t) "end"));
    settle();
    nx_expect_err(NX_EPROTO, nx_join(f));
    nx_expect_eq(last_message(), "bad end");
}

static nx_err stale(void *arg)
{
    (void)arg;
    NX_IGNORE(nx_fail(NX_EINVAL, "an error of before"));
    return NX_EIO;
}

NX_TEST("message belongs to the result")
{
    nx_fiber *f = NULL;
    nx_expect_ok(nx_spawn(&f, fails_silently, NULL));
    nx_expect_err(NX_EIO, nx_join(f));
    nx_expect_eq(last_message(), nx_err_text(NX_EIO));
    nx_expect_ok(nx_spawn(&f, stale, NULL));
    nx_expect_err(NX_EIO, nx_join(f));
    nx_expect_eq(last_message(), nx_err_text(NX_EIO));
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

NX_TEST("deferred errors do not replace the result")
{
    nx_fiber *f = NULL;
    nx_expect_ok(nx_spawn(&f, fails_and_cleans, NULL));
    nx_expect_err(NX_EPROTO, nx_join(f));
    nx_expect_eq(last_message(), "the first");
}

static nx_err join_it(void *arg)
{
    return nx_join(arg);
}
static nx_err sleeps(void *arg)
{
    return nx_sleep(*(nx_duration *)arg);
}

NX_TEST("join refused")
{
    nx_expect_err(NX_ESTATE, nx_join(NULL));
    nx_expect_err(NX_ESTATE, nx_join(nx_fiber_current()));
    nx_duration span = NX_MS(5);
    nx_fiber *f = NULL, *first = NULL;
    nx_expect_ok(nx_spawn(&f, sleeps, &span));
    nx_expect_ok(nx_spawn(&first, join_it, f));
    settle();
    nx_expect_err(NX_ESTATE, nx_join(f)); /* somebody does already */
    nx_expect_ok(nx_join(first));
}

static nx_err trace_twice(void *arg)
{
    traced(*(const char *)arg);
    NX_TRY(nx_yield());
    traced(*(const char *)arg);
    return NX_OK;
}

NX_TEST("fibers run in order")
{
    trace[0] = '\0';
    nx_fiber *f[3] = {NULL};
    for (int i = 0; i < 3; i++)
        nx_expect_ok(nx_spawn(&f[i], trace_twice, (void *)(uintptr_t) & "abc"[i]));
    traced('.'); /* none has run yet */
    for (int i = 0; i < 3; i++) nx_expect_ok(nx_join(f[i]));
    nx_expect_eq(trace, ".abcabc");
}

static nx_err renames(void *arg)
{
    (void)arg;
    nx_expect_eq(nx_fiber_name(nx_fiber_current()), "a name that is longer than thir");
    nx_fiber_rename("other");
    nx_expect_eq(nx_fiber_name(nx_fiber_current()), "other");
    return NX_OK;
}

NX_TEST("names")
{
    nx_expect_eq(nx_fiber_name(nx_fiber_current()), "main");
    nx_fiber *f = NULL;
    nx_expect_ok(nx_spawn(&f, ok, NULL));
    nx_expect_eq(nx_fiber_name(f), "fiber");
    nx_expect_ok(nx_join(f));
    nx_expect_ok(
        nx_spawn(&f, renames, NULL, .name = "a name that is longer than thirty-one bytes"));
    nx_expect_eq(strlen(nx_fiber_name(f)), 31);
    nx_fiber_rename("main");
    NX_IGNORE(nx_join(f));
}

static nx_local key;

static nx_err own_local(void *arg)
{
    nx_expect_eq(nx_local_get(&key), NULL);
    nx_expect_ok(nx_local_set(&key, arg));
    settle();
    nx_expect_eq(nx_local_get(&key), arg);
    return NX_OK;
}

NX_TEST("locals are a fiber's own")
{
    int a, b;
    nx_expect_eq(nx_local_get(&key), NULL);
    nx_expect_ok(nx_local_set(&key, &key));
    nx_fiber *f[2] = {NULL};
    nx_expect_ok(nx_spawn(&f[0], own_local, &a));
    nx_expect_ok(nx_spawn(&f[1], own_local, &b));
    nx_expect_ok(nx_join(f[0]));
    nx_expect_ok(nx_join(f[1]));
    nx_expect_eq(nx_local_get(&key), &key);

    static nx_local more[NX_MAX_LOCALS];
    int made = 0;
    while (made < NX_MAX_LOCALS && nx_local_set(&more[made], &a) == NX_OK) made++;
    nx_expect_eq(made, NX_MAX_LOCALS - 1);
    nx_expect_eq(nx_error_last()->code, NX_ELIMIT);
    nx_expect_eq(nx_local_get(&more[made]), NULL);
    nx_expect_ok(nx_local_set(&key, NULL)); /* those that are there still work */
}

static nx_err errno_kept(void *arg)
{
    errno = *(int *)arg;
    settle();
    nx_expect_eq(errno, *(int *)arg);
    return NX_OK;
}

NX_TEST("errno and last error are a fiber's own")
{
    int a = ENOENT, b = EPERM;
    nx_fiber *f[2] = {NULL};
    NX_IGNORE(nx_fail(NX_EIO, "mine"));
    nx_expect_ok(nx_spawn(&f[0], errno_kept, &a));
    nx_expect_ok(nx_spawn(&f[1], errno_kept, &b));
    settle();
    nx_expect_eq(last_message(), "mine");
    nx_expect_ok(nx_join(f[0]));
    nx_expect_ok(nx_join(f[1]));
}

static nx_err libc_heavy(void *arg)
{
    char text[512];
    (void)snprintf(text, sizeof text, "%.40f %Lf %e", M_PI, (long double)M_E, 1e300);
    nx_expect(strncmp(text, "3.14159", 7) == 0);
    time_t now = 0;
    struct tm tm;
    nx_expect(localtime_r(&now, &tm) != NULL);
    nx_expect_gt(strtod("1.7976931348623157e308", NULL), 1e308);
    struct addrinfo *found = NULL, hints = {.ai_flags = AI_NUMERICSERV};
    if (getaddrinfo("localhost", "80", &hints, &found) == 0) freeaddrinfo(found);
    return *(int *)arg ? nx_yield() : NX_OK;
}

NX_TEST("libc fits the stack")
{
    int yes = 1;
    nx_fiber *f = NULL;
    nx_expect_ok(nx_spawn(&f, libc_heavy, &yes));
    nx_expect_ok(nx_join(f));
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

NX_TEST("stacks keep their contents")
{
    int count = 0;
    nx_fiber *f[8] = {NULL};
    for (int i = 0; i < 8; i++) nx_expect_ok(nx_spawn(&f[i], uses_stack, &count));
    for (int i = 0; i < 8; i++) nx_expect_ok(nx_join(f[i]));
    nx_expect_eq(count, 8);
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
    nx_expect_ok(nx_scope_open(&scope));
    int started = 0;
    while (started < n && nx_spawn(NULL, counts, NULL) == NX_OK) started++;
    nx_expect_eq(started, n);
    nx_expect_ok(nx_scope_close(&scope));
    nx_expect_eq(alive, 0);
    nx_stats stats = {.size = sizeof stats};
    nx_stats_get(&stats);
    nx_expect_eq(stats.fibers, 1);
    nx_expect_eq(stats.operations, 0);
    nx_expect_gt(stats.fibers_peak, n);
}

NX_TEST("ten thousand at once")
{
    many(scaled(10000));
}
NX_TEST("fifty thousand at once")
{
    many(scaled(50000));
}

NX_TEST("spawn and join many times")
{
    int n = scaled(300000);
    for (int i = 0; i < n; i++) {
        nx_fiber *f = NULL;
        if (nx_spawn(&f, ok, NULL) || nx_join(f)) {
            nx_expect_eq(i, n); /* went wrong before */
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

NX_TEST("deep nesting")
{
    int depth = scaled(20000);
    nx_fiber *f = NULL;
    nx_expect_ok(nx_spawn(&f, deeper, &depth));
    nx_expect_err(NX_EPROTO, nx_join(f));
    nx_expect_eq(last_message(), "the bottom");
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
        nx_expect_ok(nx_yield());
        nx_expect_eq(control_get().mxcsr & 0xffc0u, own->mxcsr & 0xffc0u);
        nx_expect_eq(control_get().x87, own->x87);
    }
    control_set(before);
    return NX_OK;
}

NX_TEST("floating point control is a fiber's own")
{
    struct control mine = control_get(), down = mine, chopped = mine;
    down.mxcsr |= 0x2000u;  /* the vectors' alone */
    chopped.x87 |= 0x0c00u; /* the x87's alone */
    down.mxcsr |= 1u;       /* a status flag, which is nobody's */
    nx_fiber *a = NULL, *b = NULL;
    nx_expect_ok(nx_spawn(&a, rounds, &down));
    nx_expect_ok(nx_spawn(&b, rounds, &chopped));
    nx_expect_ok(nx_join(a));
    nx_expect_ok(nx_join(b));
    nx_expect_eq(control_get().mxcsr & 0xffc0u, mine.mxcsr & 0xffc0u);
    nx_expect_eq(control_get().x87, mine.x87);
}
#endif

/* Limits are set before there is a loop: each test has those of the program. */
int main(int argc, char **argv)
{
    if (nx_limits_set(.max_operations = 60000)) return 2;
    return nx_test_main(argc, argv);
}
