/* Preconditions: whether what the client has is what the server has. Pure. RFC 9110 13. */
#ifndef NX__CONDITIONS_H
#define NX__CONDITIONS_H

#include <nexus/http.h>

/* The fields of a request that matter to a file. `data` is NULL where there is none. */
struct nx__conditions {
    nx_bytes if_match, if_none_match, if_modified_since, if_unmodified_since, if_range, range;
    nx_bytes accept_encoding;
};

/* Collects them; lists over several lines are joined in memory of the scope, and of the others one
 * that comes twice is none. NX_ENOMEM. */
NX_MUST_CHECK nx_err nx__conditions_collect(const nx_request *req, struct nx__conditions *out);

/* What a representation is known by. */
struct nx__validator {
    nx_bytes etag;    /* with its quotes; "W/" in front if weak */
    int64_t modified; /* seconds since 1970 */
    bool dated;       /* `modified` counts */
};

enum nx__verdict_of {
    NX__CONDITION_SEND,      /* the whole of it */
    NX__CONDITION_RANGE,     /* the ranges, if there are any */
    NX__CONDITION_UNCHANGED, /* 304 */
    NX__CONDITION_FAILED,    /* 412 */
};

/* Weighs the conditions of a GET or HEAD in the order of RFC 9110 13.2.2. */
enum nx__verdict_of nx__conditions_weigh(const struct nx__conditions *conditions,
                                         const struct nx__validator *validator, bool get);

#endif
