/* Timers and clocks. */
#ifndef NEXUS_TIMER_H
#define NEXUS_TIMER_H

#include <nexus/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Suspends the calling fiber for at least `span` (0 or less: one turn of the loop). NX_ECANCELED.
 */
NX_API NX_MUST_CHECK nx_err nx_sleep(nx_duration span);

/* Nanoseconds of a clock that never steps back, from an arbitrary start. Reads the clock itself. */
NX_API nx_duration nx_now(void);

/* Nanoseconds since 1970-01-01 UTC; steps when the system's clock is set. */
NX_API nx_duration nx_wall_time(void);

/* A timer that runs a callback; 0 is none. A handle is never used twice. */
typedef uint64_t nx_timer;

/* What a timer calls, each time in a fiber of its own, so it may wait. */
typedef void (*nx_timer_fn)(void *arg);

/* Calls fn(arg) once after `span`. A timer that is set keeps the program running. Returns 0 when
 * memory or the limit on operations is out, with the reason in nx_error_last(). Does not suspend.
 */
NX_API nx_timer nx_set_timeout(nx_timer_fn fn, void *arg, nx_duration span);

/* Calls fn(arg) every `span` (at least 1 ms), without drift; a call that is still running when the
 * next is due makes that one be left out. Returns 0 as above. Does not suspend. */
NX_API nx_timer nx_set_interval(nx_timer_fn fn, void *arg, nx_duration span);

/* Calls fn(arg) once, after what is ready now has run. Returns 0 as above. Does not suspend. */
NX_API nx_timer nx_set_immediate(nx_timer_fn fn, void *arg);

/* Stops the timer. Harmless for 0, for one that has fired and inside its own callback. A callback
 * that runs already goes on. Does not suspend. */
NX_API void nx_clear_timeout(nx_timer timer);
NX_API void nx_clear_interval(nx_timer timer);
NX_API void nx_clear_immediate(nx_timer timer);

#ifdef __cplusplus
}
#endif

#endif
