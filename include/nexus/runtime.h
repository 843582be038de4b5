/* The running program: its loop, limits, statistics, signals, child processes, blocking work. */
#ifndef NEXUS_RUNTIME_H
#define NEXUS_RUNTIME_H

#include <nexus/base.h>
#include <nexus/channel.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Other threads */

/* The event loop of a thread. */
typedef struct nx_loop nx_loop;

/* The calling thread's loop, NULL on a thread without one. */
NX_API nx_loop *nx_loop_current(void);

/* Runs fn(arg) on the loop, in the loop's own context: fn must not suspend (it may spawn). The only
 * call here that any thread may make. NX_ENOMEM. Lock-free; costs one system call when the loop
 * sleeps. */
NX_API NX_MUST_CHECK nx_err nx_post(nx_loop *loop, void (*fn)(void *arg), void *arg);

/* Runs fn(arg) on a thread of the blocking pool and suspends the calling fiber until it has
 * returned; the result is fn's. For what would block the loop: long computations, libraries that
 * block. fn must not call the runtime, but for nx_post, logs and printing. NX_ENOMEM, NX_ELIMIT.
 * Once started it is not cut short: on cancellation the call returns fn's result all the same. */
NX_API NX_MUST_CHECK nx_err nx_blocking(nx_err (*fn)(void *arg), void *arg);

/* Number of the server's worker that the calling thread belongs to: of the one whose loop it has,
 * or, with `worker_processes`, of the process, which keeps it after a crash. 0 for the first, in a
 * program that has no others, and for a thread without a loop. See `workers` in <nexus/http.h>. */
NX_API uint32_t nx_worker_index(void);

/* ---- Signals and children */

/* Suspends until the process gets one of the signals whose bits are set in `mask` (1ull << signo);
 * `*signo` says which. From the first call on, these signals no longer have their default effect.
 * SIGTERM and SIGINT, when asked for, no longer stop the HTTP servers by themselves. NX_ECANCELED,
 * NX_EINVAL, NX_ESTATE (in a worker: signals go to the program's own loop). */
NX_API NX_MUST_CHECK nx_err nx_signal_wait(uint64_t mask, int *signo);

/* A channel of `int` that receives those signals, so that nx_select waits for them beside other
 * things. A signal is in it at most once until it is taken, whatever its number of times. Each
 * channel that asked for a signal gets it, and one nx_signal_wait. What is said there of defaults
 * holds while the channel is open; closing it, which nx_channel_free does, gives the signals their
 * former effect back, unless somebody else waits for them. It doesn't keep the program running.
 * NX_EINVAL, NX_ESTATE, NX_ENOMEM. Does not suspend.
 *   NX_AUTO(nx_channel) *signals = NULL;
 *   NX_TRY(nx_signals(&signals, 1ull << SIGTERM | 1ull << SIGHUP)); */
NX_API NX_MUST_CHECK nx_err nx_signals(nx_channel **out, uint64_t mask);

/* Suspends until the child process has ended; `*status` is as waitpid gives it. NX_ECANCELED,
 * NX_EINVAL (no child of ours). */
NX_API NX_MUST_CHECK nx_err nx_child_wait(pid_t child, int *status);

/* Asks for a graceful stop, as SIGTERM does: servers finish what they have and nx_http_listen
 * returns, whichever worker asks. Does not suspend. */
NX_API void nx_shutdown(void);

/* ---- The end */

/* What is to be done before the program ends. */
typedef nx_err (*nx_exit_fn)(void *arg);

typedef struct nx_at_exit_options {
    size_t size;
    nx_duration within; /* default 5 s; NX_FOREVER: as long as it takes */
    const char *place;  /* for messages, the macro's own: the function, its file and line */
} nx_at_exit_options;

/* Has fn(arg) called in a fiber of its own, where it may suspend, when the program ends: when main
 * has returned and nothing is pending, by nx_exit, and in a program without servers by SIGTERM,
 * SIGINT and nx_shutdown. The last one told is called first, and the next one when it has returned;
 * an error of its is said and stops nothing. Past its time it is cancelled, a line says which one
 * it was, and the next is called. Not by exit(), a crash, a second signal, or when all fibers wait
 * for each other. NX_ENOMEM, NX_ESTATE (the end has begun, or in a worker). Does not suspend.
 *   NX_TRY(nx_at_exit(close_database, db, .within = NX_S(2))); */
NX_API NX_MUST_CHECK nx_err nx_at_exit_with(nx_exit_fn fn, void *arg,
                                            const nx_at_exit_options *options);
#define NX__LINE_(line) #line
#define NX__LINE(line)  NX__LINE_(line)
#define nx_at_exit(fn, arg, ...)                                                                   \
    nx_at_exit_with((fn), (arg),                                                                   \
                    &(nx_at_exit_options){.size = sizeof(nx_at_exit_options),                      \
                                          .place = #fn " (" __FILE__ ":" NX__LINE(__LINE__) ")",   \
                                          __VA_ARGS__})

/* Ends the program with this code, once all that nx_at_exit was told has been done. Whatever else
 * is pending is dropped; what was printed is not. Suspends, and does not return; outside of a fiber
 * it is exit(). Of several calls the first one's code counts, and main's result no more. */
NX_API NX_NORETURN void nx_exit(int code);

/* ---- The service manager, such as systemd (sd_notify(3)), where NOTIFY_SOCKET is set; else
 * nothing
 *
 * By itself it is told when the first server listens (READY=1), when a restart begins and has ended
 * (RELOADING=1), when the program is asked to stop (STOPPING=1), and twice within WATCHDOG_USEC
 * that the event loop turns (WATCHDOG=1). These two may be called on any thread, and don't block.
 */

/* A program without a server is ready. */
NX_API void nx_notify_ready(void);

/* A line about what the program does, which `systemctl status` shows; cut at 511 bytes, without its
 * control characters. */
NX_API void nx_notify_status(const char *text);

/* ---- Limits: those of fibers, operations and iterations count for each loop. Set by flags of
 * `nexus run` (--max-fibers=N) or, before the first suspending call, here. 0 leaves a limit as it
 * is. */
typedef struct nx_limits {
    size_t size;
    uint64_t
        max_open_files;  /* --max-open-files: 65,536, less where the system's hard limit is lower */
    uint64_t max_memory; /* --max-memory, bytes of address space in use by data: none */
    uint64_t max_iterations; /* --max-iterations, turns of the loop, then the program ends: none */
    uint64_t max_operations; /* --max-operations in flight at once: 10,000 */
    uint64_t max_fibers;     /* --max-fibers alive at once: 100,000 */
    uint64_t stack_size;     /* --stack-size, bytes reserved for a fiber: 262,144 */
    uint64_t blocking_threads; /* --blocking-threads of the pool: 4 */
    /* --watchdog: how long the loop may be blocked before stderr says by what: 100 ms. NX_FOREVER
     * turns it off. */
    nx_duration watchdog;
    uint64_t max_workers; /* --max-workers of <nexus/worker.h> alive at once: 256 */
} nx_limits;

/* The limits in force. */
NX_API void nx_limits_get(nx_limits *limits);
/* NX_EINVAL (out of range), NX_ESTATE (already running, or in a worker), NX_EFAILED (refused by the
 * system). */
NX_API NX_MUST_CHECK nx_err nx_limits_set_with(const nx_limits *limits);
#define nx_limits_set(...) nx_limits_set_with(&(nx_limits){.size = sizeof(nx_limits), __VA_ARGS__})

/* ---- Statistics of the calling thread's loop: in a server with workers, of that worker */

#define NX_LATENCY_BUCKETS 32

typedef struct nx_stats {
    size_t size;
    uint64_t iterations; /* turns of the loop */
    uint64_t fibers;     /* alive now */
    uint64_t fibers_peak;
    uint64_t fibers_started;
    uint64_t operations; /* in flight now */
    uint64_t operations_peak;
    uint64_t timers;  /* set now */
    uint64_t blocked; /* times that the watchdog found the loop blocked */
    /* How long each turn kept the others waiting: bucket i counts turns of [2^i, 2^(i+1)) ns. */
    uint64_t latency[NX_LATENCY_BUCKETS];
    uint64_t latency_p50, latency_p99, latency_max; /* ns, p50 and p99 are bucket bounds */
} nx_stats;

/* Fills `*stats`; costs no system call. Does not suspend. */
NX_API void nx_stats_get(nx_stats *stats);

#ifdef __cplusplus
}
#endif

#endif
