/* How a channel lies in memory: for channel.c, and for who looks in from outside. */
#ifndef NX__CHANNEL_H
#define NX__CHANNEL_H

#include "loop/loop.h"

struct nx_channel {
    size_t value_size, capacity, first, len;
    bool closed;
    struct nx__list senders, receivers;    /* of the waiting */
    void (*on_close)(nx_channel *channel); /* called once, before anybody is woken; or NULL */
    char values[];
};

/* Sends without waiting: NX_OK, NX_EAGAIN (it is full), NX_ECLOSED; none is recorded. */
NX_MUST_CHECK nx_err nx__channel_offer(nx_channel *channel, const void *value);

#endif
