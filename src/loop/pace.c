/* Loops that go at a pace. */
#include "base/clock.h"
#include "base/error.h"
#include <nexus/timer.h>

nx_err nx_sleep_until(nx_duration at)
{
    if (at == NX_FOREVER) return nx_sleep(NX_FOREVER);
    nx_duration now = nx__clock_monotonic();
    return nx_sleep(at > now ? at - now : 0);
}

nx_err nx_tick(nx_ticker *ticker)
{
    if (ticker->span <= 0) return nx__error_set(NX_EINVAL, "a ticker needs a span");
    nx_duration now = nx__clock_monotonic();
    ticker->missed = 0;
    if (!ticker->next) {
        ticker->next = now + ticker->span;
    } else if (now >= ticker->next + ticker->span) {
        uint64_t late = (uint64_t)((now - ticker->next) / ticker->span);
        ticker->missed = late;
        ticker->next += (nx_duration)late * ticker->span;
    }
    NX_TRY(nx_sleep_until(ticker->next));
    ticker->next += ticker->span;
    return NX_OK;
}

/* How long `n` take by the pace; a century or so at most. */
static nx_duration span_of(const nx_pace *pace, uint64_t n)
{
    const uint64_t most = NX_FOREVER / 4;
    uint64_t per = (uint64_t)(pace->per > 0 ? pace->per : NX_S(1)), whole, rest;
    if (__builtin_mul_overflow(per / pace->count, n, &whole) ||
        __builtin_mul_overflow(per % pace->count, n, &rest) || whole > most)
        return (nx_duration)most;
    uint64_t span = whole + rest / pace->count;
    return (nx_duration)(span < most ? span : most);
}

/* How long until `n` may pass, 0 or less: now. */
static nx_duration wait_of(nx_pace *pace, uint64_t n)
{
    nx_duration now = nx__clock_monotonic();
    if (pace->due < now) pace->due = now;
    return pace->due + span_of(pace, n) - span_of(pace, pace->burst ? pace->burst : 1) - now;
}

static void reserve(nx_pace *pace, nx_duration span)
{
    pace->due += span;
    if (pace->due > NX_FOREVER / 2) pace->due = NX_FOREVER / 2; /* a century or two from now */
}

static bool is_possible(const nx_pace *pace, uint64_t n)
{
    return pace->count && n <= (pace->burst ? pace->burst : 1);
}

bool nx_pace_try(nx_pace *pace, uint64_t n)
{
    if (!is_possible(pace, n) || wait_of(pace, n) > 0) return false;
    reserve(pace, span_of(pace, n));
    return true;
}

nx_err nx_pace_wait(nx_pace *pace, uint64_t n)
{
    if (!is_possible(pace, n))
        return nx__error_set(NX_EINVAL,
                             pace->count ? "%llu are more than ever pass at once: see `burst`"
                                         : "a pace needs a count (%llu wait)",
                             (unsigned long long)n);
    nx_duration wait = wait_of(pace, n), span = span_of(pace, n);
    reserve(pace, span);
    if (wait <= 0) return NX_OK;
    nx_err err = nx_sleep(wait);
    if (err) pace->due -= span;
    return err;
}
