/* An answer on its way in, for protocols whose fields come one by one (HTTP/2, HTTP/3), and how
 * long an exchange waits. */
#ifndef NX__COMING_H
#define NX__COMING_H

#include "http/client/driver.h"

enum { NX__INFORMED_MOST = 32 }; /* answers of 1xx before the one that counts */

struct nx__coming {
    struct nx__answer answer;
    uint32_t capacity; /* of its fields */
    uint32_t head_size, informed;
    uint64_t length; /* content-length */
    bool headed;     /* the head of the final answer is there: what follows are trailers */
    bool too_large;
};

/* A field section begins. */
void nx__coming_begin(struct nx__exchange *x, struct nx__coming *c);

/* A field of it; ":status" has three digits, and content-length is a number. False: it is too large
 * (then `too_large` says so), or memory is out. */
bool nx__coming_field(struct nx__exchange *x, struct nx__coming *c, nx_bytes name, nx_bytes value);

/* It has ended, and was no trailers. False: there were too many of 1xx. */
bool nx__coming_head(struct nx__exchange *x, struct nx__coming *c, const char *protocol);

/* ---- Time */

/* When a span of the exchange's ends that begins now: absolute. */
nx_duration nx__exchange_until(const struct nx__exchange *x, nx_duration span);

/* Says `what`, and which of the options it was that has run out, where the error is NX_ETIMEDOUT.
 * Returns the error. */
nx_err nx__exchange_late(const struct nx__exchange *x, nx_err err, const char *what,
                         const char *option);

#endif
