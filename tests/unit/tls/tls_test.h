/* Certificates made for tests of TLS. */
#ifndef NX_TLS_TEST_H
#define NX_TLS_TEST_H

#include "tls/issue.h"
#include <nexus/test.h>

/* PEM, each with a NUL behind. */
struct made {
    struct nx__buffer cert, key;
};

static inline struct made issue(const struct made *by, const char *common, const char *const *names,
                                size_t count)
{
    struct made made;
    nx_require_ok(nx__tls_issue(&(struct nx__tls_issue){.common = common,
                                                        .names = names,
                                                        .count = count,
                                                        .days = 2,
                                                        .ca_cert = by ? by->cert.data : NULL,
                                                        .ca_key = by ? by->key.data : NULL},
                                &made.cert, &made.key));
    return made;
}

static inline void unmake(struct made *made)
{
    nx__buffer_free(&made->cert);
    nx__buffer_free(&made->key);
}

#endif
