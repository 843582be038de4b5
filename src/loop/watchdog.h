/* The watchdog: names what has blocked the loop for too long. */
#ifndef NX__WATCHDOG_H
#define NX__WATCHDOG_H

#include "loop/loop.h"

/* The watchdog's thread sleeps for good when all loops have been idle; then the next turn of one
 * wakes it. */
extern atomic_bool nx__watchdog_asleep;

/* Called by its thread, again and again while a loop is blocked; NULL: nobody wants to know. */
extern void (*_Atomic nx__watchdog_blocked)(void);

/* Wakes, or at the first time starts, the thread, unless the limit nx__limits.watchdog is
 * NX_FOREVER. The loop is watched from then on. */
void nx__watchdog_wake(struct nx_loop *loop);

/* Watches the calling thread's loop, whose turns may find the thread awake for others. */
void nx__watchdog_add(struct nx_loop *loop);

/* At the start of each turn: one load in the common case. */
static inline void nx__watchdog_turn(struct nx_loop *loop)
{
    if (nx__unlikely(atomic_load_explicit(&nx__watchdog_asleep, memory_order_relaxed)))
        nx__watchdog_wake(loop);
}

/* Is the thread there? */
bool nx__watchdog_runs(void);

/* Watches the loop no longer; ends the thread with the program's first. */
void nx__watchdog_stop(struct nx_loop *loop);

#endif
