/* A reverse proxy: routes of a server that others answer.
 *
 *     nx_http_proxy(server, "/api", .upstreams = NX_UPSTREAMS("http://10.0.0.1:8080",
 *                                                             "http://10.0.0.2:8080")); */
#ifndef NEXUS_PROXY_H
#define NEXUS_PROXY_H

#include <nexus/base.h>
#include <nexus/fetch.h>
#include <nexus/http.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Which upstream a request goes to, of those that are up. */
typedef enum nx_proxy_balance {
    NX_PROXY_ROUND_ROBIN, /* one after the other */
    NX_PROXY_LEAST,       /* the one with the fewest requests under way */
    NX_PROXY_HASH /* the same for the same client, or `hash_header`; where one goes down, only
                     its own requests move */
} nx_proxy_balance;

/* Zero means the default, which is named in the comment. */
typedef struct nx_proxy_options {
    size_t size;
    const char *const *upstreams; /* NX_UPSTREAMS(…), NX_PROXY_UPSTREAMS_MOST at most:
                                     "http://host:port" or "https://host:port", with a path that
                                     goes before what is left of the request's; or
                                     "unix:/run/app.sock" */
    nx_proxy_balance balance;     /* NX_PROXY_ROUND_ROBIN */
    const char *hash_header;      /* of the request, for NX_PROXY_HASH; the client's address */
    bool keep_prefix;             /* the path goes on as it came; else without the prefix */
    bool keep_host;               /* the Host field goes on as it came; else it is the upstream's */
    bool forwarded;               /* adds Forwarded (RFC 7239) too */
    uint32_t retries; /* how many other upstreams are tried where one could not be reached, or has
                         not answered a request that may be repeated; none was asked for more than
                         the head, since the body is not kept. 2; NX_PROXY_NO_RETRIES */
    nx_duration connect_deadline; /* for a connection, 5 s */
    nx_duration head_deadline;    /* from the end of the request to the answer's head, 60 s */
    nx_duration idle_deadline;    /* between two pieces, either way, 60 s */
    uint32_t max_fails; /* an upstream that has failed so often, one after the other, is down: 3 */
    nx_duration down_for;        /* so long, 10 s; then a request may try it */
    const char *health_path;     /* asked by GET whether it is up: 2xx and 3xx; none */
    nx_duration health_every;    /* 5 s */
    nx_duration health_deadline; /* 2 s */
    nx_http_version version;     /* spoken to the upstreams: NX_HTTP_ANY, which is no HTTP/3 here;
                                    NX_HTTP_3 to those by "https:" alone. An upgrade is HTTP/1.1
                                    always */
    const char *ca; /* authorities that sign for "https:" upstreams, instead of the system's: a
                       file, or PEM */
    const char *cert, *key; /* shown to one that asks for a certificate */
    const char *tls_name;   /* that they have to prove, and are asked for (SNI); their host */
    bool insecure; /* any certificate will do: anybody between may read and change it all */
} nx_proxy_options;

#define NX_UPSTREAMS(...)       ((const char *const[]){__VA_ARGS__, NULL})
#define NX_PROXY_UPSTREAMS_MOST 64
#define NX_PROXY_NO_RETRIES     UINT32_MAX

/* Lets others answer what is below the prefix, whatever the method; `at` is a server or a router.
 * Bodies go through in both directions as they come, at once, none is held as a whole, trailers
 * behind them, and an upgrade to another protocol (WebSocket) is passed on. Fields that are of
 * the connection alone go no further (RFC 9110 7.6.1), X-Forwarded-For, -Host and -Proto say who
 * has asked: what the client claims there is dropped, unless it is a proxy that the server trusts
 * (nx_http_trust_proxies). An upstream that can't be reached, or answers no good HTTP, is 502, none
 * that is up 503, one that takes too long 504. An upstream by "https:" has to prove its name, by a
 * certificate that is valid and signed by an authority, for its health checks too. Mistakes come
 * out of nx_http_listen: NX_EINVAL, NX_ENOMEM. Each upstream takes a grant (--allow-net), else its
 * requests are 502. */
NX_API void nx_http_proxy_with(nx_http_router *router, const char *prefix,
                               const nx_proxy_options *options);
#define nx_http_proxy(at, prefix, ...)                                                             \
    nx_http_proxy_with(NX__HTTP_ROUTER(at), (prefix),                                              \
                       &(nx_proxy_options){.size = sizeof(nx_proxy_options), __VA_ARGS__})

#ifdef __cplusplus
}
#endif

#endif
