/* Connections whose protocol is not known yet: those through TLS. */
#ifndef NX__HTTP_GREET_H
#define NX__HTTP_GREET_H

#include "http/server.h"

/* Takes over a socket that was accepted for a server with TLS; `peer` may be NULL. False when
 * memory is out: the caller closes it. */
bool nx__http_greet(nx_http_server *server, int fd, const struct sockaddr_storage *peer);

/* What can be spoken (ALPN): "http/1.1". */
extern const char nx__http_protocols[];

#endif
