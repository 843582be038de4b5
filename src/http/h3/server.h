/* HTTP/3 of a server: what server.c and workers.c know of it. */
#ifndef NX__H3_SERVER_H
#define NX__H3_SERVER_H

#include "http/server.h"
#include "quic/quic.h"

/* What the workers of a server share; `*out` is to be freed with nx__quic_group_free, and is NULL
 * without HTTP/3. NX_EINVAL, NX_ENOMEM and others, recorded. */
NX_MUST_CHECK nx_err nx__h3_group(nx_http_server *server, uint32_t workers,
                                  struct nx__quic_group **out);

/* Makes the line that tells peers of other protocols (RFC 7838). */
void nx__h3_advertise(nx_http_server *server);

/* One worker's part, on its own thread: binds the server's port. Errors as nx__quic_open. */
NX_MUST_CHECK nx_err nx__h3_open(nx_http_server *server, struct nx__quic_group *group,
                                 uint32_t worker);
/* Serves from here on. */
void nx__h3_serve(nx_http_server *server);
/* Takes no new connections, and tells peers that it ends. */
void nx__h3_drain(nx_http_server *server);
/* Cancels what still runs. */
void nx__h3_expire(nx_http_server *server);
/* Undoes nx__h3_open. */
void nx__h3_close(nx_http_server *server);

#endif
