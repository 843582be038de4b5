/* Health checks: asked by timers of the loops that serve, by whichever is first when it is time. */
#include "http/proxy/proxy.h"

#include "base/clock.h"
#include "base/say.h"
#include <stdlib.h>

/* On one loop. */
struct watcher {
    struct nx__list link; /* in prober->watchers */
    struct nx__prober *prober;
    struct nx_loop *loop;
    struct nx__timer timer;
    nx_fiber *fiber;     /* that asks now; NULL: none does */
    struct nx__op *ends; /* who waits for its end */
};

struct nx__prober {
    struct nx__proxying *of;
    pthread_mutex_t lock; /* of the list; each item is its loop's */
    struct nx__list watchers;
    _Atomic nx_duration next; /* when it is time */
};

struct nx__prober *nx__prober_new(struct nx__proxying *proxying)
{
    struct nx__prober *p = calloc(1, sizeof *p);
    if (!p) return NULL;
    p->of = proxying;
    nx__list_init(&p->watchers);
    (void)pthread_mutex_init(&p->lock, NULL);
    return p;
}

/* Not free() itself: the analyzer takes a list for one in which what was taken out still is. */
static void (*const watcher_free)(void *watcher) = free;

/* What is asked by is the proxying's: it ends first. */
static void round_end(struct watcher *w)
{
    nx_cancel(w->fiber);
    while (w->fiber) {
        struct nx__op op = {.call = "for the end of a health check"};
        w->ends = &op;
        (void)nx__op_wait_uncanceled(&op);
    }
}

/* The loops that have asked have ended, but for the calling thread's. */
void nx__prober_free(struct nx__prober *p)
{
    if (!p) return;
    for (struct nx__list *link; (link = nx__list_pop(&p->watchers));) {
        struct watcher *w = nx__container_of(link, struct watcher, link);
        if (w->loop == nx__loop_current) nx__timer_clear(&w->loop->timers, &w->timer);
        if (w->loop == nx__loop_current && w->fiber) round_end(w);
        watcher_free(w);
    }
    (void)pthread_mutex_destroy(&p->lock);
    free(p);
}

/* ---- One round */

static void said(struct nx__upstream *u, bool well)
{
    if (atomic_exchange(&u->unwell, !well) != well) return;
    nx__say(NX__SAY_WARNING, "the upstream %s %s its health check%s%s", u->name,
            well ? "passes" : "fails", well ? "" : ": ", well ? "" : nx__error_last()->message);
}

static void ask_one(const struct nx__proxying *of, struct nx__upstream *u)
{
    nx_scope *scope;
    bool reused = false;
    if (nx_scope_open(&scope)) return;
    nx_err err = nx__upstream_probe(of, u, false, &reused);
    /* A connection that was closed while it was idle says nothing of the upstream. */
    if (err == NX_ERESET && reused) err = nx__upstream_probe(of, u, true, &reused);
    if (err != NX_ECANCELED && err != NX_ENOMEM) said(u, !err);
    NX_IGNORE(nx_scope_close(&scope));
}

static nx_err round_run(void *arg)
{
    struct watcher *w = arg;
    struct nx__proxying *of = w->prober->of;
    for (uint32_t i = 0; i < of->upstreams.count && !nx_canceled(); i++)
        ask_one(of, &of->upstreams.items[i]);
    w->fiber = NULL;
    if (w->ends) nx__op_complete(w->ends, 0);
    return NX_OK;
}

static void timer_set(struct watcher *w)
{
    /* Without memory for it, the next request tries anew. */
    NX_IGNORE(
        nx__timer_set(&w->loop->timers, &w->timer, nx__deadline(w->prober->of->o.health_every)));
}

static void due(struct nx__timer *timer)
{
    struct watcher *w = nx__container_of(timer, struct watcher, timer);
    nx_duration now = w->loop->now, next = atomic_load(&w->prober->next);
    timer_set(w);
    if (w->fiber || now < next) return;
    if (!atomic_compare_exchange_strong(&w->prober->next, &next,
                                        now + w->prober->of->o.health_every / 2))
        return;
    w->fiber = nx__fiber_new(round_run, w, "health check");
    if (w->fiber) nx__fiber_resume(w->fiber);
}

void nx__prober_look(struct nx__prober *p)
{
    struct watcher *w = NULL;
    struct nx_loop *loop = nx__loop();
    (void)pthread_mutex_lock(&p->lock);
    for (struct nx__list *link = p->watchers.next; link != &p->watchers && !w; link = link->next) {
        struct watcher *other = nx__container_of(link, struct watcher, link);
        if (other->loop == loop) w = other;
    }
    if (!w) {
        w = calloc(1, sizeof *w);
        if (w) {
            *w = (struct watcher){.prober = p, .loop = loop, .timer = {.fire = due}};
            nx__list_insert(&p->watchers, &w->link);
        }
    }
    (void)pthread_mutex_unlock(&p->lock);
    /* The first round comes at once. */
    if (w && !w->timer.place) NX_IGNORE(nx__timer_set(&loop->timers, &w->timer, loop->now));
}
