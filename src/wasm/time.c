/* Limits on a guest's time: a thread that ticks while a call with one is under way. */
#include "wasm/internal.h"

#include "base/clock.h"
#include <signal.h>
#include <time.h>

/* That guest code has to end by itself, and say where it was, before it is taken to be waiting. By
 * ticks, since on a machine that is busy both of them wait for it. */
enum { LATE_TICKS = 50 };

static struct {
    pthread_mutex_t lock;
    pthread_cond_t begun;
    size_t calls; /* under way */
    bool runs;
    nx_duration end_at; /* 0: nothing ends */
    unsigned late;      /* ticks since */
    void (*end)(void);
} ticker = {.lock = PTHREAD_MUTEX_INITIALIZER, .begun = PTHREAD_COND_INITIALIZER};

static nx_duration thread_cpu(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (nx_duration)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void *tick(void *unused)
{
    (void)unused;
    for (;;) {
        (void)pthread_mutex_lock(&ticker.lock);
        while (!ticker.calls && !ticker.end_at)
            (void)pthread_cond_wait(&ticker.begun, &ticker.lock);
        bool late = ticker.end_at && nx__clock_monotonic() >= ticker.end_at;
        bool end = late && ticker.late++ == LATE_TICKS;
        (void)pthread_mutex_unlock(&ticker.lock);
        if (end) ticker.end();
        const struct timespec span = {.tv_nsec = NX_WASM_TICK};
        (void)nanosleep(&span, NULL);
        nx__engine_tick();
    }
    return NULL;
}

static nx_err start(void)
{
    pthread_attr_t attributes;
    pthread_t thread;
    sigset_t all, mask;
    (void)sigfillset(&all);
    (void)pthread_attr_init(&attributes);
    (void)pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    (void)pthread_sigmask(SIG_SETMASK, &all, &mask); /* signals are for the others */
    int error = pthread_create(&thread, &attributes, tick, NULL);
    (void)pthread_sigmask(SIG_SETMASK, &mask, NULL);
    (void)pthread_attr_destroy(&attributes);
    if (error) return nx__error_system(error, "cannot watch the time of WebAssembly");
    ticker.runs = true;
    return NX_OK;
}

nx_err nx__wasm_ticks_begin(void)
{
    nx_err err = NX_OK;
    (void)pthread_mutex_lock(&ticker.lock);
    if (!ticker.runs) err = start();
    if (!err && !ticker.calls++) (void)pthread_cond_signal(&ticker.begun);
    (void)pthread_mutex_unlock(&ticker.lock);
    return err;
}

void nx__wasm_ticks_end(void)
{
    (void)pthread_mutex_lock(&ticker.lock);
    ticker.calls--;
    (void)pthread_mutex_unlock(&ticker.lock);
}

nx_err nx__wasm_time_begin(nx_wasm *w)
{
    nx__wasm_time_return(w);
    if (!w->timed || w->depth++) return NX_OK;
    const nx_wasm_policy *p = &w->policy;
    bool cpu = p->max_cpu_time && p->max_cpu_time != NX_FOREVER;
    w->cpu_until = cpu ? thread_cpu() + p->max_cpu_time : NX_FOREVER;
    w->wall_until = p->deadline ? nx__clock_monotonic() + p->deadline : NX_FOREVER;
    nx_err err = nx__wasm_ticks_begin();
    if (err)
        w->depth--;
    else if (w->guest)
        nx__engine->guest_rearm(w->guest);
    return err;
}

void nx__wasm_time_end(nx_wasm *w)
{
    if (w->inside) nx__wasm_time_leave(w);
    if (!w->timed || --w->depth) return;
    nx__wasm_ticks_end();
}

void nx__wasm_time_leave(nx_wasm *w)
{
    if (!w->waits) return;
    w->away = true;
    w->away_since = thread_cpu();
}

void nx__wasm_time_return(nx_wasm *w)
{
    if (!w->away) return;
    w->away = false;
    w->looked_at = 0;
    if (w->cpu_until != NX_FOREVER) w->cpu_until += thread_cpu() - w->away_since;
}

bool nx__wasm_time_is_over(const nx_wasm *w)
{
    return w->wall_until != NX_FOREVER && nx__clock_monotonic() >= w->wall_until;
}

nx_err nx__wasm_time_end_at(nx_duration at, void (*end)(void))
{
    nx_err err = NX_OK;
    (void)pthread_mutex_lock(&ticker.lock);
    ticker.end_at = at;
    ticker.end = end;
    if (!ticker.runs) err = start();
    (void)pthread_cond_signal(&ticker.begun);
    (void)pthread_mutex_unlock(&ticker.lock);
    return err;
}

nx_duration nx__wasm_cpu_most = NX_WASM_MAX_CPU_TIME;

/* Ticks come from others too, and from the watchdog while a loop is blocked. Without a limit of its
 * own a call is looked at from the first of them on, so that it costs nothing at its start. */
static bool blocks_too_long(nx_wasm *w)
{
    nx_duration now = thread_cpu();
    if (w->looked_at_call == w->calls && w->looked_at)
        return now - w->looked_at >= nx__wasm_cpu_most;
    w->looked_at_call = w->calls;
    w->looked_at = now;
    return false;
}

uint32_t nx__wasm_tick(void *wasm)
{
    nx_wasm *w = wasm;
    if (!w->policy.max_cpu_time && blocks_too_long(w)) return 1;
    if (nx__wasm_time_is_over(w)) return 2;
    return w->cpu_until != NX_FOREVER && thread_cpu() >= w->cpu_until;
}
