/* Tickets, by which a client that comes again is spared most of a handshake (RFC 8446 4.6.1). */
#ifndef NX__TLS_TICKETS_H
#define NX__TLS_TICKETS_H

#include <nexus/base.h>
#include <openssl/base.h>

/* Has the context give tickets. `client_ca` are the authorities that clients have to come from, as
 * PEM (empty: none), or may where it is `optional`: a ticket of other rules is none. NX_ENOMEM. */
NX_MUST_CHECK nx_err nx__tls_tickets_make(SSL_CTX *ctx, nx_bytes client_ca, bool optional);

/* The secret (32 bytes) of the certificate that the connection is answered with, for what is sealed
 * for those alone that have it; context.c. */
const uint8_t *nx__tls_secret(const SSL *ssl);

#endif
