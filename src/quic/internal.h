/* What the parts of QUIC share. */
#ifndef NX__QUIC_INTERNAL_H
#define NX__QUIC_INTERNAL_H

#include "base/clock.h"
#include "quic/quic.h"
#include <pthread.h>

enum {
    NX__QUIC_PACKET = 1500,         /* bytes of one that is written by itself */
    NX__QUIC_IN = 64 * 1024,        /* of what the kernel may put together */
    NX__QUIC_IN_BATCH = 16,         /* of those in one system call */
    NX__QUIC_JOIN_BATCH = 4,        /* where there is one peer */
    NX__QUIC_OUT = 256 * 1024,      /* to be sent in one system call */
    NX__QUIC_OUT_LEAST = 66 * 1024, /* for one write of a connection */
    NX__QUIC_SOCKET = 1024 * 1024,  /* in the kernel, as far as it allows; for all peers together */
    NX__QUIC_SECRET = 32,
};
#define NX__QUIC_RETRY_LIFE NX_S(10)
#define NX__QUIC_TOKEN_LIFE NX_S(24 * 3600)

struct nx__quic_group {
    struct nx__quic_how how;
    atomic_uint refs;
    uint8_t token_secret[NX__QUIC_SECRET], reset_secret[NX__QUIC_SECRET];
    uint64_t steer_key[2];
    pthread_mutex_t lock;                 /* of what follows */
    struct nx__quic_endpoint **endpoints; /* by worker; NULL where there is none (any more) */
    unsigned handed;                      /* packets on their way */
};

/* One of a connection's ids. */
struct nx__quic_cid {
    struct nx__quic_cid *next, *of_conn;
    struct nx__quic_conn *conn;
    ngtcp2_cid id;
};

/* A datagram as it came. */
struct nx__quic_datagram {
    const uint8_t *data;
    size_t len;
    const union nx__address *local, *peer;
    uint8_t ecn;
};

/* ---- cids.c */

/* Fills `id` with a fresh one that leads to the worker. */
void nx__quic_cid_make(const struct nx__quic_group *group, uint32_t worker, ngtcp2_cid *id);
/* Whose it is; past the last worker where it is nobody's. */
uint32_t nx__quic_cid_worker(const struct nx__quic_group *group, const uint8_t *id, size_t len);
struct nx__quic_conn *nx__quic_cid_find(const struct nx__quic_endpoint *endpoint, const uint8_t *id,
                                        size_t len);
/* False when memory is out. */
bool nx__quic_cid_add(struct nx__quic_conn *conn, const ngtcp2_cid *id);
void nx__quic_cid_remove(struct nx__quic_conn *conn, const ngtcp2_cid *id);
void nx__quic_cids_remove(struct nx__quic_conn *conn);

/* ---- tls.c */

/* The secret of a server's stateless resets, from its key and its place. Without memory for it,
 * `out` stays as it is. */
void nx__quic_reset_secret(const struct nx__quic_how *how, uint8_t out[NX__QUIC_SECRET]);

/* ---- endpoint.c */

/* Room for one write at the end of what is to be sent; NULL while the kernel takes no more. */
char *nx__quic_out_room(struct nx__quic_endpoint *endpoint, size_t least);
/* So many bytes have been put there, in datagrams of `segment` bytes. */
void nx__quic_out_put(struct nx__quic_endpoint *endpoint, size_t len, size_t segment,
                      const union nx__address *peer, const union nx__address *local, uint8_t ecn);

/* Binds the endpoint to nothing, and connects it: all that comes is the peer's. Serves at once. */
NX_MUST_CHECK nx_err nx__quic_open_to(struct nx__quic_endpoint *endpoint,
                                      struct nx__quic_group *group, const union nx__address *peer);

/* Undoes nx__quic_open_to where there is no connection; `done` is not called. */
void nx__quic_undo(struct nx__quic_endpoint *endpoint);

/* ---- conn.c */

extern const ngtcp2_callbacks nx__quic_callbacks;

/* Memory and timer of one; NULL when memory is out. */
struct nx__quic_conn *nx__quic_conn_alloc(struct nx__quic_endpoint *endpoint,
                                          const union nx__address *peer,
                                          const union nx__address *local);
/* Frees one that could not be begun. */
void nx__quic_conn_discard(struct nx__quic_conn *conn);
/* What both ends ask of ngtcp2, and tell the peer. */
void nx__quic_conn_rules(const struct nx__quic_conn *conn, ngtcp2_settings *settings,
                         ngtcp2_transport_params *params);
static inline ngtcp2_path nx__quic_path(const union nx__address *local,
                                        const union nx__address *peer)
{
    return (ngtcp2_path){
        .local = {(ngtcp2_sockaddr *)(uintptr_t)&local->any, nx__address_len(local)},
        .remote = {(ngtcp2_sockaddr *)(uintptr_t)&peer->any, nx__address_len(peer)}};
}

/* Makes a connection for a peer's first packet. `original` is the id that the peer chose at first,
 * where a Retry came between. False when memory is out. */
struct nx__quic_conn *nx__quic_conn_new(struct nx__quic_endpoint *endpoint,
                                        const struct nx__quic_datagram *d, const ngtcp2_pkt_hd *hd,
                                        const ngtcp2_cid *original, ngtcp2_token_type token);
/* Takes a packet in; the connection may be closed after, or gone. */
void nx__quic_conn_read(struct nx__quic_conn *conn, const struct nx__quic_datagram *d);
/* Sends what there is, as far as it may go. The connection may be closed after, or gone. */
void nx__quic_conn_write(struct nx__quic_conn *conn);
/* Somebody says that its peer can't be reached: it ends if nothing comes from it either. */
void nx__quic_conn_unreachable(struct nx__quic_conn *conn);
/* Closes it in its handshake, at the end of the turn (RFC 9000 20.1, CONNECTION_REFUSED). */
void nx__quic_refuse(struct nx__quic_conn *conn);
/* Closes it for conn->error, with a last word. */
void nx__quic_conn_close(struct nx__quic_conn *conn);
/* Frees it. */
void nx__quic_conn_free(struct nx__quic_conn *conn);

/* ---- tls.c */

/* Makes a server's part of libssl. False when memory is out. */
bool nx__quic_tls_make(struct nx__quic_conn *conn);
/* Has libssl's object, which the connection has, speak over it. False when memory is out. */
bool nx__quic_tls_join(struct nx__quic_conn *conn);

/* ---- client.c */

/* The peer has given a token (ngtcp2's callback). */
int nx__quic_token_take(ngtcp2_conn *ngtcp2, const uint8_t *token, size_t len, void *conn);

/* ---- qlog.c */

/* Opens the file of a connection; -1 where there is none. */
int nx__quic_qlog_open(const struct nx__quic_group *group, const ngtcp2_cid *original);
void nx__quic_qlog_write(void *conn, uint32_t flags, const void *data, size_t len);

static inline ngtcp2_tstamp nx__quic_now(void)
{
    return (ngtcp2_tstamp)nx__clock_monotonic();
}

#endif
