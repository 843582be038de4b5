/* The HTTP server. A handler is a plain function that runs in a fiber of its own; calls that wait
 * suspend it. */
#ifndef NEXUS_HTTP_H
#define NEXUS_HTTP_H

#include <nexus/base.h>
#include <nexus/input.h>
#include <nexus/json.h>
#include <nexus/stream.h>
#include <nexus/tls.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct nx_http_server nx_http_server;
typedef struct nx_http_router nx_http_router;
typedef struct nx_request nx_request;
typedef struct nx_response nx_response;

/* Answers one request. An error that it returns before it has answered becomes an error page: what
 * nx_http_error says, 400, 408, 413 or 415 where a call that reads what the peer has sent failed
 * for it, else 500; one in the middle of an answer made of pieces closes the connection. A handler
 * that answers nothing gives 204. Memory of nx_alloc and all slices of the request last until it
 * returns. */
typedef nx_err (*nx_http_handler)(nx_request *req, nx_response *res);

/* What error pages are where the peer's Accept likes nothing better. */
typedef enum nx_http_pages { NX_HTTP_PAGES_JSON = 1, NX_HTTP_PAGES_TEXT } nx_http_pages;

/* Zero means the default, which is named in the comment. Deadlines: NX_FOREVER for none. */
typedef struct nx_http_server_options {
    size_t size;
    const char
        *host;     /* address to listen on, "127.0.0.1"; or a Unix socket: "unix:/run/app.sock" */
    uint16_t port; /* 3000; NX_HTTP_ANY_PORT lets the system choose, see nx_http_port */
    uint32_t backlog;          /* connections that wait to be accepted, 1,024 */
    uint32_t unix_mode;        /* permissions of the Unix socket, 0660 */
    nx_duration head_deadline; /* from the first byte of a head to its end, 10 s */
    nx_duration body_deadline; /* from the head to the end of the body, 60 s */
    nx_duration idle_deadline; /* between two requests, 60 s */
    nx_duration
        handler_deadline; /* from the head to the end of the handler, 120 s; then it is cancelled */
    nx_duration write_deadline; /* without the peer taking a byte of the answer, 30 s */
    nx_duration drain_deadline; /* on a graceful stop, for what is in flight, 10 s */
    uint32_t min_body_rate;     /* bytes a second that a body must bring after 5 s, 256 */
    uint32_t max_connections; /* open at once, 65,536; more wait in the backlog. Each worker has its
                                 share of them, one at least */
    uint32_t max_target;      /* bytes of the request target, 8,192; then 414 */
    uint32_t max_headers;     /* header fields, 100; then 431 */
    uint32_t max_head;        /* bytes of the whole head, 16,384 (65,535 at most); then 431 */
    uint64_t max_body;        /* bytes of a body, 1 MiB; NX_HTTP_NO_LIMIT; then 413 */
    uint32_t max_trailer;     /* bytes of chunk trailers, 4,096; then 413 */
    uint32_t max_requests;    /* on one connection before it is closed, none */
    nx_duration stop_delay;   /* on a graceful stop, for how long it still takes connections while
                                 nx_http_ready says 503; none */
    nx_duration heartbeat;    /* between comments on a silent stream of events, 15 s (250 ms at
                                 least); NX_FOREVER: none, and dead peers are not noticed */
    uint32_t workers; /* loops that serve, 1: the calling thread's and one on a thread of its own
                         for each more; NX_ALL_CORES: one for each CPU that the process may use.
                         With more than one, handlers run at the same time: what they share needs
                         atomics or locks */
    bool worker_processes; /* they are processes, each of which runs main itself and has one loop,
                              cf. nx_worker_index; a crash takes one of them */
    /* Called once by each worker, in a fiber of its thread, before any request comes, and when the
     * last one is answered: for what each has for itself, such as a connection or a cache. What
     * worker_start puts into *state the worker's requests have by nx_request_worker; an error of
     * one worker ends nx_http_listen with it. Both may suspend. */
    nx_err (*worker_start)(void **state, void *context);
    void (*worker_stop)(void *state, void *context);
    void *worker_context;   /* what both are given */
    nx_http_pages pages;    /* error pages; always so where no request could be read of what the
                               peer has sent. NX_HTTP_PAGES_JSON */
    const char *cert, *key; /* HTTPS: the chain of certificates and its key, as
                               nx_tls_server_options has them; NULL: plain HTTP */
    nx_duration handshake_deadline; /* of TLS, from the connection on, 10 s */
    bool h3; /* HTTP/3 too, on the UDP port of the same number; needs a certificate. Answers of
                other protocols tell of it (Alt-Svc, RFC 7838) */
    bool h3_early; /* GET, HEAD and OPTIONS may come with the first packet of a peer that was here
                      before (0-RTT), and so may be sent again by others; else 425 */
    bool h3_retry; /* new peers always prove their address first, which costs them a round trip;
                      else only while many are in their handshake */
    const char *h3_qlog; /* a directory that what becomes of each connection is written to, as qlog;
                            needs --allow-write */
} nx_http_server_options;

#define NX_ALL_CORES        UINT32_MAX
#define NX_HTTP_MAX_WORKERS 256

#define NX_HTTP_ANY_PORT UINT16_MAX
#define NX_HTTP_NO_LIMIT UINT64_MAX

/* ---- Server */

/* Makes a server; the caller frees it after nx_http_listen has returned. NULL only when memory is
 * out. Nothing is opened yet: what is wrong with the options comes out of nx_http_listen. Does not
 * suspend. */
NX_API nx_http_server *nx_http_server_new_with(const nx_http_server_options *options);
#define nx_http_server_new(...)                                                                    \
    nx_http_server_new_with(                                                                       \
        &(nx_http_server_options){.size = sizeof(nx_http_server_options), __VA_ARGS__})

/* Serves by HTTPS, as the options `cert` and `key` do, with all that nx_tls_server_options has but
 * `protocols`: clients with certificates, TLS 1.3 alone, a key log. Said again, it adds a
 * certificate for other names, by `cert` and `key` alone. What is wrong comes out of
 * nx_http_listen. Before nx_http_listen. Does not suspend. */
NX_API void nx_http_tls_with(nx_http_server *server, const nx_tls_server_options *options);
#define nx_http_tls(server, ...)                                                                   \
    nx_http_tls_with((server),                                                                     \
                     &(nx_tls_server_options){.size = sizeof(nx_tls_server_options), __VA_ARGS__})

/* Reads the certificates again; files that have changed are read again without it
 * (nx_tls_server_reload, whose errors it has). NX_ESTATE: there are none. */
NX_API NX_MUST_CHECK nx_err nx_http_tls_reload(nx_http_server *server);

/* Frees a server that does not listen. NULL is fine. */
NX_API void nx_http_server_free(nx_http_server *server);
static inline void nx_http_server_auto(nx_http_server **server)
{
    nx_http_server_free(*server);
}

/* Listens and serves until SIGTERM, SIGINT, nx_http_stop or nx_shutdown, then lets what is in
 * flight finish, in all workers, and returns NX_OK. Nobody is served before all workers have
 * started. NX_EPERM (needs --allow-net), NX_EADDRINUSE, NX_EACCES,
 * NX_EINVAL (options, routes), NX_ENOMEM, NX_ELIMIT, NX_ETIMEDOUT (requests were still running
 * after drain_deadline; they were cancelled, and waited for), NX_EAGAIN (no thread for a worker),
 * and what worker_start returns. Suspends. */
NX_API NX_MUST_CHECK nx_err nx_http_listen(nx_http_server *server);

/* Starts the graceful stop, of all workers; any of them may call it. Does not suspend. */
NX_API void nx_http_stop(nx_http_server *server);

/* The port that it listens on, 0 before nx_http_listen and for a Unix socket. */
NX_API uint16_t nx_http_port(const nx_http_server *server);

typedef struct nx_http_stats {
    size_t size;
    uint64_t requests;    /* answered */
    uint64_t connections; /* open now */
    uint64_t accepted;    /* ever */
    uint64_t bad;         /* requests refused for their syntax or size */
    uint64_t timed_out;   /* connections closed by a deadline */
    uint64_t streams;     /* of events, open now */
    uint64_t handed;      /* connections taken over from the program before, at a restart */
    uint64_t tunnels;     /* connections that another protocol has, such as WebSocket, open now */
} nx_http_stats;
/* Fills `*stats` with the sums over all workers; any of them may call it. Does not suspend. */
NX_API void nx_http_stats_get(const nx_http_server *server, nx_http_stats *stats);

/* ---- Routes and routers
 *
 * Where `at` is a parameter, a server or a router stands. What is said to a server holds for all of
 * it, what is said to a router for the routes in it and in the routers below it, whatever was added
 * first. Strings are copied. The first mistake of them all (a bad path, a route twice, no memory)
 * comes out of nx_http_listen, so nothing here returns an error, and a router that could not be
 * made is NULL, to which anything can be said. What is added while the server listens counts from
 * the next nx_http_listen on. None of these suspends. */

/* Adds a route. `method` is a token such as "GET", or "*" for all. `path` is absolute, below the
 * router's prefix; "/" is the prefix itself. A segment ":name" matches one segment, a last segment
 * "*name" the rest; literal beats ":", ":" beats "*". GET answers HEAD too. */
#define nx_http_route(at, method, path, handler)                                                   \
    nx_http_router_route(NX__HTTP_ROUTER(at), (method), (path), (handler))
#define nx_http_get(at, path, handler)    nx_http_route((at), "GET", (path), (handler))
#define nx_http_post(at, path, handler)   nx_http_route((at), "POST", (path), (handler))
#define nx_http_put(at, path, handler)    nx_http_route((at), "PUT", (path), (handler))
#define nx_http_patch(at, path, handler)  nx_http_route((at), "PATCH", (path), (handler))
#define nx_http_delete(at, path, handler) nx_http_route((at), "DELETE", (path), (handler))

/* A router for what is below `prefix`, which may have ":name" segments; "" for a few routes that
 * share middleware. It belongs to what it is made at. */
#define nx_http_group(at, prefix) nx_http_router_group(NX__HTTP_ROUTER(at), (prefix))

/* A router that stands alone, to be mounted: a sub-app that a library brings. NULL when memory is
 * out; nx_http_mount says so. */
NX_API nx_http_router *nx_http_router_new(void);
/* Frees a router that was never mounted. NULL is fine. */
NX_API void nx_http_router_free(nx_http_router *router);
/* Puts the router below the prefix. From the first mount on it belongs to the servers that it is
 * mounted on; it may be mounted more than once, not below itself. */
#define nx_http_mount(at, prefix, router)                                                          \
    nx_http_router_mount(NX__HTTP_ROUTER(at), (prefix), (router))

/* The routes of a host: "api.example.com", "[::1]" or "*.example.com" (any depth below it; a host
 * of its own goes before it, the longest such name before others). The port does not count, nor the
 * case. Such a host has its own routes alone, and the server's middleware. Hosts that are not named
 * have the server's own routes. What decides is the host in the request's target, else its Host
 * field (RFC 9112 3.2.2); never X-Forwarded-Host. */
NX_API nx_http_router *nx_http_host(nx_http_server *server, const char *host);

/* A pointer that handlers find with nx_request_app: the nearest router's that has one, else the
 * server's. Not owned. */
#define nx_http_set_app(at, app) nx_http_router_set_app(NX__HTTP_ROUTER(at), (app))

/* ---- Middleware: what runs round the handlers of a router
 *
 *     static nx_err timed(nx_request *req, nx_response *res, void *context)
 *     {
 *         nx_duration start = nx_time_now();
 *         nx_err err = nx_http_next(req, res);        the rest: more middleware, the handler
 *         nx_logf_info("took %lld ns", nx_time_now() - start);
 *         return err;                                 what went wrong, for those round this one
 *     }
 *
 * Those of the server run first, then those of the groups down to the route's, each in the order in
 * which they were added; also for a path without a route (by the prefix that it has), and for
 * OPTIONS. One that answers by itself does not call nx_http_next. */
typedef nx_err (*nx_http_middleware)(nx_request *req, nx_response *res, void *context);
#define nx_http_use(at, middleware, context)                                                       \
    nx_http_router_use(NX__HTTP_ROUTER(at), (middleware), (context))

/* Runs the rest and returns its error. An answer may not have been given yet: a handler that
 * answers nothing gives 204, and an error becomes a page, once all middleware has returned. Called
 * again, it runs the rest again. NX_ESTATE in a handler, behind which there is nothing. May
 * suspend.
 */
static inline NX_MUST_CHECK nx_err nx_http_next(nx_request *req, nx_response *res);

/* Why an error page is due. */
typedef struct nx_http_failure {
    size_t size;
    nx_err err;          /* that was returned; NX_OK where none was: no such route,
                            nx_response_error */
    int status;          /* of the page; set already */
    const char *message; /* for the peer; NULL: the status says it all */
    const char *detail;  /* what went wrong inside, of nx_error_last; NULL if err is NX_OK. Not for
                            the peer */
} nx_http_failure;

/* Makes the error pages of a router: whatever goes wrong there comes by here. It may answer as a
 * handler does. If it does not, the page is the usual one, with the status that is set then; an
 * error that it returns makes that 500. May suspend. */
typedef nx_err (*nx_http_error_handler)(nx_request *req, nx_response *res,
                                        const nx_http_failure *failure);
#define nx_http_on_error(at, handler) nx_http_router_on_error(NX__HTTP_ROUTER(at), (handler))

/* Answers where no route has the path. The status is 404 unless the handler sets another. */
#define nx_http_not_found(at, handler) nx_http_router_not_found(NX__HTTP_ROUTER(at), (handler))

/* What nx_http_next is made of. Every nx_request begins with its place; a call of a function less
 * at each step keeps the returns within what processors predict. */
struct nx__http_step {
    nx_http_middleware fn;
    void *context;
};
struct nx__http_place {
    const struct nx__http_step *next; /* NULL where there is no middleware */
};
NX_API NX_MUST_CHECK nx_err nx_http_nothing_behind(nx_request *req, nx_response *res,
                                                   void *context);
static inline nx_err nx_http_next(nx_request *req, nx_response *res)
{
    struct nx__http_place *place = (struct nx__http_place *)(void *)req;
    const struct nx__http_step *step = place->next;
    nx_err err;
    if (!step) return nx_http_nothing_behind(req, res, NULL);
    place->next = step + 1;
    err = step->fn(req, res, step->context);
    place->next = step; /* whoever called may do so again, and passes nobody over */
    return err;
}

/* The functions behind the macros. */
NX_API nx_http_router *nx_http_server_router(nx_http_server *server);
NX_API void nx_http_router_route(nx_http_router *router, const char *method, const char *path,
                                 nx_http_handler handler);
NX_API nx_http_router *nx_http_router_group(nx_http_router *router, const char *prefix);
NX_API void nx_http_router_mount(nx_http_router *at, const char *prefix, nx_http_router *router);
NX_API void nx_http_router_set_app(nx_http_router *router, void *app);
NX_API void nx_http_router_use(nx_http_router *router, nx_http_middleware middleware,
                               void *context);
NX_API void nx_http_router_on_error(nx_http_router *router, nx_http_error_handler handler);
NX_API void nx_http_router_not_found(nx_http_router *router, nx_http_handler handler);
static inline nx_http_router *nx__http_router_self(nx_http_router *router)
{
    return router;
}
#define NX__HTTP_ROUTER(at)                                                                        \
    _Generic((at), nx_http_server *                                                                \
             : nx_http_server_router, nx_http_router *                                             \
             : nx__http_router_self)(at)

/* ---- Request. Slices last until the handler returns; none of these suspends unless it says so. */

NX_API nx_bytes nx_request_method(const nx_request *req);
/* The path as it came, percent-encoded, without the query. */
NX_API nx_bytes nx_request_path(const nx_request *req);
/* What follows '?', still encoded; empty if there is none. */
NX_API nx_bytes nx_request_query(const nx_request *req);
/* The first header field of that name, whatever its case; `data` is NULL if there is none. */
NX_API nx_bytes nx_request_header(const nx_request *req, const char *name);
/* Number of header fields, and field number `index` as it came; false past the end. */
NX_API size_t nx_request_header_count(const nx_request *req);
NX_API bool nx_request_header_at(const nx_request *req, size_t index, nx_bytes *name,
                                 nx_bytes *value);
/* What ":name" or "*name" of the route matched, percent-decoded; `data` is NULL if there is none of
 * that name. */
NX_API nx_bytes nx_request_param(const nx_request *req, const char *name);
/* The client's address as text ("127.0.0.1"), "unix" for a Unix socket: the peer of the connection,
 * or whom it speaks for if it is a proxy that the server trusts (nx_http_trust_proxies). */
NX_API nx_bytes nx_request_peer(nx_request *req);
/* "http" or "https", and the host with its port if it has one: as the client has it, where a
 * trusted proxy says so. The host is empty where HTTP/1.0 brings none. */
NX_API nx_bytes nx_request_scheme(nx_request *req);
NX_API nx_bytes nx_request_host(nx_request *req);
/* What TLS has come to: version, the name asked for, the client's certificate; NULL for a request
 * that came without. Lasts as long as the request. */
NX_API const nx_tls_info *nx_request_tls(nx_request *req);
/* The pointer given to nx_http_set_app. */
NX_API void *nx_request_app(const nx_request *req);

/* What worker_start has put into *state for the worker that serves the request; NULL if nothing. */
NX_API void *nx_request_worker(const nx_request *req);

/* Hands a value down the middleware, to the handler, and back up: `key` is an address, such as that
 * of a static variable. The value is not copied and has to last, as memory of nx_alloc does.
 * NX_ENOMEM. */
NX_API NX_MUST_CHECK nx_err nx_request_set(nx_request *req, const void *key, void *value);
/* The value, NULL if there is none. */
NX_API void *nx_request_get(const nx_request *req, const void *key);

/* Calls fn(req, res, context) once the request is answered, error page included; the last one
 * first, in the request's fiber. NX_ENOMEM (fn is not called). */
typedef void (*nx_request_end_fn)(nx_request *req, nx_response *res, void *context);
NX_API NX_MUST_CHECK nx_err nx_request_on_end(nx_request *req, nx_request_end_fn fn, void *context);

/* Reads the whole body, up to max_body. Memory of the request; calling it again gives the same.
 * NX_ETOOBIG, NX_EPROTO, NX_ETIMEDOUT, NX_ERESET, NX_ENOMEM, NX_ECANCELED; NX_ESTATE after
 * nx_request_read. Suspends. */
NX_API NX_MUST_CHECK nx_err nx_request_body(nx_request *req, nx_bytes *body);

/* Reads the next piece of the body as it comes: `*chunk` lasts until the next call; it is empty at
 * the end. The peer is held back while nobody reads. Errors as nx_request_body. Suspends. */
NX_API NX_MUST_CHECK nx_err nx_request_read(nx_request *req, nx_bytes *chunk);

/* A trailer field of a body (a chunked one in HTTP/1.1), once it has been read to its end; `data`
 * is NULL if there is none. */
NX_API nx_bytes nx_request_trailer(const nx_request *req, const char *name);

/* ---- Response */

/* Sets the status, 200 by default; 200 to 999. Something else makes the answer fail with NX_EINVAL.
 */
NX_API void nx_response_status(nx_response *res, int status);

/* Sets a header field (replaces it, but for vary), or adds one of the same name (set-cookie). Both
 * are copied. A name that is no token, CR, LF or NUL in the value, framing fields (content-length,
 * transfer-encoding, connection) and more than NX_HTTP_MAX_RESPONSE_HEADERS make the answer fail
 * with NX_EINVAL: the first mistake comes out of the call that sends. */
NX_API void nx_response_header(nx_response *res, const char *name, const char *value);
NX_API void nx_response_header_add(nx_response *res, const char *name, const char *value);
#define NX_HTTP_MAX_RESPONSE_HEADERS 64
/* As nx_response_header, for what belongs on an error page too: when a handler fails, what it and
 * the middleware had set is dropped but for these. */
NX_API void nx_response_header_always(nx_response *res, const char *name, const char *value);

/* Answers with the text, as text/plain unless a content-type is set. The whole answer: once a
 * request (NX_ESTATE). NX_EINVAL, NX_ENOMEM, NX_ERESET, NX_ETIMEDOUT. May suspend while the peer
 * takes no more. */
NX_API NX_MUST_CHECK nx_err nx_response_send(nx_response *res, const char *text);
/* The same with bytes, as application/octet-stream. */
NX_API NX_MUST_CHECK nx_err nx_response_send_bytes(nx_response *res, nx_bytes body);
/* The same with a value, as application/json. */
NX_API NX_MUST_CHECK nx_err nx_response_json(nx_response *res, nx_value value);
/* The same with a page, as text/html; what comes from outside goes into it by nx_html_escape. */
NX_API NX_MUST_CHECK nx_err nx_response_html(nx_response *res, const char *page);

/* The text as it goes between tags and into quoted attributes of a page, `&`, `<`, `>`, `"` and `'`
 * as entities, NUL as U+FFFD; NUL-terminated, in memory of the current scope. No help inside of
 * <script> and <style>, nor against a link that begins with "javascript:". NULL when memory is out.
 * Does not suspend. */
NX_API char *nx_html_escape(nx_bytes text);

/* Sends the peer elsewhere: 303 to a page after a form, 302 or 307 for now, 301 or 308 for good
 * (browsers keep these two and don't ask again); 307 and 308 keep method and body. `location` is a
 * URL or a path, in ASCII without spaces. NX_EINVAL for another status and another location, else
 * errors as nx_response_send. May suspend. */
NX_API NX_MUST_CHECK nx_err nx_response_redirect(nx_response *res, int status,
                                                 const char *location);

/* Answers with an error page: `return nx_response_error(res, 404, "there is no such todo")`. It is
 * JSON, {"error":"Not Found","message":"..."}, or HTML or plain text where the peer likes those
 * better, or what nx_http_on_error makes of it; header fields that were set go with it, but for
 * content-type and content-encoding. `message` may be NULL. Errors as nx_response_send; NX_EINVAL
 * for a status below 400. May suspend. */
NX_API NX_MUST_CHECK nx_err nx_response_error(nx_response *res, int status, const char *message);

/* An error for handlers, middleware and what they call to return: it becomes an error page with
 * this status and the message, which the peer is told (unlike that of nx_fail):
 *
 *     if (!item) return nx_http_error(404, "there is no item %d", id);
 *
 * Needs no request at hand, passes through nx_join and nx_blocking, and is lost when the fiber
 * records another error before it returns. The code is one that middleware may look for: NX_EACCES
 * for 401, NX_EPERM for 403, NX_ENOENT for 404 and 410, NX_ETIMEDOUT for 408 and 504, NX_EEXIST for
 * 409, NX_ETOOBIG for 413, 414 and 431, NX_ENOTSUP for 415 and 501, NX_ELIMIT for 429, NX_EAGAIN
 * for 503, else NX_EPROTO below 500 and NX_EFAILED from there on; NX_EINVAL if the status is below
 * 400 or above 999. Text past 240 bytes is cut. Never suspends; any thread. */
NX_API NX_MUST_CHECK nx_err nx_http_error(int status, const char *format, ...) NX_PRINTF(2, 3);

/* Sends a piece of an answer whose length is not known; the first piece sends the head. Chunked in
 * HTTP/1.1. Sent at once; suspends while the peer is slow, so nothing piles up. Errors as
 * nx_response_send. */
NX_API NX_MUST_CHECK nx_err nx_response_write(nx_response *res, nx_bytes piece);
/* Tells the peer what the page will need before the answer is ready, as 103 (RFC 8297): `link` is
 * the value of a Link field, "</style.css>; rel=preload; as=style", copied. Sent at once, once or
 * more, before the answer (NX_ESTATE after); not to HTTP/1.0. NX_EINVAL for a value that is none,
 * else errors as nx_response_send. May suspend. */
NX_API NX_MUST_CHECK nx_err nx_response_early_hint(nx_response *res, const char *link);
/* Adds a trailer field, sent behind the last piece of an answer that is chunked in HTTP/1.1, of any
 * in HTTP/2; rules as nx_response_header. */
NX_API void nx_response_trailer(nx_response *res, const char *name, const char *value);
/* Ends an answer made of pieces; done by itself when the handler returns NX_OK. */
NX_API NX_MUST_CHECK nx_err nx_response_end(nx_response *res);

/* ---- As streams, for nx_pipe in the handler (see <nexus/stream.h>) */

/* The body as a source: as nx_request_read, with its errors. */
NX_API nx_stream *nx_http_body(nx_request *req);

/* The answer as a sink: as nx_response_write, and nx_response_end at the end. Status and header
 * fields are set before. A file that is piped straight into it, nx_pipe(nx_fs_reader(path),
 * nx_http_sink(res)), is sent by the kernel, and its length with it. */
NX_API nx_stream *nx_http_sink(nx_response *res);

/* What has been sent: the status, 0 before the head is, and how many bytes of the body. */
NX_API int nx_response_status_sent(const nx_response *res);
NX_API uint64_t nx_response_bytes_sent(const nx_response *res);

#ifdef __cplusplus
}
#endif

#include <nexus/compress.h>
#include <nexus/middleware.h>
#include <nexus/static.h>

#endif
