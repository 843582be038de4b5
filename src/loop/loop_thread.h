/* Threads with a loop of their own, beside the program's first. */
#ifndef NX__LOOP_THREAD_H
#define NX__LOOP_THREAD_H

#include "loop/loop.h"
#include <pthread.h>

/* Such a thread. It lasts until nx__loop_thread_join has returned, so what is posted to its loop
 * before that finds one. */
struct nx__loop_thread {
    struct nx_loop loop;
    pthread_t thread;
    struct nx_loop *starter; /* the loop of who started it */
    void (*run)(struct nx__loop_thread *thread);
    struct nx__post ended; /* to the starter's loop */
    struct nx__op *joiner;
    uint32_t worker, workers;
    bool started, over;
    nx_err err; /* why there is no loop */
};

/* Starts a thread that makes a loop and calls run(thread) as its main fiber; the loop is worker
 * number `worker` of `workers`. Once run has returned, what it spawned and the timers that are set
 * are waited for, as at a program's end. Where the loop can't be made, run is called without one,
 * and with `thread->err`, recorded. Signals but those of crashes go to other threads. `*thread` is
 * all zero. NX_EAGAIN and others, recorded: then nothing was started. */
NX_MUST_CHECK nx_err nx__loop_thread_start(struct nx__loop_thread *thread, uint32_t worker,
                                           uint32_t workers,
                                           void (*run)(struct nx__loop_thread *thread));

/* Suspends the fiber, which is of the loop that started the thread, until the thread has ended. At
 * once where it was not started. Is not cut short. */
void nx__loop_thread_join(struct nx__loop_thread *thread);

#endif
