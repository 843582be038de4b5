/* Workers: a thread with a loop, and a fiber on the starter's loop that stands for it. */
#include <nexus/worker.h>

#include "loop/fiber.h"
#include "loop/loop_thread.h"
#include <stdio.h>
#include <stdlib.h>

struct worker {
    struct nx__loop_thread thread;
    nx_fiber_fn fn;
    void *arg;
    struct nx__post cancel;
    atomic_bool canceled;
    nx_err result;
    char name[32];
    char message[NX__ERROR_MESSAGE_MAX];
};

static _Atomic uint64_t alive;

/* ---- On the worker's own thread */

static void cancel_all(struct nx__post *post)
{
    (void)post;
    struct nx_loop *loop = nx__loop();
    nx_scope_cancel(&loop->root);
    nx_cancel(&loop->main);
    nx__callbacks_clear();
}

static void run(struct nx__loop_thread *thread)
{
    struct worker *worker = nx__container_of(thread, struct worker, thread);
    nx_fiber *fiber = &thread->loop.main;
    const char *message;
    if (thread->err) {
        worker->result = thread->err;
        message = nx__error_last()->message;
    } else {
        fiber->asked = &worker->canceled;
        worker->result = nx__scopes_end(fiber, worker->fn(worker->arg));
        message = nx__fiber_message(fiber, worker->result);
    }
    (void)snprintf(worker->message, sizeof worker->message, "%s", message);
}

/* ---- On its starter's */

/* The worker ends when it has heard, and that ends the wait. */
static void canceled(struct nx__loop_thread *thread)
{
    struct worker *worker = nx__container_of(thread, struct worker, thread);
    if (atomic_exchange(&worker->canceled, true)) return;
    nx__loop_post(&thread->loop, &worker->cancel);
}

static nx_err stand(void *arg)
{
    struct worker *worker = arg;
    bool refused = nx__loop_current->operations >= nx__limits.max_operations;
    nx__loop_thread_join(&worker->thread);
    nx_err err = worker->result;
    if (refused)
        err = nx__error_operations();
    else if (err)
        err = nx__error_set(err, "%s", worker->message);
    atomic_fetch_sub(&alive, 1);
    free(worker);
    return err;
}

nx_err nx_worker_start_with(nx_fiber **out, nx_fiber_fn fn, void *arg,
                            const nx_worker_options *options)
{
    NX__OPTIONS(nx_worker_options, o, options);
    if (out) *out = NULL;
    const char *name = o.name ? o.name : "worker";
    if (!fn) return nx__error_set(NX_EINVAL, "cannot start a worker: no function was given");
    if (atomic_fetch_add(&alive, 1) >= nx__limits.max_workers) {
        atomic_fetch_sub(&alive, 1);
        return nx__error_set(NX_ELIMIT,
                             "cannot start worker \"%.31s\": %llu are alive (see --max-workers)",
                             name, (unsigned long long)nx__limits.max_workers);
    }
    struct worker *worker = calloc(1, sizeof *worker);
    if (!worker) {
        atomic_fetch_sub(&alive, 1);
        return nx__error_set(NX_ENOMEM, "cannot start worker \"%.31s\": out of memory", name);
    }
    worker->thread.name = worker->name;
    worker->thread.canceled = canceled;
    worker->thread.computes = o.computes;
    worker->fn = fn;
    worker->arg = arg;
    worker->cancel.fn = cancel_all;
    (void)snprintf(worker->name, sizeof worker->name, "%.31s", name);

    /* The fiber first: that there is none can be told from here, and it does not run before the
     * caller waits. */
    nx_fiber *fiber;
    nx_err err = nx_spawn(&fiber, stand, worker, .name = worker->name, .scope = o.scope,
                          .detached = o.detached);
    if (err) {
        atomic_fetch_sub(&alive, 1);
        free(worker);
        return err;
    }
    err = nx__loop_thread_start(&worker->thread, 0, 0, run);
    /* Without a handle it goes by itself when it has ended; so it does without a thread. */
    fiber->joinable = out != NULL && !err;
    if (!err && out) *out = fiber;
    return err;
}
