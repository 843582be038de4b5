/* HTTP/2 as a client speaks it, in parts: the connection (client_conn.c) reads and writes for all,
 * the session (client_session.c) takes frames apart and puts them together, and an exchange
 * (client.c) is a request and its answer, as drivers have it, or another protocol's
 * (client_tunnel.c). */
#ifndef NX__H2_CLIENT_H
#define NX__H2_CLIENT_H

#include "base/buffer.h"
#include "http/client/coming.h"
#include "http/client/pool.h"
#include <nghttp2/nghttp2.h>

enum {
    NX__H2_CLIENT_CONN_WINDOW = 4 * 1024 * 1024, /* bytes of all bodies that nobody has read */
    NX__H2_CLIENT_THROUGH_MOST = 64 * 1024,      /* of another protocol, that have not been sent */
};

struct nx__h2_client {
    struct nx__client_conn base;
    nghttp2_session *session;
    struct nx__list exchanges;
    struct nx__buffer in; /* its memory alone */
    struct nx__post post;
    nx_err failed; /* why it is broken; its text is `why` */
    char why[128];
    bool spoken;  /* the peer has said something */
    bool reading; /* somebody reads */
    bool writing; /* a fiber sends what there is */
    bool posted;
    bool settled;   /* the peer's settings are there */
    bool listens;   /* what comes is to be read, though nobody waits for it; */
    bool listening; /* and the wire tells of it */
    bool gone;      /* closed, but for what is under way */
    bool last;      /* the peer takes no more exchanges */
};

struct nx__h2_exchange {
    struct nx__exchange base;
    struct nx__list link;        /* in conn->exchanges */
    int32_t id;                  /* 0: none yet */
    struct nx__timed_op *waiter; /* for the answer */
    struct nx__timed_op *sender; /* that the peer takes what is sent */
    nx_bytes out;                /* to be sent next, the caller's */
    char *kept;                  /* or what is left of it, once there is an answer */
    nghttp2_nv *trailers;        /* that follow it */
    bool out_end, deferred, out_sent;
    bool to_head, whole;
    bool closed;   /* the session does not know it any more */
    bool in_end;   /* the answer has come to its end */
    uint32_t code; /* that it was reset with */
    uint64_t to_send;
    nx_duration head_until;
    struct nx__coming coming;
    struct nx__buffer in, piece; /* of the body: come; with its reader */
    struct nx__buffer put;       /* what another protocol sends; `out` is the end of it */
};

static inline struct nx__h2_client *nx__h2_client_of(const struct nx__h2_exchange *x)
{
    return (struct nx__h2_client *)x->base.conn;
}

/* ---- The connection */

/* It is broken, and who waits is woken. Does not suspend. */
void nx__h2_client_fail(struct nx__h2_client *c, nx_err err, const char *why);

/* What a call of the session's has come to: without memory the connection can't go on, since what
 * it would have said, a window or a reset, is lost. */
static inline void nx__h2_client_said(struct nx__h2_client *c, int result)
{
    if (result == NGHTTP2_ERR_NOMEM) nx__h2_client_fail(c, NX_ENOMEM, "out of memory");
}

/* Something is to be sent: it goes at the end of the loop's turn. */
void nx__h2_client_dirty(struct nx__h2_client *c);

/* Who waits for the exchange goes on. */
void nx__h2_client_wake(struct nx__h2_exchange *x);

/* The next that waits reads from here on. */
void nx__h2_client_pass_on(struct nx__h2_client *c);

/* Waits once, for whatever may be of interest; `who` is the exchange's waiter or its sender. Reads
 * for all where nobody does. Errors are recorded. Suspends. */
NX_MUST_CHECK nx_err nx__h2_client_wait(struct nx__h2_client *c, struct nx__timed_op **who,
                                        nx_duration deadline);

/* The same for who has other things to hear of than what comes: nobody reads for it then, since
 * that may be nothing. What comes meanwhile the wire tells. */
NX_MUST_CHECK nx_err nx__h2_client_look(struct nx__h2_client *c, struct nx__timed_op **who,
                                        nx_duration deadline);

/* What is in `out`, or its end, is to be sent. */
void nx__h2_client_resume(struct nx__h2_exchange *x);

/* What comes is read from here on, also while nobody waits for it. */
void nx__h2_client_listen(struct nx__h2_client *c);

/* Those of the driver. */
uint32_t nx__h2_client_room(const struct nx__client_conn *conn);
bool nx__h2_client_alive(struct nx__client_conn *conn);
void nx__h2_client_close(struct nx__client_conn *conn);
extern const struct nx__client_driver nx__h2_client_driver;

/* ---- client_tunnel.c: those of the driver */

long nx__h2_client_take(struct nx__exchange *x, void *data, size_t cap);
long nx__h2_client_put(struct nx__exchange *x, nx_bytes piece);
void nx__h2_client_shut(struct nx__exchange *x);
bool nx__h2_client_over(const struct nx__exchange *x);

/* ---- The session */

/* Makes it, with the settings as the first that is to be sent. NX_ENOMEM. */
NX_MUST_CHECK nx_err nx__h2_client_session(struct nx__h2_client *c);

/* Gives the session pieces of a request's body. */
nghttp2_ssize nx__h2_client_data(nghttp2_session *session, int32_t id, uint8_t *buf, size_t length,
                                 uint32_t *flags, nghttp2_data_source *source, void *user_data);

#endif
