/* What the parts of TLS share. */
#ifndef NX__TLS_H
#define NX__TLS_H

#include "base/buffer.h"
#include "base/compiler.h"
#include "base/error.h"
#include "tls/session.h"
#include <openssl/ssl.h>

struct nx__tls {
    SSL *ssl;
    char *whose;          /* of a client: what sessions are kept by */
    struct nx__buffer in; /* read from the socket, and not wanted yet */
    nx_duration paused;   /* nothing was sent before this time */
    uint32_t sent;        /* bytes since then, as far as record_most counts */
    uint32_t handshake_bytes;
    uint32_t want; /* bytes to ask the socket for */
    int fd;
    char first;                  /* byte of the peer */
    uint16_t reason;             /* that libssl gives for a handshake that has failed */
    struct nx__tls_facts *facts; /* once asked for */
    int error;                   /* of the socket, or ENOMEM: it gives and takes nothing any more */
    bool open : 1;               /* the handshake is done */
    bool fed : 1;                /* the call under way has something to return */
    bool dry : 1;                /* the socket had no more when it was last asked */
    bool slow : 1;               /* the socket did not take all that was sent last */
    bool ended : 1;              /* the peer has closed its side of the socket */
    bool closed : 1;             /* it has said so before (close_notify): nothing is missing */
};

/* Makes a session over a connected, non-blocking socket, which stays the caller's. It takes `ssl`,
 * also on failure. NULL where memory is out, recorded. */
struct nx__tls *nx__tls_new(SSL *ssl, int fd);

/* The session over which libssl calls; there is no other data of ours on an SSL, since libcrypto
 * can't free such without memory. */
static inline struct nx__tls *nx__tls_of(const SSL *ssl)
{
    return BIO_get_data(SSL_get_rbio(ssl));
}

#endif
