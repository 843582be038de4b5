/* QUIC (RFC 9000, 9001, 9002) over ngtcp2: endpoints that share a port, one a loop, and their
 * connections; and those that are made to a peer, each with an endpoint of its own. What is spoken
 * over a connection is the session's, by struct nx__quic_app. */
#ifndef NX__QUIC_H
#define NX__QUIC_H

#include "base/list.h"
#include "loop/loop.h"
#include "net/udp.h"
#include "tls/client.h"
#include <ngtcp2/ngtcp2.h>
#include <ngtcp2/ngtcp2_crypto.h>
#include <openssl/base.h>

/* Caps of all that peers can make grow. */
enum {
    NX__QUIC_CID = 12,                   /* bytes of the connection ids that are ours */
    NX__QUIC_CIDS_MOST = 8,              /* ours that a peer may hold at once */
    NX__QUIC_STREAM_WINDOW = 256 * 1024, /* bytes of a stream that the peer may send unread */
    NX__QUIC_UNI_WINDOW = 64 * 1024,
    NX__QUIC_WINDOW = 1024 * 1024, /* of all streams of a connection */
    NX__QUIC_STREAMS = 100,        /* open at once, of the peer's */
    NX__QUIC_UNI_STREAMS = 16,
    NX__QUIC_JOIN_STREAM_WINDOW = 1024 * 1024, /* the same where we are the client */
    NX__QUIC_JOIN_WINDOW = 4 * 1024 * 1024,
    NX__QUIC_HALF_OPEN = 256, /* connections in their handshake; past it, peers prove their address
                                 by a Retry (RFC 9000 8.1.2) */
    NX__QUIC_CLOSING_MOST = 1024, /* of an endpoint, that only repeat their last words; the oldest
                                     gives way, and who still sends to it gets a reset */
    NX__QUIC_HANDED_MOST = 1024,  /* packets on their way to another worker */
    NX__QUIC_REPLIES_MOST = 1000, /* packets a second that answer no connection's */
    NX__QUIC_PIECES = 16,
};

struct nx__quic_conn;

struct nx__quic_piece {
    uint8_t *base;
    size_t len;
};

/* What is spoken over connections. All are called in the loop's context, must not suspend, and
 * return 0, or a code that the connection is closed with (an application's, RFC 9000 19.19). */
struct nx__quic_app {
    /* It may send from here on; of a server before the peer's handshake is done. */
    uint64_t (*ready)(struct nx__quic_conn *conn);
    /* The peer has opened a stream, bidirectional or not. */
    uint64_t (*opened)(struct nx__quic_conn *conn, int64_t stream);
    /* Bytes of a stream, in order; `early` are of 0-RTT. Credit for them is given by
     * nx__quic_consumed. */
    uint64_t (*received)(struct nx__quic_conn *conn, int64_t stream, const uint8_t *data,
                         size_t len, bool end, bool early);
    /* The peer has so many bytes more of what was sent. */
    uint64_t (*acked)(struct nx__quic_conn *conn, int64_t stream, uint64_t len);
    /* The peer sends no more, and what it has sent is void. */
    uint64_t (*reset)(struct nx__quic_conn *conn, int64_t stream, uint64_t code);
    /* The peer wants no more of what is sent. */
    uint64_t (*stopped)(struct nx__quic_conn *conn, int64_t stream, uint64_t code);
    /* Both directions are over. */
    uint64_t (*closed)(struct nx__quic_conn *conn, int64_t stream, uint64_t code);
    /* The peer takes more of a stream that was blocked. */
    uint64_t (*unblocked)(struct nx__quic_conn *conn, int64_t stream);
    /* What is to be sent next: pieces that last until they are acknowledged. The number of pieces;
     * `*stream` is -1 where there is nothing. -1: failed. */
    int (*pull)(struct nx__quic_conn *conn, int64_t *stream, bool *end,
                struct nx__quic_piece pieces[NX__QUIC_PIECES]);
    /* So many bytes of them have gone. */
    uint64_t (*pushed)(struct nx__quic_conn *conn, int64_t stream, size_t len);
    /* The peer takes no more of the stream for now; or ever. */
    void (*blocked)(struct nx__quic_conn *conn, int64_t stream);
    void (*shut)(struct nx__quic_conn *conn, int64_t stream);
    /* Of a client: its 0-RTT was refused, all streams are as if they had never been, and `ready`
     * comes again. */
    uint64_t (*rejected)(struct nx__quic_conn *conn);
    /* Of a client: the peer allows more streams to be opened. */
    void (*more)(struct nx__quic_conn *conn);
    /* Packets have been read: what came with them may be acted on. The connection stays. */
    void (*served)(struct nx__quic_conn *conn);
    /* The connection is over; conn->session is not used any more. Of a client, nx__quic_ended says
     * why. */
    void (*gone)(struct nx__quic_conn *conn);
};

/* What the endpoints of a port have in common; read-only but for what is atomic or locked. */
struct nx__quic_group;

struct nx__quic_how {
    const struct nx__quic_app *app;
    const char *protocol; /* ALPN, static */
    /* What a server's handshake is done with: a reference for the connection, NULL when memory is
     * out. */
    SSL_CTX *(*context)(void *arg);
    void *context_arg;
    uint32_t workers;               /* endpoints that there will be */
    nx_duration handshake_deadline; /* NX_FOREVER: none */
    nx_duration idle_deadline;
    bool retry;        /* each new peer proves its address by a Retry, not only under load */
    bool early;        /* 0-RTT is taken */
    char settings[64]; /* the protocol's, that a peer of 0-RTT takes for those of before */
    int qlog;          /* a directory, taken over; -1: nothing is written */
    /* Where a server is: with its key it is what its stateless resets are made of, so that peers
     * of one that has ended hear so from the next one there (RFC 9000 10.3.2). */
    char place[128];
};

/* NULL when memory is out (recorded; `how->qlog` stays the caller's). */
struct nx__quic_group *nx__quic_group_new(const struct nx__quic_how *how);
/* Gives up the caller's reference. NULL is fine. */
void nx__quic_group_free(struct nx__quic_group *group);

/* Opens the directory that qlog is written to. NX_EPERM, NX_ENOENT and others, recorded. */
NX_MUST_CHECK nx_err nx__quic_qlog_directory(const char *path, int *out);

/* An endpoint: a socket of a loop, with the connections that it serves. */
struct nx__quic_endpoint {
    struct nx__udp udp;
    struct nx__watch watch;
    struct nx_loop *loop;
    struct nx__quic_group *group;
    uint32_t worker;
    void *owner; /* whose it is */
    /* Asked before a new connection is made: false refuses it. */
    bool (*admit)(struct nx__quic_endpoint *endpoint);
    /* One that was admitted has gone, but for its last words. */
    void (*left)(struct nx__quic_endpoint *endpoint);
    /* After nx__quic_close, when nothing refers to the endpoint any more; perhaps at once. */
    void (*done)(struct nx__quic_endpoint *endpoint);

    union nx__address local; /* where it is bound */
    struct nx__list conns;   /* open ones */
    struct nx__list closing; /* those that only repeat their last words */
    struct nx__list writers; /* those that may have something to send */
    struct nx__post post;    /* writes, or reads on */
    struct nx__quic_cid **cids;
    size_t cid_count, cid_capacity;
    uint64_t cid_key[2];
    size_t half_open, closing_count;
    nx_duration replies_since;
    uint32_t replies; /* since then */
    bool posted, unread, busy, blocked, begun, over;
    bool connected;    /* to one peer, whose client we are */
    int error;         /* what the peer's machine has said, or ours of it: an errno */
    unsigned in_batch; /* datagrams that there is room for in `in` */
    char *in, *out;
    struct nx__packet packets[NX__UDP_BATCH]; /* to be sent, in `out` */
    unsigned packet_count;
    size_t out_used;
};

/* Binds the endpoint of a worker to `at`; nothing is read yet. `*endpoint` has `owner`, `admit`,
 * `left` and `done`, and is zero else. NX_EADDRINUSE, NX_EACCES, NX_EMFILE, NX_ENOMEM and others,
 * recorded. */
NX_MUST_CHECK nx_err nx__quic_open(struct nx__quic_endpoint *endpoint, struct nx__quic_group *group,
                                   uint32_t worker, const union nx__address *at);
/* Serves from here on. */
void nx__quic_begin(struct nx__quic_endpoint *endpoint);
/* Takes no new connections. */
void nx__quic_stop(struct nx__quic_endpoint *endpoint);
/* Closes what is left, saying so, and the socket. */
void nx__quic_close(struct nx__quic_endpoint *endpoint);

enum nx__quic_state { NX__QUIC_OPEN, NX__QUIC_CLOSING, NX__QUIC_DRAINING };

struct nx__quic_conn {
    struct nx__tls_outside outside; /* first: what libssl's object points to */
    ngtcp2_conn *ngtcp2;            /* NULL once it is not open any more */
    SSL *ssl;
    struct nx__quic_endpoint *endpoint;
    void *session; /* the app's */
    struct nx__list link, writer;
    struct nx__timer timer;
    struct nx__quic_cid *cids;
    enum nx__quic_state state;
    bool handshaken, half_open;
    bool proved;      /* the peer is where its packets say: by a token, or since it has answered */
    bool moving;      /* where the packets come from is not proved yet; `peer` is */
    bool failed;      /* to be closed, for `error` */
    bool unreachable; /* so says its machine, or one on the way, and nothing came since */
    uint64_t came;    /* packets, when that was said */
    nx_duration unanswered; /* since when nothing came though something is on its way; 0: it did */
    ngtcp2_ccerr error;
    int ended;               /* what it has ended by, of ngtcp2's errors, or an errno */
    char *whose;             /* of a client: what sessions are kept by */
    struct nx__buffer token; /* that the peer has given for the next connection */
    char *last;              /* its last words */
    uint32_t last_len, repeats, heard;
    union nx__address peer; /* as they were, while it moves or closes */
    union nx__address local;
    int qlog; /* -1: none */
};

/* Something may be to be sent; goes out at the end of the turn. */
void nx__quic_wants(struct nx__quic_conn *conn);

/* The app is done with so many bytes that were received on the stream (-1: on one that has gone):
 * the peer may send as many more. */
void nx__quic_consumed(struct nx__quic_conn *conn, int64_t stream, uint64_t len);

/* Opens a stream of our own that only we send on, or that both do; -1 where the peer allows none.
 */
int64_t nx__quic_open_uni(struct nx__quic_conn *conn);
int64_t nx__quic_open_bidi(struct nx__quic_conn *conn);

/* Asks the peer to send no more (STOP_SENDING), or tells it that no more comes (RESET_STREAM). */
void nx__quic_stop_sending(struct nx__quic_conn *conn, int64_t stream, uint64_t code);
void nx__quic_reset(struct nx__quic_conn *conn, int64_t stream, uint64_t code);

/* A stream of the peer's is done with: it may open another one. */
void nx__quic_more_streams(struct nx__quic_conn *conn, bool bidirectional);

/* True when nothing has come for a while though something is on its way to the peer. */
bool nx__quic_silent(struct nx__quic_conn *conn);

/* Closes the connection at the end of the turn, with an application's code. */
void nx__quic_fail(struct nx__quic_conn *conn, uint64_t code);

/* ---- client.c */

struct nx__quic_target {
    const union nx__address *address;
    const char *name;  /* what the peer has to prove */
    const char *whose; /* what sessions are kept by, with the name: "example.com:443" */
    const nx_tls_connect_options *tls;
};

/* Makes a connection: an endpoint for it, and its first packet at the end of the turn. `session` is
 * whom group's app is called for; `endpoint` as for nx__quic_open, `admit` is not asked. The
 * connection lasts until the app's `gone`. Errors of sockets and of nx__tls_client_begin, recorded;
 * nothing is open then. Does not suspend. */
NX_MUST_CHECK nx_err nx__quic_connect(struct nx__quic_conn **out,
                                      struct nx__quic_endpoint *endpoint,
                                      struct nx__quic_group *group,
                                      const struct nx__quic_target *target, void *session);

/* The peer is asked for a sign of life when nothing has come for so long; NX_FOREVER: never. */
void nx__quic_keep_alive(struct nx__quic_conn *conn, nx_duration span);

/* Why a client's connection is over, in words; valid in the app's `gone`. */
enum { NX__QUIC_WHY = 256 };
nx_err nx__quic_ended(const struct nx__quic_conn *conn, char why[NX__QUIC_WHY]);

/* ---- */

/* The peer's address: the last that it was proved to have (RFC 9000 8). */
const struct sockaddr *nx__quic_peer(const struct nx__quic_conn *conn);

#endif
