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

/* ---- For what stands on a connection and moves its bytes by itself (TLS) */

/* Waits until there is something to read, or room to write (NX__READABLE, NX__WRITABLE): as long as
 * the connection's deadline has it, and no longer than `by` (absolute). `doing` is for messages:
 * "read from". Errors as nx_net_stream, recorded. */
NX_MUST_CHECK nx_err nx__conn_wait(nx_conn *conn, uint32_t event, nx_duration by,
                                   const char *doing);

/* Leaves waiting for the socket to who asks for this, with a watch of his own; no fiber is in the
 * connection, nor will be. */
void nx__conn_unwatch(nx_conn *conn);

/* Counts bytes against the loop's turn, and lets others run when it is over. NX_ECANCELED. */
NX_MUST_CHECK nx_err nx__conn_turn(nx_conn *conn, const char *doing, size_t bytes);

/* Records a failure: `cannot read from "example.com:443": WHY`. Returns `err`. */
nx_err nx__conn_failed(const nx_conn *conn, const char *doing, nx_err err, const char *why);
nx_err nx__conn_failed_system(const nx_conn *conn, const char *doing, int system);

#endif
