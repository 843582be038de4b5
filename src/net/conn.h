/* Connections, as this room knows them. */
#ifndef NX__CONN_H
#define NX__CONN_H

#include "net/fd.h"
#include <nexus/net.h>

/* How a connection behaves that has been accepted or made. */
struct nx__conn_how {
    nx_duration read_deadline, write_deadline; /* 0: none */
};

/* Makes a connection of a connected, non-blocking socket, which it takes over, also on failure.
 * `name` is for messages, copied; NULL: its address. NX_ENOMEM, recorded. */
NX_MUST_CHECK nx_err nx__conn_new(nx_conn **out, int fd, const nx_address *peer, const char *name,
                                  const struct nx__conn_how *how);

/* Closes all of a connection but its socket, which becomes the caller's and stays non-blocking.
 * There is no stream of it, and no other fiber is in it. */
int nx__conn_release(nx_conn *conn);

#endif
