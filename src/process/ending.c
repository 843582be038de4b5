/* Hearing of a child's end. */
#include "process/ending.h"

static const nx_duration PAUSE_LEAST = NX_MS(1), PAUSE_MOST = NX_MS(50);

static void ready(struct nx__watch *watch, uint32_t events)
{
    struct nx__ending *ending = nx__container_of(watch, struct nx__ending, watch);
    (void)events;
    ending->look(ending);
}

static void look_again(struct nx__timer *timer)
{
    struct nx__ending *ending = nx__container_of(timer, struct nx__ending, timer);
    ending->pause = 2 * ending->pause < PAUSE_MOST ? 2 * ending->pause : PAUSE_MOST;
    /* The timer's own place is free: there is memory for it. It comes first, since to look may be
     * the end of all this. */
    NX_IGNORE(nx__timer_set(&ending->loop->timers, timer, nx__deadline(ending->pause)));
    ending->look(ending);
}

nx_err nx__ending_begin(struct nx__ending *ending, struct nx_loop *loop, int pidfd,
                        void (*look)(struct nx__ending *ending))
{
    *ending = (struct nx__ending){.watch = {.ready = ready, .fd = -1},
                                  .timer.fire = look_again,
                                  .pause = PAUSE_LEAST,
                                  .loop = loop,
                                  .look = look};
    if (pidfd >= 0) return nx__poller_add(&loop->poller, &ending->watch, pidfd, NX__READABLE);
    return nx__timer_set(&loop->timers, &ending->timer, nx__deadline(ending->pause));
}

void nx__ending_stop(struct nx__ending *ending)
{
    if (!ending->loop) return;
    nx__poller_remove(&ending->loop->poller, &ending->watch);
    nx__timer_clear(&ending->loop->timers, &ending->timer);
}
