/* Measuring a benchmark. */
#include "test/process.h"

#include "base/clock.h"
#include <math.h>
#include <stdlib.h>

enum {
    SAMPLES_MOST = 200,
    SAMPLES_LEAST = 5, /* however slow a turn is */
    SAMPLES_ENOUGH = 30,
};
#define SAMPLE_SPAN NX_MS(10)  /* of one sample: far above the clock's grain */
#define WARM_UP     NX_MS(100) /* caches, branch predictors, the processor's speed */
#define MEASURE     NX_MS(600)
#define PATIENCE    NX_S(5)

static struct {
    bool started, warm, done;
    nx_duration begun, warmed; /* the sample at hand; all that was measured */
    uint64_t turns;            /* of a sample */
    uint64_t bytes;
    double samples[SAMPLES_MOST];
    size_t count;
} m;

/* How many turns would take SAMPLE_SPAN. */
static uint64_t turns_for(nx_duration span, uint64_t turns)
{
    double each = (double)(span > 0 ? span : 1) / (double)turns;
    double wanted = (double)SAMPLE_SPAN / each;
    double most = (double)turns * 100; /* a first turn may be far off */
    if (wanted > most) wanted = most;
    return wanted < 1 ? 1 : (uint64_t)wanted;
}

bool nx_bench_more(nx_bench *b)
{
    nx_duration now = nx__clock_monotonic();
    if (m.done) return false;
    if (!m.started) {
        m.started = true;
        m.turns = 1;
    } else {
        nx_duration span = now - m.begun;
        m.warmed += span;
        if (!m.warm) {
            m.turns = turns_for(span, m.turns);
            m.warm = m.warmed >= WARM_UP;
            if (m.warm) m.warmed = 0;
        } else {
            m.samples[m.count++] = (double)span / (double)m.turns;
            bool enough = m.count >= SAMPLES_ENOUGH && m.warmed >= MEASURE;
            bool late = m.count >= SAMPLES_LEAST && m.warmed >= PATIENCE;
            if (enough || late || m.count == SAMPLES_MOST) {
                m.done = true;
                return false;
            }
        }
    }
    b->left_ = m.turns;
    m.begun = nx__clock_monotonic();
    return true;
}

void nx_bench_bytes(nx_bench *b, uint64_t bytes)
{
    (void)b;
    m.bytes = bytes;
}

void nx_bench_used(nx_test_value value)
{
    (void)value; /* that the compiler can't see this is all that it takes */
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The square root, by Newton: not worth a library that every program would load. */
static double root(double x)
{
    double guess = x > 1 ? x : 1, last;
    if (!(x > 0)) return 0;
    do {
        last = guess;
        guess = (last + x / last) / 2;
    } while (guess < last);
    return last;
}

/* Of `count` values, which are put in order. */
static double median(double *values, size_t count)
{
    qsort(values, count, sizeof *values, compare);
    return count % 2 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

void nx__bench_run(nx_test *test)
{
    nx_bench bench = {0};
    test->run(&bench);
    const nx_test_site site = {test->file, test->line, false, NULL, NULL};
    if (!m.count) {
        nx__test_fail(&site, m.started ? "the loop was left before it was measured"
                                       : "a benchmark has a loop: while (nx_bench_loop(b)) ...");
        return;
    }
    struct nx__bench_result r = {
        .bytes = (double)m.bytes, .samples = (double)m.count, .turns = (double)m.turns};
    double sum = 0, squares = 0;
    r.median = median(m.samples, m.count);
    r.least = m.samples[0];
    for (size_t i = 0; i < m.count; i++) sum += m.samples[i];
    r.mean = sum / (double)m.count;
    for (size_t i = 0; i < m.count; i++)
        squares += (m.samples[i] - r.mean) * (m.samples[i] - r.mean);
    r.deviation = m.count > 1 ? root(squares / (double)(m.count - 1)) : 0;
    for (size_t i = 0; i < m.count; i++) m.samples[i] = fabs(m.samples[i] - r.median);
    r.mad = median(m.samples, m.count);
    double numbers[] = {r.median, r.mad, r.mean, r.deviation, r.least, r.bytes, r.samples, r.turns};
    nx__test_send(NX__TEST_MEASURED, 0, NULL, NULL, numbers, 8);
}
