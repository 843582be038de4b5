/* Streams that another protocol has after an extended CONNECT (RFC 9220). */
#include "http/tunnel.h"

#include "http/h3/h3.h"
#include <errno.h>

enum { ROOM_LEAST = NX__H3_OUT_MOST / 2 /* that is free before more is asked for */ };

/* ---- What the protocol asks for */

static long tunnel_read(struct nx__tunnel *tunnel, void *data, size_t cap)
{
    struct nx__h3_stream *stream = tunnel->conn;
    size_t n = stream->in.len < cap ? stream->in.len : cap;
    tunnel->drained = false;
    if (n) {
        memcpy(data, stream->in.data, n);
        nx__buffer_consume(&stream->in, n);
        nx__h3_credit(stream, n);
        if (!stream->in.len) nx__buffer_free(&stream->in);
        tunnel->drained = !stream->in.len && !stream->in_end;
        return (long)n;
    }
    if (stream->in_end) return 0;
    if (nx__h3_broken(stream)) return -ECONNRESET;
    tunnel->drained = true;
    return -EAGAIN;
}

static long tunnel_send(struct nx__tunnel *tunnel, const nx_bytes *pieces, size_t count)
{
    struct nx__h3_stream *stream = tunnel->conn;
    size_t sent = 0, total = 0;
    if (nx__h3_broken(stream)) return -EPIPE;
    for (size_t i = 0; i < count; i++) {
        size_t most =
            stream->session->out_len < NX__H3_SESSION_OUT_MOST ? NX__H3_OUT_MOST : NX__H3_PIECE;
        size_t room = stream->out.len < most ? most - stream->out.len : 0;
        size_t len = pieces[i].len < room ? pieces[i].len : room;
        total += pieces[i].len;
        if (!len) continue;
        if (!nx__h3_out_add(stream, nx_slice(pieces[i].data, len))) return -ENOMEM;
        sent += len;
        if (len < pieces[i].len) break;
    }
    if (sent) nx__h3_resume(stream);
    if (sent < total) stream->room_wanted = true;
    return sent || !total ? (long)sent : -EAGAIN;
}

static void tunnel_close(struct nx__tunnel *tunnel, bool in_order)
{
    struct nx__h3_stream *stream = tunnel->conn;
    nx__h3_tunnel_let(stream);
    nx__h3_body_drop(stream);
    if (!in_order) {
        nx__h3_cut(stream, NGHTTP3_H3_REQUEST_CANCELLED);
        stream->out_over = true;
    } else if (!nx__h3_broken(stream)) {
        nx__h3_out_close(stream);
    }
    if (!stream->req) nx__h3_rest(stream);
}

static const struct nx__tunnel_driver driver = {
    .read = tunnel_read, .send = tunnel_send, .close = tunnel_close};

/* ---- What the stream tells it */

void nx__h3_tunnel_let(struct nx__h3_stream *stream)
{
    stream->tunnel->conn = NULL;
    stream->tunnel = NULL;
    stream->room_wanted = stream->enters = false;
    nx__count(&stream->server->stats.tunnels, -1);
}

nx_err nx__h3_tunnel(nx_response *res, struct nx__tunnel *tunnel, const char *protocol)
{
    struct nx__h3_request *req = (struct nx__h3_request *)res->req;
    struct nx__h3_stream *stream = req->stream;
    if (!req->asked.len)
        return nx_http_error(400, "HTTP/3 changes to %s by an extended CONNECT (RFC 9220)",
                             protocol);
    res->content_type = NULL;
    NX_TRY(nx__h3_write(res, (nx_bytes){0}));
    res->state = NX__RESPONSE_DONE;
    tunnel->driver = &driver;
    tunnel->conn = stream;
    stream->tunnel = tunnel;
    nx__count(&stream->server->stats.tunnels, 1);
    nx__h3_timer(stream, NX_FOREVER);
    if (stream->session->going) nx__h3_tunnel_stop(stream);
    return NX_OK;
}

nx_bytes nx__h3_tunnel_asked(const nx_request *req)
{
    return ((const struct nx__h3_request *)req)->asked;
}

void nx__h3_tunnel_turn(struct nx__h3_stream *stream)
{
    uint32_t events = stream->came ? NX__READABLE : 0;
    stream->came = false;
    if (stream->enters) {
        stream->enters = false;
        stream->tunnel->user->entered(stream->tunnel);
        if (!stream->tunnel) return;
    }
    if (stream->room_wanted && stream->out.len <= ROOM_LEAST) {
        stream->room_wanted = false;
        events |= NX__WRITABLE;
    }
    if (nx__h3_broken(stream)) events = NX__READABLE | NX__WRITABLE;
    if (events) stream->tunnel->user->ready(stream->tunnel, events);
}

void nx__h3_tunnel_stop(struct nx__h3_stream *stream)
{
    if (!stream->told) stream->tunnel->user->stop(stream->tunnel);
    stream->told = true;
}

void nx__h3_tunnel_over(struct nx__h3_stream *stream)
{
    struct nx__tunnel *tunnel = stream->tunnel;
    if (stream->req) nx_cancel(stream->req->base.fiber);
    nx__h3_tunnel_let(stream);
    tunnel->user->gone(tunnel);
}
