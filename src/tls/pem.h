/* Certificates and keys as they lie in files: PEM (RFC 7468). */
#ifndef NX__TLS_PEM_H
#define NX__TLS_PEM_H

#include "base/arena.h"
#include <openssl/base.h>

enum {
    NX__TLS_CHAIN_MOST = 10, /* certificates in a chain */
    NX__TLS_PEM_MOST =
        4 * 1024 * 1024, /* bytes of a file: a bundle of all authorities has 250 KB */
};

/* What messages call a file of them. */
#define NX__TLS_AUTHORITIES "file of authorities"

/* One block. */
struct nx__pem {
    nx_bytes label; /* "CERTIFICATE" */
    nx_bytes body;  /* base64, with line ends */
};

/* The next block of the text, which moves past it; what lies between blocks is skipped. `label` is
 * empty where there is none any more. NX_EINVAL: one without an end. */
NX_MUST_CHECK nx_err nx__pem_next(nx_bytes *text, struct nx__pem *out);

/* Its bytes, in memory of the arena. NX_EINVAL, NX_ENOMEM. */
NX_MUST_CHECK nx_err nx__pem_bytes(struct nx__arena *arena, const struct nx__pem *block,
                                   nx_bytes *out);

/* The first private key of the text: PKCS #8, or what OpenSSL made before that (PKCS #1, SEC 1).
 * The caller's to free. `what` is for messages: the file. NX_EINVAL, NX_ENOTSUP (it is encrypted),
 * NX_ENOENT (there is none), NX_ENOMEM. */
NX_MUST_CHECK nx_err nx__pem_key(struct nx__arena *arena, nx_bytes text, const char *what,
                                 EVP_PKEY **out);

/* Calls take(der, arg) for each certificate of the text, in order; `count` is how many there are.
 * Errors are those of `take`, and NX_EINVAL, NX_ENOMEM. */
NX_MUST_CHECK nx_err nx__pem_certificates(struct nx__arena *arena, nx_bytes text, const char *what,
                                          nx_err (*take)(nx_bytes der, void *arg), void *arg,
                                          size_t *count);

/* Reads a file as a whole, or gives the text itself where it is PEM already ("-----BEGIN" at its
 * beginning). Blocks for as long as the disk takes. NX_EPERM
 * (--allow-read), NX_ENOENT, NX_EACCES, NX_ETOOBIG, NX_ENOMEM and others. */
NX_MUST_CHECK nx_err nx__pem_load(struct nx__arena *arena, const char *file_or_text,
                                  const char *what, nx_bytes *out);

/* The same for a file, without asking whether the program may: for the system's own. */
NX_MUST_CHECK nx_err nx__pem_file(struct nx__arena *arena, const char *path, const char *what,
                                  nx_bytes *out);

/* Whether it is the text itself. */
bool nx__pem_is_text(const char *file_or_text);

/* What messages call it. */
const char *nx__pem_shown(const char *file_or_text);

#endif
