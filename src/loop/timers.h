/* Timers of a loop: a 4-ary heap by deadline; equal deadlines fire in the order they were set in.
 */
#ifndef NX__TIMERS_H
#define NX__TIMERS_H

#include <nexus/base.h>

/* Embedded by whoever sets it. All zero is not set. */
struct nx__timer {
    nx_duration at;                        /* monotonic */
    uint64_t order;                        /* grows with each setting */
    void (*fire)(struct nx__timer *timer); /* in the loop's context, must not suspend; the timer is
                                              not set any more */
    uint32_t place;                        /* in the heap, from 1; 0: not set */
    bool kept;                             /* nx__timer_keep */
};

struct nx__timers {
    struct nx__timer **heap;
    size_t count, capacity;
    size_t kept;       /* places that are kept, whether their timers are set or not */
    uint64_t settings; /* so far */
};

/* Sets or moves the timer. NX_ENOMEM (then it is not set), recorded. */
NX_MUST_CHECK nx_err nx__timer_set(struct nx__timers *timers, struct nx__timer *timer,
                                   nx_duration at);

/* Keeps a place for the timer, so that setting it does not fail from here on: for those that
 * somebody waits for who can't be told. NX_ENOMEM, recorded; harmless when it has one. */
NX_MUST_CHECK nx_err nx__timer_keep(struct nx__timers *timers, struct nx__timer *timer);

/* Clears the timer and gives up its place, if it has one. */
void nx__timer_let(struct nx__timers *timers, struct nx__timer *timer);

/* Harmless when it is not set. */
void nx__timer_clear(struct nx__timers *timers, struct nx__timer *timer);

/* The earliest deadline, NX_FOREVER if there is none. */
static inline nx_duration nx__timers_next(const struct nx__timers *timers)
{
    return timers->count ? timers->heap[0]->at : NX_FOREVER;
}

/* Fires what is due at `now`; timers set meanwhile wait for the next call. */
void nx__timers_run(struct nx__timers *timers, nx_duration now);

/* The absolute time `span` from now, at most just short of NX_FOREVER. */
nx_duration nx__deadline(nx_duration span);

void nx__timers_free(struct nx__timers *timers);

#endif
