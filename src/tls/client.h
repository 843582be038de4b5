/* The client's side of handshakes: contexts that are kept, and sessions that are taken up again. */
#ifndef NX__TLS_CLIENT_H
#define NX__TLS_CLIENT_H

#include "base/buffer.h"
#include "tls/session.h"
#include <nexus/tls.h>
#include <openssl/base.h>

/* Begins the client's side over a connected, non-blocking socket. `name` is what the other end has
 * to prove, `peer` ("example.com:443") is what a session of before is found by,
 * together. NX_EINVAL, NX_ENOENT, NX_EPERM, NX_ENOMEM and others, recorded. */
NX_MUST_CHECK nx_err nx__tls_client_begin(struct nx__tls **out, int fd, const char *name,
                                          const char *peer, const nx_tls_connect_options *options);

/* The session of a connection, which goes on to own it; for who moves its bytes by himself. */
struct nx__tls *nx__tls_session(nx_tls *tls);

/* ---- Where no socket is below (QUIC) */

enum { NX__TLS_NOTE_MOST = 2048 }; /* bytes that are kept beside a session */

/* What libssl's object of such a connection leads to (SSL_set_app_data): who is told of a session
 * that comes. True: it was taken over. */
struct nx__tls_outside {
    bool (*session)(SSL *ssl, SSL_SESSION *session); /* NULL: nobody */
};

/* The client's side of a handshake, to be begun; the caller frees it. A session of before is taken
 * up, unless the options say otherwise, and `*note` (may be NULL; empty before) is then what was
 * kept with it, the caller's to free. Errors as nx__tls_client_begin. */
NX_MUST_CHECK nx_err nx__tls_client_ssl(SSL **out, struct nx__buffer *note, const char *name,
                                        const char *whose, const nx_tls_connect_options *options);

/* Keeps a session for who asks for the same `whose` with the same options. True: it was taken over.
 */
bool nx__tls_client_keep(SSL *ssl, const char *whose, SSL_SESSION *session, nx_bytes note);

/* Why a client's handshake has failed, in words: of the certificate where it was that. */
const char *nx__tls_client_why(const struct nx__tls *tls);

#endif
