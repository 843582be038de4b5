/* The monotonic clock of a program that a debugger stops. */
#include "base/clock.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

/* A thread looks at the clock every so often. When nobody has for much longer, the whole process
 * stood still, whoever notices it first. In milliseconds. */
enum { TICK = 20, STILL = 100, THREAD_STACK = 64 * 1024 };

bool nx__clock_skips;

/* The last look, and in the lower half all that is left out: in one word, since a reader that saw
 * one without the other would jump by a stop. Milliseconds, modulo 2^32. */
static _Atomic uint64_t seen;

nx_duration nx__clock_running(void)
{
    for (;;) {
        uint64_t before = atomic_load(&seen);
        nx_duration now = nx__clock(CLOCK_MONOTONIC);
        uint32_t at = (uint32_t)(now / NX_MS(1)), out = (uint32_t)before;
        int32_t gap = (int32_t)(at - (uint32_t)(before >> 32));
        if (gap > STILL) out += (uint32_t)gap - TICK;
        uint64_t after = (uint64_t)at << 32 | out;
        if (gap <= 0 || atomic_compare_exchange_weak(&seen, &before, after))
            return now - out * NX_MS(1);
    }
}

static void *look(void *unused)
{
    (void)unused;
    (void)pthread_setname_np(pthread_self(), "nexus clock");
    const struct timespec tick = {.tv_nsec = NX_MS(TICK)};
    for (;;) {
        (void)nx__clock_running();
        (void)nanosleep(&tick, NULL);
    }
    return NULL;
}

nx_err nx__clock_skip_stops(void)
{
    pthread_attr_t attributes;
    pthread_t thread;
    sigset_t all, mask;
    atomic_store(&seen, (uint64_t)(uint32_t)(nx__clock(CLOCK_MONOTONIC) / NX_MS(1)) << 32);
    int error = pthread_attr_init(&attributes);
    if (error) return nx__error_system(error, "cannot watch the clock");
    (void)pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
#if !defined(NX__ASAN) && !defined(NX__TSAN)
    (void)pthread_attr_setstacksize(&attributes, THREAD_STACK);
#endif
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_BLOCK, &all, &mask);
    error = pthread_create(&thread, &attributes, look, NULL);
    (void)pthread_sigmask(SIG_SETMASK, &mask, NULL);
    (void)pthread_attr_destroy(&attributes);
    if (error) return nx__error_system(error, "cannot watch the clock");
    nx__clock_skips = true;
    return NX_OK;
}
