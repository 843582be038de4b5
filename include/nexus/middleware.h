/* Middleware that comes with the server: CORS, authentication, rate limits, request ids, the access
 * log, proxies, health. Part of <nexus/http.h>.
 *
 * Each is used at a server or a router, as nx_http_use is, and runs where it stands among the
 * others: nx_http_cors(api, .credentials = true, .origins = NX_HTTP_LIST("https://example.com")).
 * Options are copied; zero means the default, which is named in the comment. Mistakes come out of
 * nx_http_listen. None of these suspends. */
#ifndef NEXUS_MIDDLEWARE_H
#define NEXUS_MIDDLEWARE_H

#include <nexus/crypto.h>
#include <nexus/http.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A list of strings for an option. */
#define NX_HTTP_LIST(...) ((const char *const[]){__VA_ARGS__, NULL})

/* ---- CORS (Fetch, 3.2): which pages of other origins may read the answers. Preflights are
 * answered here, so it goes before authentication. */
typedef struct nx_http_cors_options {
    size_t size;
    /* "https://app.example.com"; with "*." before the name, all below it; NULL: any */
    const char *const *origins;
    bool (*origin)(nx_request *req, nx_bytes origin, void *context); /* asked for others; none */
    void *context;
    const char *methods; /* "GET, HEAD, POST, PUT, PATCH, DELETE" */
    const char *headers; /* that requests may bring, "content-type, x-token"; all */
    const char *expose;  /* that scripts may read of answers; none but the few that always are */
    bool credentials;    /* with cookies and the like; needs origins or origin */
    nx_duration max_age; /* how long browsers keep a preflight, 10 minutes */
} nx_http_cors_options;
#define nx_http_cors(...) NX__HTTP_WITH(nx_http_cors, __VA_ARGS__, )
NX_API void nx_http_cors_with(nx_http_router *router, const nx_http_cors_options *options);

/* ---- Authentication. Who is let in is nx_request_user. */

typedef struct nx_http_credential {
    const char *user, *password;
} nx_http_credential;

/* Decides: NX_OK lets the request in, NX_EACCES is a 401, NX_EPERM a 403; another error is the
 * request's. May suspend. Compare secrets with nx_secret_eq. */
typedef nx_err (*nx_http_basic_check)(nx_request *req, nx_bytes user, nx_bytes password,
                                      void *context);
typedef nx_err (*nx_http_bearer_check)(nx_request *req, nx_bytes token, void *context);

/* RFC 7617 */
typedef struct nx_http_basic_options {
    size_t size;
    const nx_http_credential *users; /* up to one whose `user` is NULL; compared in constant time */
    nx_http_basic_check check;       /* in place of users */
    void *context;
    const char *realm; /* what browsers show, "restricted" */
} nx_http_basic_options;
#define nx_http_basic_auth(...) NX__HTTP_WITH(nx_http_basic, __VA_ARGS__, )
NX_API void nx_http_basic_with(nx_http_router *router, const nx_http_basic_options *options);
#define NX_HTTP_USERS(...) ((const nx_http_credential[]){__VA_ARGS__, {NULL, NULL}})

/* RFC 6750, in the Authorization field alone */
typedef struct nx_http_bearer_options {
    size_t size;
    const char *const *tokens;  /* that are let in; compared in constant time */
    nx_http_bearer_check check; /* in place of tokens */
    void *context;
    const char *realm; /* none */
} nx_http_bearer_options;
#define nx_http_bearer_auth(...) NX__HTTP_WITH(nx_http_bearer, __VA_ARGS__, )
NX_API void nx_http_bearer_with(nx_http_router *router, const nx_http_bearer_options *options);

/* Whose request it is, by basic authentication or nx_request_set_user; `data` is NULL if that is
 * not known. Goes into the access log. */
NX_API nx_bytes nx_request_user(const nx_request *req);
/* For checks and middleware that know. Copied. NX_ENOMEM. */
NX_API NX_MUST_CHECK nx_err nx_request_set_user(nx_request *req, nx_bytes user);

/* ---- Rate limits: `limit` requests at once, and as many more in each `window`, evenly (a token
 * bucket). Past it 429 with Retry-After. Answers carry RateLimit-Limit, -Remaining and -Reset
 * (seconds until the bucket is full). */
typedef struct nx_http_rate_options {
    size_t size;
    uint32_t limit;     /* 100 */
    nx_duration window; /* 1 minute */
    /* Who shares a bucket; `data` NULL: no limit. Default: nx_request_peer, the first 64 bits of an
     * IPv6 address. */
    nx_bytes (*key)(nx_request *req, void *context);
    void *context;
    uint32_t max_keys; /* remembered at once, 16 bytes each, NX_HTTP_RATE_KEYS; a flood of new keys
                          pushes out those that have asked for least */
    bool quiet;        /* RateLimit fields on the 429 alone */
} nx_http_rate_options;
#define NX_HTTP_RATE_KEYS       65536
#define nx_http_rate_limit(...) NX__HTTP_WITH(nx_http_rate, __VA_ARGS__, )
NX_API void nx_http_rate_with(nx_http_router *router, const nx_http_rate_options *options);

/* ---- Request ids: each request gets one, 32 hexadecimal digits at random, which answers carry and
 * the access log shows. A trusted proxy's (nx_http_trust_proxies) is kept if it is made of 1 to
 * NX_HTTP_REQUEST_ID letters, digits and "-_.:/+=@". */
typedef struct nx_http_request_id_options {
    size_t size;
    const char *header; /* "x-request-id" */
    bool trust_all;     /* anybody's is kept */
} nx_http_request_id_options;
#define NX_HTTP_REQUEST_ID      128
#define nx_http_request_id(...) NX__HTTP_WITH(nx_http_request_id, __VA_ARGS__, )
NX_API void nx_http_request_id_with(nx_http_router *router,
                                    const nx_http_request_id_options *options);

/* The request's id; `data` is NULL if it has none. */
NX_API nx_bytes nx_request_id(const nx_request *req);

/* ---- The access log: a line for each request, once it is answered, to the standard output. One at
 * a server also has what was refused before it was a request (malformed, too large, not there in
 * time), with its first line as far as it came in place of method and path. All that comes from the
 * peer is escaped and cut, so that it makes no line and steers no terminal. */
typedef enum nx_http_log_format {
    NX_HTTP_LOG_COMBINED, /* as Apache's and nginx's "combined", and behind it milliseconds and id
                           */
    NX_HTTP_LOG_COMMON,
    NX_HTTP_LOG_JSON
} nx_http_log_format;

typedef struct nx_http_access_log_options {
    size_t size;
    nx_http_log_format format;
    /* Takes the line, with its newline, in place of the standard output. May suspend; the server's
     * stop waits for it. While 64 lines of refused requests wait in there, more of these are lost.
     */
    void (*write)(nx_bytes line, void *context);
    void *context;
} nx_http_access_log_options;
#define nx_http_access_log(...) NX__HTTP_WITH(nx_http_access_log, __VA_ARGS__, )
NX_API void nx_http_access_log_with(nx_http_router *router,
                                    const nx_http_access_log_options *options);

/* ---- Proxies: requests that come from these addresses ("127.0.0.1", "10.0.0.0/8", "fd00::/8";
 * "loopback", "private", "unix") are other people's, as X-Forwarded-For, -Proto and -Host say. The
 * client is the last address of X-Forwarded-For that is none of these. A proxy has to set or remove
 * all three fields. With nx_http_trust_forwarded they speak Forwarded (RFC 7239) instead. */
#define nx_http_trust_proxies(server, ...)                                                         \
    nx_http_trust_with((server), NX_HTTP_LIST(__VA_ARGS__), false)
#define nx_http_trust_forwarded(server, ...)                                                       \
    nx_http_trust_with((server), NX_HTTP_LIST(__VA_ARGS__), true)
NX_API void nx_http_trust_with(nx_http_server *server, const char *const *proxies, bool forwarded);

/* ---- Health. Both are on each host, without any middleware, and answer GET with
 * {"status":"ok"} or 503. `check` may be NULL, and may suspend; its error is written to the
 * standard error when it begins, not sent. */
typedef nx_err (*nx_http_check)(void *context);
/* Does the process work? {"status":"failing"} if check returns an error. */
NX_API void nx_http_health(nx_http_server *server, const char *path, nx_http_check check,
                           void *context);
/* Should it get requests? {"status":"stopping"} from the beginning of a graceful stop on, see
 * stop_delay. */
NX_API void nx_http_ready(nx_http_server *server, const char *path, nx_http_check check,
                          void *context);

/* NX__HTTP_WITH(nx_http_x, at, .option = 1, ) calls nx_http_x_with(router, &options). */
#define NX__HTTP_WITH(name, at, ...)                                                               \
    name##_with(NX__HTTP_ROUTER(at), &(name##_options){.size = sizeof(name##_options), __VA_ARGS__})

#ifdef __cplusplus
}
#endif

#endif
