/* How a channel lies in memory: for channel.c, and for who looks in from outside. */
#ifndef NX__CHANNEL_H
#define NX__CHANNEL_H

#include "loop/loop.h"

struct nx_channel {
    size_t value_size, capacity, first, len;
    bool closed;
    struct nx__list senders, receivers; /* of the waiting */
    char values[];
};

#endif
