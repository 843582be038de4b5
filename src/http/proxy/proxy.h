/* The reverse proxy: upstreams, which of them a request goes to, and how they fare. */
#ifndef NX__PROXY_H
#define NX__PROXY_H

#include "http/client/client.h"
#include "http/server.h"
#include <nexus/proxy.h>
#include <pthread.h>
#include <stdatomic.h>

/* Of all workers. */
struct nx__upstream {
    char *name;      /* as it was given */
    char *host;      /* without brackets; NULL: a Unix socket */
    char *authority; /* for Host */
    char *unix_path; /* NULL: none */
    char *base;      /* "/path" without a slash at the end, or "" */
    uint16_t port;
    bool tls;
    _Atomic uint32_t active;       /* requests under way */
    _Atomic uint32_t fails;        /* one after the other */
    _Atomic nx_duration down_till; /* monotonic; 0: it is up */
    atomic_bool unwell;            /* says its health check */
};

struct nx__balancer {
    struct nx__upstream *items;
    uint32_t count;
    nx_proxy_balance balance;
    uint32_t max_fails;
    nx_duration down_for;
    uint64_t secret[2];
    _Atomic uint32_t turn;
};

/* The next one to ask, of those that are up and not in `tried` (a bit for each); NULL: none. `key`
 * counts for NX_PROXY_HASH. Any thread; pure but for the turn. */
struct nx__upstream *nx__balancer_pick(struct nx__balancer *balancer, nx_bytes key, uint64_t tried,
                                       nx_duration now);

/* How a request has gone; says so in the log where it has gone down, or come up. */
void nx__upstream_failed(const struct nx__balancer *balancer, struct nx__upstream *upstream,
                         nx_duration now);
void nx__upstream_well(struct nx__upstream *upstream);

/* Reads what the program has named. NULL, or what is wrong; static. */
const char *nx__upstream_parse(struct nx__upstream *out, const char *text);
void nx__upstream_free(struct nx__upstream *upstream);

struct nx__proxying {
    struct nx__balancer upstreams;
    nx_proxy_options o; /* with the defaults filled in; its texts are not its own but for: */
    char *hash_header, *health_path, *tls_name; /* NULL: none */
    nx_tls_connect_options tls;                 /* for upstreams by TLS */
    uint64_t trust;                             /* tells these options from those of others */
    struct nx__prober *prober;                  /* NULL: no health checks */
};

/* ---- probe.c: health checks */

/* NULL when memory is out. */
struct nx__prober *nx__prober_new(struct nx__proxying *proxying);
/* Sees to it that the calling thread's loop asks too, when it is time to. */
void nx__prober_look(struct nx__prober *prober);
/* No more is asked. The proxying may go. */
void nx__prober_free(struct nx__prober *prober);

/* ---- upgrade.c */

/* The protocols that the request would change to; `data` is NULL for none. */
nx_bytes nx__proxy_upgrade_asked(const nx_request *req);

/* The upstream has answered 101: tells the client so, and passes on what both say until one of them
 * ends it. NX_EPROTO, and errors of nx__tunnel_open. Suspends. */
NX_MUST_CHECK nx_err nx__proxy_upgrade(nx_response *res, nx_bytes asked, struct nx__exchange *x,
                                       const struct nx__answer *answer);

/* ---- fields.c: pure but for the memory */

/* Whether the field is of one connection alone; `connection` is the value of the Connection field,
 * which may name more. */
bool nx__hop_by_hop(nx_bytes name, nx_bytes connection);

/* The fields for the upstream, in the request's memory. NX_ENOMEM, recorded. */
NX_MUST_CHECK nx_err nx__proxy_request_fields(nx_request *req, const nx_proxy_options *o,
                                              struct nx__fields *out);

/* The client has said that it takes trailers. */
bool nx__proxy_takes_trailers(const nx_request *req);

/* The trailers of the request, whose body has been read to its end, for the upstream; in the
 * request's memory. NX_ENOMEM, recorded. */
NX_MUST_CHECK nx_err nx__proxy_request_trailers(nx_request *req, struct nx__fields *out);

/* The fields of the answer, onto ours. */
void nx__proxy_answer_fields(nx_response *res, const struct nx__answer *answer);

/* ---- ask.c */

/* An exchange with the upstream, over a connection of the calling thread's that is new where
 * `fresh`; it has not begun. `deadline` is absolute. `alone`: a protocol with one exchange to a
 * connection, which an upgrade takes. Errors as nx__client_pool_take; `x->conn` is NULL then.
 * Suspends. */
NX_MUST_CHECK nx_err nx__upstream_take(const struct nx__proxying *of, const struct nx__upstream *u,
                                       struct nx__exchange *x, nx_duration deadline, bool alone,
                                       bool fresh, bool *reused);

/* Ends it, and gives the connection back; nothing where there is none. */
void nx__upstream_let(struct nx__exchange *x);

/* Asks its health_path: NX_OK for a status below 400. Errors recorded; `*reused` says that the
 * connection was there already. Suspends. */
NX_MUST_CHECK nx_err nx__upstream_probe(const struct nx__proxying *of, const struct nx__upstream *u,
                                        bool fresh, bool *reused);

#endif
