/* HTTP/1.1 connections: what reading, writing and bodies share. */
#ifndef NX__H1_CONN_H
#define NX__H1_CONN_H

#include "http/h1/chunked.h"
#include "http/h1/parser.h"
#include "http/io.h"
#include "http/server.h"

enum {
    NX__H1_SCRATCH = 64 * 1024,   /* bytes read, and written, in one go */
    NX__H1_COPY_MOST = 16 * 1024, /* a larger body is sent from where it is */
    NX__H1_RESPONSE_HEAD_MOST = 32 * 1024,
    NX__H1_DISCARD_MOST =
        256 * 1024, /* of a body that the handler did not read; then the connection is closed */
    NX__H1_IN_MOST = 128 * 1024, /* read but not yet handled */
    NX__H1_PIECE = 16 * 1024,    /* of a body, at a time */
};

struct nx__h1_request;

/* About 200 bytes: an idle connection has nothing else. */
struct nx__h1_conn {
    struct nx__watch watch;
    struct nx__http_io io;
    nx_http_server *server;
    struct nx__conn base;       /* in server->lists[list] */
    struct nx__h1_request *req; /* whose handler has not ended */
    struct nx__buffer in;       /* read, not yet handled */
    struct nx__buffer out;      /* as it goes to the kernel, which has not yet taken it */
    struct nx__stream *stream;  /* of events, without a fiber; cf. `streaming` */
    struct nx__tunnel *tunnel;  /* another protocol has the connection */
    struct nx__post post;       /* goes on in the loop's context */
    uint32_t requests;
    uint32_t scanned; /* of `in`: known to hold no whole head */
    uint32_t waited;  /* `requests` when the head that is in `in` began */
    uint8_t list;
    uint8_t family; /* the peer's; AF_UNSPEC where it is not known */
    uint8_t
        address[16]; /* of AF_INET and AF_INET6. Kept: a peer that has reset has none any more */
    bool half_closed : 1; /* the peer sends no more */
    bool close_after : 1; /* no more requests on this connection */
    bool broken : 1;      /* the socket takes and gives nothing any more */
    bool posted : 1;
    bool gone : 1; /* closed; freed when the post arrives */
    bool writable_armed : 1;
    bool streaming : 1; /* the answer is a stream of events: `req` has it, or `stream` */
    bool chunked : 1;   /* its pieces are chunks */
    bool watched : 1;   /* the peer's leaving cancels `req` */
    bool told : 1;      /* the tunnel knows that the server stops */
};

/* A body on its way in. */
struct nx__h1_body {
    uint64_t length_left; /* of one with a length */
    uint64_t received;
    nx_duration started;
    nx_duration waited; /* for its bytes, in all */
    struct nx__h1_chunked decoder;
    char *piece;      /* memory for nx_request_read */
    nx_bytes raw;     /* of a chunked one: read, not yet decoded; in `wire` */
    bool from_window; /* where `raw` was read from */
    char *wire;
    char *trailer; /* memory for the trailer section */
};

struct nx__h1_request {
    nx_request base; /* first */
    struct nx__h1_conn *conn;
    char *peer;                  /* its address, once asked for */
    struct nx__timed_op *reader; /* who waits for its body, be it in another fiber than writes */
    uint8_t minor;
    bool keep_alive, head_method;
    bool expect_continue; /* the peer waits for our word before it sends */
    bool has_body;        /* else nothing of `body` is set */
    bool chunked, body_done;
    struct nx__h1_body body;
};

/* How nearly every head begins: status, content type, date. */
struct nx__h1_prefix {
    int status;
    const struct nx__line *type;
    const nx_http_server *server; /* whose Alt-Svc it has */
    nx_duration until;            /* the date is right */
    uint32_t len;
    char text[4 * sizeof(struct nx__line)];
};

/* What connections of one loop borrow while they hold the thread: input and output without memory
 * of their own. */
struct nx__h1_shared {
    char *in;
    char *out;
    size_t out_len; /* of `out`; belongs to whoever runs, flushed before anybody else does */
    struct nx__h1_conn *active;  /* whose input is being handled in the loop's context */
    nx_bytes window;             /* its input that is not handled yet */
    size_t connections;          /* of all servers of the loop */
    struct nx__h1_prefix prefix; /* of the last answer */
    struct nx__h1_header headers[NX__H1_MAX_HEADERS];
};

extern NX__THREAD_LOCAL struct nx__h1_shared *nx__h1_shared;
extern const struct nx__http_driver nx__h1_driver;

/* The connection that the server knows by this. */
static inline struct nx__h1_conn *nx__h1_of(struct nx__conn *base)
{
    return nx__container_of(base, struct nx__h1_conn, base);
}

/* Moves the connection into a list, from now on. */
void nx__h1_list(struct nx__h1_conn *conn, enum nx__conn_list list);

/* Closes the connection and frees it; no handler has it. */
void nx__h1_close(struct nx__h1_conn *conn);

/* Goes on after a handler that had been suspended, or after output that had been kept; in the
 * loop's context. The connection may be gone after. */
void nx__h1_go_on(struct nx__h1_conn *conn);

/* ---- write.c */

/* Asks to be told, or no longer, when the peer takes more. */
void nx__h1_watch_writable(struct nx__h1_conn *conn, bool want);

/* Sends what is in the shared output, then the two slices; in the request's fiber, which is
 * suspended while the peer takes nothing. NX_ERESET, NX_ETIMEDOUT, NX_ECANCELED, NX_ENOMEM: the
 * connection is broken then. */
NX_MUST_CHECK nx_err nx__h1_send_all(struct nx__h1_conn *conn, nx_bytes body, nx_bytes tail);

/* The same with flags of send(2). */
NX_MUST_CHECK nx_err nx__h1_send_more(struct nx__h1_conn *conn, nx_bytes body, nx_bytes tail,
                                      int flags);

/* Suspends until the peer takes more, write_deadline at most; errors as above. nx__h1_written says
 * that there is no more to wait for. */
NX_MUST_CHECK nx_err nx__h1_wait_writable(struct nx__h1_conn *conn);
void nx__h1_written(struct nx__h1_conn *conn);

/* The connection gives and takes nothing more. Returns NX_ERESET, recorded. */
nx_err nx__h1_reset(struct nx__h1_conn *conn, int error);

/* Sends what is in the shared output, and "100 Continue" behind it where the peer waits for that.
 * Never suspends; what the peer does not take goes later. NX_ERESET: the connection is broken. */
NX_MUST_CHECK nx_err nx__h1_send_before_body(struct nx__h1_request *req);

/* Puts the head of an answer with so many bytes into the shared output. `*body` tells whether they
 * are to be sent: with no status or method that has none. Else the answer is done. May suspend. */
NX_MUST_CHECK nx_err nx__h1_send_head(nx_response *res, uint64_t length, bool *body);

/* Sends the head of an answer that changes the protocol (RFC 9110 7.8, 15.2.2). May suspend. */
NX_MUST_CHECK nx_err nx__h1_send_switch(nx_response *res, const char *protocol);

/* Sends what is in the shared output as far as the peer takes it, keeps the rest and sees that it
 * goes later; never suspends. False when the connection is broken. */
bool nx__h1_flush(struct nx__h1_conn *conn);

/* Sends what was kept; true when nothing is left. */
bool nx__h1_flush_kept(struct nx__h1_conn *conn);

/* Answers what is no request (it is malformed), and closes after; `head` is what has come of it.
 * Never suspends. */
void nx__h1_refuse(struct nx__h1_conn *conn, int status, const char *reason, nx_bytes head);

/* The address at the other end, into `out` where it needs memory; empty where it is not known.
 */
enum { NX__H1_PEER = 48 };
nx_bytes nx__h1_peer(const struct nx__h1_conn *conn, char out[NX__H1_PEER]);

nx_err nx__h1_send(nx_response *res, nx_bytes body);
nx_err nx__h1_send_json(nx_response *res, nx_value value);
nx_err nx__h1_write(nx_response *res, nx_bytes piece);
nx_err nx__h1_end(nx_response *res);
nx_err nx__h1_early(nx_response *res, nx_bytes link);

/* ---- file.c */

nx_err nx__h1_send_file(nx_response *res, int fd, const struct nx__file_piece *pieces,
                        size_t count);

/* ---- stream.c */

void nx__h1_events(nx_response *res);
void nx__h1_hold(nx_response *res, struct nx__stream *stream);
long nx__h1_stream_send(struct nx__stream *stream, const nx_bytes *pieces, size_t count);
void nx__h1_stream_end(struct nx__stream *stream, bool in_order);

/* The connection's answer is no stream of events any more. */
void nx__h1_stream_over(struct nx__h1_conn *conn);

/* The handler of a request that held the connection has ended: the stream goes on by itself, and
 * may be gone after. */
void nx__h1_stream_enter(struct nx__h1_conn *conn);

/* A stream of events has been silent for long, or is to end (struct nx__conn_kind). */
void nx__h1_beat(struct nx__conn *base);

/* An event of the poller on a connection with a stream, which may be gone after. */
void nx__h1_stream_ready(struct nx__h1_conn *conn, uint32_t events);

/* ---- tunnel.c */

nx_err nx__h1_tunnel(nx_response *res, struct nx__tunnel *tunnel, const char *protocol);

/* The handler has ended: the tunnel goes on by itself, and may be gone after. */
void nx__h1_tunnel_enter(struct nx__h1_conn *conn);

/* An event of the poller on a connection with a tunnel, which may be gone after. */
void nx__h1_tunnel_ready(struct nx__h1_conn *conn, uint32_t events);

/* The connection is closed under the tunnel. */
void nx__h1_tunnel_over(struct nx__h1_conn *conn);

/* See struct nx__conn_kind. */
bool nx__h1_tunnel_stop(struct nx__conn *base);

/* ---- body.c */

nx_err nx__h1_read(nx_request *req, nx_bytes *chunk);
nx_err nx__h1_body(nx_request *req, nx_bytes *body);
bool nx__h1_read_all(const nx_request *req);
nx_bytes nx__h1_trailers(const nx_request *req);

/* Reads and drops what the handler left of the body; false when that is too much or fails. May
 * suspend. */
bool nx__h1_discard(struct nx__h1_request *req);

#endif
