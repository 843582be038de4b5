/* What a connection's bytes go over: a socket, or what is laid over one. */
#ifndef NX__WIRE_H
#define NX__WIRE_H

#include "loop/loop.h"
#include <nexus/tls.h>

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
    /* Ends it both ways, so that who waits in it goes on. Does not suspend. */
    void (*end)(struct nx__wire *wire);
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

/* For what lies over it: its descriptor; the end of a turn of reading, and what it has read;
 * suspends until there may be something to read, since nothing is; and nothing is. */
int nx__wire_socket_fd(const struct nx__wire *wire);
NX_MUST_CHECK nx_err nx__wire_socket_turn(struct nx__wire *wire);
void nx__wire_socket_read(struct nx__wire *wire, size_t bytes);
NX_MUST_CHECK nx_err nx__wire_socket_wait(struct nx__wire *wire, nx_duration deadline);
void nx__wire_socket_dry(struct nx__wire *wire);

/* ---- tls_wire.c */

/* TLS over a socket's wire, which it takes over, also on failure; the handshake is done then.
 * `name` is what the peer has to prove, `peer` ("example.com:443") what sessions are found by.
 * Errors as nx_tls_connect; `deadline` is absolute. Suspends. */
NX_MUST_CHECK nx_err nx__wire_tls(struct nx__wire **out, struct nx__wire *below, const char *name,
                                  const char *peer, const nx_tls_connect_options *options,
                                  nx_duration deadline);

/* What was agreed on (ALPN); empty for nothing. */
nx_bytes nx__wire_tls_protocol(const struct nx__wire *wire);

#endif
