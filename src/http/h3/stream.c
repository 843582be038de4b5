/* Streams of events over HTTP/3: an answer that goes on, in its handler's fiber or without one. */
#include "http/h3/h3.h"

#include "http/events.h"
#include <errno.h>

static nx_duration after(const struct nx__h3_stream *stream, nx_duration span)
{
    return span == NX_FOREVER ? NX_FOREVER : stream->server->loop->now + span;
}

static void silent_from_now(struct nx__h3_stream *stream)
{
    nx__h3_timer(stream, after(stream, stream->server->options.heartbeat));
}

void nx__h3_events(nx_response *res)
{
    struct nx__h3_stream *stream = ((struct nx__h3_request *)res->req)->stream;
    if (!stream->streaming) {
        stream->streaming = true;
        nx__count(&stream->server->stats.streams, 1);
        if (nx__h3_broken(stream) || stream->session->going) nx_cancel(res->req->fiber);
    }
    silent_from_now(stream);
}

void nx__h3_hold(nx_response *res, struct nx__stream *held)
{
    struct nx__h3_stream *stream = ((struct nx__h3_request *)res->req)->stream;
    stream->held = held;
    held->conn = stream;
    held->chunked = false;
}

void nx__h3_stream_over(struct nx__h3_stream *stream)
{
    struct nx__stream *held = stream->held;
    if (!stream->streaming) return;
    stream->streaming = false;
    stream->held = NULL;
    stream->room_wanted = false;
    nx__count(&stream->server->stats.streams, -1);
    if (held) nx__stream_leave(held);
}

void nx__h3_stream_enter(struct nx__h3_stream *stream)
{
    stream->room_wanted = false;
    if (!stream->timer.place) silent_from_now(stream);
    if (nx__h3_broken(stream)) {
        nx__h3_stream_over(stream);
        nx__h3_cut(stream, NGHTTP3_H3_NO_ERROR);
    } else if (stream->session->going) {
        nx__stream_finish(stream->held);
    } else {
        nx__stream_serve(stream->held);
    }
}

/* A peer that does not read has little of what it falls behind by here: the rest is kept once, in
 * the topic. */
long nx__h3_stream_send(struct nx__stream *held, const nx_bytes *pieces, size_t count)
{
    struct nx__h3_stream *stream = held->conn;
    long sent = 0;
    if (nx__h3_broken(stream)) return -EPIPE;
    for (size_t i = 0; i < count; i++) {
        size_t len = pieces[i].len;
        if (stream->out.len >= NX__H3_EVENTS_OUT_MOST) break;
        if (len > NX__H3_EVENTS_OUT_MOST - stream->out.len)
            len = NX__H3_EVENTS_OUT_MOST - stream->out.len;
        if (!nx__h3_out_add(stream, nx_slice(pieces[i].data, len))) return -ENOMEM;
        sent += (long)len;
    }
    if (sent) {
        if (stream->waits) nx__h3_resume(stream);
        silent_from_now(stream);
        return sent;
    }
    if (!count) return 0;
    stream->room_wanted = true;
    nx__h3_timer(stream, after(stream, stream->server->options.write_deadline));
    return -EAGAIN;
}

void nx__h3_stream_end(struct nx__stream *held, bool in_order)
{
    struct nx__h3_stream *stream = held->conn;
    nx__h3_stream_over(stream);
    if (nx__h3_broken(stream)) return;
    if (!in_order) {
        nx__h3_cut(stream, NGHTTP3_H3_REQUEST_CANCELLED);
        return;
    }
    if (stream->server->handing && !nx__h3_out_add(stream, nx_str(NX__EVENTS_COME_BACK))) {
        nx__h3_cut(stream, NGHTTP3_H3_INTERNAL_ERROR);
        return;
    }
    nx__h3_out_close(stream);
    stream->progressed = stream->server->loop->now;
    nx__h3_timer(stream, after(stream, stream->server->options.write_deadline));
}

void nx__h3_stream_due(struct nx__h3_stream *stream)
{
    if (stream->room_wanted || nx__h3_broken(stream)) {
        nx__count(&stream->server->stats.timed_out, 1);
        nx__h3_cut(stream, NGHTTP3_H3_REQUEST_CANCELLED);
        nx__h3_stream_over(stream);
        return;
    }
    /* Not where what is sent does not leave anyway. */
    if (!stream->out.len && nx__h3_out_add(stream, nx_str(":\n\n"))) nx__h3_resume(stream);
    silent_from_now(stream);
}

void nx__h3_stream_drain(struct nx__h3_stream *stream)
{
    if (stream->req)
        nx_cancel(stream->req->base.fiber);
    else if (stream->held)
        nx__stream_finish(stream->held);
}
