/* What a server shows, or a client that is asked: a chain of certificates with its key, and the
 * names that it is for. */
#ifndef NX__TLS_IDENTITY_H
#define NX__TLS_IDENTITY_H

#include "base/buffer.h"
#include "tls/pem.h"
#include <openssl/pool.h>
#include <openssl/ssl.h>

struct nx__tls_identity {
    size_t count;
    CRYPTO_BUFFER *chain[NX__TLS_CHAIN_MOST]; /* its own first */
    EVP_PKEY *key;
    struct nx__buffer names; /* in small letters, each with a NUL behind: "*.example.com" */
    uint8_t secret[32];      /* of the key, for what only its owners are to read (tickets.h) */
};

/* Reads both; `key` NULL: it lies in `cert`. NX_EINVAL, NX_ENOTSUP, NX_ENOENT, NX_EPERM, NX_ENOMEM
 * and others, recorded. Nothing is to be freed then. */
NX_MUST_CHECK nx_err nx__tls_identity_read(struct nx__tls_identity *out, const char *cert,
                                           const char *key);

void nx__tls_identity_free(struct nx__tls_identity *identity);

/* The certificate's subject, as RFC 4514 has it, cut to what there is room for. Returns `out`. */
enum { NX__TLS_SUBJECT = 256 };
const char *nx__tls_subject(const X509 *certificate, char out[NX__TLS_SUBJECT]);

#endif
