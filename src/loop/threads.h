/* The blocking pool: a few threads for what would block the loop. */
#ifndef NX__THREADS_H
#define NX__THREADS_H

#include "loop/loop.h"

/* Work for the pool. The node is the pool's until `op` completes on the loop that gave it, with
 * run's result. */
struct nx__job {
    struct nx__op op;
    struct nx__post post;
    struct nx_loop *loop;
    struct nx__job *next;
    int64_t (*run)(struct nx__job *job); /* on a thread of the pool */
    int64_t result;
};

/* Queues the job; starts a thread while fewer than --blocking-threads run. NX_ENOMEM, NX_ELIMIT
 * (NX__JOBS_MAX queued), recorded. */
NX_MUST_CHECK nx_err nx__job_submit(struct nx__job *job);
enum { NX__JOBS_MAX = 65536 };

/* Takes the job back if no thread has begun it; its op completes either way. For nx__op.cancel. */
void nx__job_cancel(struct nx__op *op);

/* How many threads there are now. */
size_t nx__threads_count(void);

/* Waits for the jobs that run, and ends the threads. */
void nx__threads_stop(void);

#endif
