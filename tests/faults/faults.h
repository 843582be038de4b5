/* Failures on request: the one way in which tests make memory run out and system calls fail.
 *
 * A test program that CMake's nx_faults(NAME) was called for is linked so that every allocation of
 * the runtime and of its libraries, and nearly every system call, comes through here (ld's --wrap).
 * A scenario is run with the first of them failing, then with the second, and so on, until it gets
 * by without one that fails:
 *
 *     static nx_err copy(void) { return nx_fs_copy(from, to); }
 *     static const struct faults_scenario scenarios[] = {{.name = "copy", .run = copy}};
 *
 *     NX_TEST("memory runs out") { faults_run(FAULTS_MEMORY, scenarios, 1); }
 *     NX_TEST("the disk fails") { faults_run(EIO, scenarios, 1); }
 *
 * Each round must end, well or with an error that says something; it may leave neither a block nor
 * a descriptor behind, and the loop goes on. What else should hold, `after` looks at. Sanitizers
 * and valgrind see the rest.
 *
 * One counter for all threads: what a scenario does on several is no longer in a fixed order, and
 * a round then fails at another place than the last time. Of a ring it is the making that fails,
 * the handing over, and the operation itself; nx__uring_refused leaves all that to the pool. The
 * calls that src/base/syscall.h makes in place (recv, send) fail where that goes through libc: in
 * builds for debugging and with sanitizers. What a loop waits in, what wakes it, and what tells a
 * test's result, never fails.
 */
#ifndef FAULTS_H
#define FAULTS_H

#include <nexus/base.h>
#include <stdbool.h>
#include <stddef.h>

/* What fails: system calls, with the errno that is given (having done nothing; but close has
 * closed), or one of these. */
enum {
    FAULTS_SHORT = 0,      /* a call that moves bytes moves half of them */
    FAULTS_MEMORY = -1,    /* one allocation */
    FAULTS_NO_MEMORY = -2, /* an allocation, and all after it */
};

struct faults_scenario {
    const char *name;
    /* On a fiber, below a scope that ends with the round. */
    nx_err (*run)(void);
    unsigned long step;   /* it is the first that fails, and each so many behind it; 0: each */
    void (*before)(void); /* prepares a round, in which nothing fails yet; or NULL */
    /* Looks at what is there afterwards; or NULL. `failed` names what did. */
    void (*after)(const struct faults_scenario *scenario, nx_err err, const char *failed);
    const void *arg; /* the caller's */
    nx_err instead;  /* an error that may stand for NX_ENOMEM where memory runs out */
};

/* For `after`: nothing fails here, so the scenario runs as ever. */
void faults_again(const struct faults_scenario *scenario, nx_err err, const char *failed);

/* Runs each scenario as a subtest: once as it is, so that what is made at first use is there, and
 * then round after round. */
void faults_run(int what, const struct faults_scenario *scenarios, size_t count);

/* ---- By hand */

/* The n-th from here on (1: the next) fails, on any thread. */
void faults_begin(int what, unsigned long nth);

/* Nothing fails from here on. The name of what did, or NULL. */
const char *faults_stop(void);

/* Rounds by hand, each ended by faults_stop() or by the next; false once nothing has failed in one:
 *
 *     for (struct faults_rounds rounds = {FAULTS_MEMORY}; faults_next(&rounds);)
 */
struct faults_rounds {
    int what;
    unsigned long nth; /* which fails, or was the last that did not; 0 at the beginning */
};
bool faults_next(struct faults_rounds *rounds);

/* Whether the kernel lets an operation of a ring end as one likes; else those never fail. */
bool faults_ring(void);

/* What would be greater after a leak: blocks that are allocated, descriptors that are open. */
long faults_blocks(void);
int faults_descriptors(void);

#endif
