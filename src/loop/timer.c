/* nx_sleep, the clocks, and timers with callbacks. */
#include <nexus/timer.h>

#include "base/clock.h"
#include "loop/fiber.h"
#include <errno.h>
#include <stdlib.h>

nx_duration nx_now(void)
{
    return nx__clock_monotonic();
}
nx_time nx_wall_time(void)
{
    return nx__clock_wall();
}

/* ---- Sleep */

static void sleep_fire(struct nx__timer *timer)
{
    nx__op_complete(&nx__container_of(timer, struct nx__timed_op, timer)->op, 0);
}

static void sleep_cancel(struct nx__op *op)
{
    nx__op_complete(op, -ECANCELED);
}

nx_err nx_sleep(nx_duration span)
{
    struct nx_loop *loop = nx__loop();
    if (span <= 0) {
        loop->budget = 0; /* no other fiber before the loop has looked at descriptors and timers */
        return nx_yield();
    }
    struct nx__timed_op s = {.op = {.cancel = sleep_cancel, .kind = NX__WAIT_TIMER},
                             .timer.fire = sleep_fire};
    if (span != NX_FOREVER) NX_TRY(nx__timer_set(&loop->timers, &s.timer, nx__deadline(span)));
    int64_t result = nx__op_wait(&s.op);
    nx__timer_clear(&loop->timers, &s.timer);
    if (result == 0) return NX_OK;
    if (result == -ELIMIT_OPERATIONS) return nx__error_operations();
    return nx__error_set(NX_ECANCELED, "cancelled while sleeping");
}

/* ---- Callbacks. A handle is slot number + 1 and the slot's generation, so an old one finds
 * nothing. */

struct callback {
    struct nx__timer timer;
    nx_timer_fn fn;
    void *arg;
    nx_duration interval; /* 0: once */
    uint32_t generation;
    uint32_t slot;
    bool set, running;
};

static NX__THREAD_LOCAL struct {
    struct callback **slots;
    uint32_t count, capacity;
    uint32_t *unused;
    uint32_t unused_count;
} table;

static void callback_drop(struct callback *callback)
{
    callback->set = false;
    if (callback->running) return; /* its fiber still holds it */
    callback->generation++;
    table.unused[table.unused_count++] = callback->slot;
    nx__pending_drop(nx__loop());
}

static nx_err callback_run(void *arg)
{
    struct callback *callback = arg;
    callback->fn(callback->arg);
    callback->running = false;
    if (!callback->set) callback_drop(callback);
    return NX_OK;
}

static void callback_fire(struct nx__timer *timer)
{
    struct callback *callback = nx__container_of(timer, struct callback, timer);
    struct nx_loop *loop = nx__loop();
    bool busy = callback->running;
    if (callback->interval) {
        /* From when it was due, not from when it ran: no drift. Turns that were missed are left
         * out. */
        nx_duration next = timer->at + callback->interval;
        if (next <= loop->now)
            next +=
                (loop->now - next) / callback->interval * callback->interval + callback->interval;
        if (nx__timer_set(&loop->timers, timer, next)) callback->set = false;
    } else {
        callback->set = false;
    }
    if (busy) return;
    callback->running = true;
    nx_err err = nx_spawn(NULL, callback_run, callback, .name = "timer", .detached = true);
    if (err) {
        /* No memory for a fiber: once more in a moment rather than never. */
        callback->running = false;
        callback->set = true;
        if (nx__timer_set(&loop->timers, timer, loop->now + NX_MS(10))) callback_drop(callback);
    }
}

static struct callback *callback_new(void)
{
    if (!table.unused_count) {
        if (table.count == table.capacity) {
            uint32_t capacity = table.capacity ? table.capacity * 2 : 16;
            struct callback **slots = realloc(table.slots, capacity * sizeof(struct callback *));
            if (!slots) return NULL;
            table.slots = slots;
            uint32_t *unused = realloc(table.unused, capacity * sizeof *unused);
            if (!unused) return NULL;
            table.unused = unused;
            table.capacity = capacity;
        }
        struct callback *callback = calloc(1, sizeof *callback);
        if (!callback) return NULL;
        callback->slot = table.count;
        callback->generation = 1;
        table.slots[table.count++] = callback;
        return callback;
    }
    return table.slots[table.unused[--table.unused_count]];
}

static nx_timer set(nx_timer_fn fn, void *arg, nx_duration span, nx_duration interval)
{
    struct nx_loop *loop = nx__loop();
    if (loop->operations + (table.count - table.unused_count) >= nx__limits.max_operations) {
        (void)nx__error_operations();
        return 0;
    }
    struct callback *callback = callback_new();
    if (!callback) {
        (void)nx__error_set(NX_ENOMEM, "cannot set a timer: out of memory");
        return 0;
    }
    callback->timer = (struct nx__timer){.fire = callback_fire};
    callback->fn = fn;
    callback->arg = arg;
    callback->interval = interval;
    if (nx__timer_set(&loop->timers, &callback->timer, nx__deadline(span < 0 ? 0 : span))) {
        table.unused[table.unused_count++] = callback->slot;
        return 0;
    }
    callback->set = true;
    loop->pending++;
    return (nx_timer)callback->generation << 32 | (callback->slot + 1);
}

nx_timer nx_set_timeout(nx_timer_fn fn, void *arg, nx_duration span)
{
    return set(fn, arg, span, 0);
}

nx_timer nx_set_interval(nx_timer_fn fn, void *arg, nx_duration span)
{
    if (span < NX_MS(1)) span = NX_MS(1);
    return set(fn, arg, span, span);
}

nx_timer nx_set_immediate(nx_timer_fn fn, void *arg)
{
    return set(fn, arg, 0, 0);
}

void nx_clear_timeout(nx_timer timer)
{
    uint32_t slot = (uint32_t)timer;
    if (!slot || slot > table.count) return;
    struct callback *callback = table.slots[slot - 1];
    if (callback->generation != timer >> 32 || !callback->set) return;
    nx__timer_clear(&nx__loop()->timers, &callback->timer);
    callback_drop(callback);
}

void nx_clear_interval(nx_timer timer)
{
    nx_clear_timeout(timer);
}
void nx_clear_immediate(nx_timer timer)
{
    nx_clear_timeout(timer);
}

void nx__callbacks_clear(void)
{
    for (uint32_t i = 0; i < table.count; i++) {
        struct callback *callback = table.slots[i];
        if (!callback->set) continue;
        nx__timer_clear(&nx__loop()->timers, &callback->timer);
        callback_drop(callback);
    }
}

void nx__callbacks_free(void)
{
    for (uint32_t i = 0; i < table.count; i++) free(table.slots[i]);
    free(table.slots);
    free(table.unused);
    table.slots = NULL;
    table.unused = NULL;
    table.count = table.capacity = table.unused_count = 0;
}
