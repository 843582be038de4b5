/* Making certificates: an authority of one's own, and what it signs. */
#ifndef NX__TLS_ISSUE_H
#define NX__TLS_ISSUE_H

#include "base/buffer.h"

struct nx__tls_issue {
    const char *common;       /* the subject's common name */
    const char *const *names; /* of a server: hosts, "*.example.com", addresses */
    size_t count;             /* 0: it is an authority */
    int days;                 /* from an hour ago on */
    const char *ca_cert;      /* that signs: PEM, or files; NULL: it signs itself */
    const char *ca_key;
};

/* Makes a key (P-256) and a certificate, as PEM with a NUL behind; both are the caller's to free,
 * and empty on failure. NX_EINVAL (a name that can't be one, or is too long), NX_ENOMEM, and those
 * of reading the authority; recorded. */
NX_MUST_CHECK nx_err nx__tls_issue(const struct nx__tls_issue *what, struct nx__buffer *cert,
                                   struct nx__buffer *key);

#endif
