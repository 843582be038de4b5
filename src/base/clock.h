/* The two clocks, in nanoseconds. */
#ifndef NX__CLOCK_H
#define NX__CLOCK_H

#include <nexus/base.h>
#include <time.h>

static inline nx_duration nx__clock(clockid_t id)
{
    struct timespec t;
    (void)clock_gettime(id, &t); /* fails only for an unknown clock */
    return (nx_duration)t.tv_sec * 1000000000 + t.tv_nsec;
}

static inline nx_duration nx__clock_monotonic(void)
{
    return nx__clock(CLOCK_MONOTONIC);
}
static inline nx_duration nx__clock_wall(void)
{
    return nx__clock(CLOCK_REALTIME);
}

#endif
