/* How a channel lies in memory: for channel.c and select.c, and for who looks in from outside. */
#ifndef NX__CHANNEL_H
#define NX__CHANNEL_H

#include "loop/loop.h"
#include <nexus/channel.h>
#include <pthread.h>

struct nx_channel {
    size_t value_size, capacity, first, len;
    bool closed;
    bool shared; /* of all threads: they hold `lock` for everything here but what never changes */
    struct nx_loop *loop;               /* whose fibers use it; NULL: shared, or not used yet */
    struct nx__list senders, receivers; /* of the waiting */
    pthread_mutex_t lock;
    size_t references; /* its owner's, and one of each case that is in a queue of a `shared` wait */
    nx_channel_drop_fn drop;
    void (*on_close)(nx_channel *channel); /* called once, before anybody is woken; or NULL */
    _Alignas(16) char values[];
};

/* A fiber that waits for one of its cases. Who takes it (`taken`, which several threads may try
 * where a case is shared) stores what came of it, and completes it. */
struct nx__wait {
    struct nx__timed_op timed;
    struct nx__post post; /* completes it, from another thread */
    struct nx_loop *loop;
    struct nx__waiter *waiters;
    size_t count, timeout; /* `timeout` is the case that a timer ends it with */
    size_t which;          /* that went ahead */
    int64_t result;
    bool shared; /* there is a case of a shared channel */
    atomic_bool taken;
};

/* One case of it, in its channel's queue. */
struct nx__waiter {
    struct nx__list link;
    struct nx__wait *wait;
    void *value;
    size_t which;
};

/* Sends or receives if that is possible: NX_OK, NX_ECLOSED, or NX_EAGAIN. The channel's lock is
 * held where it is shared; what has to be posted then, once it is not, is put before `*posts`. */
nx_err nx__channel_send(nx_channel *channel, const void *value, struct nx__post **posts);
nx_err nx__channel_recv(nx_channel *channel, void *value, struct nx__post **posts);

/* Sends without waiting: NX_OK, NX_EAGAIN (it is full), NX_ECLOSED; none is recorded. */
NX_MUST_CHECK nx_err nx__channel_offer(nx_channel *channel, const void *value);

/* Completes the waits of `posts`, each on its loop. No lock is held. */
void nx__channel_post(struct nx__post *posts);

/* Takes the waiter of a `shared` wait out of the channel's queue. */
void nx__channel_leave(nx_channel *channel, struct nx__waiter *waiter);

#endif
