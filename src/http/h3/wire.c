/* nghttp3 over a connection of QUIC. */
#include "http/h3/ends.h"

static nghttp3_conn *h3_of(const struct nx__quic_conn *conn)
{
    return ((const struct nx__h3_end *)conn->session)->h3;
}

void nx__h3_settings(nghttp3_settings *settings, uint32_t max_head)
{
    nghttp3_settings_default(settings);
    settings->max_field_section_size = max_head;
    settings->qpack_max_dtable_capacity = NX__H3_TABLE;
    settings->qpack_encoder_max_dtable_capacity = NX__H3_TABLE;
    settings->qpack_blocked_streams = NX__H3_BLOCKED;
}

uint64_t nx__h3_wire_bind(struct nx__quic_conn *conn)
{
    int64_t control = nx__quic_open_uni(conn), encoder = nx__quic_open_uni(conn);
    int64_t decoder = nx__quic_open_uni(conn);
    if (control < 0 || encoder < 0 || decoder < 0 ||
        nghttp3_conn_bind_control_stream(h3_of(conn), control) ||
        nghttp3_conn_bind_qpack_streams(h3_of(conn), encoder, decoder))
        return NGHTTP3_H3_STREAM_CREATION_ERROR;
    return 0;
}

uint64_t nx__h3_code(nghttp3_ssize err)
{
    return err < 0 ? nghttp3_err_infer_quic_app_error_code((int)err) : 0;
}

uint64_t nx__h3_wire_opened(struct nx__quic_conn *conn, int64_t stream)
{
    (void)conn, (void)stream;
    return 0;
}

uint64_t nx__h3_wire_acked(struct nx__quic_conn *conn, int64_t stream, uint64_t len)
{
    if (!conn->session || !h3_of(conn)) return 0;
    return nx__h3_code(nghttp3_conn_add_ack_offset(h3_of(conn), stream, len));
}

uint64_t nx__h3_wire_unblocked(struct nx__quic_conn *conn, int64_t stream)
{
    if (conn->session && h3_of(conn) && nghttp3_conn_unblock_stream(h3_of(conn), stream))
        return NGHTTP3_H3_INTERNAL_ERROR;
    return 0;
}

int nx__h3_wire_pull(struct nx__quic_conn *conn, int64_t *stream, bool *end,
                     struct nx__quic_piece pieces[NX__QUIC_PIECES])
{
    nghttp3_vec vectors[NX__QUIC_PIECES];
    int fin = 0;
    if (!h3_of(conn)) return 0;
    nghttp3_ssize n =
        nghttp3_conn_writev_stream(h3_of(conn), stream, &fin, vectors, NX__QUIC_PIECES);
    *end = fin;
    for (nghttp3_ssize i = 0; i < n; i++)
        pieces[i] = (struct nx__quic_piece){vectors[i].base, vectors[i].len};
    return n < 0 ? -1 : (int)n;
}

uint64_t nx__h3_wire_pushed(struct nx__quic_conn *conn, int64_t stream, size_t len)
{
    return nghttp3_conn_add_write_offset(h3_of(conn), stream, len) ? NGHTTP3_H3_INTERNAL_ERROR : 0;
}

void nx__h3_wire_blocked(struct nx__quic_conn *conn, int64_t stream)
{
    nghttp3_conn_block_stream(h3_of(conn), stream);
}

void nx__h3_wire_shut(struct nx__quic_conn *conn, int64_t stream)
{
    nghttp3_conn_shutdown_stream_write(h3_of(conn), stream);
}
