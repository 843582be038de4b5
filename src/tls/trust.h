/* Whom to trust: authorities, and what is wrong with a certificate. */
#ifndef NX__TLS_TRUST_H
#define NX__TLS_TRUST_H

#include <nexus/base.h>
#include <openssl/base.h>

/* Has the context ask clients for a certificate of one of the authorities in the PEM. `shown` is
 * for messages: the file. NX_EINVAL, NX_ENOMEM, recorded. */
NX_MUST_CHECK nx_err nx__tls_trust_clients(SSL_CTX *ctx, nx_bytes client_ca, const char *shown,
                                           bool optional);

/* Has the context check servers by these authorities; NULL: the system's, which are read once.
 * NX_ENOENT: the system has none. */
NX_MUST_CHECK nx_err nx__tls_trust_servers(SSL_CTX *ctx, const char *ca);

/* Has the connection go on only if the certificate has the name: a host's, or an address's.
 * NX_EINVAL, NX_ENOMEM. */
NX_MUST_CHECK nx_err nx__tls_trust_name(SSL *ssl, const char *name);

/* Why the peer's certificate was not trusted, in words; NULL: it was, or nobody asked. */
const char *nx__tls_distrust(const SSL *ssl);

#endif
