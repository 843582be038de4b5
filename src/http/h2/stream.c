/* Streams of events over HTTP/2: an answer that goes on, in its handler's fiber or without one. */
#include "http/h2/conn.h"

#include "http/events.h"
#include <errno.h>

/* Bytes of events that a stream holds for a peer that does not read: what it falls behind by is
 * kept once, in the topic. */
enum { HELD_MOST = 16 * 1024 };

static void list_events(struct nx__h2_stream *stream)
{
    nx_http_server *server = stream->conn->server;
    nx__h2_stream_list(stream, NX__CONN_EVENTS);
    nx__server_events(server);
}

void nx__h2_events(nx_response *res)
{
    struct nx__h2_stream *stream = ((struct nx__h2_request *)res->req)->stream;
    if (stream->streaming) {
        nx__h2_stream_list(stream, NX__CONN_EVENTS);
        return;
    }
    stream->streaming = true;
    nx__count(&stream->conn->server->stats.streams, 1);
    list_events(stream);
    if (stream->closed || stream->conn->half_closed) nx_cancel(res->req->fiber);
}

void nx__h2_hold(nx_response *res, struct nx__stream *events)
{
    struct nx__h2_stream *stream = ((struct nx__h2_request *)res->req)->stream;
    stream->events = events;
    events->conn = stream;
    events->chunked = false;
}

void nx__h2_stream_over(struct nx__h2_stream *stream)
{
    struct nx__stream *events = stream->events;
    if (!stream->streaming) return;
    stream->streaming = false;
    stream->events = NULL;
    nx__list_remove(&stream->due);
    nx__list_remove(&stream->base.link);
    nx__count(&stream->conn->server->stats.streams, -1);
    if (events) nx__stream_leave(events);
}

void nx__h2_stream_enter(struct nx__h2_stream *stream)
{
    list_events(stream);
    nx__list_remove(&stream->due);
    nx__list_insert(&stream->conn->due, &stream->due); /* served in the loop's context */
}

void nx__h2_streams_serve(struct nx__h2_conn *conn)
{
    while (!nx__list_empty(&conn->due)) {
        struct nx__h2_stream *stream = nx__container_of(conn->due.next, struct nx__h2_stream, due);
        nx__list_remove(&stream->due);
        if (stream->tunnel) {
            nx__h2_tunnel_serve(stream);
            continue;
        }
        if (conn->broken || stream->closed) continue;
        if (stream->list == NX__CONN_WRITE || nx__list_empty(&stream->base.link))
            list_events(stream);
        if (conn->server->draining)
            nx__stream_finish(stream->events);
        else
            nx__stream_serve(stream->events);
    }
}

long nx__h2_stream_send(struct nx__stream *events, const nx_bytes *pieces, size_t count)
{
    struct nx__h2_stream *stream = events->conn;
    char held[HELD_MOST];
    size_t len = 0;
    if (stream->closed || stream->reset || stream->conn->broken) return -EPIPE;
    if (stream->out.len) return -EAGAIN;
    for (size_t i = 0; i < count && len < sizeof held; i++) {
        size_t n = pieces[i].len < sizeof held - len ? pieces[i].len : sizeof held - len;
        memcpy(held + len, pieces[i].data, n);
        len += n;
    }
    if (!len) return 0;
    if (!nx__h2_put_copy(stream, nx_slice(held, len), false)) return -ENOMEM;
    list_events(stream);
    return (long)len;
}

void nx__h2_stream_end(struct nx__stream *events, bool in_order)
{
    struct nx__h2_stream *stream = events->conn;
    bool hint = stream->conn->server->handing && !stream->out.len;
    nx__h2_stream_over(stream);
    if (!in_order || !nx__h2_put_copy(stream, nx_str(hint ? NX__EVENTS_COME_BACK : ""), true))
        nx__h2_reset(stream, NGHTTP2_CANCEL);
}

void nx__h2_stream_beat(struct nx__conn *base)
{
    struct nx__h2_stream *stream = nx__container_of(base, struct nx__h2_stream, base);
    if (stream->conn->server->draining) {
        nx__list_remove(&base->link); /* it is told once */
        if (stream->req)
            nx_cancel(stream->req->base.fiber);
        else if (stream->events)
            nx__stream_finish(stream->events);
        return;
    }
    nx__h2_stream_list(stream, NX__CONN_EVENTS);
    /* Not in the middle of something else, nor where what is sent does not leave anyway. */
    if (stream->out.len || (stream->req && stream->events)) return;
    if (!nx__h2_put_copy(stream, nx_str(":\n\n"), false)) nx__h2_reset(stream, NGHTTP2_CANCEL);
}
