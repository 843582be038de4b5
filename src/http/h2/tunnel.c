/* HTTP/2 requests that another protocol has: extended CONNECT (RFC 8441). */
#include "http/tunnel.h"

#include "http/h2/conn.h"
#include <errno.h>

enum { HELD_MOST = 16 * 1024 /* bytes that wait for the peer; the protocol has the rest */ };

static void tell(struct nx__h2_stream *stream, uint8_t what)
{
    stream->told |= what;
    if (nx__list_empty(&stream->due)) nx__list_insert(&stream->conn->due, &stream->due);
    nx__h2_dirty(stream->conn);
}

/* ---- What the protocol asks for */

static long tunnel_read(struct nx__tunnel *tunnel, void *data, size_t cap)
{
    struct nx__h2_stream *stream = tunnel->conn;
    size_t n = stream->in.len < cap ? stream->in.len : cap;
    tunnel->drained = false;
    if (!n && (stream->closed || stream->reset)) return -ECONNRESET;
    if (!n && stream->in_end) return 0;
    if (n) {
        memcpy(data, stream->in.data, n);
        nx__buffer_consume(&stream->in, n);
        nx__h2_consumed(stream, n);
        if (!stream->in.len) nx__buffer_free(&stream->in);
    }
    tunnel->drained = !stream->in.len && !stream->in_end && !stream->closed && !stream->reset;
    return n ? (long)n : -EAGAIN;
}

static long tunnel_send(struct nx__tunnel *tunnel, const nx_bytes *pieces, size_t count)
{
    struct nx__h2_stream *stream = tunnel->conn;
    char held[HELD_MOST];
    size_t len = 0, total = 0;
    if (stream->closed || stream->reset) return -EPIPE;
    stream->blocked = stream->out.len != 0;
    if (stream->blocked) return -EAGAIN;
    for (size_t i = 0; i < count; i++) {
        size_t room = sizeof held - len, n = pieces[i].len < room ? pieces[i].len : room;
        if (n) memcpy(held + len, pieces[i].data, n);
        len += n;
        total += pieces[i].len;
    }
    if (len && !nx__h2_put_copy(stream, nx_slice(held, len), false)) return -ENOMEM;
    stream->blocked = len < total;
    return (long)len;
}

static void tunnel_leave(struct nx__h2_stream *stream)
{
    stream->tunnel->conn = NULL;
    stream->tunnel = NULL;
    nx__list_remove(&stream->due);
    nx__list_remove(&stream->base.link);
    nx__count(&stream->conn->server->stats.tunnels, -1);
    if (stream->req) nx__h2_stream_list(stream, NX__CONN_HANDLER);
}

static void tunnel_close(struct nx__tunnel *tunnel, bool in_order)
{
    struct nx__h2_stream *stream = tunnel->conn;
    tunnel_leave(stream);
    if (stream->closed) {
        if (!stream->req) nx__h2_stream_free(stream);
        return;
    }
    if (!in_order || !nx__h2_put_copy(stream, (nx_bytes){0}, true))
        nx__h2_reset(stream, NGHTTP2_CANCEL);
}

/* ---- What the stream tells it */

nx_err nx__h2_tunnel(nx_response *res, struct nx__tunnel *tunnel, const char *protocol)
{
    static const struct nx__tunnel_driver driver = {
        .read = tunnel_read, .send = tunnel_send, .close = tunnel_close};
    struct nx__h2_request *req = (struct nx__h2_request *)res->req;
    struct nx__h2_stream *stream = req->stream;
    nx_http_server *server = stream->conn->server;
    if (!req->asked.data)
        return nx_http_error(501, "a request of HTTP/2 changes to %s by CONNECT", protocol);
    if (nghttp2_session_set_local_window_size(stream->conn->session, 0, stream->id,
                                              NX__H2_READ_WINDOW))
        return nx__error_set(NX_ENOMEM, "cannot change to %s: out of memory", protocol);
    NX_TRY(nx__h2_send_switch(res));
    tunnel->driver = &driver;
    tunnel->conn = stream;
    stream->tunnel = tunnel;
    nx__count(&server->stats.tunnels, 1);
    nx__h2_stream_list(stream, NX__CONN_TUNNEL);
    stream->stopping = server->draining;
    if (stream->stopping) tunnel->user->stop(tunnel);
    return NX_OK;
}

nx_bytes nx__h2_tunnel_asked(const nx_request *req)
{
    return ((const struct nx__h2_request *)req)->asked;
}

void nx__h2_tunnel_tell(struct nx__h2_stream *stream, uint32_t events)
{
    tell(stream, (uint8_t)events);
}

void nx__h2_tunnel_enter(struct nx__h2_stream *stream)
{
    tell(stream, NX__H2_ENTERED);
}

void nx__h2_tunnel_serve(struct nx__h2_stream *stream)
{
    struct nx__tunnel *tunnel = stream->tunnel;
    uint8_t told = stream->told, events = (uint8_t)(told & ~NX__H2_ENTERED);
    stream->told = 0;
    /* After either of these the stream may be gone: what else there is comes by itself. */
    if (told & NX__H2_ENTERED) {
        if (events) tell(stream, events);
        tunnel->user->entered(tunnel);
    } else {
        tunnel->user->ready(tunnel, events);
    }
}

void nx__h2_tunnel_expire(struct nx__h2_stream *stream)
{
    struct nx__tunnel *tunnel = stream->tunnel;
    nx_fiber *fiber = stream->req ? stream->req->base.fiber : NULL;
    tunnel_leave(stream);
    tunnel->user->gone(tunnel);
    if (fiber) nx_cancel(fiber);
    if (!stream->closed)
        nx__h2_reset(stream, NGHTTP2_CANCEL);
    else if (!stream->req)
        nx__h2_stream_free(stream);
}

bool nx__h2_tunnel_stop(struct nx__conn *base)
{
    struct nx__h2_stream *stream = nx__container_of(base, struct nx__h2_stream, base);
    if (stream->stopping) return false;
    stream->stopping = true;
    nx__list_remove(&base->link); /* behind those that have not been told */
    nx__list_insert(&stream->conn->server->lists[NX__CONN_TUNNEL], &base->link);
    if (stream->tunnel) stream->tunnel->user->stop(stream->tunnel);
    return true;
}
