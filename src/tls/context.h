/* What servers accept with: certificates by name, tickets, rules. For any thread. */
#ifndef NX__TLS_CONTEXT_H
#define NX__TLS_CONTEXT_H

#include "tls/session.h"
#include <nexus/tls.h>
#include <openssl/base.h>

/* Begins the server's side of a session over an accepted, non-blocking socket. Files that have
 * changed are read before. NULL where memory is out, recorded. Does not suspend. */
struct nx__tls *nx__tls_server_begin(nx_tls_server *server, int fd);

/* A context with the rules of the server, for who brings records of its own (QUIC): the caller's to
 * free. NULL where memory is out, recorded. */
SSL_CTX *nx__tls_server_context(nx_tls_server *server);

/* The connection speaks this protocol ("h3", static) and none of the server's. False when memory is
 * out. */
bool nx__tls_speaks(SSL *ssl, const char *protocol);

/* ALPN as it is on the wire, of "h2,http/1.1"; NX_EINVAL, NX_ENOMEM. `*out` is malloc's. */
NX_MUST_CHECK nx_err nx__tls_protocols(const char *list, uint8_t **out, size_t *len);

/* What both ends share: versions, groups, and the key log if one is asked for. NX_EPERM and others,
 * recorded. */
struct nx__tls_common {
    nx_tls_version least;
    const char *key_log;
};
NX_MUST_CHECK nx_err nx__tls_common(SSL_CTX *ctx, const struct nx__tls_common *how);

#endif
