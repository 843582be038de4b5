/* WebSockets inside: a tunnel, what is read of it, and what waits to be sent. */
#ifndef NX__HTTP_WS_H
#define NX__HTTP_WS_H

#include "http/tunnel.h"
#include "ws/deflate.h"
#include "ws/frame.h"
#include <nexus/websocket.h>

enum {
    NX__WS_PIECE = 64 * 1024,       /* bytes read, and gathered before they are sent, in one go */
    NX__WS_COPY_MOST = 16 * 1024,   /* a larger message is sent from where it is, if it can be */
    NX__WS_SPARE = 8,               /* buffers kept for each loop */
    NX__WS_SPARE_MOST = 128 * 1024, /* bytes of one */
};

enum nx__ws_state {
    NX__WS_OPEN,
    NX__WS_CLOSING, /* our close is on its way; the peer's has not come */
    NX__WS_OVER,    /* nothing more is read or sent, but what is in `out` */
};

struct nx_ws {
    struct nx__tunnel tunnel;
    struct nx_loop *loop;
    nx_http_server *server; /* NULL: we are the client */
    struct nx__ws_reader reader;
    struct nx__buffer in;      /* read, but for its first `in_at` bytes not parsed */
    struct nx__buffer message; /* that is under way, or with the program */
    struct nx__buffer plain;   /* the same, decompressed */
    struct nx__buffer out;     /* framed, but for its first `out_at` bytes not taken */
    size_t in_at, out_at;
    struct nx__late late; /* sends what is in `out` */
    struct nx__timer timer;
    struct nx__op *reader_op;           /* who waits for a message */
    struct nx__list writers;            /* who waits for room in `out` */
    struct nx__list subscriptions;      /* see topic.c */
    const struct nx__ws_topics *topics; /* NULL: it has never subscribed */
    nx_fiber *fiber;                    /* that runs callbacks */
    uint32_t holds; /* the handler, the tunnel, a fiber: it is freed with the last */

    uint8_t state; /* enum nx__ws_state */
    bool callbacks;
    bool reading;  /* a fiber is in nx_ws_receive */
    bool entered;  /* the handler has ended: what comes goes to callbacks, or nowhere */
    bool opened;   /* `open` has been called */
    bool told;     /* `close` has been called */
    bool again;    /* `late` is to go on reading: others had their turn */
    bool owed;     /* `late` is to run it, and holds it until then */
    bool blocked;  /* the peer takes no more: what is sent waits */
    bool starved;  /* a topic has more for it than the peer took */
    bool pinged;   /* the peer was asked, and nothing has come since */
    bool stale;    /* the peer's window has more in it than our deflater knows */
    bool in_order; /* the end was agreed on */
    nx_err err;    /* what nx_ws_receive returns when it is over */
    uint16_t code; /* 0: not closed */
    uint8_t reason_len;
    char reason[NX__WS_CONTROL_MOST - 2];
    const char *why; /* static; of `err` */

    struct nx__ws_deflate deflate;
    struct nx__ws_inflater *inflater; /* NULL: not used yet, or the loop's */
    struct nx__ws_deflater *deflater;
    nx_duration heard, messaged; /* when something has come, and a message */
    nx_duration since;           /* blocked; or closing */

    size_t max_message, max_queue;
    uint32_t compress_min;
    nx_ws_slow slow;
    nx_duration heartbeat, idle_deadline, write_deadline, close_deadline;
    nx_err (*open)(nx_ws *ws);
    nx_err (*on_message)(nx_ws *ws, const nx_ws_message *message);
    void (*close)(nx_ws *ws);
    void *data;
    char protocol[]; /* "": none */
};

/* What the WebSockets of a loop share; there while there is one. */
struct nx__ws_pool {
    size_t users;
    size_t count;
    struct nx__buffer spare[NX__WS_SPARE];
    struct nx__ws_inflater *inflater;
    struct nx__ws_deflater *deflaters[NX__WS_BITS_MOST + 1]; /* by window bits */
    unsigned keys;                                           /* bytes of `random` that are left */
    unsigned char random[256];
};
extern NX__THREAD_LOCAL struct nx__ws_pool *nx__ws_pool;

/* ---- life.c */

/* Makes one of the caller's options. It is held once: by the handler, or the client's program.
 * NX_EINVAL, NX_ENOMEM, recorded. */
NX_MUST_CHECK nx_err nx__ws_new(nx_ws **out, const nx_ws_options *options, nx_bytes protocol);

/* The tunnel is open. */
void nx__ws_begin(nx_ws *ws);
extern const struct nx__tunnel_user nx__ws_user;

/* Frees it with the last hold. */
void nx__ws_release(nx_ws *ws);

/* Takes and gives back a buffer without memory of its own. */
void nx__ws_borrow(struct nx__buffer *buffer);
void nx__ws_give(struct nx__buffer *buffer);

/* ---- conn.c */

/* What its `late` and `timer` call. */
void nx__ws_late(struct nx__late *late);
void nx__ws_timer_fire(struct nx__timer *timer);

/* It is over: nothing more is read. `err` for who reads; the connection is closed in order when
 * all is sent, or at once. */
void nx__ws_over(nx_ws *ws, nx_err err, unsigned code, const char *why, bool in_order);

/* Leaves the tunnel of one that is over, unless something is still to be sent. */
void nx__ws_leave(nx_ws *ws);

/* Sets the timer to what is due next. */
void nx__ws_timer(nx_ws *ws);

/* ---- send.c */

/* Sends what is in `out` as far as the peer takes it, and wakes who waits for that. */
void nx__ws_flush(nx_ws *ws);

/* Puts a control frame into `out`. NX_ENOMEM. */
NX_MUST_CHECK nx_err nx__ws_control(nx_ws *ws, enum nx__ws_opcode opcode, nx_bytes payload);

/* Wakes who waits for room. */
void nx__ws_writers_wake(nx_ws *ws);

/* Bytes in `out`. */
static inline size_t nx__ws_waiting(const nx_ws *ws)
{
    return ws->out.len - ws->out_at;
}

/* Frames that are whole and belong to somebody else: all are taken, or -EAGAIN, or another -errno.
 */
long nx__ws_send_frames(nx_ws *ws, const nx_bytes *frames, size_t count);

/* ---- topic.c; behind a pointer, so that who subscribes to nothing links none of it */

struct nx__ws_topics {
    void (*serve)(nx_ws *ws); /* the peer takes more */
    void (*leave)(nx_ws *ws); /* it is over */
};

/* ---- accept.c */

/* Checks the options of either side. NX_EINVAL, recorded. */
NX_MUST_CHECK nx_err nx__ws_options_check(const nx_ws_options *options);

#endif
