/* What a program waits for. */
#include "loop/waits.h"

#include "base/clock.h"
#include "base/say.h"
#include "loop/profile.h"
#include "loop/signals.h"
#include "loop/threads.h"
#include "loop/watchdog.h"
#include "permission/broker.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

static const nx_duration PATIENCE = NX_S(2);

enum { NAMES_MOST = 8 };

struct text {
    char bytes[1024];
    size_t len;
};

static void add(struct text *text, const char *format, ...) NX_PRINTF(2, 3);

static void add(struct text *text, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text->bytes + text->len, sizeof text->bytes - text->len, format, args);
    va_end(args);
    if (n > 0) text->len += (size_t)n;
    if (text->len >= sizeof text->bytes) text->len = sizeof text->bytes - 1;
}

/* The program's own fibers; not those of the runtime's services, nor main once it has returned. */
static bool is_own(const struct nx_loop *loop, const nx_fiber *fiber)
{
    return fiber->state != NX__FIBER_ENDED &&
           (fiber->main ? !loop->returned : fiber->owner != NULL);
}

static size_t fibers_count(const struct nx_loop *loop)
{
    size_t count = 0;
    const struct nx__list *link = loop->fibers.next;
    for (; link != &loop->fibers; link = link->next)
        count += is_own(loop, nx__container_of(link, nx_fiber, all));
    return count;
}

/* `"main" in nx_recv, "w1" in nx_join and 3 more`, oldest first. */
static void fibers_add(struct text *text, const struct nx_loop *loop)
{
    size_t count = fibers_count(loop), named = 0;
    const struct nx__list *link = loop->fibers.next;
    for (; link != &loop->fibers && named < NAMES_MOST; link = link->next) {
        const nx_fiber *fiber = nx__container_of(link, nx_fiber, all);
        if (!is_own(loop, fiber)) continue;
        add(text, "%s\"%s\"", named++ ? ", " : "", fiber->name);
        if (fiber->state == NX__FIBER_WAITING && fiber->op->call) add(text, " %s", fiber->op->call);
    }
    if (count > named) add(text, " and %zu more", count - named);
}

/* ---- A program that does not end */

static void linger_fire(struct nx__timer *timer)
{
    struct nx_loop *loop = nx__container_of(timer, struct nx_loop, linger);
    if (!loop->returned && !(loop->stopping && nx__list_empty(&loop->services))) {
        /* Without memory for it, nothing is said. */
        NX_IGNORE(nx__timer_set(&loop->timers, timer, loop->now + PATIENCE));
        return;
    }
    struct text text = {.len = 0};
    size_t fibers = fibers_count(loop), spawned = fibers - !loop->returned;
    size_t timers = loop->pending > spawned ? (size_t)loop->pending - spawned : 0;
    if (timers) add(&text, "%zu timer%s%s", timers, timers == 1 ? "" : "s", fibers ? " and " : "");
    if (fibers) add(&text, "fiber%s ", fibers == 1 ? "" : "s");
    fibers_add(&text, loop);
    bool second = loop->stopping || nx__broker_fd() >= 0;
    char who[48] = "";
    if (loop->first) (void)snprintf(who, sizeof who, "%s is ", loop->main.name);
    nx__say(NX__SAY_WARNING, "%sstill waiting for %s%s", who, text.bytes,
            second ? "; a second signal ends it" : "");
}

void nx__waits_watch(struct nx_loop *loop, bool stopping)
{
    loop->stopping |= stopping;
    if (loop->linger.fire) return;
    loop->linger.fire = linger_fire;
    NX_IGNORE(nx__timer_set(&loop->timers, &loop->linger, nx__clock_monotonic() + PATIENCE));
}

/* ---- A program that nothing can wake */

/* True when there are threads beside the runtime's: each may post. */
static bool has_threads(void)
{
    struct stat st;
    /* A folder for each thread, besides its own two links; without /proc nobody knows. */
    return stat("/proc/self/task", &st) != 0 ||
           st.st_nlink - 2 != 1 + nx__threads_count() + nx__watchdog_runs();
}

/* True when the program handles a signal by itself: what the handler does, nobody knows. */
static bool has_handlers(void)
{
    static const int ours[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};
    uint64_t known = nx__signals_handled();
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++) known |= UINT64_C(1) << ours[i];
    if (nx__profile_runs()) known |= UINT64_C(1) << SIGPROF;
    for (int signo = 1; signo < 64; signo++) {
        struct sigaction action;
        if ((known & UINT64_C(1) << signo) || signo == SIGRTMIN + 3 ||
            sigaction(signo, NULL, &action) != 0)
            continue;
        if ((action.sa_flags & SA_SIGINFO) ||
            (action.sa_handler != SIG_DFL && action.sa_handler != SIG_IGN))
            return true;
    }
    return false;
}

void nx__waits_check(struct nx_loop *loop)
{
    if (loop->timers.count || atomic_load(&loop->posted)) return;
    const struct nx__list *link = loop->fibers.next;
    for (; link != &loop->fibers; link = link->next) {
        const nx_fiber *fiber = nx__container_of(link, nx_fiber, all);
        bool drains = fiber->main && loop->drain;
        if (fiber->state != NX__FIBER_ENDED && !drains &&
            (fiber->state != NX__FIBER_WAITING || !fiber->op->call))
            return;
    }
    if (has_threads() || has_handlers() || nx__signals_are_heard()) return;
    struct text text = {.len = 0};
    fibers_add(&text, loop);
    size_t count = fibers_count(loop);
    (void)fflush(stdout);
    nx__say(NX__SAY_LAST, "%s: %s",
            count == 1 ? "the program waits for what nothing can bring"
                       : "all fibers wait for each other",
            text.bytes);
    exit(NX_EDEADLOCK);
}
