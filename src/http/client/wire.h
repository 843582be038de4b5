/* What a connection's bytes go over: a socket, or what is laid over one. */
#ifndef NX__WIRE_H
#define NX__WIRE_H

#include "loop/loop.h"

struct nx__wire;

/* One fiber reads while another may write. Deadlines are absolute. */
struct nx__wire_type {
    /* What there is, at most `len` bytes, once something is; `*got` is 0 at the end. NX_ERESET,
     * NX_ETIMEDOUT, NX_ECANCELED, NX_EPROTO and others. Suspends. */
    nx_err (*read)(struct nx__wire *wire, void *data, size_t len, size_t *got,
                   nx_duration deadline);
    /* All of it. Suspends. */
    nx_err (*write)(struct nx__wire *wire, nx_bytes bytes, nx_duration deadline);
    /* Something has come that has not been read, be it the end. With `ask` the system is asked;
     * else what the loop has heard counts. Does not suspend. */
    bool (*heard)(struct nx__wire *wire, bool ask);
    /* Closes and frees it. Does not suspend. */
    void (*close)(struct nx__wire *wire);
};

struct nx__wire {
    const struct nx__wire_type *type;
    void (*wake)(void *arg); /* told, in the loop's context, of what comes while nobody reads; may
                                be NULL */
    void *wake_arg;
};

/* A connected, non-blocking socket, which it takes over, also on failure. NX_ENOMEM, recorded. */
NX_MUST_CHECK nx_err nx__wire_socket(struct nx__wire **out, int fd);

/* Its descriptor, for what lies over it. */
int nx__wire_socket_fd(const struct nx__wire *wire);

#endif
