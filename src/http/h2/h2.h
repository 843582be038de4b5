/* HTTP/2 as the rest of the server sees it. */
#ifndef NX__H2_H
#define NX__H2_H

#include "http/io.h"
#include "http/server.h"

/* What each HTTP/2 connection begins with (RFC 9113 3.4). */
#define NX__H2_PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
enum { NX__H2_PREFACE_LEN = sizeof NX__H2_PREFACE - 1 };

/* Takes over a connection that speaks HTTP/2; `come` is what has come of it already, from its first
 * byte on. `peer` NULL: its address has to be asked for. It counts as one of the server's. False
 * when memory is out: the caller closes it. */
bool nx__h2_accept(nx_http_server *server, struct nx__http_io io,
                   const struct sockaddr_storage *peer, nx_bytes come);

/* The same, of which nothing has come: by ALPN. */
bool nx__h2_greeted(nx_http_server *server, struct nx__http_io io,
                    const struct sockaddr_storage *peer);

/* The server stops: tells the peers of all its connections. */
void nx__h2_drain(nx_http_server *server);

/* Frees what is kept for the loop, unless another server of the loop has connections. */
void nx__h2_free_shared(void);

#endif
