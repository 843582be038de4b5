/* The two clocks, in nanoseconds, and time that does not count. */
#ifndef NX__CLOCK_H
#define NX__CLOCK_H

#include "base/error.h"
#include <time.h>

static inline nx_duration nx__clock(clockid_t id)
{
    struct timespec t;
    (void)clock_gettime(id, &t); /* fails only for an unknown clock */
    return (nx_duration)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* A program that a debugger stops has the time of its stops taken out of its monotonic clock, so
 * that no deadline passes and no watchdog bites while somebody looks at a variable. Starts a thread
 * that a stop is noticed by; until then, and in every other program, the clock is the system's.
 * NX_EAGAIN and others, recorded. */
NX_MUST_CHECK nx_err nx__clock_skip_stops(void);

extern bool nx__clock_skips;

/* The monotonic clock less the stops. Any thread, async-signal-safe. */
nx_duration nx__clock_running(void);

static inline nx_duration nx__clock_monotonic(void)
{
    return __builtin_expect(nx__clock_skips, false) ? nx__clock_running()
                                                    : nx__clock(CLOCK_MONOTONIC);
}
static inline nx_duration nx__clock_wall(void)
{
    return nx__clock(CLOCK_REALTIME);
}

#endif
