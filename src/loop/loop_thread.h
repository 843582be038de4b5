/* Threads with a loop of their own, beside the program's first. */
#ifndef NX__LOOP_THREAD_H
#define NX__LOOP_THREAD_H

#include "loop/loop.h"
#include <pthread.h>

/* Such a thread. It lasts from before the start until nx__loop_thread_join has returned, so what is
 * posted to its loop in between finds one; where that can't be made, or has ended, it is never run.
 */
struct nx__loop_thread {
    struct nx_loop loop;
    pthread_t thread;
    struct nx_loop
        *starter;     /* the loop that is told of its end; NULL before the start: the caller's
                       */
    const char *name; /* of its main fiber; NULL: "worker N" */
    void (*run)(struct nx__loop_thread *thread);
    struct nx__post ended;                            /* to the starter's loop */
    struct nx__op end;                                /* what a fiber that joins waits in */
    void (*canceled)(struct nx__loop_thread *thread); /* such a fiber has been; NULL: it waits on */
    uint32_t worker, workers;
    bool started, over;
    bool computes; /* may block its loop: the watchdog does not look */
    nx_err err;    /* why there is no loop */
};

/* Starts a thread that makes a loop and calls run(thread) as its main fiber; the loop is worker
 * number `worker` of `workers`. Once run has returned, what it spawned and the timers that are set
 * are waited for, as at a program's end. Where the loop can't be made, run is called without one,
 * and with `thread->err`, recorded. Signals but those of crashes go to other threads. `*thread` is
 * all zero but for `starter`, `name`, `computes` and `canceled`. NX_EAGAIN and others, recorded:
 * then nothing was started.
 */
NX_MUST_CHECK nx_err nx__loop_thread_start(struct nx__loop_thread *thread, uint32_t worker,
                                           uint32_t workers,
                                           void (*run)(struct nx__loop_thread *thread));

/* Suspends the fiber, which is of the starter's loop, until the thread has ended. At once where it
 * was not started. Is not cut short, but `canceled` is called where the fiber is cancelled, or
 * would exceed --max-operations. */
void nx__loop_thread_join(struct nx__loop_thread *thread);

/* How many such threads there are. Any thread. */
uint32_t nx__loop_threads_count(void);

#endif
