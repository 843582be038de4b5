/* HTTP/2 connections (RFC 9113): what sessions, requests, answers and bodies share. Frames and
 * header compression are nghttp2's; what a peer may cost is held here. */
#ifndef NX__H2_CONN_H
#define NX__H2_CONN_H

#include "base/buffer.h"
#include "base/list.h"
#include "http/h1/parser.h"
#include "http/h2/h2.h"
#include "http/server.h"
#include "net/fd.h"
#include <nghttp2/nghttp2.h>

enum {
    NX__H2_SCRATCH = 64 * 1024,   /* bytes read, and written, in one go */
    NX__H2_COPY_MOST = 16 * 1024, /* a larger body is sent from where it is, by its handler */
    NX__H2_RESPONSE_HEAD_MOST = 32 * 1024,
    NX__H2_DISCARD_MOST = 256 * 1024, /* of a body that the handler did not read */
    NX__H2_FILE_PIECE = 64 * 1024,    /* of a file, at a time */

    /* What a peer may have under way. */
    NX__H2_STREAMS = 128,             /* requests at once, those that it has reset included */
    NX__H2_WINDOW = 65535,            /* bytes of a body before its handler reads */
    NX__H2_READ_WINDOW = 256 * 1024,  /* and once it does */
    NX__H2_CONN_WINDOW = 1024 * 1024, /* of all bodies of a connection */
    NX__H2_MEMORY_MOST =
        4 * 1024 * 1024,           /* of the session, and of answers that wait for the peer */
    NX__H2_TABLE = 4096,           /* of header compression, either way */
    NX__H2_CONTINUATIONS = 8,      /* frames of a head behind the first */
    NX__H2_SETTINGS_ENTRIES = 32,  /* in a frame */
    NX__H2_ACKS = 256,             /* answers to PING and SETTINGS that wait for the peer */
    NX__H2_HEAD_SEEN = 256 * 1024, /* bytes that a head may unpack to before its connection ends,
                                      whatever is kept of it */

    /* Frames that ask for work and bring nothing: PING, SETTINGS, PRIORITY, WINDOW_UPDATE, empty
     * DATA, what is unknown; RST_STREAM either way, at NX__H2_RESET_COST. A bucket of so many,
     * filled by so many a second, and by each frame that brings or takes something. */
    NX__H2_CALM = 2000,
    NX__H2_CALM_RATE = 200,
    NX__H2_CALM_EARNED = 3,
    NX__H2_RESET_COST = 8,
};

enum { NX__H2_ENTERED = 128 }; /* beside NX__READABLE and NX__WRITABLE */

struct nx__h2_request;
struct nx__h2_stream;

/* A header block as far as it has come. */
struct nx__h2_head {
    uint32_t text_len, seen;
    uint16_t count;
    int16_t cookie;  /* index of its field; -1: none yet */
    uint16_t status; /* it is refused with that; 0: not so far */
    bool trailer, expect, has_length, ends;
    enum nx__method method_id;
    uint64_t length;
    struct nx__h1_slice method, path, authority, scheme, protocol; /* in `text` */
    int32_t stream;
    const char *reason;
    struct nx__h1_header fields[NX__H1_MAX_HEADERS];
    char text[NX__H1_MAX_HEAD];
};

/* Where in the frames the peer is: nghttp2 does not tell of all that it passes over. */
struct nx__h2_scan {
    uint32_t left;     /* bytes of the frame's payload that are to come */
    int32_t last;      /* latest request that was begun */
    uint8_t preface;   /* bytes of it that are to come */
    uint8_t have;      /* bytes in `head` */
    uint8_t head[14];  /* of the frame, with the payload of those that are looked at */
    uint8_t resets;    /* in `reset`, ever; it stays at NX__H2_RESETS once there have been more */
    int32_t reset[16]; /* requests that we have reset: the peer may not know yet */
};
enum { NX__H2_RESETS = sizeof((struct nx__h2_scan *)0)->reset / sizeof(int32_t) };

struct nx__h2_conn {
    struct nx__watch watch;
    struct nx__http_io io;
    nx_http_server *server;
    struct nx__conn base; /* in server->lists[list] */
    struct nx__list link; /* in server->sessions */
    nghttp2_session *session;
    struct nx__list streams;  /* all of them */
    struct nx__list sending;  /* those that have something to send */
    struct nx__list due;      /* streams of events that can take more */
    struct nx__buffer out;    /* as it goes to the kernel, which has not yet taken it */
    struct nx__h2_head *kept; /* a head of which a part has come, its text cut off */
    struct nx__h2_scan scan;
    struct nx__post post; /* goes on in the loop's context */
    nx_duration calm_at;  /* when `calm` was last filled */
    uint32_t calm;
    uint32_t memory;   /* bytes of it */
    uint32_t requests; /* that it has brought */
    uint32_t waited;   /* `requests` when it came into its list */
    uint32_t handlers; /* that run */
    uint32_t open;     /* streams, those included that the peer has reset */
    uint32_t dropped;  /* bytes, while it lingers */
    uint8_t list;
    uint8_t family; /* the peer's; AF_UNSPEC where it is not known */
    uint8_t address[16];
    bool busy : 1;        /* the session has the thread: what is to be sent goes after */
    bool posted : 1;      /* `post` is under way */
    bool broken : 1;      /* the socket takes and gives nothing any more */
    bool closed : 1;      /* and is closed */
    bool half_closed : 1; /* the peer sends no more */
    bool last : 1;        /* the session has said its last GOAWAY */
    bool noticed : 1;     /* the peer knows that we stop */
    bool lingering : 1;   /* half closed, until the peer has closed too */
    bool failed : 1;      /* the session is at its end: nothing that comes is looked at */
    bool flooded : 1;     /* the peer asks for too much */
    bool unread : 1;      /* there may be more than was read in one turn */
    bool ending : 1;      /* the peer's end has come, behind what is unread */
    bool writable_armed : 1;
};

/* A request and its answer on the wire. It outlives its handler while the answer goes out, and ends
 * before it when the peer resets it. */
struct nx__h2_stream {
    struct nx__h2_conn *conn;
    struct nx__h2_request *req; /* whose handler has not ended */
    struct nx__list link;       /* conn->streams */
    struct nx__list sending;    /* conn->sending */
    struct nx__list due;        /* conn->due */
    struct nx__conn base;       /* in a list of the server, as a connection would be */
    int32_t id;
    uint32_t discarded;
    nx_bytes out;              /* to be sent next */
    char *copy;                /* memory of the stream that it is in; NULL: the handler's */
    struct nx__buffer in;      /* of the body: come, not yet read */
    struct nx__stream *events; /* without a fiber */
    struct nx__tunnel *tunnel; /* another protocol has it */
    uint8_t list;
    uint8_t told;       /* what the tunnel is to be told: events of the poller, NX__H2_ENTERED */
    bool blocked : 1;   /* the tunnel waits until what it has sent has gone */
    bool stopping : 1;  /* it has been told that the server stops */
    bool deferred : 1;  /* the session asks no more until it is told */
    bool out_end : 1;   /* the answer ends behind `out` */
    bool trailers : 1;  /* with trailers, which the handler has in its memory */
    bool out_done : 1;  /* all of it has been sent */
    bool in_end : 1;    /* the body has come to its end */
    bool closed : 1;    /* the session does not know it any more */
    bool reset : 1;     /* in disorder: nothing may follow */
    bool ended : 1;     /* it is to be reset */
    bool streaming : 1; /* a stream of events */
    bool watched : 1;   /* the peer's leaving cancels `req` */
};

struct nx__h2_request {
    nx_request base; /* first */
    struct nx__h2_stream *stream;
    struct nx__timed_op *reader, *writer; /* its fiber waits */
    char *peer;                           /* its address, once asked for */
    struct nx__buffer piece;              /* what nx_request_read has given last */
    nx_duration started, waited, moved;   /* as HTTP/1.1 has it; when bytes last went out */
    uint64_t received;
    uint64_t length; /* as the head says; UINT64_MAX: it does not */
    nx_bytes asked;  /* another protocol, by extended CONNECT */
    bool head_method, expect_continue, reading;
    char *trailer; /* lines of the trailer section */
    uint32_t trailer_len;
};

/* Whoever waits goes on; nobody need. */
static inline void nx__h2_wake(struct nx__timed_op **waiter)
{
    struct nx__timed_op *wait = *waiter;
    *waiter = NULL;
    if (wait) nx__op_complete(&wait->op, 0);
}

/* What connections of one loop borrow while they hold the thread. */
struct nx__h2_shared {
    char *in, *out;
    size_t out_len;
    bool full; /* DATA has found no room in `out` */
    struct nx__h2_head *head;
    struct nx__h2_conn *head_of; /* whose it is; NULL: nobody's */
    size_t connections;
    nghttp2_session_callbacks *callbacks;
    nghttp2_option *option;
    void *pool[17]; /* memory by size, for the next that asks */
    size_t pooled;
};

extern NX__THREAD_LOCAL struct nx__h2_shared *nx__h2_shared;
extern const struct nx__http_driver nx__h2_driver;

/* ---- memory.c: the session's allocator, and that of what waits to be sent */

/* NULL when memory is out, or NX__H2_MEMORY_MOST. */
void *nx__h2_alloc(struct nx__h2_conn *conn, size_t size);
void nx__h2_free(struct nx__h2_conn *conn, void *memory);
nghttp2_mem nx__h2_memory(struct nx__h2_conn *conn);
void nx__h2_pool_clear(struct nx__h2_shared *shared);

/* ---- conn.c */

/* There is something to send, or to see to: in the loop's context, soon. */
void nx__h2_dirty(struct nx__h2_conn *conn);

/* Moves the connection, or the stream, into a list of the server, from now on. */
void nx__h2_list(struct nx__h2_conn *conn, enum nx__conn_list list);
void nx__h2_stream_list(struct nx__h2_stream *stream, enum nx__conn_list list);

/* Sends what the session has, as far as the peer takes it; in the loop's context, and not while the
 * session tells of what has come. */
void nx__h2_flush(struct nx__h2_conn *conn);

/* Takes so much of what the peer may ask for. */
void nx__h2_charge(struct nx__h2_conn *conn, uint32_t cost);
void nx__h2_earn(struct nx__h2_conn *conn);

/* The address at the other end, into `out` where it needs memory. */
enum { NX__H2_PEER = 48 };
nx_bytes nx__h2_peer(const struct nx__h2_conn *conn, char out[NX__H2_PEER]);

/* ---- scan.c */

/* Looks at the frames in the bytes, counts what they cost, and hands them to the session, which has
 * the thread meanwhile. 0, or an error of nghttp2: the connection is at its end. */
int nx__h2_feed(struct nx__h2_conn *conn, nx_bytes bytes);

/* We have reset the request, whose body had not come to its end. */
void nx__h2_scan_reset(struct nx__h2_scan *scan, int32_t id);

/* ---- session.c */

/* What all sessions of the loop share. False when memory is out. */
bool nx__h2_session_setup(struct nx__h2_shared *shared);

/* Puts a head that had come in part back where the next bytes go, or aside. False when memory is
 * out. */
void nx__h2_head_restore(struct nx__h2_conn *conn);
bool nx__h2_head_keep(struct nx__h2_conn *conn);

/* Puts DATA of the stream where what is sent next is; NGHTTP2_ERR_WOULDBLOCK where there is no
 * room. */
int nx__h2_send_data(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *framehd,
                     size_t length, nghttp2_data_source *source, void *user_data);

/* ---- request.c */

/* A whole head: starts the handler, and returns when it has ended or waits. */
void nx__h2_request(struct nx__h2_conn *conn, const struct nx__h2_head *head);

/* Ends the stream with an error code of HTTP/2, whatever has been sent. */
void nx__h2_reset(struct nx__h2_stream *stream, uint32_t code);

/* The session has closed the stream: wakes who waits. It may be gone after. */
void nx__h2_stream_closed(struct nx__h2_stream *stream, uint32_t code);

/* The whole answer has been sent. */
void nx__h2_stream_sent(struct nx__h2_stream *stream);

/* Frees what neither the session nor a handler has any more. */
void nx__h2_stream_free(struct nx__h2_stream *stream);

extern const struct nx__conn_kind nx__h2_stream_kind;

/* ---- answer.c */

nx_err nx__h2_send(nx_response *res, nx_bytes body);
nx_err nx__h2_send_json(nx_response *res, nx_value value);
nx_err nx__h2_send_file(nx_response *res, int fd, const struct nx__file_piece *pieces,
                        size_t count);

/* Sends the head of an answer with so many bytes. `*body` tells whether they are to be sent; else
 * the answer is done. */
NX_MUST_CHECK nx_err nx__h2_send_head(nx_response *res, uint64_t length, bool *body);

nx_err nx__h2_write(nx_response *res, nx_bytes piece);
nx_err nx__h2_end(nx_response *res);
nx_err nx__h2_early(nx_response *res, nx_bytes link);

/* Sends the head with which another protocol begins; the answer is done. */
NX_MUST_CHECK nx_err nx__h2_send_switch(nx_response *res);

/* The peer may send the body. */
nx_err nx__h2_continue(struct nx__h2_request *req);

/* Answers what is no request, with a page of its own. */
void nx__h2_refuse(struct nx__h2_conn *conn, struct nx__h2_stream *stream, int status,
                   const char *reason, const struct nx__h2_head *head);

/* Gives the stream a copy of the bytes to send, behind which it ends if `end`. False when memory is
 * out. */
bool nx__h2_put_copy(struct nx__h2_stream *stream, nx_bytes bytes, bool end);

/* ---- body.c */

nx_err nx__h2_read(nx_request *req, nx_bytes *chunk);
nx_err nx__h2_body(nx_request *req, nx_bytes *body);
bool nx__h2_read_all(const nx_request *req);
nx_bytes nx__h2_trailers(const nx_request *req);

/* Bytes of a body have come. Non-zero when memory is out. */
int nx__h2_body_come(struct nx__h2_stream *stream, const uint8_t *data, size_t len);

/* The peer may send as much again. */
void nx__h2_consumed(struct nx__h2_stream *stream, size_t len);

/* ---- tunnel.c */

nx_err nx__h2_tunnel(nx_response *res, struct nx__tunnel *tunnel, const char *protocol);
nx_bytes nx__h2_tunnel_asked(const nx_request *req);

/* Tells the stream's tunnel soon, in the loop's context: of events of the poller; that the handler
 * has ended. */
void nx__h2_tunnel_tell(struct nx__h2_stream *stream, uint32_t events);
void nx__h2_tunnel_enter(struct nx__h2_stream *stream);

/* Tells it now. The stream may be gone after. */
void nx__h2_tunnel_serve(struct nx__h2_stream *stream);

/* Ends it, whatever it does. */
void nx__h2_tunnel_expire(struct nx__h2_stream *stream);
bool nx__h2_tunnel_stop(struct nx__conn *base);

/* ---- stream.c */

void nx__h2_events(nx_response *res);
void nx__h2_hold(nx_response *res, struct nx__stream *stream);
long nx__h2_stream_send(struct nx__stream *stream, const nx_bytes *pieces, size_t count);
void nx__h2_stream_end(struct nx__stream *stream, bool in_order);
void nx__h2_stream_beat(struct nx__conn *base);

/* The handler of a stream that goes on without it has ended. */
void nx__h2_stream_enter(struct nx__h2_stream *stream);

/* It is no stream of events any more. */
void nx__h2_stream_over(struct nx__h2_stream *stream);

/* What a call of the session's has come to: without memory the connection can't go on, since what
 * it would have said, a window or a reset, is lost. */
static inline void nx__h2_said(struct nx__h2_conn *conn, int result)
{
    if (nx__unlikely(result == NGHTTP2_ERR_NOMEM)) conn->broken = true;
}

/* Serves those of the connection that can take more. */
void nx__h2_streams_serve(struct nx__h2_conn *conn);

#endif
