/* What requests of the client share, and what a request is made of. */
#ifndef NX__CLIENT_H
#define NX__CLIENT_H

#include "http/client/alternative.h"
#include "http/client/jar.h"
#include "http/client/pool.h"
#include "http/client/upload.h"
#include <nexus/fetch.h>
#include <nexus/url.h>

/* A proxy, as it is named: all NULL where there is none. */
struct nx__proxy {
    char *host;          /* without brackets */
    char *authorization; /* "Basic …"; NULL: none */
    uint16_t port;
};

struct nx_client {
    struct nx__client_pool pool;
    nx_cookie_jar *jar;
    struct nx__proxy http, https; /* by the scheme of what is asked for */
    char *no_proxy;               /* NULL: none */
    char *user_agent;             /* NULL: none */
    nx_tls_connect_options tls;   /* its texts are its own */
    struct nx__alternatives alternatives;
};

/* The thread's own: made at the first call, and gone with the thread. NULL when memory is out
 * (recorded). */
nx_client *nx__client_own(void);

/* The same for what the thread's reverse proxies ask: by no proxy, and with more connections. */
nx_client *nx__client_proxying(void);

/* ---- proxy_choice.c */

/* Reads "http://user:password@proxy:3128", "proxy:3128". NULL, or what is wrong; static. */
const char *nx__proxy_parse(struct nx__proxy *out, const char *text);
void nx__proxy_free(struct nx__proxy *proxy);

/* Whether a list such as "localhost,.example.com,10.0.0.0/8,host:8080" has the host: a name has
 * what is below it too, "*" has all. */
bool nx__no_proxy_has(const char *list, nx_bytes host, uint16_t port);

/* ---- way.c */

/* The host of a URL, without brackets. */
nx_bytes nx__url_host(const nx_url *url);

/* Where a request for the URL goes; `safe`: it may go twice. NX_ENOTSUP, recorded. */
NX_MUST_CHECK nx_err nx__way_make(struct nx__way *out, nx_client *client, const nx_url *url,
                                  const nx_fetch_options *options, bool safe);

/* What an answer of the URL says of alternative services is kept for the next requests; and what a
 * frame of HTTP/2 does (nx_client's pool is told). */
void nx__way_told(const nx_fetched *answer, const nx_url *url);
void nx__way_told_beside(struct nx__client_pool *pool, nx_bytes host, uint16_t port,
                         nx_bytes field);

/* The alternative service of the URL's origin can't be used for a while; it has answered. */
void nx__way_broken(nx_client *client, const nx_url *url);
void nx__way_good(nx_client *client, const nx_url *url);

/* ---- Bodies: form.c */

/* The body of a request; what can be sent again is in `bytes`. */
struct nx__fetch_body {
    uint64_t length; /* NX__LENGTH_… */
    nx_bytes bytes;
    nx_stream *source; /* NULL: `bytes` is all */
    nx_bytes type;     /* content-type; empty: none */
};

/* Makes it of the options, in memory of the current scope. The options' streams are its own then,
 * also on failure: `source` is to be closed. NX_EINVAL and others, recorded. */
NX_MUST_CHECK nx_err nx__fetch_body(const nx_fetch_options *options, struct nx__fetch_body *out);

/* ---- One answer */

struct nx__decoding {
    const struct nx__codec *codec; /* NULL: it is as it comes */
    void *decoder;
    nx_bytes raw; /* read, not yet decoded */
    char *piece;
    uint64_t received, given;
    bool full; /* the last piece: it may hold more that needs no input */
    bool whole, ended;
};

struct nx_fetched {
    nx_client *client;
    struct nx__exchange *x;    /* NULL: closed, or there is nothing to read any more */
    struct nx__upload *upload; /* of the exchange: what sends the request's body; NULL: nothing */
    struct nx__answer answer;
    struct nx__fields trailers;
    struct nx__arena *arena; /* of the scope that it belongs to */
    nx_url url;
    uint32_t redirects;
    uint64_t max_body;
    uint32_t max_ratio;
    bool raw, decoding, in_pieces, read_whole, closed;
    nx_err failed; /* what reading came to */
    nx_bytes body;
    struct nx__decoding decode;
    struct nx__exchange *storage; /* NX__EXCHANGE_MOST bytes */
};

/* Ends the exchange and gives its connection back. Suspends where a body is still sent. */
void nx__fetched_let(nx_fetched *res);

/* All of the answer has been read: what the peer still wants of the request goes, then the exchange
 * ends. Errors of the body's source, NX_ETIMEDOUT, NX_ECANCELED; then it has not ended. Suspends.
 */
NX_MUST_CHECK nx_err nx__fetched_over(nx_fetched *res);

/* "cannot fetch "http://host/": " and what the last error says. Returns the code. */
nx_err nx__fetch_failed(const nx_url *url, nx_err err);

/* Why a field can't be sent, NULL if it can: static. */
const char *nx__fetch_field_check(nx_bytes name, nx_bytes value);

#endif
