/* Work on other cores: workers, what may be handed to them, loops over many items.
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
