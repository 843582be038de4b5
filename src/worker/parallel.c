/* Loops over many items: a shared index, from which each runner takes the next few. */
#include <nexus/worker.h>

#include "loop/fiber.h"
#include "worker/crew.h"
#include <nexus/timer.h>
#include <stdio.h>
#include <stdlib.h>

enum { CHUNKS_EACH = 8, CHUNK_MOST = 1024 };

struct job;

/* A fiber of the crew that works for a job. */
struct runner {
    struct job *job;
    struct nx_loop *loop;
    struct nx__post start, cancel;
    nx_fiber *fiber; /* NULL: it does not run; for its own thread */
    size_t done;     /* items */
    nx_err err;
    size_t at; /* the item that has failed */
    char message[NX__ERROR_MESSAGE_MAX];
};

/* Lasts until the caller has been told: nobody holds it any more then. */
struct job {
    nx_parallel_fn fn;
    void *arg;
    size_t count, chunk;
    _Atomic size_t next; /* item that nobody has taken */
    atomic_bool stopped;
    _Atomic uint32_t holders; /* runners that have not ended, cancellations under way */
    struct nx_loop *loop;     /* the caller's */
    struct nx__op over;
    struct nx__post told;
    uint32_t runner_count;
    struct runner runners[];
};

static void told(struct nx__post *post)
{
    nx__op_complete(&nx__container_of(post, struct job, told)->over, 0);
}

static void let_go(struct job *job)
{
    struct nx_loop *loop = job->loop;
    if (atomic_fetch_sub(&job->holders, 1) == 1) nx__loop_post(loop, &job->told);
}

/* False where nobody holds it any more: there is nothing left to stop. */
static bool hold(struct job *job, uint32_t times)
{
    uint32_t holders = atomic_load(&job->holders);
    do {
        if (!holders) return false;
    } while (!atomic_compare_exchange_weak(&job->holders, &holders, holders + times));
    return true;
}

/* No more items, and those that wait return NX_ECANCELED. */
static void stop(struct job *job)
{
    if (atomic_exchange(&job->stopped, true) || !hold(job, job->runner_count)) return;
    for (uint32_t i = 0; i < job->runner_count; i++)
        nx__loop_post(job->runners[i].loop, &job->runners[i].cancel);
}

static void cancel(struct nx__post *post)
{
    struct runner *runner = nx__container_of(post, struct runner, cancel);
    if (runner->fiber) nx_cancel(runner->fiber);
    let_go(runner->job);
}

static void caller_canceled(struct nx__op *op)
{
    stop(nx__container_of(op, struct job, over));
}

/* ---- A runner, on its own thread */

static void fail(struct runner *runner, nx_err err, size_t at)
{
    if (err == NX_ECANCELED && atomic_load(&runner->job->stopped)) return;
    runner->err = err;
    runner->at = at;
    (void)snprintf(runner->message, sizeof runner->message, "%s",
                   nx__fiber_message(nx__fiber_running(), err));
    stop(runner->job);
}

/* Takes the next items: from `*first` to below `*end`. False where there are none. */
static bool take(struct job *job, size_t *first, size_t *end)
{
    size_t next = atomic_load_explicit(&job->next, memory_order_relaxed), after;
    do {
        if (next >= job->count || atomic_load(&job->stopped)) return false;
        after = job->count - next < job->chunk ? job->count : next + job->chunk;
    } while (!atomic_compare_exchange_weak(&job->next, &next, after));
    *first = next;
    *end = after;
    return true;
}

static void items_do(struct runner *runner, size_t first, size_t end)
{
    struct job *job = runner->job;
    nx_scope *scope;
    nx_err err = nx_scope_open(&scope);
    if (err) {
        fail(runner, err, first);
        return;
    }
    size_t i = first;
    for (; i < end && !atomic_load_explicit(&job->stopped, memory_order_relaxed); i++) {
        err = job->fn(i, job->arg);
        if (err) break;
    }
    if (err) {
        fail(runner, err, i);
        nx_scope_cancel(scope);
    }
    nx_err left = nx_scope_close(&scope);
    if (left && !err) fail(runner, left, first); /* of a fiber that one of them has spawned */
    runner->done += i - first;
}

static nx_err work(void *arg)
{
    struct runner *runner = arg;
    struct job *job = runner->job;
    nx_fiber *self = nx_fiber_current();
    self->asked = &job->stopped;
    runner->fiber = self;
    size_t first, end;
    while (!runner->err && take(job, &first, &end)) {
        items_do(runner, first, end);
        NX_IGNORE(
            nx_sleep(0)); /* other jobs have their turn, and the loop hears of a cancellation */
    }
    runner->fiber = NULL;
    self->asked = NULL;
    let_go(job);
    return NX_OK;
}

static void start(struct nx__post *post)
{
    struct runner *runner = nx__container_of(post, struct runner, start);
    nx_err err = nx_spawn(NULL, work, runner, .name = "parallel", .detached = true);
    if (!err) return;
    runner->err = err;
    runner->at = SIZE_MAX;
    (void)snprintf(runner->message, sizeof runner->message, "%s", nx__error_last()->message);
    stop(runner->job);
    let_go(runner->job);
}

/* ---- The caller */

static nx_err outcome(const struct job *job)
{
    const struct runner *failed = NULL;
    size_t done = 0;
    for (uint32_t i = 0; i < job->runner_count; i++) {
        const struct runner *runner = &job->runners[i];
        if (runner->err && (!failed || runner->at < failed->at)) failed = runner;
        done += runner->done;
    }
    if (failed) return nx__error_set(failed->err, "%s", failed->message);
    if (done < job->count)
        return nx__error_set(NX_ECANCELED, "cancelled in nx_parallel: %zu of %zu items were done",
                             done, job->count);
    return NX_OK;
}

/* As many as there is work for. */
static uint32_t runners_of(size_t count, const nx_parallel_options *o)
{
    size_t chunks = o->chunk ? count / o->chunk + (count % o->chunk > 0) : count;
    uint32_t most = o->workers ? o->workers : NX__CREW_MOST;
    if (most > NX__CREW_MOST) most = NX__CREW_MOST;
    return chunks < most ? (uint32_t)chunks : most;
}

static size_t chunk_of(size_t count, uint32_t runners)
{
    size_t chunk = count / runners / CHUNKS_EACH;
    return chunk < 1 ? 1 : chunk > CHUNK_MOST ? CHUNK_MOST : chunk;
}

static nx_err run(struct job *job)
{
    uint32_t turn = nx__crew_turn(), count = job->runner_count;
    for (uint32_t i = 0; i < count; i++) {
        struct runner *runner = &job->runners[i];
        *runner = (struct runner){
            .job = job, .loop = nx__crew_loop(turn + i), .start.fn = start, .cancel.fn = cancel};
    }
    for (uint32_t i = 0; i < count; i++)
        nx__loop_post(job->runners[i].loop, &job->runners[i].start);
    (void)nx__op_wait(&job->over);
    return outcome(job);
}

nx_err nx_parallel_with(size_t count, nx_parallel_fn fn, void *arg,
                        const nx_parallel_options *options)
{
    NX__OPTIONS(nx_parallel_options, o, options);
    struct nx_loop *loop = nx__loop();
    if (!fn) return nx__error_set(NX_EINVAL, "cannot run in parallel: no function was given");
    if (!loop->running)
        return nx__error_set(NX_ESTATE, "cannot wait for nx_parallel outside of a fiber");
    if (!count) return NX_OK;
    if (loop->operations >= nx__limits.max_operations) return nx__error_operations();
    uint32_t runners = runners_of(count, &o);
    NX_TRY(nx__crew_gather(&runners));
    struct job *job = malloc(sizeof *job + runners * sizeof *job->runners);
    if (!job) return nx__error_set(NX_ENOMEM, "cannot run in parallel: out of memory");
    *job = (struct job){.fn = fn,
                        .arg = arg,
                        .count = count,
                        .chunk = o.chunk ? o.chunk : chunk_of(count, runners),
                        .holders = runners,
                        .loop = loop,
                        .over.cancel = caller_canceled,
                        .told.fn = told,
                        .runner_count = runners};
    nx_err err = run(job);
    free(job);
    return err;
}

/* ---- Arrays */

struct map {
    char *out;
    const char *in;
    size_t out_size, in_size;
    nx_parallel_map_fn fn;
    void *arg;
};

static nx_err map_item(size_t index, void *arg)
{
    const struct map *map = arg;
    return map->fn(map->in + index * map->in_size, map->out + index * map->out_size, map->arg);
}

nx_err nx_parallel_map_with(void *out, size_t out_size, const void *in, size_t in_size,
                            size_t count, nx_parallel_map_fn fn, void *arg,
                            const nx_parallel_options *options)
{
    if (!fn) return nx__error_set(NX_EINVAL, "cannot map: no function was given");
    struct map map = {out, in, out_size, in_size, fn, arg};
    return nx_parallel_with(count, map_item, &map, options);
}
