/* HTTP/3 as a client speaks it: what its connections (client.c) and its exchanges (exchange.c)
 * share.
 */
#ifndef NX__H3_CLIENT_H
#define NX__H3_CLIENT_H

#include "base/buffer.h"
#include "http/client/coming.h"
#include "http/client/pool.h"
#include "http/h3/ends.h"
#include "net/fd.h"

struct nx__h3_exchange;

struct nx__h3_conn {
    struct nx__client_conn base;
    struct nx__h3_end end; /* the session */
    struct nx__quic_endpoint endpoint;
    struct nx__quic_conn *quic; /* NULL: it has gone */
    struct nx__list exchanges;
    struct nx__list streams;
    struct nx__timed_op **opener; /* the slot of who makes it, perhaps beside others; or NULL */
    struct nx__post post;
    size_t out_len; /* of all streams */
    nx_err failed;  /* why it is over; its text is `why` */
    char why[NX__QUIC_WHY];
    bool told;     /* those who wait know that the handshake is done */
    bool settled;  /* the peer's settings are there; */
    bool connects; /* it takes an extended CONNECT (RFC 9220) */
    bool going;    /* the peer takes no more requests */
    bool posted;   /* it is looked at once more */
    bool done;     /* nothing below refers to it any more */
};

/* A request on the wire, which may last longer than its exchange. */
struct nx__h3_asked {
    struct nx__list link; /* in conn->streams */
    struct nx__h3_conn *conn;
    struct nx__h3_exchange *x; /* NULL: given up */
    int64_t id;
    struct nx__h3_out out;
    size_t expanded; /* bytes of its field sections */
    bool over;       /* nothing follows what is in `out` */
    bool trailers;   /* but trailers */
    bool waits;      /* nghttp3 was told that there is nothing */
};

struct nx__h3_exchange {
    struct nx__exchange base;
    struct nx__list link;        /* in conn->exchanges */
    struct nx__h3_asked *stream; /* NULL: none yet, or the wire is done with it */
    struct nx__timed_op *waiter; /* for the answer */
    struct nx__timed_op *sender; /* that the peer takes what is sent */
    nghttp3_nv *fields;
    size_t field_count;
    nx_bytes rest; /* of a body that was there whole: not yet in stream->out; the caller's */
    char *kept;    /* or a copy, once there is an answer */
    bool safe;     /* may go before the handshake is done, and again */
    bool body, whole, to_head;
    bool early;    /* has gone so */
    bool again;    /* was refused so, and goes again by itself */
    bool sending;  /* a stream was opened for it */
    bool in_end;   /* the answer has come to its end */
    bool stopped;  /* the peer wants no more of the body */
    nx_err failed; /* it can't go on; static */
    const char *why;
    uint64_t to_send;
    nx_duration head_until;
    struct nx__coming coming;
    struct nx__buffer in, piece; /* of the body: come; with its reader */
};

extern const struct nx__client_driver nx__h3_client_driver;

static inline struct nx__h3_conn *nx__h3_conn_of(const struct nx__h3_exchange *x)
{
    return (struct nx__h3_conn *)x->base.conn;
}

static inline bool nx__h3_conn_is_open(const struct nx__h3_conn *c)
{
    return c->quic && c->end.h3;
}

/* ---- exchange.c */

/* Suspends until the slot is woken. */
NX_MUST_CHECK nx_err nx__h3_conn_wait(struct nx__timed_op **slot, nx_duration deadline);
void nx__h3_exchange_wake(struct nx__h3_exchange *x);
/* Who makes the connection, and all who have an exchange. */
void nx__h3_conn_wake(struct nx__h3_conn *c);
/* The exchange can't go on; `why` is static. */
void nx__h3_exchange_fail(struct nx__h3_exchange *x, nx_err err, const char *why);
/* Asks on a stream of its own. False: the peer allows none now, or there is no session. */
bool nx__h3_exchange_submit(struct nx__h3_exchange *x);
void nx__h3_asked_free(struct nx__h3_asked *s);
/* Takes as much of the bytes, which are cut by that, as there is room for. NX_ENOMEM, not recorded.
 */
NX_MUST_CHECK nx_err nx__h3_asked_put(struct nx__h3_asked *s, nx_bytes *bytes);
/* Something was added to what is sent: it is to go out. */
void nx__h3_asked_resume(struct nx__h3_asked *s);

/* ---- client_tunnel.c: those of the driver */

long nx__h3_client_take(struct nx__exchange *x, void *data, size_t cap);
long nx__h3_client_put(struct nx__exchange *x, nx_bytes piece);
void nx__h3_client_shut(struct nx__exchange *x);
bool nx__h3_client_over(const struct nx__exchange *x);

/* ---- client.c */

/* Begins one; nobody knows yet who answers. Errors as nx__quic_connect. Does not suspend. */
NX_MUST_CHECK nx_err nx__h3_conn_begin(struct nx__h3_conn **out,
                                       const struct nx__quic_target *target, bool early);
/* Closes the connection; it is freed when nothing below refers to it. */
void nx__h3_conn_close(struct nx__client_conn *conn);

#endif
