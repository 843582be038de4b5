/* What the parts of the HTTP server share: the server, one meaning of request and response, and the
 * seam to the protocol drivers under them. */
#ifndef NX__HTTP_SERVER_H
#define NX__HTTP_SERVER_H

#include "base/buffer.h"
#include "http/app.h"
#include "http/field.h"
#include "http/router.h"
#include "loop/loop.h"
#include <nexus/http.h>

/* A line of a head with its CRLF, made beforehand; so short that all of `text` can be copied. */
struct nx__line {
    uint8_t len;
    char text[63];
};

/* A part of an answer: bytes, then bytes of an open file. */
struct nx__file_piece {
    nx_bytes bytes;
    uint64_t offset, len;
};

struct nx__stream;  /* http/events.h */
struct nx__http_io; /* http/io.h */
struct nx__tunnel;  /* http/tunnel.h */
struct sockaddr_storage;

/* What a protocol does for a request. All run in the request's fiber and may suspend, but those for
 * streams. */
struct nx__http_driver {
    /* The whole answer at once. */
    nx_err (*send)(nx_response *res, nx_bytes body);
    /* The same for a value, written straight into the output. */
    nx_err (*send_json)(nx_response *res, nx_value value);
    /* The whole answer, of `count` pieces; `fd`, a plain file, stays the caller's. NX_EIO when the
     * file has less than was asked for: the answer is cut off. */
    nx_err (*send_file)(nx_response *res, int fd, const struct nx__file_piece *pieces,
                        size_t count);
    /* Sends the head (first time) and a piece. */
    nx_err (*write)(nx_response *res, nx_bytes piece);
    /* Ends an answer made of pieces. */
    nx_err (*end)(nx_response *res);
    /* Tells the peer what the answer will need, before it comes. Nothing where the peer would take
     * it for the answer. */
    nx_err (*early)(nx_response *res, nx_bytes link);
    /* The next piece of the body, empty at its end. */
    nx_err (*read)(nx_request *req, nx_bytes *chunk);
    /* The whole body. */
    nx_err (*body)(nx_request *req, nx_bytes *body);
    /* The lines of the trailer section, once the body has been read to its end. */
    nx_bytes (*trailers)(const nx_request *req);
    nx_bytes (*peer)(nx_request *req);
    /* "HTTP/1.1" */
    nx_bytes (*protocol)(const nx_request *req);

    /* What TLS has come to, for a request that is `secure`; NULL when memory is out. */
    const nx_tls_info *(*tls)(nx_request *req);

    /* For `nexus dev`: the connection's descriptor as long as nothing of the answer has gone out,
     * and what goes before has; else -1. Async-signal-safe. */
    int (*descriptor)(const nx_request *req);
    /* For `nexus dev`: the connection is somebody else's, and closed here without a word. */
    void (*leave)(nx_request *req);

    /* The head of a stream of events has been sent, or one more event: no handler_deadline from
     * here on, comments while it is silent, and the peer's leaving or the server's stop cancels the
     * fiber. Does not suspend. */
    void (*events)(nx_response *res);
    /* The same for a stream that goes on when the handler has ended: nx__stream_serve is called
     * then, or nx__stream_leave. Does not suspend. */
    void (*hold)(nx_response *res, struct nx__stream *stream);
    /* Sends the pieces, at most NX__STREAM_PIECES; the number of bytes that the peer took, or
     * -EAGAIN: nx__stream_serve is called when it takes more. Other errors are final. In the loop's
     * context, as the next. */
    long (*stream_send)(struct nx__stream *stream, const nx_bytes *pieces, size_t count);
    /* Ends the stream and leaves it; in order, or by closing the connection. */
    void (*stream_end)(struct nx__stream *stream, bool in_order);

    /* See http/tunnel.h; NULL where there are none. May suspend. */
    nx_err (*tunnel)(nx_response *res, struct nx__tunnel *tunnel, const char *protocol);
    /* What extended CONNECT asks for; NULL where there is no such thing. */
    nx_bytes (*tunnel_asked)(const nx_request *req);

    /* It is known that there is no body, or no more of it: nothing would be read. */
    bool (*read_all)(const nx_request *req);
    /* The answer goes forward at the pace of others, which has deadlines of its own: that of the
     * handler counts anew. Does not suspend. */
    void (*moves)(nx_request *req);
    /* From here on the peer's leaving cancels the request's fiber. In HTTP/1.1 one that says that
     * it sends no more counts as one that has left: nothing tells them apart. Does not suspend. */
    void (*watch)(nx_request *req);
};

enum { NX__STREAM_PIECES = 16 };

enum nx__response_state { NX__RESPONSE_OPEN, NX__RESPONSE_STREAMING, NX__RESPONSE_DONE };

struct nx_response {
    nx_request *req;
    int status;
    enum nx__response_state state;
    bool page;       /* an error page is being made */
    bool events;     /* a stream of events */
    bool subscribed; /* that goes on without the handler */
    nx_err failed;   /* the first mistake of a builder; its message is `failure` */
    const char *failure;
    struct nx__fields fields, trailers;
    const struct nx__line *content_type; /* what the call that sends brings, where no field says */
    uint64_t sent;                       /* bytes of the body */
    uint64_t
        length; /* bytes of a body in pieces, said in the head; of a HEAD's, which are not sent */
    bool length_known; /* `length` counts, if what goes out is what the handler gives */
};

struct nx__value {
    struct nx__value *next;
    const void *key;
    void *value;
};

struct nx__observer {
    struct nx__observer *next;
    nx_request_end_fn fn;
    void *context;
};

/* What only requests with middleware have. */
struct nx__request_extra {
    struct nx__value *values;
    struct nx__observer *observers; /* the last one first */
    nx_bytes user, id;
    bool origin_known; /* the three of the client, as a trusted proxy says */
    nx_bytes peer, scheme, host;
};

struct nx_request {
    struct nx__http_place place; /* first: nx_http_next is the app's */
    const struct nx__http_driver *driver;
    nx_http_server *server;
    nx_fiber *fiber;
    nx_http_handler handler;
    nx_bytes method, path, query;
    const char *head;                    /* what the header slices are offsets into */
    const struct nx__h1_header *headers; /* in memory of the request */
    uint32_t header_count;
    struct nx__route_match *match; /* its data is a struct nx__target */
    nx_bytes *params;              /* decoded at first use */
    nx_response response;
    nx_bytes body; /* once read whole */
    bool body_whole, body_streamed;
    bool secure;                   /* it came through TLS, or QUIC */
    bool logged;                   /* on the standard output, by an access log of the app's own */
    struct nx__request_data *data; /* parsed at first use */
    struct nx__coded *coded;       /* what compresses the answer or decodes the body; mostly NULL */
    struct nx__request_extra *extra; /* NULL for most */
};

struct nx__opened;
struct nx__coding_config;
struct nx__socket;
struct nx__workers;
struct nx__h3_server;

/* What the server knows of a connection, whatever its protocol. */
struct nx__conn {
    struct nx__list link; /* in one of the server's lists */
    nx_duration since;    /* that it is there (monotonic) */
    const struct nx__conn_kind *kind;
};

enum nx__conn_list {
    NX__CONN_GREET,   /* TLS has not been agreed on: handshake_deadline */
    NX__CONN_IDLE,    /* between requests: idle_deadline */
    NX__CONN_HEAD,    /* a part of a head is there: head_deadline */
    NX__CONN_HANDLER, /* a handler is suspended: handler_deadline */
    NX__CONN_EVENTS,  /* a stream of events; silent for as long as it is in the list */
    NX__CONN_TUNNEL,  /* another protocol has it */
    NX__CONN_WRITE,   /* the peer takes no more, and no handler waits for it: write_deadline */
    NX__CONN_LINGER,  /* answered and half closed, until the peer has closed too */
    NX__CONN_LISTS
};

/* What a protocol does for its connections, in the loop's context. */
struct nx__conn_kind {
    /* The connection has been in its list for longer than it may: it leaves it. */
    void (*expire)(struct nx__conn *conn, enum nx__conn_list list);
    /* It has a stream of events that has been silent for `heartbeat`, or that is to end since the
     * server stops. It moves to the end of its list or out of it. */
    void (*beat)(struct nx__conn *conn);
    /* It has a tunnel, which is told that the server stops, once; false when it has been told
     * already. It moves to the end of its list. */
    bool (*stop)(struct nx__conn *conn);
    /* It has had a request. */
    bool (*is_used)(const struct nx__conn *conn);
};

struct nx_http_server {
    /* What the app has said. While the server listens, nothing of it changes, and workers have
     * copies of it. */
    nx_http_server_options options; /* with the defaults filled in */
    char *host;
    nx_http_router *root;
    struct nx__sites sites;              /* made of it by nx__server_prepare */
    struct nx__proxies *proxies;         /* that are trusted; NULL: none */
    struct nx__cookie_keys *cookie_keys; /* NULL: none were given */
    struct nx__opened *opened;           /* directories that are served */
    struct nx__coding_config *coding;    /* NULL: nothing is compressed or decoded */
    nx_tls_server *tls;                  /* NULL: plain */
    nx_err failed;                       /* the first mistake of a builder */
    char failure[NX__ERROR_MESSAGE_MAX];
    uint16_t port;
    struct nx__workers *workers; /* NULL when it does not listen */
    struct nx__line alt_svc;     /* empty: none */

    /* What each worker has of its own, from `loop` on: for its own thread, but for `stats`, which
     * others read (nx__count). */
    struct nx_loop *loop;
    struct nx__service service;
    struct nx__watch listener;
    struct nx__socket *socket; /* that it accepts from; NULL when it does not */
    struct nx__h3_server *h3;  /* NULL: no HTTP/3 */
    uint32_t connections_most; /* its share of max_connections */
    bool listening, stopping, accept_paused;
    bool draining;     /* it ends when the last connection has gone */
    bool closing;      /* and each goes after its answer */
    bool handing;      /* and each goes to the program that takes our place, once it is idle */
    bool tunnels_told; /* all of them know that it drains */
    bool begun;        /* worker_start has succeeded, worker_stop is owed */
    void *state;       /* that worker_start has given */
    struct nx__watch inbox, outbox; /* of the channels for that; -1 without a launcher */
    struct nx__timer inbox_timer, outbox_timer;
    struct nx__timer accept_timer, drain_timer, sweep_timer, stop_timer, events_timer;
    struct nx__list lists[NX__CONN_LISTS]; /* connections by phase, oldest first */
    struct nx__list sessions;              /* connections of HTTP/2 */
    struct nx__op *closed;                 /* nx_http_listen waits for the last connection */
    uint32_t notices;                      /* and for who writes down a refusal */
    nx_err outcome;
    nx_http_stats stats;
};

/* A request that was refused before it was one: malformed, too large, not there in time. */
struct nx__refusal {
    nx_http_server *server;
    int status;
    const char *reason; /* static */
    nx_bytes peer;      /* as nx_request_peer has it, whoever is trusted */
    nx_bytes head;      /* what has come of it, as it came */
    uint64_t sent;      /* bytes of the answer's body */
    nx_duration took;   /* since its first byte, as far as that is known */
};

/* ---- Between server.c and the drivers */

/* Changes a number of `stats`, on the worker's own thread: others read it meanwhile. */
static inline void nx__count(uint64_t *number, int by)
{
    nx__store_relaxed(number, *number + (uint64_t)(int64_t)by);
}

/* Takes over an accepted connection; `peer` is NULL where its address has to be asked for. False
 * when memory is out: the caller closes it. */
bool nx__h1_accept(nx_http_server *server, struct nx__http_io io,
                   const struct sockaddr_storage *peer);

struct nx__handed;   /* permission/handover.h */
struct nx__listener; /* permission/broker.h */

/* Takes over a connection of the program before. False when memory is out: the caller closes it. */
bool nx__h1_take(nx_http_server *server, const struct nx__handed *connection);

/* The first of the idle connections in the list, at most `most`; returns how many. */
size_t nx__h1_idle(struct nx__list *list, struct nx__handed *out, size_t most);

/* Forgets the first `count` of them, which have gone to another process. */
void nx__h1_let_go(struct nx__list *list, size_t count);

/* ---- handover.c: a restart */

/* Takes over the listener's channel. What it has taken is -1 after; NX_ENOMEM and others, recorded.
 */
NX_MUST_CHECK nx_err nx__handover_open(nx_http_server *server, struct nx__listener *listener);

/* Takes in connections from now on: requests are served. */
void nx__handover_ready(nx_http_server *server);

/* At a stop: true when it is one for a program that takes our place. From now on idle connections
 * go there. */
bool nx__handover_begin(nx_http_server *server);

/* A connection has become idle while they are handed over. */
void nx__handover_idle(nx_http_server *server);

/* Takes in all that is under way to us: at a stop, they are served to the end. */
void nx__handover_take_all(nx_http_server *server);

/* After a second word to stop: nobody takes our place any more. */
void nx__handover_stop(nx_http_server *server);

void nx__handover_close(nx_http_server *server);

/* A connection is gone, or a notice: `server->stats.connections`, or `notices`, has been lowered.
 */
void nx__server_closed(nx_http_server *server);

/* Makes sure that the sweep comes no later than `at`. */
void nx__server_sweep_by(nx_http_server *server, nx_duration at);

/* How long a connection may stay in the list. */
nx_duration nx__server_deadline(const nx_http_server *server, enum nx__conn_list list);

static inline struct nx__conn *nx__conn_of(struct nx__list *link)
{
    return nx__container_of(link, struct nx__conn, link);
}

/* Sees to it that streams of events get their comments, and that they and tunnels come to their end
 * when the server stops. */
void nx__server_events(nx_http_server *server);

/* Frees what the driver keeps for the loop, unless another server of the loop has connections. */
void nx__h1_free(void);

/* Makes what requests are served with of what the app has said; before the first connection, and
 * again before more if there is none. The first mistake of the builders, NX_ENOMEM. */
NX_MUST_CHECK nx_err nx__server_prepare(nx_http_server *server);

/* Runs the handler and whatever is owed after it; the body of a request's fiber. */
void nx__request_serve(nx_request *req);

/* The name of such a fiber, whose argument is the request: known by its address. */
extern const char nx__request_fiber[];

/* What a request's fiber works on: its route. For nx__profile_label. */
nx_bytes nx__request_label(const nx_fiber *fiber);

/* The value of the first line of that name, of lines as a trailer section has them; `data` is NULL
 * if there is none. */
nx_bytes nx__trailer_find(nx_bytes lines, const char *name);

/* Calls the program's worker_start, or worker_stop where that has succeeded, on the worker's
 * thread. Errors are the program's, recorded. May suspend. */
NX_MUST_CHECK nx_err nx__worker_begin(nx_http_server *server);
void nx__worker_end(nx_http_server *server);

/* Gives back what serving has taken on the loop: files, encoders, memory. */
void nx__server_release(nx_http_server *server);

/* Records the first mistake of a builder; it comes out of nx_http_listen. */
void nx__server_mistake(nx_http_server *server, nx_err err, const char *format, ...)
    NX_PRINTF(3, 4);

/* True when one of the first `count` fields of the answer has this name. */
bool nx__response_has(const nx_response *res, const char *name, uint32_t count);

/* Adds a field whose parts last as long as the request, for what needs no check. NX_ENOMEM. */
NX_MUST_CHECK nx_err nx__response_field(nx_response *res, nx_bytes name, nx_bytes value);

/* The body has a content-encoding that is not decoded: NX_ENOTSUP, which becomes 415. */
nx_err nx__request_unsupported(nx_request *req, nx_bytes coding);

/* For a 415 whose request has a body of a type that is not understood: fields that say which are
 * (RFC 9110 15.5.16), as they have it for the method. `types` is a list; copied. */
void nx__response_accept(nx_request *req, const char *types);

/* What the routes of the request's router share. */
static inline const struct nx__scope *nx__request_scope(const nx_request *req)
{
    return ((const struct nx__target *)req->match->data)->scope;
}

/* The host in the target, else that of the Host field, with its port. */
nx_bytes nx__request_own_host(const nx_request *req);

/* Answers what no route serves, behind the middleware of the prefix that the path has. */
nx_err nx__request_unrouted(nx_request *req);

/* Calls who wanted to know; `req->extra` is there. */
void nx__request_ended(nx_request *req);

/* Made at the first call; NULL when memory is out (recorded). */
struct nx__request_extra *nx__request_extra(nx_request *req);

/* NX_OK if an answer may be sent, else the error to return. */
NX_MUST_CHECK nx_err nx__response_ready(nx_response *res);

/* Adds a Vary field that stays on error pages. */
void nx__response_vary(nx_response *res, const char *names);

/* The error page of a handler or middleware that has failed: drops what they had set. `failure` is
 * complete. */
nx_err nx__response_failed(nx_response *res, const nx_http_failure *failure);

/* Says what has failed, with the error's message. */
void nx__request_log_failure(nx_request *req, nx_err err, const char *what);

/* Whether the peer is a trusted proxy. */
bool nx__request_from_proxy(nx_request *req);

void nx__proxies_free(struct nx__proxies *proxies);

/* ---- Helpers */

/* "HTTP/1.1 200 OK" for every status from 100 to 999; static or thread-local storage. */
const struct nx__line *nx__status_line(int status);
/* The reason alone: "OK". */
nx_bytes nx__status_text(int status);

/* "date: ..." for now (IMF-fixdate, RFC 9110 5.6.7), made once a second; `*until` (monotonic) says
 * how long it is right. Thread-local storage. */
const struct nx__line *nx__date_line(struct nx_loop *loop, nx_duration *until);

/* "content-type: ..." */
extern const struct nx__line nx__type_json, nx__type_text, nx__type_bytes, nx__type_html,
    nx__type_events;

#endif
