/* HTTP/2 request bodies: whole and in pieces, with deadlines, caps and a least rate. The peer may
 * send more as the handler reads (RFC 9113 5.2). */
#include "http/h2/conn.h"

#include "base/arena.h"
#include <errno.h>

/* The rate counts from here on: short bodies and slow starts are nobody's attack. */
#define RATE_GRACE NX_S(5)

static struct nx__h2_request *of(const nx_request *base)
{
    return (struct nx__h2_request *)(uintptr_t)base;
}

int nx__h2_body_come(struct nx__h2_stream *stream, const uint8_t *data, size_t len)
{
    struct nx__h2_conn *conn = stream->conn;
    if ((!stream->req && !stream->tunnel) || stream->reset) { /* nobody reads it any more */
        stream->discarded += (uint32_t)len;
        nx__h2_said(conn, nghttp2_session_consume(conn->session, stream->id, len));
        if (stream->discarded > NX__H2_DISCARD_MOST && stream->out_done)
            nx__h2_reset(stream, NGHTTP2_NO_ERROR);
        return 0;
    }
    /* Windows hold the peer to less. */
    if (nx__buffer_append(&stream->in, data, len, NX__H2_CONN_WINDOW)) return -1;
    if (stream->tunnel) nx__h2_tunnel_tell(stream, NX__READABLE);
    if (!stream->req) return 0;
    stream->req->received += len;
    nx__h2_wake(&stream->req->reader);
    return 0;
}

/* When the peer has to have sent the next byte. */
static nx_duration deadline(const struct nx__h2_request *req)
{
    const nx_http_server_options *o = &req->base.server->options;
    nx_duration by = o->body_deadline == NX_FOREVER ? NX_FOREVER : req->started + o->body_deadline;
    if (o->min_body_rate) {
        uint64_t worth =
            req->received / o->min_body_rate; /* seconds that the bytes so far may take */
        /* Only the waiting is the peer's doing: a handler may take its time between two reads. */
        nx_duration rate = nx__loop()->now + RATE_GRACE + NX_S((nx_duration)worth) - req->waited;
        if (worth < UINT32_MAX && rate < by) by = rate;
    }
    return by;
}

static nx_err broken(struct nx__h2_request *req, nx_err err, const char *why)
{
    if (err == NX_ENOMEM) return nx__error_set(err, "cannot read the body: %s", why);
    (void)nx__error_peer(err, "cannot read the body: %s", why);
    (void)req;
    return err == NX_ERESET ? nx__error_status_set(400) : err;
}

/* Waits until there are bytes, or the end. */
static nx_err body_wait(struct nx__h2_request *req)
{
    struct nx__h2_stream *stream = req->stream;
    struct nx_loop *loop = nx__loop();
    if (!req->started) req->started = loop->now;
    if (!req->reading) {
        req->reading = true;
        if (!stream->in_end && !stream->closed &&
            nghttp2_session_set_local_window_size(stream->conn->session, 0, stream->id,
                                                  NX__H2_READ_WINDOW))
            return broken(req, NX_ENOMEM, "out of memory");
        nx__h2_dirty(stream->conn);
    }
    if (req->expect_continue) {
        req->expect_continue = false;
        bool early = req->base.response.state == NX__RESPONSE_OPEN;
        if (early && !stream->in.len && !stream->in_end) NX_TRY(nx__h2_continue(req));
    }
    while (!stream->in.len && !stream->in_end) {
        if (stream->closed || stream->reset)
            return broken(req, NX_ERESET, "the peer has reset the request in the middle");
        struct nx__timed_op wait = {0};
        nx_duration before = loop->now;
        req->reader = &wait;
        int64_t result = nx__net_wait(&wait, loop, deadline(req));
        req->reader = NULL;
        req->waited += loop->now - before;
        if (result == -ETIMEDOUT) {
            nx__count(&req->base.server->stats.timed_out, 1);
            return broken(req, NX_ETIMEDOUT, "it did not come in time");
        }
        if (result) return nx__net_wait_error(result);
    }
    return NX_OK;
}

static nx_err too_large(struct nx__h2_request *req)
{
    return broken(req, NX_ETOOBIG, "it is larger than max_body");
}

void nx__h2_consumed(struct nx__h2_stream *stream, size_t len)
{
    nghttp2_session *session = stream->conn->session;
    nx__h2_said(stream->conn, stream->closed ? nghttp2_session_consume_connection(session, len)
                                             : nghttp2_session_consume(session, stream->id, len));
    nx__h2_dirty(stream->conn);
}

nx_err nx__h2_read(nx_request *base, nx_bytes *chunk)
{
    struct nx__h2_request *req = of(base);
    struct nx__h2_stream *stream = req->stream;
    *chunk = (nx_bytes){0};
    if (nx__unlikely(base->match->outcome == NX__ROUTE_TOO_LARGE)) return too_large(req);
    NX_TRY(body_wait(req));
    /* What has come is the handler's, and what comes meanwhile goes to where the last was. */
    struct nx__buffer come = stream->in;
    stream->in = req->piece;
    stream->in.len = 0;
    req->piece = come;
    if (come.len) nx__h2_consumed(stream, come.len);
    *chunk = nx_slice(come.data, come.len);
    return NX_OK;
}

nx_err nx__h2_body(nx_request *base, nx_bytes *body)
{
    struct nx__h2_request *req = of(base);
    struct nx__h2_stream *stream = req->stream;
    struct nx__arena *arena = &base->fiber->own.arena;
    uint64_t most = base->server->options.max_body;
    *body = nx_slice("", 0);
    if (nx__unlikely(base->match->outcome == NX__ROUTE_TOO_LARGE)) return too_large(req);
    if (stream->in_end && !stream->in.len) return NX_OK;
    /* A length was held against max_body with the head. Memory is touched only as bytes come. */
    size_t len = 0, capacity = req->length == UINT64_MAX ? 0 : (size_t)req->length + 1;
    char *data = capacity ? nx__arena_alloc(arena, capacity) : NULL;
    if (capacity && !data) return broken(req, NX_ENOMEM, "out of memory");
    for (;;) {
        NX_TRY(body_wait(req));
        size_t more = stream->in.len;
        if (len + more > most) return too_large(req);
        if (len + more + 1 > capacity) {
            size_t wanted = (len + more + 1) * 2;
            data = nx__arena_grow(arena, data, capacity, wanted);
            if (!data) return broken(req, NX_ENOMEM, "out of memory");
            capacity = wanted;
        }
        if (!more) break;
        /* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker): grown above */
        memcpy(data + len, stream->in.data, more);
        len += more;
        stream->in.len = 0;
        nx__h2_consumed(stream, more);
    }
    data[len] = '\0';
    *body = nx_slice(data, len);
    return NX_OK;
}

bool nx__h2_read_all(const nx_request *base)
{
    const struct nx__h2_stream *stream = of(base)->stream;
    return stream->in_end && !stream->in.len;
}

nx_bytes nx__h2_trailers(const nx_request *base)
{
    const struct nx__h2_request *req = of(base);
    const struct nx__h2_stream *stream = req->stream;
    if (!req->trailer || !stream->in_end || stream->in.len) return (nx_bytes){0};
    return nx_slice(req->trailer, req->trailer_len);
}
