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
    struct nx__service service;
    nx_fiber *fiber;     /* that asks now */
    struct nx__op *ends; /* who waits for its end, and frees the watcher then */
    bool asks;           /* it does, or is about to; the loop's end waits for it */
    bool stopped;        /* with the loop: no more is asked */
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

static void watcher_stop(struct watcher *w)
{
    w->stopped = true;
    nx__timer_clear(&w->loop->timers, &w->timer);
    nx_cancel(w->fiber);
}

static void shutdown(struct nx__service *service)
{
    watcher_stop(nx__container_of(service, struct watcher, service));
}

/* What is asked by is the proxying's, which goes now. */
static void round_end(struct watcher *w)
{
    if (!nx_fiber_current()) return;
    while (w->asks) {
        struct nx__op op = {.call = "for the end of a health check"};
        w->ends = &op;
        (void)nx__op_wait_uncanceled(&op);
    }
}

/* The loops that have asked have ended, and with them what they asked, but for the calling
 * thread's. */
void nx__prober_free(struct nx__prober *p)
{
    if (!p) return;
    for (struct nx__list *link; (link = nx__list_pop(&p->watchers));) {
        struct watcher *w = nx__container_of(link, struct watcher, link);
        if (w->loop == nx__loop_current) {
            nx__list_remove(&w->service.link);
            watcher_stop(w);
            round_end(w);
        }
        w->prober = NULL; /* its fiber frees it */
        if (!w->asks) watcher_free(w);
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

static void ask_one(struct watcher *w, struct nx__upstream *u)
{
    const struct nx__proxying *of = w->prober->of;
    nx_scope *scope;
    bool reused = false;
    if (nx_scope_open(&scope)) return;
    nx_err err = nx__upstream_probe(of, u, false, &reused);
    /* A connection that was closed while it was idle says nothing of the upstream. */
    if (err == NX_ERESET && reused && !w->stopped) err = nx__upstream_probe(of, u, true, &reused);
    if (!w->stopped && err != NX_ENOMEM) said(u, !err);
    NX_IGNORE(nx_scope_close(&scope));
}

static nx_err round_run(void *arg)
{
    struct watcher *w = arg;
    w->fiber = nx_fiber_current();
    for (uint32_t i = 0; !w->stopped && i < w->prober->of->upstreams.count; i++)
        ask_one(w, &w->prober->of->upstreams.items[i]);
    w->fiber = NULL;
    w->asks = false;
    if (w->ends)
        nx__op_complete(w->ends, 0);
    else if (!w->prober)
        watcher_free(w);
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
    if (w->asks || now < next || w->loop->returned) return;
    if (!atomic_compare_exchange_strong(&w->prober->next, &next,
                                        now + w->prober->of->o.health_every / 2))
        return;
    /* Without memory for it, the next time. */
    w->asks = !nx_spawn(NULL, round_run, w, .name = "health check", .detached = true);
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
            *w = (struct watcher){.prober = p,
                                  .loop = loop,
                                  .timer = {.fire = due},
                                  .service = {.shutdown = shutdown}};
            nx__list_insert(&p->watchers, &w->link);
            nx__list_insert(&loop->services, &w->service.link);
        }
    }
    (void)pthread_mutex_unlock(&p->lock);
    /* The first round comes at once. */
    if (w && !w->stopped && !w->timer.place)
        NX_IGNORE(nx__timer_set(&loop->timers, &w->timer, loop->now));
}
