/* The event loop: its turns, operations, and the life of a program on it. */
#include "loop/loop.h"

#include "base/clock.h"
#include "base/say.h"
#include "loop/exit.h"
#include "loop/fiber.h"
#include "loop/files.h"
#include "loop/loops.h"
#include "loop/notify.h"
#include "loop/pin.h"
#include "loop/profile.h"
#include "loop/signals.h"
#include "loop/stack.h"
#include "loop/threads.h"
#include "loop/waits.h"
#include "loop/watchdog.h"
#include "permission/broker.h"
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
    TURN_BUDGET = 256,              /* fiber switches between two looks at the descriptors */
    MAIN_STACK_LOOKED_AT = 8 << 20, /* bytes of a main stack without a limit */
};

NX__THREAD_LOCAL struct nx_loop *nx__loop_current;

struct nx_loop *nx__loop(void)
{
    if (nx__likely(nx__loop_current != NULL)) return nx__loop_current;
    (void)fputs(
        "nexus: this call needs an event loop, and the calling thread has none: use nx_post\n",
        stderr);
    abort();
}

nx_loop *nx_loop_current(void)
{
    return nx__loop_current;
}

/* ---- Operations */

void nx__op_complete(struct nx__op *op, int64_t result)
{
    if (op->state == NX__OP_DONE) return;
    op->result = result;
    op->state = NX__OP_DONE;
    if (op->fiber)
        nx__fiber_ready(op->fiber);
    else if (op->done)
        op->done(op);
}

NX__THREAD_LOCAL uint32_t nx__pins;

static int64_t wait(struct nx__op *op, bool cancelable)
{
    struct nx_loop *loop = nx__loop_current;
    nx_fiber *fiber = loop->running;
    if (++loop->operations > loop->stats.operations_peak)
        loop->stats.operations_peak = loop->operations;
    if (op->state != NX__OP_DONE) {
        op->state = NX__OP_WAITING;
        op->fiber = fiber;
        fiber->op = op;
        fiber->since = loop->now;
        if (cancelable) {
            fiber->waiting = op;
            if (nx__unlikely(nx__fiber_canceled(fiber)) && op->cancel) op->cancel(op);
        }
        /* A completion has made the fiber ready already, maybe in the cancel just above. */
        nx__fiber_suspend();
        fiber->waiting = NULL;
    }
    loop->operations--;
    return op->result;
}

int64_t nx__op_wait(struct nx__op *op)
{
    struct nx_loop *loop = nx__loop_current;
    if (nx__unlikely(loop->operations >= nx__limits.max_operations || nx__pins) &&
        op->state != NX__OP_DONE && op->cancel) {
        op->cancel(op); /* may only have asked the kernel to; then it has to be waited for, and may
                           succeed */
        int64_t result = wait(op, false);
        return result == -ECANCELED ? -ELIMIT_OPERATIONS : result;
    }
    return wait(op, true);
}

int64_t nx__op_wait_uncanceled(struct nx__op *op)
{
    return wait(op, false);
}

/* ---- Other threads */

void nx__loop_post(struct nx_loop *loop, struct nx__post *post)
{
    /* Once it is pushed the loop may end because of it, but not before we have left. */
    atomic_fetch_add_explicit(&loop->posting, 1, memory_order_relaxed);
    struct nx__post *head = atomic_load_explicit(&loop->posted, memory_order_relaxed);
    do {
        post->next = head;
    } while (!atomic_compare_exchange_weak(&loop->posted, &head, post));
    if (atomic_exchange(&loop->asleep, false)) {
        uint64_t one = 1;
        ssize_t n = write(loop->wake.fd, &one, sizeof one);
        (void)n; /* fails only when the counter is full, and then the loop is woken anyway */
    }
    atomic_fetch_sub_explicit(&loop->posting, 1, memory_order_release);
}

static void posted_run(struct nx_loop *loop)
{
    struct nx__post *post = atomic_exchange(&loop->posted, NULL), *first = NULL;
    while (post) { /* latest first: turn it round */
        struct nx__post *next = post->next;
        post->next = first;
        first = post;
        post = next;
    }
    while (first) {
        struct nx__post *next = first->next;
        first->fn(first);
        first = next;
    }
}

struct call {
    struct nx__post post;
    void (*fn)(void *arg);
    void *arg;
};

static void call_run(struct nx__post *post)
{
    struct call *call = nx__container_of(post, struct call, post);
    void (*fn)(void *) = call->fn;
    void *arg = call->arg;
    free(call);
    fn(arg);
}

nx_err nx_post(nx_loop *loop, void (*fn)(void *arg), void *arg)
{
    struct call *call = malloc(sizeof *call);
    if (!call) return nx__error_set(NX_ENOMEM, "cannot post a call: out of memory");
    *call = (struct call){.post.fn = call_run, .fn = fn, .arg = arg};
    nx__loop_post(loop, &call->post);
    return NX_OK;
}

static void wake_ready(struct nx__watch *watch, uint32_t events)
{
    (void)events;
    uint64_t count;
    if (read(watch->fd, &count, sizeof count) < 0) return; /* an edge: nothing is owed */
}

/* ---- Descriptors */

static void fd_wait_end(struct nx__op *op, int64_t result)
{
    struct nx__watch *watch = nx__container_of(op, struct nx__timed_op, op)->on;
    if (watch->waiter == op) watch->waiter = NULL;
    nx__op_complete(op, result);
}

static void fd_wait_cancel(struct nx__op *op)
{
    fd_wait_end(op, -ECANCELED);
}

static void fd_wait_timeout(struct nx__timer *timer)
{
    fd_wait_end(&nx__container_of(timer, struct nx__timed_op, timer)->op, -ETIMEDOUT);
}

nx_err nx__wait_fd(struct nx__watch *watch, uint32_t events, nx_duration deadline)
{
    struct nx_loop *loop = nx__loop();
    struct nx__timed_op w = {.op = {.cancel = fd_wait_cancel, .kind = NX__WAIT_FD},
                             .timer.fire = fd_wait_timeout,
                             .on = watch};
    watch->waiter = &w.op;
    watch->waiting = (uint8_t)events;
    if (deadline != NX_FOREVER) {
        nx_err err = nx__timer_set(&loop->timers, &w.timer, deadline);
        if (err) {
            watch->waiter = NULL;
            return err;
        }
    }
    int64_t result = nx__op_wait(&w.op);
    nx__timer_clear(&loop->timers, &w.timer);
    if (result == 0) return NX_OK;
    if (result == -ETIMEDOUT) return nx__error_set(NX_ETIMEDOUT, "the deadline has passed");
    if (result == -ELIMIT_OPERATIONS) return nx__error_operations();
    return nx__error_set(NX_ECANCELED, "cancelled");
}

void nx__watch_wake(struct nx__watch *watch)
{
    if (watch->waiter) fd_wait_end(watch->waiter, 0);
}

void nx__watch_unheard(struct nx__watch *watch, uint32_t events)
{
    (void)watch;
    (void)events;
}

int64_t nx__fd_wait(int fd, uint32_t events)
{
    struct nx_loop *loop = nx__loop();
    struct nx__watch watch = {.ready = nx__watch_unheard, .fd = -1};
    nx_err err = nx__poller_add(&loop->poller, &watch, fd, events);
    int own = -1;
    if (err && nx__error_last()->system == EEXIST) {
        /* Another fiber waits for it, such as the one that has the other direction: the system
         * knows them apart by the number. */
        own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
        if (own < 0) return -errno;
        err = nx__poller_add(&loop->poller, &watch, own, events);
    }
    bool watched = !err;
    if (watched) err = nx__wait_fd(&watch, events, NX_FOREVER);
    nx__poller_remove(&loop->poller, &watch);
    if (own >= 0) (void)close(own);
    if (!watched) return err == NX_ENOMEM ? -ENOMEM : -ENOBUFS;
    return err == NX_ELIMIT ? -ELIMIT_OPERATIONS : err ? -ECANCELED : 0;
}

nx_err nx__error_operations(void)
{
    if (nx__pins)
        return nx__error_set(
            NX_EWOULDSUSPEND,
            "it would have to wait, and may not here: a WebAssembly guest is in the middle of a call");
    return nx__error_set(NX_ELIMIT, "too many operations in flight: %llu (see --max-operations)",
                         (unsigned long long)nx__limits.max_operations);
}

/* ---- Turns */

static void latency_count(struct nx_loop *loop, nx_duration span)
{
    unsigned bucket = span <= 1 ? 0 : 63u - (unsigned)__builtin_clzll((unsigned long long)span);
    if (bucket >= NX_LATENCY_BUCKETS) bucket = NX_LATENCY_BUCKETS - 1;
    loop->stats.latency[bucket]++;
    if ((uint64_t)span > loop->stats.latency_max) loop->stats.latency_max = (uint64_t)span;
}

void nx__pending_drop(struct nx_loop *loop)
{
    if (--loop->pending == 0 && loop->drain) nx__op_complete(loop->drain, 0);
}

static NX__COLD NX__NORETURN void iterations_spent(void)
{
    (void)fprintf(
        stderr,
        "nexus: the loop has turned %llu times, which is the limit (see --max-iterations)\n",
        (unsigned long long)nx__limits.max_iterations);
    exit(NX_ELIMIT);
}

static void late_run(struct nx_loop *loop)
{
    /* What becomes due meanwhile waits for the next turn. */
    struct nx__list due, *link;
    due = loop->late;
    due.next->prev = due.prev->next = &due;
    nx__list_init(&loop->late);
    while ((link = nx__list_pop(&due))) {
        struct nx__late *late = nx__container_of(link, struct nx__late, link);
        late->fn(late);
    }
}

static NX__HOT void loop_run(void)
{
    struct nx_loop *loop = nx__loop_current;
    nx__fiber_context_entered();
    for (;;) {
        if (loop->ready_head) (void)nx__fibers_run(loop, TURN_BUDGET);
        if (nx__unlikely(!nx__list_empty(&loop->late))) late_run(loop);
        if (nx__unlikely(loop->ended != NULL)) nx__fibers_trim(loop, false);

        nx_duration ended = nx__clock_monotonic(), span = 0;
        /* What has become due while other late things ran must not wait for an event. */
        if (!loop->ready_head && nx__likely(nx__list_empty(&loop->late))) {
            nx_duration next = nx__timers_next(&loop->timers);
            span = next == NX_FOREVER ? NX_FOREVER : next > ended ? next - ended : 0;
            if (nx__unlikely(span == NX_FOREVER)) nx__waits_endless(loop);
        }
        if (span) {
            /* What was printed comes out while the program waits, into a pipe too; a program that
             * prints much and never waits still has its large writes. */
            if (nx__unlikely(__fpending(stdout))) (void)fflush(stdout);
            atomic_store(&loop->asleep, true);
            if (atomic_load(&loop->posted)) span = 0; /* posted before it could see that we sleep */
        }
        nx_duration started = atomic_load_explicit(&loop->turn_started, memory_order_relaxed);
        if (started) latency_count(loop, ended - started);
        atomic_store_explicit(&loop->turn_started, 0, memory_order_relaxed);

        (void)nx__poller_wait(&loop->poller, span);

        atomic_store_explicit(&loop->asleep, false, memory_order_relaxed);
        loop->now = nx__clock_monotonic();
        atomic_store_explicit(&loop->turn_started, loop->now, memory_order_relaxed);
        nx__watchdog_turn(loop);
        if (nx__unlikely(++loop->stats.iterations > nx__limits.max_iterations)) iterations_spent();

        if (nx__timers_next(&loop->timers) <= loop->now) nx__timers_run(&loop->timers, loop->now);
        if (loop->poller.count) nx__poller_dispatch(&loop->poller);
        if (atomic_load_explicit(&loop->posted, memory_order_relaxed)) posted_run(loop);
        /* Only what runs in the loop's own context allocates here, and none of it outlasts a call.
         */
        if (nx__unlikely(loop->root.arena.chunks != NULL)) nx__arena_rewind(&loop->root.arena);
    }
}

/* ---- Statistics */

void nx_stats_get(nx_stats *stats)
{
    size_t size = stats->size ? stats->size : sizeof *stats;
    struct nx_loop *loop = nx__loop();
    nx_stats all = loop->stats;
    all.size = size;
    all.operations = loop->operations;
    all.timers = loop->timers.count;
    uint64_t turns = 0, below = 0;
    for (int i = 0; i < NX_LATENCY_BUCKETS; i++) turns += all.latency[i];
    for (int i = 0; i < NX_LATENCY_BUCKETS && turns; i++) {
        below += all.latency[i];
        if (!all.latency_p50 && below * 2 >= turns) all.latency_p50 = 2ull << i;
        if (!all.latency_p99 && below * 100 >= turns * 99) all.latency_p99 = 2ull << i;
    }
    memcpy(stats, &all, size < sizeof all ? size : sizeof all);
}

/* ---- Life */

void nx__loop_shutdown(struct nx_loop *loop)
{
    struct nx__list *link = loop->services.next;
    while (link != &loop->services) {
        struct nx__list *next = link->next;
        struct nx__service *service = nx__container_of(link, struct nx__service, link);
        service->shutdown(service);
        link = next;
    }
}

static void program_shutdown(struct nx_loop *loop)
{
    nx__loop_shutdown(loop);
    if (!nx__signals_serve()) nx__exit_begin(loop, 0, 0);
}

static void shutdown_posted(struct nx__post *post)
{
    struct nx_loop *from = nx__container_of(post, struct nx_loop, shutdown), *first = from->first;
    atomic_store(&from->shutdown_posted, false);
    program_shutdown(first);
}

void nx_shutdown(void)
{
    struct nx_loop *loop = nx__loop();
    if (!loop->first)
        program_shutdown(loop);
    else if (!atomic_exchange(&loop->shutdown_posted, true))
        nx__loop_post(loop->first, &loop->shutdown);
}

uint32_t nx_worker_index(void)
{
    uint32_t own = nx__loop_current ? nx__loop_current->worker : 0;
    return own ? own : nx__broker_worker_index();
}

nx_err nx__loop_init(struct nx_loop *loop, struct nx_loop *first)
{
    loop->wake.fd = loop->poller.fd = -1;
    loop->first = first;
    loop->shutdown.fn = shutdown_posted;
    nx__list_init(&loop->fibers);
    nx__list_init(&loop->late);
    nx__list_init(&loop->services);
    nx__list_init(&loop->watched);
    nx__scope_init(&loop->root, NULL);
    loop->now = nx__clock_monotonic();
    loop->thread_id = gettid();
    loop->error_number = &errno;
    NX_TRY(nx__poller_init(&loop->poller));
    int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (fd < 0) return nx__error_system(errno, "cannot make an event loop");
    loop->wake.ready = wake_ready;
    nx_err err = nx__poller_add(&loop->poller, &loop->wake, fd, NX__READABLE);
    if (err) {
        (void)close(fd);
        return err;
    }
    loop->own_watches = loop->poller.watches;
    NX_TRY(nx__fiber_context(&loop->context, loop_run));
    nx__fiber_main_adopt(&loop->main);
    loop->main.loop = loop->context.loop = loop;
    nx__list_insert(&loop->fibers, &loop->main.all);
    loop->stats.fibers = loop->stats.fibers_peak = loop->stats.fibers_started = 1;
    loop->running = &loop->main;
    nx__loop_current = loop;
    nx__context_current = &loop->main.context;
    nx__loops_add(loop);
    nx__profile_thread_begin("loop");
    return NX_OK;
}

void nx__loop_free(struct nx_loop *loop)
{
    while (atomic_load_explicit(&loop->posting, memory_order_acquire)) (void)sched_yield();
    nx__loops_remove(loop);
    nx__profile_thread_end();
    nx__watchdog_stop(loop);
    if (!loop->first) nx__threads_stop();
    nx__files_free(loop);
    nx__signals_free(loop);
    nx__fibers_trim(loop, true);
    if (loop->context.stack) nx__fiber_unmap(&loop->context);
    int fd = loop->wake.fd;
    if (fd >= 0) {
        nx__poller_remove(&loop->poller, &loop->wake);
        (void)close(fd);
    }
    nx__poller_free(&loop->poller);
    nx__timers_free(&loop->timers);
    nx__arena_reset(&loop->root.arena);
    nx__callbacks_free();
    nx__arena_pool_free();
    nx__loop_current = NULL;
    nx__context_current = NULL;
}

void nx__loop_drain(struct nx_loop *loop)
{
    if (!loop->pending) return;
    struct nx__op op = {0};
    loop->drain = &op;
    (void)nx__op_wait_uncanceled(&op);
    loop->drain = NULL;
}

struct settle {
    struct nx__op op;
    struct nx__post post;
};

static void settled(struct nx__post *post)
{
    nx__op_complete(&nx__container_of(post, struct settle, post)->op, 0);
}

void nx__loop_settle(struct nx_loop *loop)
{
    struct settle settle = {.post.fn = settled};
    nx__loop_post(loop, &settle.post);
    (void)nx__op_wait_uncanceled(&settle.op);
}

/* The error that main returns would be a number only, unless the program has looked at it.
 * `context` is main's at its return. */
static void error_say(const struct nx__context *context, int code)
{
    if (code && (int)context->error.code == code && !context->looked_at)
        nx__say(NX__SAY_ERROR, "%s", context->message);
}

struct nx_loop *nx__program_loop;
void (*_Atomic nx__loop_last)(void);
const char *nx__program_word;

int nx__program_run(int (*entry)(int, char **), int argc, char **argv)
{
    /* Not on the stack: what a signal handler or the watchdog looks at has to outlive everything.
     */
    static struct nx_loop loop;
    loop = (struct nx_loop){0};
    nx__program_loop = &loop;
    nx__program_word = argc > 0 ? argv[0] : NULL;
    nx_err err = nx__limits_apply();
    bool limited = err == NX_OK;
    if (limited) err = nx__loop_init(&loop, NULL);
    if (err) {
        nx__say(NX__SAY_ERROR, "%s", nx__error_last()->message);
        if (limited) nx__loop_free(&loop);
        return (int)err;
    }
    nx__notify_loop(&loop);
    loop.main_top = (uintptr_t)__builtin_frame_address(0) + 2 * sizeof(void *);
    struct rlimit stack;
    bool bounded = getrlimit(RLIMIT_STACK, &stack) == 0 && stack.rlim_cur < loop.main_top;
    loop.main_low = loop.main_top - (bounded ? (uintptr_t)stack.rlim_cur : MAIN_STACK_LOOKED_AT);
    loop.main_low -= NX__STACK_GUARD; /* that far it may be overflowed; nothing else lies there */
    int code = entry(argc, argv);
    loop.returned = true;
    struct nx__context context = loop.main.context;
    /* Said before what is pending, which may take its time. That main was cancelled is less than
     * what it was cancelled for. */
    if (code != NX_ECANCELED) error_say(&context, code);
    nx_err scope_err = nx__scopes_end(&loop.main, NX_OK);
    if (scope_err && (code == 0 || code == NX_ECANCELED)) {
        nx__say(NX__SAY_ERROR, "%s", nx__fiber_message(&loop.main, scope_err));
        code = (int)scope_err;
    } else if (code == NX_ECANCELED) {
        error_say(&context, code);
    }
    nx__loop_drain(&loop);
    void (*last)(void) = atomic_load(&nx__loop_last);
    if (last) last();
    /* What was cut may still use the loop. */
    if (nx__exit_finish()) nx__loop_free(&loop);
    return code;
}
