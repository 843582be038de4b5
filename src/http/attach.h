/* Serving a connection that is there already. */
#ifndef NX__HTTP_ATTACH_H
#define NX__HTTP_ATTACH_H

#include "http/server.h"

/* Serves the connected, non-blocking stream socket `fd` on the calling thread's loop as if the
 * server had accepted it; the server need not listen. The server owns `fd` then, until the peer
 * closes or a deadline passes; it may be freed once it has no connections. NX_EINVAL (a mistake in
 * its options or routes), NX_ESTATE (it is stopping, or another loop's), NX_ENOMEM: then `fd` stays
 * the caller's. Does not suspend. */
NX_MUST_CHECK nx_err nx__http_attach(nx_http_server *server, int fd);

/* Ends what nx__http_attach has started for a server that does not listen; its connections have
 * ended. */
void nx__http_detach(nx_http_server *server);

#endif
