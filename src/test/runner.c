/* The order in which tests run, and what their results come to. */
#include "test/runner.h"

#include "base/clock.h"
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

/* The test's own deadline lets it end in good order; this much later it is ended. */
static const nx_duration GRACE = NX_MS(500);

static struct nx__run_of_tests *running;

static void case_enter(struct nx__job *job, int packets)
{
    running->enter((struct nx__case *)job, packets);
}

static void case_request(struct nx__job *job)
{
    running->request((struct nx__case *)job);
}

/* Reports the suites that are complete, in their order. */
static void report(const struct nx__run_of_tests *run)
{
    for (size_t i = 0; i < run->suite_count; i++) {
        struct nx__suite *suite = &run->suites[i];
        if (suite->left && !run->pool.stop) return;
        if (suite->reported) continue;
        suite->reported = true;
        if (!run->config->tap) nx__report_suite(run, suite);
    }
}

static void case_ended(struct nx__job *job)
{
    struct nx__run_of_tests *run = running;
    struct nx__case *c = (struct nx__case *)job;
    run->serial = false;
    if (c->dir) nx__remove_tree(c->dir);
    if (run->pool.stop) return; /* ended by us */
    nx__case_end(c);
    if (run->ended) run->ended(c);
    size_t *const counts[] = {[NX__TEST_PASSED] = &run->passed,
                              [NX__TEST_FAILURE] = &run->failed,
                              [NX__TEST_SKIPPED] = &run->skipped};
    ++*counts[c->outcome];
    c->suite->left--;
    c->suite->took += c->took;
    if (run->config->tap) nx__tap_case(run, c);
    if (run->config->bail && c->outcome == NX__TEST_FAILURE) run->pool.stop = true;
    report(run);
}

static struct nx__job *next(struct nx__pool *pool)
{
    struct nx__run_of_tests *run = nx__container_of(pool, struct nx__run_of_tests, pool);
    if (run->next == run->order_count || run->serial) return NULL;
    struct nx__case *c = run->order[run->next];
    if (c->serial && pool->count) return NULL;
    run->serial = c->serial;
    run->next++;
    nx_duration deadline = c->deadline             ? c->deadline
                           : c->bench              ? NX_FOREVER
                           : run->config->deadline ? run->config->deadline
                                                   : NX_S(10);
    c->job = (struct nx__job){.enter = case_enter,
                              .packet = nx__case_packet,
                              .request = run->request ? case_request : NULL,
                              .ended = case_ended,
                              .limit = deadline == NX_FOREVER ? 0 : deadline + GRACE,
                              .uncaptured = run->config->output};
    return &c->job;
}

/* xorshift: an order that a number brings back. */
static uint64_t random_next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* Repetitions are cases of their own. */
static nx_err repeat(struct nx__suite *suite, unsigned times)
{
    if (times < 2 || !suite->count) return NX_OK;
    struct nx__case *cases = calloc(suite->count * times, sizeof *cases);
    if (!cases) return nx__error_set(NX_ENOMEM, "cannot repeat the tests: out of memory");
    size_t count = 0;
    bool whole = true;
    for (size_t i = 0; i < suite->count; i++) {
        const struct nx__case *c = &suite->cases[i];
        for (unsigned n = 0; n < times; n++) {
            struct nx__case *copy = &cases[count++];
            *copy = *c;
            if (!n) continue;
            copy->name = strdup(c->name);
            copy->file = strdup(c->file);
            whole &= copy->name && copy->file;
        }
    }
    free(suite->cases);
    suite->cases = cases;
    suite->count = count;
    return whole ? NX_OK : nx__error_set(NX_ENOMEM, "cannot repeat the tests: out of memory");
}

/* Puts the cases in the order in which they start: those that want to be alone last. */
static nx_err arrange(struct nx__run_of_tests *run)
{
    size_t total = 0;
    for (size_t i = 0; i < run->suite_count; i++) {
        NX_TRY(repeat(&run->suites[i], run->config->repeat));
        total += run->suites[i].count;
    }
    run->order = calloc(total + 1, sizeof *run->order);
    if (!run->order) return nx__error_set(NX_ENOMEM, "cannot run the tests: out of memory");
    for (int serial = 0; serial < 2; serial++) {
        size_t first = run->order_count;
        for (size_t i = 0; i < run->suite_count; i++) {
            struct nx__suite *suite = &run->suites[i];
            suite->left = suite->count;
            for (size_t k = 0; k < suite->count; k++) {
                struct nx__case *c = &suite->cases[k];
                if (c->serial != serial) continue;
                c->suite = suite;
                run->order[run->order_count++] = c;
            }
        }
        uint64_t state = run->config->seed;
        for (size_t i = run->order_count - first; run->config->shuffle && i > 1; i--) {
            size_t other = first + random_next(&state) % i;
            struct nx__case *last = run->order[first + i - 1];
            run->order[first + i - 1] = run->order[other];
            run->order[other] = last;
        }
    }
    for (size_t i = 0; i < run->order_count; i++) {
        struct nx__case *c = run->order[i];
        /* As many as were counted: NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
        c->number = (unsigned)i;
        if (asprintf(&c->dir, "%s/%zu", run->base, i) < 0) {
            c->dir = NULL;
            return nx__error_set(NX_ENOMEM, "cannot run the tests: out of memory");
        }
    }
    return NX_OK;
}

static int exit_code(const struct nx__run_of_tests *run)
{
    if (run->pool.stop_signal) return 128 + run->pool.stop_signal;
    if (run->failed) return NX_EFAILED;
    for (size_t i = 0; i < run->suite_count; i++)
        if (run->suites[i].failure) return (int)run->suites[i].failure_code;
    return 0;
}

/* Says the last error; returns its code. */
static int say_error(nx_err err)
{
    (void)fprintf(stderr, "nexus: %s\n", nx_error_last()->message);
    return (int)err;
}

int nx__tests_run(struct nx__run_of_tests *run)
{
    running = run;
    run->started = nx__clock_monotonic();
    for (size_t i = 0; i < run->suite_count; i++) run->broken += run->suites[i].failure != NULL;
    nx_err err = nx__temp_folder(run->base, "test");
    if (!err) err = arrange(run);
    run->pool.parallel = run->config->parallel;
    run->pool.next = next;
    run->pool.stop = run->pool.stop || (run->config->bail && run->broken);
    size_t slower = 0;
    if (!err) {
        if (run->config->tap) nx__tap_begin(run);
        report(run);
        nx__pool_run(&run->pool);
        report(run);
        if (run->config->tap) nx__tap_end(run);
    }
    if (run->base[0]) nx__remove_tree(run->base);
    if (!err && run->config->bench && !run->config->tap) err = nx__bench_report(run, &slower);
    if (!err && !run->config->tap) nx__report_end(run);
    if (!err && run->config->junit) err = nx__junit_write(run);
    free(run->order);
    if (err) return say_error(err);
    int code = exit_code(run);
    return code ? code : slower ? NX_EFAILED : 0;
}
