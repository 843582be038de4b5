/* A fiber that waits for what c-ares finds. */
#include "dns/query.h"

#include "net/fd.h"
#include <errno.h>
#include <stdlib.h>

void nx__dns_query_free(struct nx__dns_query *query)
{
    if (!query) return;
    if (query->result) query->result_free(query->result);
    free(query);
}

void nx__dns_query_end(struct nx__dns_query *query, ares_status_t status, void *result,
                       void (*result_free)(void *result))
{
    query->done = true;
    query->status = status;
    query->result = result;
    query->result_free = result_free;
    nx__resolver_release(query->resolver);
    if (query->orphan)
        nx__dns_query_free(query);
    else if (query->wait)
        nx__op_complete(&query->wait->op, 0);
}

nx_err nx__dns_query(struct nx__dns_query **out, const char *server, nx_duration deadline,
                     nx__dns_ask_fn ask, const void *arg)
{
    struct nx__resolver *resolver;
    struct nx__timed_op wait = {0};
    *out = NULL;
    NX_TRY(nx__resolver_take(&resolver, server));
    struct nx__dns_query *q = calloc(1, sizeof *q);
    if (!q) {
        nx__resolver_release(resolver);
        return nx__error_set(NX_ENOMEM, "cannot look up a name: out of memory");
    }
    q->resolver = resolver;
    ask(q, nx__resolver_channel(resolver), arg);
    nx__resolver_started(resolver);
    int64_t result = 0;
    if (!q->done) {
        q->wait = &wait;
        result = nx__net_wait(&wait, nx__loop(), deadline);
        q->wait = NULL;
    }
    if (q->done) {
        *out = q;
        return NX_OK;
    }
    q->orphan = true;
    return nx__net_wait_error(result);
}

static const struct {
    ares_status_t status;
    nx_err code;
    const char *why;
} reasons[] = {
    {ARES_ENOTFOUND, NX_ENONAME, "no such name"},
    {ARES_ENODATA, NX_ENONAME, "it has none"},
    {ARES_EBADNAME, NX_EINVAL, "no name can be that"},
    {ARES_EBADFAMILY, NX_EINVAL, "no address can be that"},
    {ARES_EFORMERR, NX_EPROTO, "the name server does not understand the question"},
    {ARES_EBADRESP, NX_EPROTO, "the name server's answer makes no sense"},
    {ARES_ESERVFAIL, NX_EFAILED, "the name server has failed (SERVFAIL)"},
    {ARES_ENOTIMP, NX_ENOTSUP, "the name server does not know such questions"},
    {ARES_EREFUSED, NX_EACCES, "the name server refuses to answer"},
    {ARES_ECONNREFUSED, NX_EREFUSED, "no name server can be reached (see /etc/resolv.conf)"},
    {ARES_ETIMEOUT, NX_ETIMEDOUT, "no name server has answered"},
    {ARES_ENOSERVER, NX_EUNREACH, "there is no name server (see /etc/resolv.conf)"},
    {ARES_ENOMEM, NX_ENOMEM, "out of memory"},
};

nx_err nx__dns_failed(ares_status_t status, const char *what, const char *name)
{
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
        if (reasons[i].status == status)
            return nx__error_set(reasons[i].code, "cannot find %s of \"%.120s\": %s", what, name,
                                 reasons[i].why);
    return nx__error_set(NX_EFAILED, "cannot find %s of \"%.120s\": %s", what, name,
                         ares_strerror((int)status));
}
