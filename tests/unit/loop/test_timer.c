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

NX_TEST(timeouts_fire_in_order_of_time)
{
    trace[0] = '\0';
    EXPECT(nx_set_timeout(traces, letter("0"), -5) != 0);
    EXPECT(nx_set_timeout(traces, letter("c"), NX_MS(40)) != 0);
    EXPECT(nx_set_timeout(traces, letter("a"), NX_MS(2)) != 0);
    EXPECT(nx_set_timeout(traces, letter("b"), NX_MS(20)) != 0);
    while (strlen(trace) < 4) EXPECT_EQ(nx_sleep(NX_MS(1)), NX_OK);
    EXPECT_STR(trace, "0abc");
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
    EXPECT(entry->set);
    entry->set = false;
    EXPECT(timer->at > last_fired || (timer->at == last_fired && entry->setting > last_setting));
    last_fired = timer->at;
    last_setting = entry->setting;
    heap_fired++;
}

/* Equal deadlines, whatever the heap's shape. */
NX_TEST(equal_deadlines_fire_in_order_of_setting)
{
    struct nx__timers timers = {0};
    static struct entry ordered[200];
    last_fired = 0;
    last_setting = -1;
    heap_fired = 0;
    for (int i = 0; i < 200; i++) {
        ordered[i] = (struct entry){.timer.fire = entry_fire, .set = true, .setting = i};
        EXPECT_EQ(nx__timer_set(&timers, &ordered[i].timer, 7), NX_OK);
    }
    /* Set anew, the first is the last. */
    ordered[0].setting = 200;
    EXPECT_EQ(nx__timer_set(&timers, &ordered[0].timer, 7), NX_OK);
    nx__timers_run(&timers, 7);
    EXPECT_EQ(heap_fired, 200);
    EXPECT_EQ(last_setting, 200);
    nx__timers_free(&timers);
}

NX_TEST(immediates_run_in_order)
{
    char wanted[64] = "";
    static char letters[40][2];
    trace[0] = '\0';
    for (int i = 0; i < 40; i++) {
        letters[i][0] = wanted[i] = (char)('0' + i);
        EXPECT(nx_set_immediate(traces, letters[i]) != 0);
    }
    EXPECT_EQ(nx_sleep(NX_MS(5)), NX_OK);
    EXPECT_STR(trace, wanted);
}

static nx_err trace_fiber(void *arg)
{
    traces(arg);
    return NX_OK;
}

NX_TEST(immediates_come_after_what_is_ready)
{
    trace[0] = '\0';
    EXPECT(nx_set_immediate(traces, letter("2")) != 0);
    EXPECT(nx_set_immediate(traces, letter("3")) != 0);
    EXPECT_EQ(nx_spawn(NULL, trace_fiber, letter("1"), .detached = true), NX_OK);
    EXPECT_EQ(nx_sleep(NX_MS(5)), NX_OK);
    EXPECT_STR(trace, "123");
}

NX_TEST(sleep_lasts_at_least)
{
    static const nx_duration spans[] = {0, -1, 1, NX_US(100), NX_MS(1), NX_MS(10)};
    for (size_t i = 0; i < sizeof spans / sizeof *spans; i++) {
        nx_duration start = nx_now();
        EXPECT_EQ(nx_sleep(spans[i]), NX_OK);
        EXPECT(nx_now() - start >= spans[i]);
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

NX_TEST(clear_inside_its_own_callback)
{
    fired = 0;
    own = nx_set_interval(clears_itself, NULL, 0); /* at least 1 ms */
    nx_duration start = nx_now();
    while (fired < 3) EXPECT_EQ(nx_sleep(NX_MS(1)), NX_OK);
    EXPECT(nx_now() - start >= NX_MS(3));
    EXPECT_EQ(nx_sleep(NX_MS(10)), NX_OK);
    EXPECT_EQ(fired, 3);
    nx_clear_interval(own); /* stale */
}

NX_TEST(clear_before_it_fires)
{
    fired = 0;
    nx_timer t = nx_set_timeout(counts, NULL, NX_MS(1));
    nx_timer immediate = nx_set_immediate(counts, NULL);
    nx_clear_timeout(t);
    nx_clear_timeout(t);
    nx_clear_immediate(immediate);
    EXPECT_EQ(nx_sleep(NX_MS(5)), NX_OK);
    EXPECT_EQ(fired, 0);
    EXPECT_EQ(nx__loop()->pending, 0);
}

NX_TEST(stale_handles_find_nothing)
{
    fired = 0;
    nx_timer old = nx_set_timeout(counts, NULL, NX_MS(1));
    EXPECT_EQ(nx_sleep(NX_MS(5)), NX_OK);
    nx_timer young = nx_set_timeout(counts, NULL, NX_MS(5));
    EXPECT(young != old); /* though it lies in the same place */
    nx_clear_timeout(old);
    nx_clear_timeout(~(nx_timer)0);
    EXPECT_EQ(nx_sleep(NX_MS(20)), NX_OK);
    EXPECT_EQ(fired, 2);
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

NX_TEST(an_interval_leaves_out_what_would_overlap)
{
    fired = most = 0;
    nx_duration start = nx_now();
    nx_timer t = nx_set_interval(slow, NULL, NX_MS(2));
    EXPECT_EQ(nx_sleep(NX_MS(60)), NX_OK);
    nx_clear_interval(t);
    int64_t could = (nx_now() - start) / NX_MS(7) + 2;
    EXPECT(fired >= 1 && fired <= could);
    EXPECT_EQ(most, 1);
    EXPECT_EQ(nx_sleep(NX_MS(15)), NX_OK);
    EXPECT_EQ(overlap, 0);
}

static nx_duration first_at, last_at;

static void notes(void *arg)
{
    (void)arg;
    last_at = nx_now();
    if (!fired++) first_at = last_at;
}

NX_TEST(an_interval_does_not_drift)
{
    fired = 0;
    nx_duration start = nx_now();
    nx_timer t = nx_set_interval(notes, NULL, NX_MS(2));
    while (fired < 50) EXPECT_EQ(nx_sleep(NX_MS(1)), NX_OK);
    nx_clear_interval(t);
    /* The nth comes n spans after the start at the earliest. Late turns do not add up, unless some
     * were left out. */
    EXPECT(last_at - start >= 50 * NX_MS(2));
    EXPECT(first_at - start >= NX_MS(2));
}

static int stopped;

static void block(void *arg)
{
    nx_duration until = nx_now() + *(nx_duration *)arg;
    while (nx_now() < until) stopped++;
}

NX_TEST(turns_that_a_blocked_loop_missed_are_left_out)
{
    fired = 0;
    nx_timer t = nx_set_interval(counts, NULL, NX_MS(1));
    nx_duration span = NX_MS(20);
    block(&span);
    settle();
    NX_IGNORE(nx_sleep(NX_US(1)));
    int after = fired;
    nx_clear_interval(t);
    EXPECT(after < 10);
}

/* ---- The heap, against a sorted list. */

static struct entry entries[500];

NX_TEST(heap)
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
            EXPECT_EQ(nx__timer_set(&timers, &entry->timer, (random >> 4) % 10 * 1000), NX_OK);
            entry->set = true;
            entry->setting = i;
        }
    }
    EXPECT_EQ(timers.count, want);
    nx__timers_run(&timers, 4000);
    EXPECT(last_fired <= 4000);
    EXPECT(nx__timers_next(&timers) > 4000);
    nx__timers_run(&timers, NX_FOREVER);
    EXPECT_EQ(heap_fired, want);
    EXPECT_EQ(timers.count, 0);
    EXPECT_EQ(nx__timers_next(&timers), NX_FOREVER);
    nx__timers_free(&timers);
}

NX_TEST(clocks)
{
    EXPECT(nx_now() > 0);
    nx_duration a = nx_now(), b = nx_now();
    EXPECT(b >= a);
    EXPECT(nx_wall_time() > NX_S(1600000000));
    EXPECT(nx__deadline(NX_FOREVER) == NX_FOREVER - 1);
    EXPECT(nx__deadline(0) >= b);
}

NX_TEST(many_timers)
{
    fired = 0;
    int n = scaled(5000);
    for (int i = 0; i < n; i++)
        if (!nx_set_timeout(counts, NULL, NX_US(i % 97))) n = i;
    EXPECT_EQ(n, scaled(5000));
    while (fired < n) EXPECT_EQ(nx_sleep(NX_MS(1)), NX_OK);
    EXPECT_EQ(fired, n);
    nx_stats stats = {.size = sizeof stats};
    nx_stats_get(&stats);
    EXPECT_EQ(stats.timers, 0);
}

NX_TEST(a_sleep_of_nothing_is_a_turn_of_the_loop)
{
    nx_stats before = {.size = sizeof before}, after = {.size = sizeof after};
    nx_stats_get(&before);
    for (int i = 0; i < 10; i++) EXPECT_EQ(nx_sleep(0), NX_OK);
    nx_stats_get(&after);
    EXPECT(after.iterations >= before.iterations + 10);
}
