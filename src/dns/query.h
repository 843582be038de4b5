/* A fiber that waits for what c-ares finds. */
#ifndef NX__DNS_QUERY_H
#define NX__DNS_QUERY_H

#include "dns/resolver.h"
#include <ares.h>

struct nx__dns_query {
    struct nx__resolver *resolver;
    struct nx__timed_op *wait; /* of the fiber; NULL: it does not wait */
    bool done;
    bool orphan; /* the fiber has gone: whoever ends it frees it */
    ares_status_t status;
    void *result; /* of what has been asked, may be NULL */
    void (*result_free)(void *result);
};

/* What is asked: calls c-ares with a callback that calls nx__dns_query_end. `arg` is the caller's.
 */
typedef void (*nx__dns_ask_fn)(struct nx__dns_query *query, ares_channel_t *channel,
                               const void *arg);

/* Asks, and waits until it is told, or the time `deadline` (absolute) has come. `*out` is to be
 * freed; NULL on an error, which is then one of waiting (NX_ETIMEDOUT, NX_ECANCELED, NX_ELIMIT) or
 * of nx__resolver_take, recorded. What c-ares has to say is in the query's status. Suspends. */
NX_MUST_CHECK nx_err nx__dns_query(struct nx__dns_query **out, const char *server,
                                   nx_duration deadline, nx__dns_ask_fn ask, const void *arg);

/* From the callback; takes the result over, which may be NULL. */
void nx__dns_query_end(struct nx__dns_query *query, ares_status_t status, void *result,
                       void (*result_free)(void *result));

/* NULL is nothing. */
void nx__dns_query_free(struct nx__dns_query *query);

/* Records what the status of a query says: `cannot find WHAT of "NAME": …`. */
nx_err nx__dns_failed(ares_status_t status, const char *what, const char *name);

#endif
