/* Channels between fibers, of one loop or of all, and waiting for the first of several. */
#ifndef NEXUS_CHANNEL_H
#define NEXUS_CHANNEL_H

#include <nexus/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A queue of values of one type. Capacity 0: a send waits until a receiver takes the value. */
typedef struct nx_channel nx_channel;

/* Makes a channel of `capacity` values of `value_size` bytes for the fibers of the calling thread.
 * The caller closes and frees it. NX_ENOMEM, NX_EINVAL (no value size, or too large together). Does
 * not suspend. NX_TRY(nx_channel_new(&jobs, sizeof(job), 16)); */
NX_API NX_MUST_CHECK nx_err nx_channel_new(nx_channel **out, size_t value_size, size_t capacity);

/* What becomes of a value that nobody has received; `value` points to it. */
typedef void (*nx_channel_drop_fn)(void *value);

typedef struct nx_shared_channel_options {
    size_t size;
    nx_channel_drop_fn drop; /* called for each value that is queued when the channel is freed */
} nx_shared_channel_options;

/* The same for the fibers of every loop, and so between workers: nx_send, nx_recv and nx_select
 * suspend the fiber, whatever the thread of who ends the wait. Values are copied; what they point
 * to has to be for other threads too (see nx_parcel in <nexus/worker.h>). A cancelled receiver
 * loses no value. Free it when no other thread uses it any more, but for those that wait in it.
 * Errors as above. Does not suspend. */
NX_API NX_MUST_CHECK nx_err nx_channel_new_shared_with(nx_channel **out, size_t value_size,
                                                       size_t capacity,
                                                       const nx_shared_channel_options *options);
#define nx_channel_new_shared(out, value_size, ...)                                                \
    NX__CHANNEL_SHARED(out, value_size, __VA_ARGS__, )
#define NX__CHANNEL_SHARED(out, value_size, capacity, ...)                                         \
    nx_channel_new_shared_with(                                                                    \
        (out), (value_size), (capacity),                                                           \
        &(nx_shared_channel_options){.size = sizeof(nx_shared_channel_options), __VA_ARGS__})

/* Copies the value in; waits while the channel is full. NX_ECLOSED, NX_ECANCELED, NX_ESTATE (it is
 * another thread's), NX_EWOULDSUSPEND (full, and not called by a fiber). Suspends when full. */
NX_API NX_MUST_CHECK nx_err nx_send(nx_channel *channel, const void *value);

/* Copies the oldest value out; waits while there is none. NX_ECLOSED once the channel is closed and
 * empty, NX_ECANCELED, NX_ESTATE, NX_EWOULDSUSPEND. Suspends when empty. */
NX_API NX_MUST_CHECK nx_err nx_recv(nx_channel *channel, void *value);

/* No more sends: waiting senders get NX_ECLOSED, receivers drain what is queued. Nothing, and said
 * on stderr, where the channel is another thread's. Does not suspend. */
NX_API void nx_channel_close(nx_channel *channel);

/* Closes and frees. Whoever waits is woken with NX_ECLOSED and does not touch the channel again.
 * NULL is fine. Does not suspend. */
NX_API void nx_channel_free(nx_channel *channel);
static inline void nx_channel_auto(nx_channel **channel)
{
    nx_channel_free(*channel);
}

/* How many values are queued. */
NX_API size_t nx_channel_len(const nx_channel *channel);

/* ---- Select */

typedef enum nx_case_kind {
    NX_CASE_RECV,
    NX_CASE_SEND,
    NX_CASE_TIMEOUT,
    NX_CASE_DEFAULT
} nx_case_kind;

typedef struct nx_case {
    nx_case_kind kind;
    nx_channel *channel; /* NULL never becomes ready */
    void *value;
    nx_duration timeout;
} nx_case;

static inline nx_case nx_case_make(nx_case_kind kind, nx_channel *channel, void *value,
                                   nx_duration timeout)
{
    nx_case c;
    c.kind = kind;
    c.channel = channel;
    c.value = value;
    c.timeout = timeout;
    return c;
}

/* The cases of nx_select. A send's value is read when it is sent. */
#define nx_on_recv(channel, value_out) nx_case_make(NX_CASE_RECV, (channel), (value_out), 0)
#define nx_on_send(channel, value_in)  nx_case_make(NX_CASE_SEND, (channel), (void *)(value_in), 0)
#define nx_on_timeout(after)           nx_case_make(NX_CASE_TIMEOUT, NULL, NULL, (after))
#define nx_on_default()                nx_case_make(NX_CASE_DEFAULT, NULL, NULL, 0)

/* Waits until one of the cases can go ahead, does it, and stores its place (from 0) in `*which`.
 * Among several that are ready the choice varies, so none starves. Returns NX_OK, or NX_ECLOSED
 * when the chosen channel is closed, or NX_ECANCELED, NX_ESTATE, NX_EWOULDSUSPEND. Channels of the
 * loop and of all threads may stand side by side. At most NX_MAX_CASES cases. Suspends unless
 * one is ready. NX_TRY(nx_select(&which, nx_on_recv(jobs, &job), nx_on_timeout(NX_S(1)))); */
NX_API NX_MUST_CHECK nx_err nx_select_with(size_t *which, const nx_case *cases, size_t count);
#define nx_select(which, ...)                                                                      \
    nx_select_with((which), (nx_case[NX__CASES(__VA_ARGS__)]){__VA_ARGS__}, NX__CASES(__VA_ARGS__))
#define NX_MAX_CASES 16
#define NX__CASES(...)                                                                             \
    NX__CASES_(__VA_ARGS__, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0)
#define NX__CASES_(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, count, ...) count

#ifdef __cplusplus
}
#endif

#endif
