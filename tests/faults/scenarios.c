/* Scenarios, round after round. */
#include "base/arena.h"
#include "faults.h"

#include <nexus/fiber.h>
#include <nexus/test.h>
#include <nexus/timer.h>
#include <string.h>

enum {
    MAX_ROUNDS = 5000,
    PATIENCE = 100 /* ms */
};

static bool error_is_told(const struct faults_scenario *s, int what, nx_err err, const char *failed)
{
    const nx_error *error = nx_error_last();
    bool good = nx_expect(failed != NULL);
    good &= nx_expect_eq(error->code, err);
    good &= nx_expect(error->message[0] != '\0');
    if (what < 0) good &= nx_expect(err == NX_ENOMEM || err == s->instead);
    if (what == FAULTS_SHORT) good &= nx_expect_ok(err);
    return good;
}

/* What a round has left behind. */
struct left {
    long blocks;
    int descriptors;
};

static bool is_clean(const struct left *left)
{
    return left->blocks <= 0 && left->descriptors <= 0;
}

/* Returns what failed, NULL if nothing did or something is wrong. */
static const char *once(const struct faults_scenario *s, int what, unsigned long nth,
                        struct left *left)
{
    nx_scope *scope;
    nx__arena_pool_free(); /* what is kept would hide a leak, and what allocates */
    long blocks = faults_blocks();
    int descriptors = faults_descriptors();
    nx_require_ok(nx_scope_open(&scope));
    if (s->before) s->before();
    nx__arena_pool_free();
    faults_begin(what, nth);
    nx_err err = s->run();
    const char *failed = faults_stop();
    bool good = err ? error_is_told(s, what, err, failed) : true;
    if (!good)
        nx_test_log("round %lu, in which %s failed, came to %s: %s\n", nth,
                    failed ? failed : "nothing", nx_err_name(err), nx_error_last()->message);
    if (s->after) s->after(s, err, failed);
    good &= nx_expect_ok(nx_scope_close(&scope));
    good &= nx_expect_ok(nx_sleep(1)); /* the loop goes on */
    nx__arena_pool_free();
    /* Threads may be about to end, and processes. */
    for (int i = 0; i < PATIENCE; i++) {
        *left = (struct left){faults_blocks() - blocks, faults_descriptors() - descriptors};
        if (is_clean(left)) break;
        nx_expect_ok(nx_sleep(NX_MS(1)));
        nx__arena_pool_free();
    }
    return good ? failed : NULL;
}

/* False if the scenario got by without one that failed, or something is wrong. */
static bool round_again(const struct faults_scenario *s, int what, unsigned long nth)
{
    struct left left;
    const char *failed = once(s, what, nth, &left);
    /* What is made at the first failure of its kind is kept, as are threads: a leak grows. */
    for (int i = 0; !is_clean(&left) && i < 2; i++) failed = once(s, what, nth, &left);
    if (nx_expect(is_clean(&left))) return failed;
    nx_test_log("round %lu, in which %s failed, leaves %ld blocks and %d descriptors\n", nth,
                failed ? failed : "nothing", left.blocks, left.descriptors);
    return false;
}

void faults_again(const struct faults_scenario *scenario, nx_err err, const char *failed)
{
    (void)err, (void)failed;
    nx_expect_ok(scenario->run());
}

void faults_run(int what, const struct faults_scenario *scenarios, size_t count)
{
    for (const struct faults_scenario *s = scenarios; s < scenarios + count; s++) {
        nx_subtest ("%s", s->name) {
            nx_scope *scope;
            nx_require_ok(nx_scope_open(&scope));
            if (s->before) s->before();
            nx_require_ok(s->run());
            nx_require_ok(nx_scope_close(&scope));
            unsigned long nth = 1, step = s->step ? s->step : 1;
            while (nth < MAX_ROUNDS && round_again(s, what, nth)) nth += step;
            nx_expect_lt(nth, MAX_ROUNDS);
            nx_expect(nth > 1 || what <= 0);
        }
    }
}
