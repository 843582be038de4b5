/* Copying what the fibers of a stopped process do. Whatever lies in its memory is not trusted. */
#include "cli/dump.h"

#include "base/clock.h"
#include "base/utf8.h"
#include "loop/channel.h"
#include "loop/uring.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { BELOW = 3072 /* bytes of stack that are read with a fiber */ };

#define RETURNS (UINT64_C(1) << 63)

/* Makes room for one more of `count` items of `size` bytes. */
static bool grow(void **items, size_t *capacity, size_t count, size_t size)
{
    if (count < *capacity) return true;
    size_t more = *capacity ? *capacity * 2 : 64;
    void *moved = realloc(*items, more * size);
    if (!moved) return false;
    *items = moved;
    *capacity = more;
    return true;
}

/* ---- Stacks */

struct walk {
    struct nx__dump *dump;
    struct nx__dump_fiber *fiber;
    nx_err err;
};

static bool stack_read(void *arg, uintptr_t at, void *out, size_t len)
{
    return nx__peek_read(((struct walk *)arg)->dump->peek, at, out, len);
}

static nx_err pc_add(struct nx__dump *d, uint64_t pc)
{
    if (!grow((void **)&d->pcs, &d->frame_capacity, d->frame_count, sizeof *d->pcs))
        return nx__error_set(NX_ENOMEM, "cannot keep what was found: out of memory");
    d->pcs[d->frame_count++] = pc;
    return NX_OK;
}

static bool frame_add(void *arg, uintptr_t pc, const struct nx__code *code, bool is_return)
{
    struct walk *w = arg;
    (void)code;
    w->fiber->deeper = w->fiber->frame_count == NX__DUMP_FRAMES;
    if (w->fiber->deeper) return false;
    w->err = pc_add(w->dump, (pc & ~RETURNS) | (is_return ? RETURNS : 0));
    w->fiber->frame_count += !w->err;
    return !w->err;
}

static nx_err unwind(struct nx__dump *d, struct nx__dump_fiber *fiber, struct nx__machine from,
                     uintptr_t low, uintptr_t high)
{
    struct walk w = {.dump = d, .fiber = fiber};
    const struct nx__unwind u = {.code = d->peek->code,
                                 .code_count = d->peek->code_count,
                                 .low = low,
                                 .high = high,
                                 .read = stack_read,
                                 .frame = frame_add,
                                 .arg = &w};
    fiber->first_frame = d->frame_count;
    nx__unwind(&u, from);
    return w.err;
}

/* ---- What a fiber waits for */

static void wait_read(struct nx__dump *d, struct nx__dump_fiber *out, uintptr_t at)
{
    struct nx__peek *peek = d->peek;
    union {
        struct nx__op op;
        struct nx__timed_op timed;
        struct nx__file file;
    } wait;
    if (!nx__peek_read(peek, at, &wait.op, sizeof wait.op)) return;
    out->op = at;
    out->kind = wait.op.kind;
    if (wait.op.call) nx__peek_text(peek, (uintptr_t)wait.op.call, out->call, sizeof out->call);
    if (out->kind == NX__WAIT_TIMER || out->kind == NX__WAIT_FD || out->kind == NX__WAIT_CHANNEL) {
        if (!nx__peek_read(peek, at, &wait.timed, sizeof wait.timed)) return;
        if (wait.timed.timer.place) {
            out->left = wait.timed.timer.at - nx__clock_monotonic();
            if (out->left < 0) out->left = 0;
        }
        struct nx__watch watch;
        struct nx_channel channel;
        uintptr_t on = (uintptr_t)wait.timed.on;
        if (out->kind == NX__WAIT_FD && on && nx__peek_read(peek, on, &watch, sizeof watch)) {
            out->fd = watch.fd;
            out->readable = watch.waiting & NX__READABLE;
            out->writable = watch.waiting & NX__WRITABLE;
        }
        if (out->kind == NX__WAIT_CHANNEL && on &&
            nx__peek_read(peek, on, &channel, sizeof channel)) {
            out->channel = on;
            out->queued = channel.len;
            out->capacity = channel.capacity;
        }
    } else if (out->kind == NX__WAIT_FILE &&
               nx__peek_read(peek, at, &wait.file, sizeof wait.file)) {
        out->fd = wait.file.fd;
        out->file_kind = (int)wait.file.kind;
    }
}

/* ---- Fibers */

/* Where the loop's thread is, where it could be stopped. */
struct thread {
    struct nx__machine machine;
    long system_call;
    bool stopped;
};

static void name_read(struct nx__dump *d, uintptr_t at, const nx_fiber *fiber, char *out,
                      size_t size)
{
    uintptr_t name = (uintptr_t)fiber->name;
    if (name == at + offsetof(nx_fiber, own_name)) {
        (void)snprintf(out, size, "%.*s", (int)sizeof fiber->own_name - 1, fiber->own_name);
        nx__utf8_clean(out, size);
        return;
    }
    if (name != d->name_at) nx__peek_text(d->peek, name, d->last_name, sizeof d->last_name);
    d->name_at = name;
    (void)snprintf(out, size, "%s", d->last_name);
}

/* The fiber that opened the scope, 0: none. */
static uint64_t scope_owner(struct nx__dump *d, uintptr_t scope)
{
    uintptr_t fiber = 0;
    if (!scope || scope == d->scope_at) return scope ? d->last_owner : 0;
    (void)nx__peek_read(d->peek, scope + offsetof(nx_scope, fiber), &fiber, sizeof fiber);
    d->scope_at = scope;
    return d->last_owner = fiber;
}

static void request_read(struct nx__peek *peek, nx_bytes activity, char *out, size_t size)
{
    size_t len = activity.len < size - 1 ? activity.len : size - 1;
    if (activity.data && len && nx__peek_read(peek, (uintptr_t)activity.data, out, len))
        nx__utf8_clean(out, len + 1);
    else
        out[0] = '\0';
}

/* `name` is NULL where it is the fiber's own. */
static nx_err fiber_add(struct nx__dump *d, const struct nx__dump_loop *l, uintptr_t at,
                        const nx_fiber *fiber, const char *name, const struct thread *thread)
{
    struct nx__peek *peek = d->peek;
    if (!grow((void **)&d->fibers, &d->fiber_capacity, d->fiber_count, sizeof *d->fibers))
        return nx__error_set(NX_ENOMEM, "cannot keep what was found: out of memory");
    bool running = name || at == (uintptr_t)l->loop.running;
    struct nx__dump_fiber *out = &d->fibers[d->fiber_count++];
    *out = (struct nx__dump_fiber){
        .address = at,
        .state = running                             ? NX__DUMP_RUNNING
                 : fiber->state == NX__FIBER_WAITING ? NX__DUMP_WAITING
                                                     : NX__DUMP_READY,
        .main = fiber->main,
        .service = !fiber->owner && !fiber->main,
        .detached = fiber->detached,
        .canceled = fiber->canceled,
        .since = -1,
        .left = -1,
        .fd = -1,
        .system_call = -1,
        .joiner = (uintptr_t)fiber->joiner,
    };
    struct nx__machine from = {0};
    bool have = running && thread->stopped;
    if (have) {
        from = thread->machine;
        out->system_call = thread->system_call;
    } else if (!running) {
        char saved[NX__UNWIND_SAVED];
        uintptr_t sp = (uintptr_t)fiber->sp;
        have = nx__peek_read(peek, sp, saved, sizeof saved);
        if (have) from = nx__machine_suspended(sp, saved);
    }
    uintptr_t low = (uintptr_t)fiber->stack, high = low + fiber->stack_size;
    if (fiber->main || !fiber->stack) {
        low = from.sp;
        high = l->loop.main_top;
    }
    if (have) NX_TRY(unwind(d, out, from, low, high));
    if (out->state == NX__DUMP_READY) {
        NX_TRY(pc_add(d, (uintptr_t)fiber->fn));
        out->begins = d->frame_count - 1;
    }
    if (running) {
        out->since = l->turn;
    } else if (out->state == NX__DUMP_WAITING) {
        if (fiber->since) out->since = nx__clock_monotonic() - fiber->since;
        wait_read(d, out, (uintptr_t)fiber->op);
    }
    if (name)
        (void)snprintf(out->name, sizeof out->name, "%s", name);
    else
        name_read(d, at, fiber, out->name, sizeof out->name);
    if (!fiber->detached) out->owner = scope_owner(d, (uintptr_t)fiber->owner);
    request_read(peek, fiber->activity, out->request, sizeof out->request);
    return NX_OK;
}

/* ---- Loops */

/* A list that leads nowhere was being changed when the thread was stopped, or the program has
 * broken it. */
static nx_err fibers_walk(struct nx__dump *d, struct nx__dump_loop *l, uintptr_t loop_at,
                          const struct thread *thread)
{
    uintptr_t head = loop_at + offsetof(struct nx_loop, fibers);
    uintptr_t link = (uintptr_t)l->loop.fibers.next;
    l->first_fiber = d->fiber_count;
    while (link != head) {
        uintptr_t at = link - offsetof(nx_fiber, all);
        nx_fiber fiber;
        /* It lies at the top of its stack, and what it waits in right below. */
        nx__peek_ahead(d->peek, at - BELOW, BELOW + sizeof fiber);
        if (d->fiber_count - l->first_fiber == NX__DUMP_FIBERS ||
            !nx__peek_read(d->peek, at, &fiber, sizeof fiber)) {
            l->cut = true;
            break;
        }
        link = (uintptr_t)fiber.all.next;
        if (fiber.state != NX__FIBER_ENDED) NX_TRY(fiber_add(d, l, at, &fiber, NULL, thread));
    }
    if (!l->loop.running && !l->polling)
        NX_TRY(fiber_add(d, l, loop_at + offsetof(struct nx_loop, context), &l->loop.context,
                         "loop", thread));
    l->fiber_count = d->fiber_count - l->first_fiber;
    return NX_OK;
}

static nx_err loop_read(struct nx__dump *d, struct nx__dump_loop *l, uintptr_t at,
                        const struct thread *thread)
{
    if (!nx__peek_read(d->peek, at, &l->loop, sizeof l->loop)) {
        l->cut = true;
        return NX_OK;
    }
    nx_duration started = atomic_load(&l->loop.turn_started);
    l->polling = !started && !l->loop.running;
    l->turn = started ? nx__clock_monotonic() - started : -1;
    l->stuck = !thread->stopped;
    return fibers_walk(d, l, at, thread);
}

/* All threads first, so that loops that work together are seen at one moment. */
static nx_err loops_read(struct nx__dump *d, const uintptr_t *loops)
{
    static struct thread threads[NX__LOOPS_MOST];
    nx_err err = NX_OK;
    for (size_t i = 0; i < d->loop_count && !err; i++) {
        pid_t thread = 0;
        threads[i].stopped = false;
        if (!nx__peek_read(d->peek, loops[i] + offsetof(struct nx_loop, thread_id), &thread,
                           sizeof thread))
            continue;
        err = nx__peek_stop(d->peek, thread, &threads[i].machine, &threads[i].system_call);
        threads[i].stopped = !err;
        if (err == NX_ETIMEDOUT) err = NX_OK;
    }
    d->peek->window_len = 0;
    for (size_t i = 0; i < d->loop_count && !err; i++)
        err = loop_read(d, &d->loops[i], loops[i], &threads[i]);
    d->stopped = nx__peek_resume(d->peek);
    return err;
}

/* ---- Afterwards */

static int by_pc(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* One place for each different address. */
static nx_err places_make(struct nx__dump *d)
{
    size_t n = d->frame_count, count = 0;
    uint64_t *sorted = malloc((n ? n : 1) * sizeof *sorted);
    d->frames = malloc((n ? n : 1) * sizeof *d->frames);
    nx_err err = NX_OK;
    if (!sorted || !d->frames) goto out_of_memory;
    if (n) memcpy(sorted, d->pcs, n * sizeof *sorted);
    qsort(sorted, n, sizeof *sorted, by_pc);
    for (size_t i = 0; i < n; i++)
        if (!i || sorted[i] != sorted[i - 1]) sorted[count++] = sorted[i];
    d->places = nx__places_new(count);
    if (!d->places) goto out_of_memory;
    d->place_count = count;
    for (size_t i = 0; i < count; i++) {
        uintptr_t pc = (uintptr_t)(sorted[i] & ~RETURNS);
        const struct nx__code *code = nx__code_at(d->peek->code, d->peek->code_count, pc);
        d->places[i].is_return = sorted[i] & RETURNS;
        d->places[i].module = code ? code->module : UINT32_MAX;
        d->places[i].address = code ? pc - code->base : pc;
    }
    for (size_t i = 0; i < n; i++) {
        const uint64_t *found = bsearch(&d->pcs[i], sorted, count, sizeof *sorted, by_pc);
        d->frames[i] = (uint32_t)(found - sorted);
    }
    goto out;

out_of_memory:
    err = nx__error_set(NX_ENOMEM, "cannot keep what was found: out of memory");
out:
    free(sorted);
    return err;
}

struct key {
    uint64_t key;
    const struct nx__dump_fiber *fiber;
};

static int by_key(const void *a, const void *b)
{
    uint64_t x = ((const struct key *)a)->key, y = ((const struct key *)b)->key;
    return x < y ? -1 : x > y;
}

static const char *name_of(const struct key *keys, size_t count, uint64_t wanted)
{
    struct key key = {.key = wanted};
    const struct key *found = bsearch(&key, keys, count, sizeof *keys, by_key);
    return found ? found->fiber->name : "";
}

/* Names for whom a fiber joins, and in whose scope it is. */
static nx_err relations_find(struct nx__dump *d)
{
    size_t n = d->fiber_count, joined = 0;
    struct key *fibers = malloc(2 * (n ? n : 1) * sizeof *fibers);
    if (!fibers) return nx__error_set(NX_ENOMEM, "cannot keep what was found: out of memory");
    struct key *joins = fibers + n;
    for (size_t i = 0; i < n; i++) {
        fibers[i] = (struct key){d->fibers[i].address, &d->fibers[i]};
        if (d->fibers[i].joiner) joins[joined++] = (struct key){d->fibers[i].joiner, &d->fibers[i]};
    }
    qsort(fibers, n, sizeof *fibers, by_key);
    qsort(joins, joined, sizeof *joins, by_key);
    for (size_t i = 0; i < n; i++) {
        struct nx__dump_fiber *f = &d->fibers[i];
        if (f->owner)
            (void)snprintf(f->parent, sizeof f->parent, "%s", name_of(fibers, n, f->owner));
        if (f->op) (void)snprintf(f->joins, sizeof f->joins, "%s", name_of(joins, joined, f->op));
    }
    free(fibers);
    return NX_OK;
}

nx_err nx__dump_gather(struct nx__dump *d, struct nx__peek *peek)
{
    uintptr_t loops[NX__LOOPS_MOST];
    *d = (struct nx__dump){.peek = peek};
    for (size_t i = 0; i < NX__LOOPS_MOST; i++) {
        uintptr_t at = (uintptr_t)atomic_load(&peek->loops.list[i]);
        if (at) loops[d->loop_count++] = at;
    }
    d->loops = calloc(d->loop_count ? d->loop_count : 1, sizeof *d->loops);
    if (!d->loops) return nx__error_set(NX_ENOMEM, "cannot keep what was found: out of memory");
    nx__peek_code(peek);
    NX_TRY(loops_read(d, loops));
    NX_TRY(relations_find(d));
    return places_make(d);
}

void nx__dump_name(struct nx__dump *d)
{
    nx__places_name(d->places, d->place_count, (const char *const *)d->peek->modules,
                    d->peek->module_count, d->peek->owner, d->peek->group);
}

void nx__dump_free(struct nx__dump *d)
{
    nx__places_free(d->places, d->place_count);
    free(d->frames);
    free(d->pcs);
    free(d->fibers);
    free(d->loops);
    *d = (struct nx__dump){0};
}
