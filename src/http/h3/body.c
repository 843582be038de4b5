/* HTTP/3 request bodies. The peer may send as much as was read, and a window more. */
#include "http/h3/h3.h"

#include "base/arena.h"

/* The rate counts from here on: short bodies and slow starts are nobody's attack. */
#define RATE_GRACE NX_S(5)

static struct nx__h3_request *of(nx_request *base)
{
    return (struct nx__h3_request *)base;
}

void nx__h3_credit(struct nx__h3_stream *stream, size_t len)
{
    struct nx__h3_session *session = stream->session;
    if (session && len) session->ops->consumed(session->wire, stream->id, len);
}

bool nx__h3_body_add(struct nx__h3_stream *stream, const uint8_t *data, size_t len)
{
    bool wanted = !stream->begun || stream->req || stream->tunnel;
    if (!wanted || stream->stopped || stream->refused) {
        nx__h3_credit(stream, len);
        return true;
    }
    if (nx__buffer_append(&stream->in, data, len, NX__QUIC_STREAM_WINDOW)) return false;
    nx__h3_wake(&stream->reader);
    nx__h3_came(stream);
    return true;
}

void nx__h3_body_drop(struct nx__h3_stream *stream)
{
    nx__h3_credit(stream, stream->in.len);
    nx__buffer_free(&stream->in);
    nx__buffer_free(&stream->given);
}

/* When the peer has to have sent the next byte. */
static nx_duration deadline(const struct nx__h3_request *req)
{
    const nx_http_server_options *o = &req->base.server->options;
    nx_duration by = o->body_deadline == NX_FOREVER ? NX_FOREVER : req->started + o->body_deadline;
    if (!o->min_body_rate) return by;
    uint64_t worth = req->received / o->min_body_rate; /* seconds that the bytes so far may take */
    if (worth >= UINT32_MAX) return by;
    /* Only the waiting is the peer's doing: a handler may take its time between two reads. */
    nx_duration rate = nx__loop()->now + RATE_GRACE + NX_S((nx_duration)worth) - req->waited;
    return rate < by ? rate : by;
}

static nx_err failed(nx_err err, const char *why)
{
    if (err == NX_ENOMEM) return nx__error_set(err, "cannot read the body: %s", why);
    (void)nx__error_peer(err, "cannot read the body: %s", why);
    return err == NX_ERESET ? nx__error_status_set(400) : err;
}

static nx_err too_large(void)
{
    return failed(NX_ETOOBIG, "it is larger than max_body");
}

/* Waits until something has come, or the end. */
static nx_err wait_input(struct nx__h3_request *req)
{
    struct nx__h3_stream *stream = req->stream;
    if (!req->started) req->started = nx__loop()->now;
    bool early = req->base.response.state == NX__RESPONSE_OPEN;
    if (stream->expect && early && !stream->in.len && !stream->in_end) {
        static const nghttp3_nv go_on = {(const uint8_t *)":status", (const uint8_t *)"100", 7, 3,
                                         NGHTTP3_NV_FLAG_NONE};
        stream->expect = false;
        NX_TRY(nx__h3_inform(stream, &go_on, 1));
    }
    while (!stream->in.len && !stream->in_end) {
        if (nx__h3_broken(stream)) return failed(NX_ERESET, "the peer broke it off in the middle");
        nx_duration before = nx__loop()->now;
        nx_err err = nx__h3_wait(stream, &stream->reader, "for a request's body", deadline(req));
        req->waited += nx__loop()->now - before;
        if (err == NX_ETIMEDOUT) {
            nx__count(&req->base.server->stats.timed_out, 1);
            return failed(NX_ETIMEDOUT, "it did not come in time");
        }
        if (err) return err;
    }
    return NX_OK;
}

nx_err nx__h3_read(nx_request *base, nx_bytes *chunk)
{
    struct nx__h3_request *req = of(base);
    struct nx__h3_stream *stream = req->stream;
    *chunk = (nx_bytes){0};
    nx__buffer_free(&stream->given);
    if (nx__unlikely(base->match->outcome == NX__ROUTE_TOO_LARGE)) return too_large();
    NX_TRY(wait_input(req));
    stream->given = stream->in;
    stream->in = (struct nx__buffer){0};
    req->received += stream->given.len;
    nx__h3_credit(stream, stream->given.len);
    *chunk = nx_slice(stream->given.data, stream->given.len);
    return NX_OK;
}

nx_err nx__h3_body(nx_request *base, nx_bytes *body)
{
    struct nx__h3_request *req = of(base);
    struct nx__h3_stream *stream = req->stream;
    struct nx__arena *arena = &base->fiber->own.arena;
    uint64_t most = base->server->options.max_body;
    char *data = NULL;
    size_t len = 0, capacity = 0;
    *body = nx_slice("", 0);
    if (nx__unlikely(base->match->outcome == NX__ROUTE_TOO_LARGE)) return too_large();
    for (;;) {
        NX_TRY(wait_input(req));
        size_t more = stream->in.len;
        if (!more) break;
        if (len + more > most) return too_large();
        if (len + more + 1 > capacity) {
            size_t wanted = stream->length != UINT64_MAX ? (size_t)stream->length + 1 : 0;
            if (wanted < len + more + 1)
                wanted = stream->in_end ? len + more + 1 : (len + more) * 2 + 1;
            data = nx__arena_grow(arena, data, capacity, wanted);
            if (!data) return failed(NX_ENOMEM, "out of memory");
            capacity = wanted;
        }
        /* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker): there is room by now */
        memcpy(data + len, stream->in.data, more);
        len += more;
        req->received += more;
        nx__h3_credit(stream, more);
        nx__buffer_free(&stream->in);
    }
    if (!len) return NX_OK;
    data[len] = '\0';
    *body = nx_slice(data, len);
    return NX_OK;
}

bool nx__h3_read_all(const nx_request *base)
{
    const struct nx__h3_stream *stream = ((const struct nx__h3_request *)base)->stream;
    return stream->in_end && !stream->in.len;
}

nx_bytes nx__h3_request_trailers(const nx_request *base)
{
    const struct nx__h3_stream *stream = ((const struct nx__h3_request *)base)->stream;
    if (!stream->in_end || !stream->trailer.len) return (nx_bytes){0};
    return nx_slice(stream->trailer.data, stream->trailer.len);
}
