/* HTTP/3 (RFC 9114) over nghttp3: sessions, their streams, and the driver of requests. */
#ifndef NX__H3_H
#define NX__H3_H

#include "base/buffer.h"
#include "http/h1/parser.h"
#include "http/h3/ends.h"
#include "http/h3/server.h"
#include "http/server.h"

/* Caps of all that a peer can make grow, beside those of both ends (http/h3/ends.h) and of the
 * server's options. */
enum {
    NX__H3_EVENTS_OUT_MOST = 32 * 1024, /* of a stream of events without a fiber */
    NX__H3_BROKEN_MOST = 100, /* requests that the peer has broken off, beyond those answered; past
                                 it the connection is closed */
};

struct nx__h3_request;

struct nx__h3_stream {
    int64_t id;
    struct nx__h3_session *session; /* NULL once the connection has gone */
    nx_http_server *server;
    struct nx__list link;       /* in session->streams */
    struct nx__list turn;       /* in session->turns while something is to be done about it */
    struct nx__timer timer;     /* whatever it may wait for */
    struct nx__h3_request *req; /* whose handler has not ended */

    /* The field section on its way in: "name: value\r\n", and where each is. */
    struct nx__buffer text;
    struct nx__h1_header *fields;
    uint32_t field_count, field_capacity;
    struct nx__h1_slice method, path, authority, scheme, protocol;
    size_t expanded; /* bytes as the peer may count them */
    uint64_t length; /* content-length; UINT64_MAX: none */
    uint32_t cookies;
    uint16_t refused; /* the status */
    const char *reason;
    struct nx__buffer trailer;

    /* The body on its way in. */
    struct nx__buffer in, given; /* not yet read; what nx_request_read has given out */
    struct nx__op *reader;
    /* The answer on its way out. */
    struct nx__h3_out out;
    struct nx__op *writer;
    nx_duration progressed;    /* when the peer took some of it last */
    struct nx__stream *held;   /* of events, without a fiber */
    struct nx__tunnel *tunnel; /* another protocol has the stream */

    bool head_done : 1; /* the field section is whole */
    bool in_end : 1;    /* and so is the request */
    bool early : 1;     /* it came before the handshake was done */
    bool begun : 1;     /* the handler has */
    bool reset : 1;     /* the peer wants no answer, or has broken off the request */
    bool stopped : 1;   /* we have told it to send no more */
    bool cut : 1;       /* and that it gets no more either */
    bool submitted : 1; /* the head of the answer */
    bool out_over : 1;  /* nothing follows what is in `out`, */
    bool trailers : 1;  /* but trailers */
    bool waits : 1;     /* nghttp3 was told that there is nothing */
    bool gone : 1;      /* closed on the wire */
    bool streaming : 1; /* a stream of events */
    bool watched : 1;   /* the peer's leaving cancels `req` */
    bool room_wanted : 1;
    bool enters : 1; /* the handler that opened the tunnel has ended */
    bool came : 1;   /* something for the tunnel */
    bool told : 1;   /* it knows that the server stops */
    bool expect : 1; /* the peer waits for 100 (Continue) */
};

/* What a session needs of what is below it. */
struct nx__h3_wire {
    void (*wants)(void *wire);
    void (*consumed)(void *wire, int64_t stream, uint64_t len);
    void (*stop_sending)(void *wire, int64_t stream, uint64_t code);
    void (*reset)(void *wire, int64_t stream, uint64_t code);
    void (*more_streams)(void *wire);
    void (*fail)(void *wire, uint64_t code);
    bool (*handshaken)(void *wire);
    bool (*proved)(void *wire); /* the peer's address is */
    const struct sockaddr *(*peer)(void *wire);
};

struct nx__h3_session {
    nghttp3_conn *h3; /* first, as in struct nx__h3_end */
    nx_http_server *server;
    const struct nx__h3_wire *ops;
    void *wire;
    struct nx__list link;    /* in the server's */
    struct nx__list streams; /* requests */
    struct nx__list turns;
    struct nx__timer timer; /* idle, or on its way out */
    struct nx__post post;
    uint32_t stream_count; /* in `streams` */
    size_t out_len;        /* of all streams */
    nx_duration used;      /* when the last request ended */
    uint64_t requests;     /* answered, and those that were broken off: */
    uint64_t broken;
    uint64_t streams_most; /* that the peer may have opened so far */
    bool posted;
    bool busy;    /* something comes in, and a turn follows it */
    bool early;   /* what comes is of 0-RTT */
    bool put_off; /* requests wait until the peer's address is proved */
    bool gone;
    bool going; /* the peer was told so; */
    bool last;  /* and it takes no more requests */
};

struct nx__h3_request {
    nx_request base; /* first */
    struct nx__h3_stream *stream;
    char *peer;
    bool head_method;
    nx_bytes asked; /* the protocol of an extended CONNECT */
    uint64_t received;
    nx_duration started, waited;
};

extern const struct nx__http_driver nx__h3_driver;

/* ---- session.c */

/* Makes a session of a server's; NULL when memory is out. */
struct nx__h3_session *nx__h3_session_new(nx_http_server *server, const struct nx__h3_wire *ops,
                                          void *wire);
/* Its connection has gone: streams without a handler are freed, the others when it has ended. */
void nx__h3_session_gone(struct nx__h3_session *session);
/* What has come is acted on: handlers start. */
void nx__h3_session_turn(struct nx__h3_session *session);
/* The server stops: the peer is told, and streams of events end. */
void nx__h3_session_drain(struct nx__h3_session *session);
/* Cancels what still runs. */
void nx__h3_session_expire(struct nx__h3_session *session);

/* What the connection below has to say; 0 or the code to close with. */
uint64_t nx__h3_received(struct nx__h3_session *session, int64_t stream, const uint8_t *data,
                         size_t len, bool end, bool early);
uint64_t nx__h3_reset(struct nx__h3_session *session, int64_t stream, uint64_t code);
uint64_t nx__h3_stopped(struct nx__h3_session *session, int64_t stream, uint64_t code);
uint64_t nx__h3_closed(struct nx__h3_session *session, int64_t stream, uint64_t code);

/* A stream whose connection has gone, but not its handler; and its end, when the server stops. */
void nx__h3_orphan(nx_http_server *server, struct nx__list *link);
void nx__h3_orphan_expire(struct nx__list *link);

struct nx__h3_stream *nx__h3_find(const struct nx__h3_session *session, int64_t id);
/* Something is to be done about the stream in the loop's context. */
void nx__h3_turn(struct nx__h3_stream *stream);
/* Tells the peer that neither direction goes on. */
void nx__h3_cut(struct nx__h3_stream *stream, uint64_t code);
void nx__h3_timer(struct nx__h3_stream *stream, nx_duration at);
/* The handler's deadline counts from now on. */
void nx__h3_handler_timer(struct nx__h3_stream *stream);
/* Nobody adds to the answer any more: its peer has write_deadline for what is left. */
void nx__h3_rest(struct nx__h3_stream *stream);
/* The request has ended. */
void nx__h3_ended(struct nx__h3_stream *stream);

/* ---- head.c: field sections */

/* Adds a field of the head, of a trailer section. False when memory is out. */
bool nx__h3_field(struct nx__h3_stream *stream, int32_t token, nx_bytes name, nx_bytes value);
bool nx__h3_trailer(struct nx__h3_stream *stream, nx_bytes name, nx_bytes value);
/* The head is whole: starts the handler, or answers what is no request. In the loop's context. */
void nx__h3_begin(struct nx__h3_stream *stream);

/* ---- write.c */

nx_err nx__h3_send(nx_response *res, nx_bytes body);
nx_err nx__h3_send_json(nx_response *res, nx_value value);
nx_err nx__h3_send_file(nx_response *res, int fd, const struct nx__file_piece *pieces,
                        size_t count);
nx_err nx__h3_write(nx_response *res, nx_bytes piece);
nx_err nx__h3_end(nx_response *res);
nx_err nx__h3_early(nx_response *res, nx_bytes link);
/* Answers what is no request; in the loop's context. */
void nx__h3_refuse(struct nx__h3_stream *stream, int status, const char *reason);
/* A final 1xx answer goes before: 100, 103. */
nx_err nx__h3_inform(struct nx__h3_stream *stream, const nghttp3_nv *fields, size_t count);
/* What nghttp3 takes of the answer. */
nghttp3_ssize nx__h3_pull(nghttp3_conn *h3, int64_t id, nghttp3_vec *vec, size_t most,
                          uint32_t *flags, void *session, void *stream);
/* The peer has so many bytes of it. */
void nx__h3_out_acked(struct nx__h3_stream *stream, uint64_t len);
void nx__h3_out_free(struct nx__h3_stream *stream);
/* Adds bytes; false when memory is out. */
bool nx__h3_out_add(struct nx__h3_stream *stream, nx_bytes bytes);
void nx__h3_out_close(struct nx__h3_stream *stream);
/* Something was added: it is to go out. */
void nx__h3_resume(struct nx__h3_stream *stream);

/* ---- body.c */

nx_err nx__h3_read(nx_request *req, nx_bytes *chunk);
nx_err nx__h3_body(nx_request *req, nx_bytes *body);
/* Bytes of the body. False when memory is out. */
bool nx__h3_body_add(struct nx__h3_stream *stream, const uint8_t *data, size_t len);
/* The peer may send so many bytes more. */
void nx__h3_credit(struct nx__h3_stream *stream, size_t len);
/* Gives credit for what is in memory and will not be read. */
void nx__h3_body_drop(struct nx__h3_stream *stream);
bool nx__h3_read_all(const nx_request *req);
nx_bytes nx__h3_request_trailers(const nx_request *req);

/* ---- stream.c: streams of events */

void nx__h3_events(nx_response *res);
void nx__h3_hold(nx_response *res, struct nx__stream *stream);
long nx__h3_stream_send(struct nx__stream *stream, const nx_bytes *pieces, size_t count);
void nx__h3_stream_end(struct nx__stream *stream, bool in_order);
/* It is a stream of events no more. */
void nx__h3_stream_over(struct nx__h3_stream *stream);
/* The handler has ended: it goes on by itself. */
void nx__h3_stream_enter(struct nx__h3_stream *stream);
/* It has been silent for the heartbeat, or its peer takes nothing. */
void nx__h3_stream_due(struct nx__h3_stream *stream);
/* The server stops. */
void nx__h3_stream_drain(struct nx__h3_stream *stream);

/* ---- tunnel.c */

nx_err nx__h3_tunnel(nx_response *res, struct nx__tunnel *tunnel, const char *protocol);
nx_bytes nx__h3_tunnel_asked(const nx_request *req);
/* The stream has no tunnel any more. */
void nx__h3_tunnel_let(struct nx__h3_stream *stream);
/* Something has happened; in the loop's context. */
void nx__h3_tunnel_turn(struct nx__h3_stream *stream);
/* The server stops. */
void nx__h3_tunnel_stop(struct nx__h3_stream *stream);
/* The stream has gone, or is waited for no longer. */
void nx__h3_tunnel_over(struct nx__h3_stream *stream);

/* ---- */

/* Waits in the stream's slot for who completes it; at `by`, NX_ETIMEDOUT. NX_ECANCELED, NX_ENOMEM,
 * NX_ELIMIT. */
NX_MUST_CHECK nx_err nx__h3_wait(struct nx__h3_stream *stream, struct nx__op **slot,
                                 const char *call, nx_duration by);
void nx__h3_wake(struct nx__op **slot);

/* Something has come that a tunnel wants to know of. */
static inline void nx__h3_came(struct nx__h3_stream *stream)
{
    if (nx__likely(!stream->tunnel)) return;
    stream->came = true;
    nx__h3_turn(stream);
}

static inline bool nx__h3_broken(const struct nx__h3_stream *stream)
{
    return !stream->session || stream->reset || stream->gone;
}

#endif
