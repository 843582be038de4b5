/* Timers: callbacks, their order, their end; sleep; the clocks. No test asserts an upper bound that
 * a busy machine breaks. */
#include "loop_test.h"

static char trace[256];
static int fired;

static void traces(void *arg)
{
    size_t len = strlen(trace);
    trace[len] = *(const char *)arg;
    trace[len + 1] = '\0';
}

static void *letter(const char *text)
{
    return (void *)(uintptr_t)text;
}

static void counts(void *arg)
{
    (void)arg;
    fired++;
}

NX_TEST("timeouts fire in order of time")
{
    trace[0] = '\0';
    nx_expect(nx_set_timeout(traces, letter("0"), -5) != 0);
    nx_expect(nx_set_timeout(traces, letter("c"), NX_MS(40)) != 0);
    nx_expect(nx_set_timeout(traces, letter("a"), NX_MS(2)) != 0);
    nx_expect(nx_set_timeout(traces, letter("b"), NX_MS(20)) != 0);
    while (strlen(trace) < 4) nx_expect_ok(nx_sleep(NX_MS(1)));
    nx_expect_eq(trace, "0abc");
}

/* A timer that checks that it comes in its turn. */
struct entry {
    struct nx__timer timer;
    int setting;
    bool set;
};

static nx_duration last_fired;
static int last_setting, heap_fired;

static void entry_fire(struct nx__timer *timer)
{
    struct entry *entry = nx__container_of(timer, struct entry, timer);
    nx_expect(entry->set);
    entry->set = false;
    nx_expect(timer->at > last_fired || (timer->at == last_fired && entry->setting > last_setting));
    last_fired = timer->at;
    last_setting = entry->setting;
    heap_fired++;
}

/* Equal deadlines, whatever the heap's shape. */
NX_TEST("equal deadlines fire in order of setting")
{
    struct nx__timers timers = {0};
    static struct entry ordered[200];
    last_fired = 0;
    last_setting = -1;
    heap_fired = 0;
    for (int i = 0; i < 200; i++) {
        ordered[i] = (struct entry){.timer.fire = entry_fire, .set = true, .setting = i};
        nx_expect_ok(nx__timer_set(&timers, &ordered[i].timer, 7));
    }
    /* Set anew, the first is the last. */
    ordered[0].setting = 200;
    nx_expect_ok(nx__timer_set(&timers, &ordered[0].timer, 7));
    nx__timers_run(&timers, 7);
    nx_expect_eq(heap_fired, 200);
    nx_expect_eq(last_setting, 200);
    nx__timers_free(&timers);
}

NX_TEST("immediates run in order")
{
    char wanted[64] = "";
    static char letters[40][2];
    trace[0] = '\0';
    for (int i = 0; i < 40; i++) {
        letters[i][0] = wanted[i] = (char)('0' + i);
        nx_expect(nx_set_immediate(traces, letters[i]) != 0);
    }
    nx_expect_ok(nx_sleep(NX_MS(5)));
    nx_expect_eq(trace, wanted);
}

static nx_err trace_fiber(void *arg)
{
    traces(arg);
    return NX_OK;
}

NX_TEST("immediates come after what is ready")
{
    trace[0] = '\0';
    nx_expect(nx_set_immediate(traces, letter("2")) != 0);
    nx_expect(nx_set_immediate(traces, letter("3")) != 0);
    nx_expect_ok(nx_spawn(NULL, trace_fiber, letter("1"), .detached = true));
    nx_expect_ok(nx_sleep(NX_MS(5)));
    nx_expect_eq(trace, "123");
}

NX_TEST("sleep lasts at least")
{
    static const nx_duration spans[] = {0, -1, 1, NX_US(100), NX_MS(1), NX_MS(10)};
    for (size_t i = 0; i < sizeof spans / sizeof *spans; i++) {
        nx_duration start = nx_now();
        nx_expect_ok(nx_sleep(spans[i]));
        nx_expect_ge(nx_now() - start, spans[i]);
    }
}

static nx_timer own;

static void clears_itself(void *arg)
{
    (void)arg;
    fired++;
    if (fired == 3) nx_clear_interval(own);
    nx_clear_timeout(0);
}

NX_TEST("clear inside its own callback")
{
    fired = 0;
    own = nx_set_interval(clears_itself, NULL, 0); /* at least 1 ms */
    nx_duration start = nx_now();
    while (fired < 3) nx_expect_ok(nx_sleep(NX_MS(1)));
    nx_expect_ge(nx_now() - start, NX_MS(3));
    nx_expect_ok(nx_sleep(NX_MS(10)));
    nx_expect_eq(fired, 3);
    nx_clear_interval(own); /* stale */
}

NX_TEST("clear before it fires")
{
    fired = 0;
    nx_timer t = nx_set_timeout(counts, NULL, NX_MS(1));
    nx_timer immediate = nx_set_immediate(counts, NULL);
    nx_clear_timeout(t);
    nx_clear_timeout(t);
    nx_clear_immediate(immediate);
    nx_expect_ok(nx_sleep(NX_MS(5)));
    nx_expect_eq(fired, 0);
    nx_expect_eq(nx__loop()->pending, 0);
}

NX_TEST("stale handles find nothing")
{
    fired = 0;
    nx_timer old = nx_set_timeout(counts, NULL, NX_MS(1));
    nx_expect_ok(nx_sleep(NX_MS(5)));
    nx_timer young = nx_set_timeout(counts, NULL, NX_MS(5));
    nx_expect_ne(young, old); /* though it lies in the same place */
    nx_clear_timeout(old);
    nx_clear_timeout(~(nx_timer)0);
    nx_expect_ok(nx_sleep(NX_MS(20)));
    nx_expect_eq(fired, 2);
}

static int overlap, most;

static void slow(void *arg)
{
    (void)arg;
    if (++overlap > most) most = overlap;
    fired++;
    NX_IGNORE(nx_sleep(NX_MS(7)));
    overlap--;
}

NX_TEST("an interval leaves out what would overlap")
{
    fired = most = 0;
    nx_duration start = nx_now();
    nx_timer t = nx_set_interval(slow, NULL, NX_MS(2));
    nx_expect_ok(nx_sleep(NX_MS(60)));
    nx_clear_interval(t);
    int64_t could = (nx_now() - start) / NX_MS(7) + 2;
    nx_expect(fired >= 1 && fired <= could);
    nx_expect_eq(most, 1);
    nx_expect_ok(nx_sleep(NX_MS(15)));
    nx_expect_eq(overlap, 0);
}

static nx_duration first_at, last_at;

static void notes(void *arg)
{
    (void)arg;
    last_at = nx_now();
    if (!fired++) first_at = last_at;
}

NX_TEST("an interval does not drift")
{
    fired = 0;
    nx_duration start = nx_now();
    nx_timer t = nx_set_interval(notes, NULL, NX_MS(2));
    while (fired < 50) nx_expect_ok(nx_sleep(NX_MS(1)));
    nx_clear_interval(t);
    /* The nth comes n spans after the start at the earliest. Late turns do not add up, unless some
     * were left out. */
    nx_expect_ge(last_at - start, 50 * NX_MS(2));
    nx_expect_ge(first_at - start, NX_MS(2));
}

static int stopped;

static void block(void *arg)
{
    nx_duration until = nx_now() + *(nx_duration *)arg;
    while (nx_now() < until) stopped++;
}

NX_TEST("turns that a blocked loop missed are left out")
{
    fired = 0;
    nx_timer t = nx_set_interval(counts, NULL, NX_MS(1));
    nx_duration span = NX_MS(20);
    block(&span);
    nx_duration blocked = nx_now();
    settle();
    NX_IGNORE(nx_sleep(NX_US(1)));
    int after = fired;
    nx_clear_interval(t);
    nx_expect_le(after, (nx_now() - blocked) / NX_MS(1) + 5); /* of 20 missed ones */
}

/* ---- The heap, against a sorted list. */

static struct entry entries[500];

NX_TEST("heap")
{
    struct nx__timers timers = {0};
    uint32_t random = 12345;
    int want = 0;
    last_fired = heap_fired = 0;
    for (int i = 0; i < 5000; i++) {
        random = random * 1103515245 + 12345;
        struct entry *entry = &entries[(random >> 8) % 500];
        entry->timer.fire = entry_fire;
        if (random >> 28 < 4) {
            want -= entry->set;
            nx__timer_clear(&timers, &entry->timer);
            entry->set = false;
        } else {
            want += !entry->set;
            /* Few times for many timers: most are equal to others. */
            nx_expect_ok(nx__timer_set(&timers, &entry->timer, (random >> 4) % 10 * 1000));
            entry->set = true;
            entry->setting = i;
        }
    }
    nx_expect_eq(timers.count, want);
    nx__timers_run(&timers, 4000);
    nx_expect_le(last_fired, 4000);
    nx_expect_gt(nx__timers_next(&timers), 4000);
    nx__timers_run(&timers, NX_FOREVER);
    nx_expect_eq(heap_fired, want);
    nx_expect_eq(timers.count, 0);
    nx_expect_eq(nx__timers_next(&timers), NX_FOREVER);
    nx__timers_free(&timers);
}

NX_TEST("clocks")
{
    nx_expect_gt(nx_now(), 0);
    nx_duration a = nx_now(), b = nx_now();
    nx_expect_ge(b, a);
    nx_expect_gt(nx_wall_time(), NX_S(1600000000));
    nx_expect_eq(nx__deadline(NX_FOREVER), NX_FOREVER - 1);
    nx_expect_ge(nx__deadline(0), b);
}

NX_TEST("many timers")
{
    fired = 0;
    nx_stats before = {.size = sizeof before}, after = {.size = sizeof after};
    nx_stats_get(&before); /* the test's deadline */
    int n = scaled(5000);
    for (int i = 0; i < n; i++)
        if (!nx_set_timeout(counts, NULL, NX_US(i % 97))) n = i;
    nx_expect_eq(n, scaled(5000));
    while (fired < n) nx_expect_ok(nx_sleep(NX_MS(1)));
    nx_expect_eq(fired, n);
    nx_stats_get(&after);
    nx_expect_eq(after.timers, before.timers);
}

NX_TEST("a sleep of nothing is a turn of the loop")
{
    nx_stats before = {.size = sizeof before}, after = {.size = sizeof after};
    nx_expect_ok(nx_sleep(0)); /* the loop has begun */
    nx_stats_get(&before);
    for (int i = 0; i < 10; i++) nx_expect_ok(nx_sleep(0));
    nx_stats_get(&after);
    nx_expect_ge(after.iterations, before.iterations + 10);
}

/* ---- Pace */

NX_TEST("ticks do not drift, and those that nobody waited for are counted")
{
    nx_ticker ticker = {.span = NX_MS(5)};
    nx_duration start = nx_now();
    for (int i = 1; i <= 4; i++) {
        nx_expect_ok(nx_tick(&ticker));
        nx_expect_ge(nx_now() - start, i * NX_MS(5));
    }
    nx_duration next = ticker.next;
    nx_expect_ok(nx_sleep(NX_MS(23)));
    nx_expect_ok(nx_tick(&ticker));
    nx_expect_ge(ticker.missed, 3);
    nx_expect_eq((ticker.next - next) % NX_MS(5), 0);
    nx_expect_eq((uint64_t)(ticker.next - next), (ticker.missed + 1) * (uint64_t)NX_MS(5));
    nx_expect_ok(nx_tick(&ticker));
    nx_expect_err(NX_EINVAL, nx_tick(&(nx_ticker){0}));
    nx_expect_ok(nx_sleep_until(nx_now() + NX_MS(3)));
    nx_expect_ok(nx_sleep_until(0));
}

NX_TEST("a pace lets so many through, and a burst after a pause")
{
    nx_pace pace = {.count = 500, .burst = 5};
    nx_duration start = nx_now();
    for (int i = 0; i < 5; i++) nx_expect(nx_pace_try(&pace, 1));
    nx_expect(!nx_pace_try(&pace, 2));
    for (int i = 0; i < 10; i++) nx_expect_ok(nx_pace_wait(&pace, 1));
    nx_expect_ge(nx_now() - start, NX_MS(20));
    nx_expect_ok(nx_sleep(NX_MS(12)));
    nx_expect(nx_pace_try(&pace, 5));
    nx_expect_err(NX_EINVAL, nx_pace_wait(&pace, 6));
    nx_expect_err(NX_EINVAL, nx_pace_wait(&(nx_pace){0}, 1));
    nx_expect(!nx_pace_try(&(nx_pace){0}, 1));
    nx_pace slow = {.count = 1, .per = NX_FOREVER};
    nx_expect(nx_pace_try(&slow, 1));
    nx_expect(!nx_pace_try(&slow, 1));
}

static nx_err waits(void *pace)
{
    return nx_pace_wait(pace, 1);
}

NX_TEST("who is cancelled gives his place back")
{
    nx_pace pace = {.count = 1};
    nx_fiber *f;
    nx_expect(nx_pace_try(&pace, 1));
    nx_duration due = pace.due;
    nx_require_ok(nx_spawn(&f, waits, &pace));
    nx_expect_ok(nx_sleep(NX_MS(1)));
    nx_expect_gt(pace.due, due);
    nx_cancel(f);
    nx_expect_err(NX_ECANCELED, nx_join(f));
    nx_expect_eq(pace.due, due);
}
