/* The client's side of handshakes: contexts that are kept, and sessions that are taken up again. */
#ifndef NX__TLS_CLIENT_H
#define NX__TLS_CLIENT_H

#include "tls/session.h"
#include <nexus/tls.h>

/* Begins the client's side over a connected, non-blocking socket. `name` is what the other end has
 * to prove, `peer` ("example.com:443") is what a session of before is found by,
 * together. NX_EINVAL, NX_ENOENT, NX_EPERM, NX_ENOMEM and others, recorded. */
NX_MUST_CHECK nx_err nx__tls_client_begin(struct nx__tls **out, int fd, const char *name,
                                          const char *peer, const nx_tls_connect_options *options);

/* The session of a connection, which goes on to own it; for who moves its bytes by himself. */
struct nx__tls *nx__tls_session(nx_tls *tls);

/* Why a client's handshake has failed, in words: of the certificate where it was that. */
const char *nx__tls_client_why(const struct nx__tls *tls);

#endif
