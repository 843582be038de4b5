/* What a program waits for: told when it does not end, and when nothing can wake it any more. */
#ifndef NX__WAITS_H
#define NX__WAITS_H

#include "loop/loop_thread.h"

/* SIGTERM or SIGINT has come: says in two seconds, or later, what the program still waits for, once
 * its main has returned or, with `stopping`, its servers have stopped. */
void nx__waits_watch(struct nx_loop *loop, bool stopping);

/* Ends the program with NX_EDEADLOCK, saying so, when every fiber waits for another and nothing
 * from outside can change that. */
void nx__waits_check(struct nx_loop *loop);

/* Before a wait without an end: a loop that has nothing to watch may be stuck, unless another may
 * post to it. */
static inline void nx__waits_endless(struct nx_loop *loop)
{
    if (nx__unlikely(loop->poller.watches == loop->own_watches) && !nx__loop_threads_count())
        nx__waits_check(loop);
}

#endif
