/* Timers of a loop: a 4-ary heap by deadline, then by the order of setting. */
#include "loop/timers.h"

#include "base/clock.h"
#include "base/error.h"
#include <stdlib.h>

static bool before(const struct nx__timer *a, const struct nx__timer *b)
{
    return a->at < b->at || (a->at == b->at && a->order < b->order);
}

static void put(struct nx__timers *timers, size_t i, struct nx__timer *timer)
{
    timers->heap[i] = timer;
    timer->place = (uint32_t)(i + 1);
}

/* Moves the timer at `i` towards the root, then towards the leaves, to where it belongs. */
static void settle(struct nx__timers *timers, size_t i)
{
    struct nx__timer *timer = timers->heap[i];
    while (i && before(timer, timers->heap[(i - 1) / 4])) {
        put(timers, i, timers->heap[(i - 1) / 4]);
        i = (i - 1) / 4;
    }
    for (;;) {
        size_t at = i, first = i * 4 + 1;
        struct nx__timer *least = timer;
        for (size_t c = first; c < first + 4 && c < timers->count; c++) {
            if (before(timers->heap[c], least)) {
                least = timers->heap[c];
                at = c;
            }
        }
        if (at == i) break;
        put(timers, i, least);
        i = at;
    }
    put(timers, i, timer);
}

/* Room for one more, besides the places that are kept. A kept timer that is set counts twice, which
 * only makes the heap grow earlier. */
static nx_err make_room(struct nx__timers *timers)
{
    if (timers->count + timers->kept < timers->capacity) return NX_OK;
    size_t capacity = timers->capacity ? timers->capacity * 2 : 64;
    struct nx__timer **heap = realloc(timers->heap, capacity * sizeof(struct nx__timer *));
    if (!heap) return nx__error_set(NX_ENOMEM, "cannot set a timer: out of memory");
    timers->heap = heap;
    timers->capacity = capacity;
    return NX_OK;
}

nx_err nx__timer_keep(struct nx__timers *timers, struct nx__timer *timer)
{
    if (timer->kept) return NX_OK;
    NX_TRY(make_room(timers));
    timers->kept++;
    timer->kept = true;
    return NX_OK;
}

void nx__timer_let(struct nx__timers *timers, struct nx__timer *timer)
{
    nx__timer_clear(timers, timer);
    if (timer->kept) timers->kept--;
    timer->kept = false;
}

nx_err nx__timer_set(struct nx__timers *timers, struct nx__timer *timer, nx_duration at)
{
    if (!timer->place) {
        if (!timer->kept) NX_TRY(make_room(timers));
        put(timers, timers->count++, timer);
    }
    timer->at = at;
    timer->order = timers->settings++;
    settle(timers, timer->place - 1);
    return NX_OK;
}

void nx__timer_clear(struct nx__timers *timers, struct nx__timer *timer)
{
    if (!timer->place) return;
    size_t i = timer->place - 1;
    timer->place = 0;
    struct nx__timer *last = timers->heap[--timers->count];
    if (last == timer) return;
    put(timers, i, last);
    settle(timers, i);
}

void nx__timers_run(struct nx__timers *timers, nx_duration now)
{
    /* What fires may set itself anew for a time that has passed; it must not keep the loop here. */
    size_t most = timers->count;
    while (timers->count && most-- && timers->heap[0]->at <= now) {
        struct nx__timer *timer = timers->heap[0];
        nx__timer_clear(timers, timer);
        timer->fire(timer);
    }
}

nx_duration nx__deadline(nx_duration span)
{
    nx_duration now = nx__clock_monotonic();
    return span >= NX_FOREVER - now ? NX_FOREVER - 1 : now + span;
}

void nx__timers_free(struct nx__timers *timers)
{
    for (size_t i = 0; i < timers->count; i++) timers->heap[i]->place = 0;
    free(timers->heap);
    *timers = (struct nx__timers){0};
}
