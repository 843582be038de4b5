/* The seam between what is asked and the protocol that it is asked by. An exchange is one request
 * and its answer; a protocol says how it goes over a connection. HTTP/1.1 has one exchange at a
 * time, others many. */
#ifndef NX__CLIENT_DRIVER_H
#define NX__CLIENT_DRIVER_H

#include "base/list.h"
#include "http/client/wire.h"
#include "http/field.h"

/* As the length of a body. */
#define NX__LENGTH_NONE    UINT64_MAX       /* there is no body */
#define NX__LENGTH_UNKNOWN (UINT64_MAX - 1) /* it ends where it ends */

/* What is asked. It stays until the head of the answer has been read. */
struct nx__ask {
    nx_bytes method;
    nx_bytes scheme;    /* "http" */
    nx_bytes authority; /* "example.com:8080" */
    nx_bytes target;    /* "/path?query", "*" */
    bool to_proxy;      /* which wants to know scheme and authority as well (absolute-form) */
    bool connect;       /* CONNECT: the target is the authority */
    bool upgrade;       /* `fields` ask for another protocol, which 101 grants */
    nx_bytes protocol;  /* the method is CONNECT, and asks for this one (RFC 8441); empty: none */
    /* Names and values that have been checked; without what frames or routes the message. */
    const struct nx__field *fields;
    size_t field_count;
    uint64_t length; /* of the body */
    nx_bytes body; /* all of it, where it is there already and `length` is its own; else `write` */
};

/* What comes back, in memory of the exchange's arena. */
struct nx__answer {
    int status;
    nx_bytes protocol; /* "HTTP/1.1"; static */
    struct nx__field *fields;
    uint32_t field_count;
    uint64_t length; /* of the body as far as it is told, else NX__LENGTH_UNKNOWN; to a HEAD too */
    bool empty;      /* nothing will be read */
    bool tunnel;     /* what is read and written from now on is no HTTP */
};

struct nx__client_driver;
struct nx__origin;
struct nx__through;

/* A connection, of which the driver has its own structure that begins with this. The driver hears
 * of its wire while nobody reads (`wire->wake`), and closes an idle connection by which something
 * comes that has no place there (nx__client_pool_settle). */
struct nx__client_conn {
    const struct nx__client_driver *driver;
    struct nx__wire *wire; /* NULL: what it goes over is the driver's */
    struct nx__origin *origin;
    struct nx__list link; /* in origin->free while it has room for an exchange */
    struct nx__list idle; /* in the pool's list while it has no exchange, oldest first */
    nx_duration since;    /* when it became idle */
    uint32_t exchanges;   /* that it has now */
    uint32_t promised;    /* to those that have waited and have not gone on yet */
    uint64_t answered;    /* that it has had */
    bool broken;          /* no more go over it */
};

/* One exchange; drivers keep theirs behind it. */
struct nx__exchange {
    struct nx__client_conn *conn;
    struct nx__arena *arena;   /* of what it gives */
    nx_duration deadline;      /* of all of it, absolute; NX_FOREVER: none */
    nx_duration head_deadline; /* spans: for the head of the answer from its request on, … */
    nx_duration idle_deadline; /* … and between two pieces, either way */
    uint32_t max_head, max_headers;
    /* Told of 1xx answers but 100 and 101; may be NULL. */
    void (*informed)(void *arg, const struct nx__answer *answer);
    void *informed_arg;
    bool begun;        /* some of the request may have reached the peer */
    bool answering;    /* some of the answer has come */
    bool done;         /* all of the answer has */
    bool sent;         /* all of the request has gone */
    bool apart;        /* its body is sent by another fiber than reads the answer */
    bool enough;       /* the peer wants no more of the request */
    nx_duration moved; /* when the peer has taken some of it last; where it is `apart` */
    const struct nx__context *unsent; /* why that other fiber has not sent it all; NULL */
    struct nx__through *through;      /* another protocol has it (http/client/through.h); NULL */
    struct nx__fields trailers;       /* of the answer, once it is done */
    /* Trailers of the request, where its length is not told (HTTP/1.1): set before `finish`. */
    const struct nx__field *sends;
    size_t sends_count;
};

/* All run in the exchange's fiber (`write` and `finish` in another where it is `apart`) and may
 * suspend unless they say otherwise. Errors are recorded, without saying what was asked. After one,
 * `end` is all that is left. */
struct nx__client_driver {
    const char *name;
    bool streams;         /* exchanges have streams of their own: fields of connections are none */
    size_t exchange_size; /* of its own structure, which begins with a struct nx__exchange */
    /* Sends the head, with the body if that is whole, else its pieces follow. */
    nx_err (*begin)(struct nx__exchange *x, const struct nx__ask *ask);
    /* A piece of the body. NX_ECLOSED: the peer has answered, and wants no more. */
    nx_err (*write)(struct nx__exchange *x, nx_bytes piece);
    nx_err (*finish)(struct nx__exchange *x);
    /* The head of the answer, past those of 1xx. */
    nx_err (*head)(struct nx__exchange *x, struct nx__answer *out);
    /* The next piece of the body, empty at its end; it stays until the next call. */
    nx_err (*read)(struct nx__exchange *x, nx_bytes *piece);
    /* Some of the body is there, or its end: `read` does not wait, as far as can be told. Does not
     * suspend. */
    bool (*come)(const struct nx__exchange *x);
    /* Of an exchange that is `apart`: it has been sent, or not. Who waits for the answer goes by
     * that. Does not suspend. */
    void (*told)(struct nx__exchange *x);
    /* The exchange is over, be it done or given up; it stays the caller's memory. Says by
     * conn->broken whether the connection goes on. Does not suspend. */
    void (*end)(struct nx__exchange *x);
    /* For another protocol that the exchange is given over to, once an extended CONNECT has been
     * granted; it is told when there is more to take or to put (nx__through_tell). None suspends;
     * NULL where there is no such thing. What has come, at most `cap` bytes; 0: its end, -EAGAIN:
     * nothing, others are final. */
    long (*take)(struct nx__exchange *x, void *data, size_t cap);
    /* How many bytes of the piece will be sent; -EAGAIN: none now, others are final. */
    long (*put)(struct nx__exchange *x, nx_bytes piece);
    /* Nothing follows what was put. */
    void (*shut)(struct nx__exchange *x);
    /* Both sides have sent all and have all, or never will. */
    bool (*over)(const struct nx__exchange *x);
    /* An idle connection is still good, as far as can be told without waiting. Does not suspend. */
    bool (*alive)(struct nx__client_conn *conn);
    /* How many more exchanges the connection takes now. Does not suspend. */
    uint32_t (*room)(const struct nx__client_conn *conn);
    /* Closes and frees it; it has no exchange. Does not suspend. */
    void (*close)(struct nx__client_conn *conn);
};

/* Records why an exchange that is `apart` has not been sent, where it has not; else NX_OK. */
static inline nx_err nx__exchange_unsent(const struct nx__exchange *x)
{
    return x->unsent ? nx__error_take(x->unsent, x->unsent->error.code) : NX_OK;
}

/* Whether a wait for the answer that has ended so may go on, since the peer takes the request. */
static inline bool nx__exchange_moves(const struct nx__exchange *x, nx_err err)
{
    nx_duration now = nx__deadline(0);
    return err == NX_ETIMEDOUT && x->apart && !x->sent && now < x->deadline &&
           x->idle_deadline != NX_FOREVER && x->moved + x->idle_deadline > now;
}

/* HTTP/1.1 over the wire, which it takes over, also on failure. NX_ENOMEM, recorded. */
NX_MUST_CHECK nx_err nx__client_h1(struct nx__client_conn **out, struct nx__wire *wire);

/* The same for HTTP/2, which has been agreed on, or which the peer is known to speak. */
NX_MUST_CHECK nx_err nx__client_h2(struct nx__client_conn **out, struct nx__wire *wire);

enum {
    NX__EXCHANGE_MOST = 640, /* bytes of the largest driver's exchange */
};

#endif
