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

/* The same until nx_now() is `at`. */
NX_API NX_MUST_CHECK nx_err nx_sleep_until(nx_duration at);

/* Nanoseconds of a clock that never steps back, from an arbitrary start. Reads the clock itself. */
NX_API nx_duration nx_now(void);

/* The time of day, UTC; steps when the system's clock is set. */
NX_API nx_time nx_wall_time(void);

/* ---- Pace, for a loop of one's own. Both are plain values, zero but for what is set; a fiber, or
 * several of one loop, may use them. Nothing is to be freed. */

typedef struct nx_ticker {
    nx_duration span; /* between two ticks */
    uint64_t missed;  /* ticks that the last nx_tick has left out, since nobody waited */
    nx_duration next; /* when the next is due; 0: before the first */
} nx_ticker;

/* Waits for the next tick: nx_ticker t = {.span = NX_MS(10)}; while (nx_tick(&t) == NX_OK) … The
 * first is `span` from the first call; the others do not drift. NX_EINVAL (no span), NX_ECANCELED.
 */
NX_API NX_MUST_CHECK nx_err nx_tick(nx_ticker *ticker);

typedef struct nx_pace {
    uint64_t count;  /* so many … */
    nx_duration per; /* … in this span, 0: a second; evenly */
    uint64_t burst;  /* and so many at once after a pause, 0: one */
    nx_duration due; /* when what was let through until now is through by the pace */
} nx_pace;

/* Waits until `n` more may pass: nx_pace p = {.count = 100}; NX_TRY(nx_pace_wait(&p, 1)). Who waits
 * first passes first. NX_EINVAL (no count, or `n` above the burst), NX_ECANCELED (nothing has
 * passed then). */
NX_API NX_MUST_CHECK nx_err nx_pace_wait(nx_pace *pace, uint64_t n);

/* Lets `n` pass now, or returns false. Does not suspend. */
NX_API bool nx_pace_try(nx_pace *pace, uint64_t n);

/* ---- Callbacks */

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
