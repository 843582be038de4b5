/* The event loop: operations that complete, descriptors, timers, fibers, other threads. One loop a
 * thread.
 *
 * Everything here is for the loop's own thread unless it says otherwise. */
#ifndef NX__LOOP_H
#define NX__LOOP_H

#include "base/arena.h"
#include "base/compiler.h"
#include "base/error.h"
#include "base/list.h"
#include "loop/poller.h"
#include "loop/timers.h"
#include <nexus/fiber.h>
#include <nexus/runtime.h>
#include <stdatomic.h>

/* ---- Operations: what waits is one, whatever the kernel offers behind it. */

enum nx__op_state { NX__OP_IDLE, NX__OP_WAITING, NX__OP_DONE };

/* What a wait is for, and so what the operation is part of: for reports, and who looks in from
 * outside. */
enum nx__wait_kind {
    NX__WAIT_OTHER,
    NX__WAIT_TIMER,    /* struct nx__timed_op */
    NX__WAIT_FD,       /* the same, on a struct nx__watch */
    NX__WAIT_CHANNEL,  /* the same, on the first of its channels (NULL: none) */
    NX__WAIT_FILE,     /* struct nx__file */
    NX__WAIT_BLOCKING, /* a call on a thread of the pool */
    NX__WAIT_SIGNAL,
    NX__WAIT_PROCESS, /* a program's end, or what it writes until then */
};

struct nx__op {
    nx_fiber *fiber;                   /* resumed on completion */
    void (*done)(struct nx__op *op);   /* called on completion where no fiber waits */
    void (*cancel)(struct nx__op *op); /* withdraws it, so that it completes with -ECANCELED soon;
                                          NULL: can't be */
    const char *call; /* for reports, where only another fiber, or its thread, can end the wait: "in
                         nx_recv" */
    int64_t result;   /* as a system call's: -errno on failure */
    enum nx__op_state state;
    enum nx__wait_kind kind;
};

/* One that a timer may end. */
struct nx__timed_op {
    struct nx__op op;
    struct nx__timer timer;
    void *on;
};

/* Result of an operation that was refused for --max-operations; no errno has this number. */
enum { ELIMIT_OPERATIONS = 100000 };

/* Records and returns NX_ELIMIT for it. */
nx_err nx__error_operations(void);

/* Completes the operation: its fiber becomes ready, or its callback runs now. */
void nx__op_complete(struct nx__op *op, int64_t result);

/* Suspends the calling fiber until the operation has completed, and returns the result. When the
 * fiber is (or gets) cancelled the operation's `cancel` is called. Counts as an operation in
 * flight. */
int64_t nx__op_wait(struct nx__op *op);

/* The same, and not cut short by cancellation. */
int64_t nx__op_wait_uncanceled(struct nx__op *op);

/* ---- Fibers */

enum nx__fiber_state { NX__FIBER_READY, NX__FIBER_RUNNING, NX__FIBER_WAITING, NX__FIBER_ENDED };

struct nx__deferred {
    struct nx__deferred *next;
    void (*fn)(void *arg);
    void *arg;
};

struct nx_scope {
    struct nx_scope *parent; /* next outer scope of the same fiber */
    nx_fiber *fiber;         /* that opened it */
    struct nx__list fibers;  /* spawned in it, alive or not yet joined */
    size_t alive;
    struct nx__arena arena;
    struct nx__deferred *deferred;
    struct nx__timer deadline;
    struct nx__op *closing; /* waits for alive to reach 0 */
    nx_err error;           /* first error of an unjoined fiber, or NX_ETIMEDOUT */
    const char *message;    /* in the arena, may be NULL */
    bool canceled;
};

struct nx_fiber {
    struct nx__context context; /* first: a context is cast back to its fiber */
    void *sp;
    char *stack; /* lowest usable byte; NULL for a thread's own */
    size_t stack_size;
    void *tsan, *asan_stack;
    unsigned valgrind;
    struct nx_loop *loop; /* that it belongs to, as long as its stack lasts */
    /* From here to `locals` is cleared when the fiber is taken anew, unless it ended clean. */
    enum nx__fiber_state state;
    nx_fiber_fn fn;
    void *arg;
    nx_err result;
    bool canceled, joinable, detached, main;
    bool clean;              /* a service's that left everything here as it was, but for its task */
    nx_fiber *next;          /* in the ready queue or the pool */
    nx_fiber *cancel_next;   /* while a cancellation spreads */
    struct nx__op *waiting;  /* what it waits for, NULL where it can't be cancelled */
    const struct nx__op *op; /* that it waits in, while it does */
    nx_duration since;       /* the turn's time when it began to */
    struct nx__op *joiner;
    struct nx_scope *owner;  /* that it was spawned in */
    struct nx__list sibling; /* in owner->fibers */
    struct nx_scope *scope;  /* innermost open */
    struct nx_scope own;
    const char *name;
    const atomic_bool *asked; /* set where another thread has asked it to end; may be NULL */
    uint32_t locals_used;
    nx_bytes activity;           /* what it works on, for reports: "GET /path" */
    struct nx__list all;         /* every fiber of the loop */
    void *locals[NX_MAX_LOCALS]; /* the first `locals_used` count */
    char own_name[32];           /* a copy, where `name` is not static */
};

/* The running fiber, NULL on a thread without a loop and in the loop's own context. */
nx_fiber *nx__fiber_running(void);

/* Spawns without counting as the program's own: for the runtime's services (a request). `name` is
 * static. `fiber->own` is its scope. The fiber is not queued: start it with nx__fiber_resume. NULL
 * when memory or the limit is out (recorded). */
nx_fiber *nx__fiber_new(nx_fiber_fn fn, void *arg, const char *name);

/* From the loop's context: runs the fiber now, until it suspends or ends, then returns. */
void nx__fiber_resume(nx_fiber *fiber);

/* Marks a suspended fiber ready to run. */
void nx__fiber_ready(nx_fiber *fiber);

/* Suspends the calling fiber until somebody makes it ready. */
void nx__fiber_suspend(void);

/* Records NX_ESTATE and says on stderr that `call`, which can't return an error, was made by a
 * thread that `what` does not belong to, and did nothing. */
void nx__fiber_elsewhere(const char *call, const char *what);

/* True when the fiber, or a scope that it is in, is cancelled. */
bool nx__fiber_canceled(const nx_fiber *fiber);

/* The calling thread's running fiber's scope memory; for tests and code below the API. */
struct nx__arena *nx__scope_arena(void);

/* ---- The loop */

struct nx__post {
    struct nx__post *next;
    void (*fn)(struct nx__post *post);
};

/* What is done once, in the loop's context, before it polls again: writes that a turn's work has
 * gathered. Of its own it does not keep the loop from ending. */
struct nx__late {
    struct nx__list link; /* a list of itself while it is not due */
    void (*fn)(struct nx__late *late);
};

struct nx_loop {
    nx_duration now; /* monotonic, read once a turn */
    struct nx__poller poller;
    struct nx__timers timers;
    nx_fiber *ready_head, *ready_tail;
    nx_fiber *running;            /* NULL in the loop's own context */
    nx_fiber context;             /* the loop's own stack */
    nx_fiber main;                /* the thread's own stack */
    uintptr_t main_low, main_top; /* of the thread's own stack; above lies what ran before the loop,
                                     below none of it */
    nx_fiber *warm, *ended, *cold; /* ended fibers: for reuse as they are, to be trimmed, trimmed */
    size_t warm_count, cold_count;
    unsigned budget;      /* direct switches left before descriptors are polled again */
    struct nx_scope root; /* owns detached fibers */
    struct nx__list fibers;
    uint64_t pending;        /* what keeps the program alive after main */
    bool returned;           /* main has */
    bool stopping;           /* a graceful stop was asked for by a signal */
    unsigned own_watches;    /* of the poller's, those that bring nothing from outside */
    struct nx__timer linger; /* when it is said what keeps the program from ending */
    struct nx__op *drain;
    uint64_t operations;
    nx_stats stats;
    struct nx__post *_Atomic posted;   /* from other threads, latest first */
    _Atomic uint32_t posting;          /* calls of nx__loop_post that are under way */
    atomic_bool asleep;                /* a poster must write to the eventfd */
    struct nx__watch wake;             /* the eventfd by which other threads do it */
    _Atomic(nx_duration) turn_started; /* 0 while it polls; read by the watchdog */
    _Atomic uint64_t turn;             /* counts turns; read by the watchdog */
    int thread_id;
    int *error_number; /* the thread's errno: finding it takes a call, and each switch keeps it */
    struct nx__list late;     /* of nx__late */
    struct nx__list services; /* of nx__service: told on shutdown and at the end */
    struct nx_loop *first;    /* the program's first loop; NULL: this is it */
    uint32_t worker, workers; /* this is that one of so many; 0 workers: it is none */
    struct nx__post shutdown; /* under way to the first loop while `shutdown_posted` */
    atomic_bool shutdown_posted;
    bool computes;                          /* the watchdog does not look at it */
    struct nx__list watched;                /* the watchdog's, as the next two */
    nx_duration watch_seen, watch_reported; /* beginnings of turns */
};

extern NX__THREAD_LOCAL struct nx_loop *nx__loop_current;

/* The one that nx__program_run has made, for debuggers. */
extern struct nx_loop *nx__program_loop;

/* argv[0] of its main. */
extern const char *nx__program_word;

/* The calling thread's loop. Never NULL: ends the program with a message where there is none. */
struct nx_loop *nx__loop(void);

/* From any thread: runs post->fn(post) on the loop, which has not ended when the call begins. The
 * node belongs to the loop until then. Lock-free. */
void nx__loop_post(struct nx_loop *loop, struct nx__post *post);

/* Has late->fn called before the loop polls again; harmless when that is due already. */
static inline void nx__loop_late(struct nx_loop *loop, struct nx__late *late)
{
    if (nx__list_empty(&late->link)) nx__list_insert(&loop->late, &late->link);
}

/* Makes a loop on the calling thread, runs entry(argc, argv) as its main fiber, drains what is
 * pending and returns entry's result as an exit code (1 when the loop can't be made, with the
 * reason on stderr). */
int nx__program_run(int (*entry)(int, char **), int argc, char **argv);

/* Makes a loop on the calling thread, which becomes its main fiber. `*loop` is all zero, but that
 * other threads may have posted to it already. `first` is the program's first loop, NULL where this
 * is it. On failure (NX_ENOMEM, NX_EMFILE, recorded) nx__loop_free is still
 * to be called. */
NX_MUST_CHECK nx_err nx__loop_init(struct nx_loop *loop, struct nx_loop *first);

/* Called by nx__program_run when nothing is pending any more, and may suspend: ends what was kept
 * for the whole program. NULL: nothing was. */
extern void (*_Atomic nx__loop_last)(void);

/* From the main fiber, whose scopes have ended: waits for what is pending. */
void nx__loop_drain(struct nx_loop *loop);

/* From the main fiber: waits until all that has been posted to its loop has run. */
void nx__loop_settle(struct nx_loop *loop);

/* Frees what the loop has; the structure stays the caller's. */
void nx__loop_free(struct nx_loop *loop);

/* A long-lived part of the runtime on a loop. */
struct nx__service {
    struct nx__list link;                          /* in loop->services */
    void (*shutdown)(struct nx__service *service); /* a graceful stop was asked for */
};

/* Tells every service to stop gracefully, as SIGTERM does. */
void nx__loop_shutdown(struct nx_loop *loop);

/* ---- Waiting for descriptors */

/* Suspends the calling fiber until the watched descriptor has one of `events` (NX__READABLE,
 * NX__WRITABLE) or `deadline` (absolute, NX_FOREVER none) has passed. NX_OK, NX_ETIMEDOUT,
 * NX_ECANCELED. One fiber a watch; the watch's own callback is called meanwhile for other events
 * only. */
NX_MUST_CHECK nx_err nx__wait_fd(struct nx__watch *watch, uint32_t events, nx_duration deadline);

/* The same for a descriptor that is seldom waited for; any number of fibers may at once, for either
 * direction. 0 or -errno. */
int64_t nx__fd_wait(int fd, uint32_t events);

/* Who waits in nx__wait_fd goes on as if there were something. */
void nx__watch_wake(struct nx__watch *watch);

/* A watch's callback where only fibers wait: who waits next looks for himself first. */
void nx__watch_unheard(struct nx__watch *watch, uint32_t events);

/* The limits in force, for the runtime's own use; read-only once the loop runs. */
extern nx_limits nx__limits;

/* Hands the limits that the kernel holds to it. */
NX_MUST_CHECK nx_err nx__limits_apply(void);

#endif
