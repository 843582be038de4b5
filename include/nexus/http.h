/* The HTTP server. A handler is a plain function that runs in a fiber of its own; calls that wait
 * suspend it. */
#ifndef NEXUS_HTTP_H
#define NEXUS_HTTP_H

#include <nexus/base.h>
#include <nexus/input.h>
#include <nexus/json.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct nx_http_server nx_http_server;
typedef struct nx_request nx_request;
typedef struct nx_response nx_response;

/* Answers one request. An error that it returns before it has answered becomes a 500 (or 400, 408,
 * 413 for NX_EPROTO, NX_ETIMEDOUT, NX_ETOOBIG from reading the body); one in the middle of an
 * answer made of pieces closes the connection. A handler that answers nothing gives 204. Memory of
 * nx_alloc and all slices of the request last until it returns. */
typedef nx_err (*nx_http_handler)(nx_request *req, nx_response *res);

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
    uint32_t max_connections;   /* open at once, 65,536; more wait in the backlog */
    uint32_t max_target;        /* bytes of the request target, 8,192; then 414 */
    uint32_t max_headers;       /* header fields, 100; then 431 */
    uint32_t max_head;          /* bytes of the whole head, 16,384 (65,535 at most); then 431 */
    uint64_t max_body;          /* bytes of a body, 1 MiB; NX_HTTP_NO_LIMIT; then 413 */
    uint32_t max_trailer;       /* bytes of chunk trailers, 4,096; then 413 */
    uint32_t max_requests;      /* on one connection before it is closed, none */
} nx_http_server_options;

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

/* Frees a server that does not listen. NULL is fine. */
NX_API void nx_http_server_free(nx_http_server *server);
static inline void nx_http_server_auto(nx_http_server **server)
{
    nx_http_server_free(*server);
}

/* Adds a route. `method` is a token such as "GET", or "*" for all. `path` is absolute; a segment
 * ":name" matches one segment, a last segment "*name" the rest; literal beats ":", ":" beats "*".
 * GET answers HEAD too. The strings are copied. The first mistake (bad path, a route twice, no
 * memory) comes out of nx_http_listen. */
NX_API void nx_http_route(nx_http_server *server, const char *method, const char *path,
                          nx_http_handler handler);

/* A pointer that handlers find with nx_request_app. Not owned. */
NX_API void nx_http_set_app(nx_http_server *server, void *app);

/* Listens and serves until SIGTERM, SIGINT, nx_http_stop or nx_shutdown, then lets what is in
 * flight finish and returns NX_OK. NX_EPERM (needs --allow-net), NX_EADDRINUSE, NX_EACCES,
 * NX_EINVAL (options, routes), NX_ENOMEM, NX_ELIMIT, NX_ETIMEDOUT (requests were still running
 * after drain_deadline; they were cancelled, and waited for). Suspends. */
NX_API NX_MUST_CHECK nx_err nx_http_listen(nx_http_server *server);

/* Starts the graceful stop. Does not suspend. */
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
} nx_http_stats;
/* Fills `*stats`. Does not suspend. */
NX_API void nx_http_stats_get(const nx_http_server *server, nx_http_stats *stats);

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
/* The peer's address as text ("127.0.0.1"), "unix" for a Unix socket. */
NX_API nx_bytes nx_request_peer(nx_request *req);
/* The pointer given to nx_http_set_app. */
NX_API void *nx_request_app(const nx_request *req);

/* Reads the whole body, up to max_body. Memory of the request; calling it again gives the same.
 * NX_ETOOBIG, NX_EPROTO, NX_ETIMEDOUT, NX_ERESET, NX_ENOMEM, NX_ECANCELED; NX_ESTATE after
 * nx_request_read. Suspends. */
NX_API NX_MUST_CHECK nx_err nx_request_body(nx_request *req, nx_bytes *body);

/* Reads the next piece of the body as it comes: `*chunk` lasts until the next call; it is empty at
 * the end. The peer is held back while nobody reads. Errors as nx_request_body. Suspends. */
NX_API NX_MUST_CHECK nx_err nx_request_read(nx_request *req, nx_bytes *chunk);

/* A trailer field of a chunked body, once it has been read to its end; `data` is NULL if there is
 * none. */
NX_API nx_bytes nx_request_trailer(const nx_request *req, const char *name);

/* ---- Response */

/* Sets the status, 200 by default; 200 to 999. Something else makes the answer fail with NX_EINVAL.
 */
NX_API void nx_response_status(nx_response *res, int status);

/* Sets a header field (replaces it), or adds one of the same name (set-cookie). Both are copied. A
 * name that is no token, CR, LF or NUL in the value, framing fields (content-length,
 * transfer-encoding, connection) and more than NX_HTTP_MAX_RESPONSE_HEADERS make the answer fail
 * with NX_EINVAL: the first mistake comes out of the call that sends. */
NX_API void nx_response_header(nx_response *res, const char *name, const char *value);
NX_API void nx_response_header_add(nx_response *res, const char *name, const char *value);
#define NX_HTTP_MAX_RESPONSE_HEADERS 64

/* Answers with the text, as text/plain unless a content-type is set. The whole answer: once a
 * request (NX_ESTATE). NX_EINVAL, NX_ENOMEM, NX_ERESET, NX_ETIMEDOUT. May suspend while the peer
 * takes no more. */
NX_API NX_MUST_CHECK nx_err nx_response_send(nx_response *res, const char *text);
/* The same with bytes, as application/octet-stream. */
NX_API NX_MUST_CHECK nx_err nx_response_send_bytes(nx_response *res, nx_bytes body);
/* The same with a value, as application/json. */
NX_API NX_MUST_CHECK nx_err nx_response_json(nx_response *res, nx_value value);

/* Sends a piece of an answer whose length is not known; the first piece sends the head. Chunked in
 * HTTP/1.1. Sent at once; suspends while the peer is slow, so nothing piles up. Errors as
 * nx_response_send. */
NX_API NX_MUST_CHECK nx_err nx_response_write(nx_response *res, nx_bytes piece);
/* Adds a trailer field, sent behind the last piece of a chunked answer; rules as
 * nx_response_header. */
NX_API void nx_response_trailer(nx_response *res, const char *name, const char *value);
/* Ends an answer made of pieces; done by itself when the handler returns NX_OK. */
NX_API NX_MUST_CHECK nx_err nx_response_end(nx_response *res);

#ifdef __cplusplus
}
#endif

#endif
