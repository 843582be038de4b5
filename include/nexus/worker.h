/* Work on other cores and in other processes: workers, what may be handed to them, loops over many
 * items.
 *
 * A worker is a thread with a loop of its own: fibers, timers, files and streams there are as
 * anywhere, and its calls suspend its own fibers. What threads share, statics above all, needs care
 * that a program of one thread does not: see docs/worker.md. Channels of nx_channel_new_shared are
 * the way between them. */
#ifndef NEXUS_WORKER_H
#define NEXUS_WORKER_H

#include <nexus/channel.h>
#include <nexus/fiber.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Workers */

typedef struct nx_worker_options {
    size_t size;
    const char *name; /* copied, cut at 31 bytes; in reports, ps and top; default "worker" */
    nx_scope *scope;  /* as for nx_spawn: owns the worker; default: the caller's innermost */
    bool detached;    /* as for nx_spawn: the worker outlives the caller's scope */
    bool computes; /* it may go on for long without a call that waits: the watchdog does not look,
                      and what else it has to do waits meanwhile */
} nx_worker_options;

/* Starts a thread with a loop of its own that runs fn(arg) as its main fiber. To who starts it the
 * worker is a fiber: nx_join waits for its end and returns its result with its message, nx_cancel
 * asks it to end, a scope that ends waits for it, and with `out` NULL an error of its cancels that
 * scope. When fn has returned, what it spawned and the timers that it set are waited for.
 *
 * Cancelled, each call there that would wait returns NX_ECANCELED, in whatever fiber, its timers
 * are cleared, and nx_canceled() says so to one that computes. A worker is not ended otherwise.
 *
 * `arg` is the caller's and has to last as long as the worker, as a variable of the scope that owns
 * it does. NX_EINVAL (no function), NX_ENOMEM, NX_ELIMIT (more than --max-workers or --max-fibers),
 * NX_EAGAIN (no thread), NX_ECANCELED (the scope is). A loop that can't be made is the worker's
 * result. Does not suspend. NX_TRY(nx_worker_start(&w, resize, &pictures, .name = "resize")); */
NX_API NX_MUST_CHECK nx_err nx_worker_start_with(nx_fiber **out, nx_fiber_fn fn, void *arg,
                                                 const nx_worker_options *options);
#define nx_worker_start(out, fn, ...) NX__WORKER_START(out, fn, __VA_ARGS__, )
#define NX__WORKER_START(out, fn, arg, ...)                                                        \
    nx_worker_start_with((out), (fn), (arg),                                                       \
                         &(nx_worker_options){.size = sizeof(nx_worker_options), __VA_ARGS__})

/* ---- Parcels: memory that changes hands without a copy */

/* A piece of memory that belongs to nobody's scope but to who has it: what makes it, or receives
 * it, frees it or sends it on. */
typedef struct nx_parcel {
    char *data; /* for any type; fill it as you like */
    size_t len; /* how much of it counts; the sender may lessen it */
} nx_parcel;

/* `len` bytes, not initialised. NX_ENOMEM, NX_ETOOBIG (more than PTRDIFF_MAX). Any thread. */
NX_API NX_MUST_CHECK nx_err nx_parcel_new(nx_parcel **out, size_t len);
/* Frees it; NULL is nothing. Any thread. */
NX_API void nx_parcel_free(nx_parcel *parcel);
static inline void nx_parcel_auto(nx_parcel **parcel)
{
    nx_parcel_free(*parcel);
}

/* Makes a channel of parcels for all threads, which frees what nobody has received. As
 * nx_channel_new_shared. */
NX_API NX_MUST_CHECK nx_err nx_parcel_channel_new(nx_channel **out, size_t capacity);

/* Sends `*parcel`, which is the receiver's from then on, and sets it to NULL. A program that
 * touches the memory while it is under way is stopped by AddressSanitizer; where the call fails the
 * parcel stays the caller's. As nx_send. Suspends when the channel is full. */
NX_API NX_MUST_CHECK nx_err nx_parcel_send(nx_channel *channel, nx_parcel **parcel);

/* Receives one, which is then the caller's. As nx_recv; `*out` is NULL where it fails. Suspends
 * when empty. */
NX_API NX_MUST_CHECK nx_err nx_parcel_recv(nx_channel *channel, nx_parcel **out);

/* ---- Shared regions: memory that several have at the same time */

/* Zeroed memory that lasts as long as somebody holds it. Whoever writes it while others look does
 * so by atomic operations, or hands the turn over by a channel. */
typedef struct nx_shared nx_shared;

/* Makes one of `size` bytes, held once by the caller. `name` is what /proc/PID/maps calls it.
 * NX_EINVAL (size 0), NX_ETOOBIG, NX_ENOMEM, NX_EMFILE. Any thread; costs four system calls. */
NX_API NX_MUST_CHECK nx_err nx_shared_new(nx_shared **out, size_t size, const char *name);
/* Its memory, at the beginning of a page, and its size. Any thread. */
NX_API void *nx_shared_data(const nx_shared *shared);
NX_API size_t nx_shared_size(const nx_shared *shared);
/* The descriptor behind it, for another process: what it maps with MAP_SHARED is the same memory.
 * It stays the region's, and is closed on exec. Any thread. */
NX_API int nx_shared_fd(const nx_shared *shared);
/* Holds it once more, and returns it. Any thread. */
NX_API nx_shared *nx_shared_hold(nx_shared *shared);
/* Lets it go; the last one unmaps it. NULL is nothing. Any thread. */
NX_API void nx_shared_free(nx_shared *shared);
static inline void nx_shared_auto(nx_shared **shared)
{
    nx_shared_free(*shared);
}

/* ---- Process workers: what may crash */

/* What goes between a process worker and who has started it, in order: messages, and shared
 * regions. Each side has an end, which is used by the fibers of its thread. */
typedef struct nx_port nx_port;

/* The work of a process worker, in its own process. The port is closed when it has returned. */
typedef nx_err (*nx_port_fn)(nx_port *port);

#define NX_PORT_MOST           (16u * 1024 * 1024) /* bytes of a message, unless said otherwise */
#define NX_PROCESS_WORKERS_MAX 64                  /* alive at once, of a process */

typedef struct nx_process_worker_options {
    size_t size;
    const char *name;    /* copied, cut at 31 bytes; in reports, ps and top; default "worker" */
    nx_scope *scope;     /* as for nx_spawn: owns the worker; default: the caller's innermost */
    bool detached;       /* as for nx_spawn: the worker outlives the caller's scope */
    nx_duration grace;   /* from its cancellation until it is killed; default 5 s */
    size_t most;         /* bytes of a message, either way; default NX_PORT_MOST */
    const char *package; /* it may do what [permissions.packages] of nexus.toml has for this one,
                            and the program may too: the kernel holds it to that; default: as the
                            program */
} nx_process_worker_options;

/* Starts a process that runs fn(port) as the main fiber of a loop of its own: the same program with
 * the same permissions, whose main does not run, and whose statics are as at its start. `fn` is a
 * function of the program itself. To who starts it the worker is a fiber, as that of
 * nx_worker_start: nx_join waits for the end of the process and returns what fn has returned, with
 * its message; a scope that ends waits for it; with `out` NULL an error of its cancels that scope.
 * A process that ends otherwise is NX_ECRASHED, with a message that says how: `worker "parser"
 * crashed (Segmentation fault)`.
 *
 * Cancelled, each call there that would wait returns NX_ECANCELED, and after `grace` the process is
 * killed. It is killed too when the process that has started it ends, however that comes.
 *
 * `*port` is this side's end, memory of the calling fiber's innermost scope, whose end closes it;
 * NULL where nothing is to go between them. A worker that waits for more has to be told that there
 * is none before its scope ends, by nx_port_finish or nx_port_close.
 *
 * NX_EINVAL (no function, or one of an imported module; an option), NX_ELIMIT
 * (NX_PROCESS_WORKERS_MAX, --max-fibers, or the system's), NX_ENOMEM, NX_EMFILE, NX_ENOTSUP (nobody
 * is there to start it: a program that is linked without --wrap=main; or a package is named without
 * `nexus run`), NX_ENOENT (nexus.toml says nothing of the package), NX_EPERM (this is a package's
 * worker itself, and of another), NX_ECANCELED. Suspends until
 * the process is there; whether it can begin is its result.
 * NX_TRY(nx_process_worker_start(&parser, &port, parse, .name = "parser")); */
NX_API NX_MUST_CHECK nx_err nx_process_worker_start_with(nx_fiber **out, nx_port **port,
                                                         nx_port_fn fn,
                                                         const nx_process_worker_options *options);
#define nx_process_worker_start(out, port, ...) NX__PROCESS_WORKER(out, port, __VA_ARGS__, )
#define NX__PROCESS_WORKER(out, port, fn, ...)                                                     \
    nx_process_worker_start_with(                                                                  \
        (out), (port), (fn),                                                                       \
        &(nx_process_worker_options){.size = sizeof(nx_process_worker_options), __VA_ARGS__})

/* Sends a message, which may be empty; the bytes are the caller's again when the call returns. What
 * the other side does not receive fills the system's buffer (some 200 KiB), and then senders wait.
 * Messages of several fibers go one after the other.
 *
 * A call that is cancelled before it has begun to send has sent nothing. In the middle of a message
 * it ends what this side sends: the other gets NX_ECLOSED, and so does who sends after it.
 * NX_ETOOBIG (more than `most`), NX_ECLOSED (the other side receives no more; the port is closed),
 * NX_ECANCELED, NX_ESTATE (after nx_port_finish; another thread's port), NX_ELIMIT
 * (--max-operations), NX_EWOULDSUSPEND (not called by a fiber). Suspends while the buffer is full.
 */
NX_API NX_MUST_CHECK nx_err nx_port_send(nx_port *port, nx_bytes bytes);

/* Receives the next message, with a NUL behind it. It is the port's, valid until the next call that
 * receives from it, or closes it: nx_copy keeps it. One fiber at a time. A call that is cancelled
 * loses nothing.
 *
 * NX_ECLOSED (the other side sends no more: it has finished, returned or crashed, maybe in the
 * middle of a message), NX_EPROTO (it has sent what is no message, or a longer one than `most`;
 * nothing more can be received), NX_ETYPE (what comes next is a shared region, and stays there for
 * nx_port_recv_shared), NX_ENOMEM, NX_ECANCELED, NX_ESTATE (another fiber receives; another
 * thread's port), NX_ELIMIT, NX_EWOULDSUSPEND. Suspends while there is none. */
NX_API NX_MUST_CHECK nx_err nx_port_recv(nx_port *port, nx_bytes *bytes);

/* Sends a shared region, in the order of the messages and without a copy: both sides have it then,
 * and each frees its own. Errors as nx_port_send. */
NX_API NX_MUST_CHECK nx_err nx_port_send_shared(nx_port *port, nx_shared *shared);

/* Receives one, held once by the caller. Its size can't change under who uses it; what is in it can
 * at any time, so a process that is not trusted is sent a copy of what has been checked. Errors as
 * nx_port_recv; NX_ETYPE where a message comes next, NX_EMFILE. */
NX_API NX_MUST_CHECK nx_err nx_port_recv_shared(nx_port *port, nx_shared **out);

/* This side sends no more, and the other's nx_port_recv returns NX_ECLOSED when it has what was
 * sent; this one may still receive. Again is harmless. NX_ECLOSED, NX_ECANCELED, NX_ESTATE and
 * others as nx_port_send. Suspends while others send. */
NX_API NX_MUST_CHECK nx_err nx_port_finish(nx_port *port);

/* Closes this end: the other side receives what was sent, and then NX_ECLOSED, and gets that too
 * when it sends. Fibers that wait here are woken with it. NULL is nothing, again is harmless. Does
 * not suspend. */
NX_API void nx_port_close(nx_port *port);
static inline void nx_port_auto(nx_port **port)
{
    nx_port_close(*port);
    *port = NULL;
}

/* ---- Loops over many items */

/* Does item number `index`; may be called for several at once. */
typedef nx_err (*nx_parallel_fn)(size_t index, void *arg);

typedef struct nx_parallel_options {
    size_t size;
    uint32_t workers; /* cores at most; default: all that the process may use */
    size_t chunk;     /* items that a core takes at a time; default: an eighth of its share, at most
                         1,024 */
} nx_parallel_options;

/* Calls fn(0, arg) to fn(count - 1, arg), each once, spread over the cores: each takes the next
 * items when it has done its last. Suspends until all are done. The first error keeps items that
 * nobody has begun from being done, cancels the others, and is returned, with its message: of
 * several, that of the lowest index.
 *
 * fn runs in a fiber on one of the threads that the runtime keeps for this, and may suspend, start
 * fibers and call nx_parallel itself. What it allocates, spawns and defers ends with its chunk.
 * Cancelled, the call cancels what runs, waits for it and returns NX_ECANCELED; an item that
 * computes for long asks nx_canceled(). NX_EINVAL (no function), NX_ENOMEM, NX_EAGAIN (no thread),
 * NX_EMFILE, NX_ELIMIT (--max-operations, --max-fibers), NX_ESTATE (outside of a fiber). */
NX_API NX_MUST_CHECK nx_err nx_parallel_with(size_t count, nx_parallel_fn fn, void *arg,
                                             const nx_parallel_options *options);
#define nx_parallel(count, fn, ...) NX__PARALLEL(count, fn, __VA_ARGS__, )
#define NX__PARALLEL(count, fn, arg, ...)                                                          \
    nx_parallel_with((count), (fn), (arg),                                                         \
                     &(nx_parallel_options){.size = sizeof(nx_parallel_options), __VA_ARGS__})

/* Makes one item of another. */
typedef nx_err (*nx_parallel_map_fn)(const void *in, void *out, void *arg);

/* Calls fn(&in[i], &out[i], arg) for the `count` items of two arrays, as nx_parallel does; so
 * results are in the order of `in`. */
NX_API NX_MUST_CHECK nx_err nx_parallel_map_with(void *out, size_t out_size, const void *in,
                                                 size_t in_size, size_t count,
                                                 nx_parallel_map_fn fn, void *arg,
                                                 const nx_parallel_options *options);
#define nx_parallel_map(out, in, count, fn, ...) NX__PARALLEL_MAP(out, in, count, fn, __VA_ARGS__, )
#define NX__PARALLEL_MAP(out, in, count, fn, arg, ...)                                             \
    nx_parallel_map_with((out), sizeof *(out), (in), sizeof *(in), (count), (fn), (arg),           \
                         &(nx_parallel_options){.size = sizeof(nx_parallel_options), __VA_ARGS__})

#ifdef __cplusplus
}
#endif

#endif
