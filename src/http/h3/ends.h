/* What both ends of HTTP/3 share: what waits for the peer, and how nghttp3 goes over QUIC. */
#ifndef NX__H3_ENDS_H
#define NX__H3_ENDS_H

#include "quic/quic.h"
#include <nexus/base.h>
#include <nghttp3/nghttp3.h>

/* Caps of all that a peer can make grow, beside those of QUIC (quic/quic.h). */
enum {
    NX__H3_TABLE = 4096,               /* bytes of QPACK's table, each way */
    NX__H3_BLOCKED = 16,               /* streams that may wait for it */
    NX__H3_EXPANDED_MOST = 256 * 1024, /* bytes of a field section as it is decoded, of which most
                                          was refused; past it the connection is closed */
    NX__H3_OUT_MOST = 256 * 1024,      /* of a stream, that the peer has not acknowledged */
    NX__H3_SESSION_OUT_MOST = 1024 * 1024, /* of all streams of a connection; but each may have: */
    NX__H3_PIECE = 16 * 1024,
};

/* ---- out.c: bytes of a stream, until the peer has them */

struct nx__h3_chunk;

struct nx__h3_out {
    struct nx__h3_chunk *first, *last, *pulled;
    size_t pulled_at; /* of `pulled` */
    size_t len;       /* that the peer does not have */
};

/* Adds a copy. False when memory is out. */
bool nx__h3_out_put(struct nx__h3_out *out, nx_bytes bytes);
/* What has not been pulled yet, in at most `most` slices: their number. */
size_t nx__h3_out_pull(struct nx__h3_out *out, nghttp3_vec *vec, size_t most);
/* The peer has so many bytes more. */
void nx__h3_out_done(struct nx__h3_out *out, uint64_t len);
void nx__h3_out_clear(struct nx__h3_out *out);

/* Whether more may be added, where all streams of the connection have `session_len`. */
static inline bool nx__h3_out_has_room(const struct nx__h3_out *out, size_t session_len)
{
    return out->len < NX__H3_PIECE ||
           (out->len < NX__H3_OUT_MOST && session_len < NX__H3_SESSION_OUT_MOST);
}

static inline nghttp3_nv nx__h3_nv(nx_bytes name, nx_bytes value)
{
    return (nghttp3_nv){(const uint8_t *)name.data, (const uint8_t *)value.data, name.len,
                        value.len, NGHTTP3_NV_FLAG_NONE};
}

/* ---- wire.c: nghttp3 over QUIC, for who has a session that begins with this */

struct nx__h3_end {
    nghttp3_conn *h3; /* NULL: none yet */
};

/* Settings that both ends have. */
void nx__h3_settings(nghttp3_settings *settings, uint32_t max_head);
/* Opens the streams of control, once there is one. 0, or the code to close with. */
uint64_t nx__h3_wire_bind(struct nx__quic_conn *conn);
/* The code that the connection is closed with, for what nghttp3 returns; 0: none. */
uint64_t nx__h3_code(nghttp3_ssize err);
/* These are of struct nx__quic_app. */
uint64_t nx__h3_wire_opened(struct nx__quic_conn *conn, int64_t stream);
uint64_t nx__h3_wire_acked(struct nx__quic_conn *conn, int64_t stream, uint64_t len);
uint64_t nx__h3_wire_unblocked(struct nx__quic_conn *conn, int64_t stream);
int nx__h3_wire_pull(struct nx__quic_conn *conn, int64_t *stream, bool *end,
                     struct nx__quic_piece pieces[NX__QUIC_PIECES]);
uint64_t nx__h3_wire_pushed(struct nx__quic_conn *conn, int64_t stream, size_t len);
void nx__h3_wire_blocked(struct nx__quic_conn *conn, int64_t stream);
void nx__h3_wire_shut(struct nx__quic_conn *conn, int64_t stream);

#endif
