/* HTTP/1.1 request bodies: whole and in pieces, with deadlines, caps and a least rate. */
#include "http/h1/conn.h"

#include "base/arena.h"
#include "base/syscall.h"
#include "net/fd.h"
#include <errno.h>
#include <nexus/fiber.h>
#include <sys/socket.h>

/* The rate counts from here on: short bodies and slow starts are nobody's attack. */
#define RATE_GRACE NX_S(5)

static struct nx__h1_request *of(nx_request *base)
{
    return (struct nx__h1_request *)base;
}

/* What was read from the socket and belongs to this body or to what follows it. */
static nx_bytes input(struct nx__h1_conn *conn)
{
    return nx__h1_shared->active == conn ? nx__h1_shared->window
                                         : nx_slice(conn->in.data, conn->in.len);
}

static void input_take(struct nx__h1_conn *conn, size_t n)
{
    if (nx__h1_shared->active == conn)
        nx__h1_shared->window =
            nx_slice(nx__h1_shared->window.data + n, nx__h1_shared->window.len - n);
    else
        nx__buffer_consume(&conn->in, n);
}

static nx_duration earlier(nx_duration a, nx_duration b)
{
    return a < b ? a : b;
}

/* When the peer has to have sent the next byte. */
static nx_duration deadline(const struct nx__h1_request *req)
{
    const nx_http_server_options *o = &req->conn->server->options;
    nx_duration by =
        o->body_deadline == NX_FOREVER ? NX_FOREVER : req->body.started + o->body_deadline;
    if (o->min_body_rate) {
        uint64_t worth =
            req->body.received / o->min_body_rate; /* seconds that the bytes so far may take */
        /* Only the waiting is the peer's doing: a handler may take its time between two reads. */
        if (worth < UINT32_MAX)
            by = earlier(by, nx__loop()->now + RATE_GRACE + NX_S((nx_duration)worth) -
                                 req->body.waited);
    }
    return by;
}

static nx_err broken(struct nx__h1_request *req, nx_err err, const char *why)
{
    req->conn->close_after = true; /* where the next request would begin is unknown */
    if (err == NX_ENOMEM) return nx__error_set(err, "cannot read the body: %s", why);
    (void)nx__error_peer(err, "cannot read the body: %s", why);
    return err == NX_ERESET ? nx__error_status_set(400) : err; /* RFC 9112 8 */
}

/* Waits for more. Another fiber may wait meanwhile until the peer takes some of the answer. */
static nx_err readable_wait(struct nx__h1_request *req)
{
    struct nx__h1_conn *conn = req->conn;
    struct nx_loop *loop = nx__loop();
    struct nx__timed_op wait = {.on = &conn->watch};
    nx_duration before = loop->now;
    req->reader = &wait;
    int64_t result = nx__net_wait(&wait, loop, deadline(req));
    req->reader = NULL;
    req->body.waited += loop->now - before;
    if (result == -ETIMEDOUT) {
        nx__count(&conn->server->stats.timed_out, 1);
        return broken(req, NX_ETIMEDOUT, "it did not come in time");
    }
    /* A fiber beside the handler's is told so when nobody wants more of the body. */
    if (result && nx_fiber_current() == req->base.fiber) conn->close_after = true;
    return nx__net_wait_error(result);
}

/* Reads up to `cap` bytes of what the peer sends, waiting for at least one. */
static nx_err receive(struct nx__h1_request *req, char *data, size_t cap, size_t *got)
{
    struct nx__h1_conn *conn = req->conn;
    nx_bytes have = input(conn);
    if (have.len) {
        *got = have.len < cap ? have.len : cap;
        memcpy(data, have.data, *got);
        input_take(conn, *got);
        req->body.from_window = nx__h1_shared->active == conn;
        req->body.received += *got;
        return NX_OK;
    }
    req->body.from_window = false;
    if (!req->body.started) req->body.started = nx__loop()->now;
    if (req->expect_continue) NX_TRY(nx__h1_send_before_body(req));
    for (;;) {
        long n = nx__io_recv(&conn->io, data, cap);
        if (n > 0) {
            req->body.received += (size_t)n;
            *got = (size_t)n;
            return NX_OK;
        }
        if (n == 0) {
            conn->half_closed = true;
            return broken(req, NX_ERESET, "the peer closed the connection in the middle");
        }
        if (n == -EINTR) continue;
        if (n != -EAGAIN) {
            conn->broken = true;
            return broken(req, NX_ERESET, nx__errno_text((int)-n));
        }
        /* The answers before this one must not wait for a body that comes after them. */
        if (nx__h1_shared->out_len) NX_TRY(nx__h1_send_before_body(req));
        NX_TRY(readable_wait(req));
    }
}

static nx_err too_large(struct nx__h1_request *req)
{
    return broken(req, NX_ETOOBIG, "it is larger than max_body");
}

static char *memory(struct nx__h1_request *req, char **slot, size_t size)
{
    if (!*slot) *slot = nx__arena_alloc(&req->base.fiber->own.arena, size);
    if (!*slot) (void)broken(req, NX_ENOMEM, "out of memory");
    return *slot;
}

/* What was read past the end of the body is the next request: back to where requests are read from.
 */
static void give_back(struct nx__h1_request *req)
{
    struct nx__h1_conn *conn = req->conn;
    nx_bytes raw = req->body.raw;
    req->body.raw.len = 0;
    bool active = nx__h1_shared->active == conn;
    if (active && req->body.from_window) {
        nx_bytes window = nx__h1_shared->window;
        nx__h1_shared->window = nx_slice(window.data - raw.len, window.len + raw.len);
        return;
    }
    /* While its input is being handled, what the connection keeps came before; later, it comes
     * after. */
    struct nx__buffer rest = {0};
    if (!active) {
        rest = conn->in;
        conn->in = (struct nx__buffer){0};
    }
    nx_err err = nx__buffer_append(&conn->in, raw.data, raw.len, NX__H1_IN_MOST);
    if (!err) err = nx__buffer_append(&conn->in, rest.data, rest.len, NX__H1_IN_MOST);
    nx__buffer_free(&rest);
    if (err) conn->close_after = true;
}

/* The next decoded piece of a chunked body; it lies in req->body.wire. */
static nx_err read_chunked(struct nx__h1_request *req, nx_bytes *chunk)
{
    uint32_t trailer_cap = req->conn->server->options.max_trailer;
    if (!memory(req, &req->body.wire, NX__H1_PIECE) ||
        !memory(req, &req->body.trailer, trailer_cap))
        return NX_ENOMEM;
    req->body.decoder.trailer = req->body.trailer;
    req->body.decoder.trailer_cap = trailer_cap;
    for (;;) {
        if (!req->body.raw.len) {
            size_t got = 0;
            NX_TRY(receive(req, req->body.wire, NX__H1_PIECE, &got));
            req->body.raw = nx_slice(req->body.wire, got);
        }
        size_t consumed;
        const char *data;
        size_t len;
        enum nx__chunk_event event = nx__h1_chunked_feed(&req->body.decoder, req->body.raw.data,
                                                         req->body.raw.len, &consumed, &data, &len);
        req->body.raw = nx_slice(req->body.raw.data + consumed, req->body.raw.len - consumed);
        if (event == NX__CHUNK_DATA) {
            *chunk = nx_slice(data, len);
            return NX_OK;
        }
        if (event == NX__CHUNK_ERROR) {
            nx__count(&req->conn->server->stats.bad, 1);
            return broken(req, req->body.decoder.error == 400 ? NX_EPROTO : NX_ETOOBIG,
                          req->body.decoder.reason);
        }
        if (event == NX__CHUNK_END) {
            req->body_done = true;
            *chunk = (nx_bytes){0};
            if (req->body.raw.len) give_back(req);
            return NX_OK;
        }
    }
}

nx_err nx__h1_read(nx_request *base, nx_bytes *chunk)
{
    struct nx__h1_request *req = of(base);
    *chunk = (nx_bytes){0};
    if (req->body_done) return NX_OK;
    if (nx__unlikely(base->match->outcome == NX__ROUTE_TOO_LARGE)) return too_large(req);
    if (req->chunked) return read_chunked(req, chunk);
    if (!memory(req, &req->body.piece, NX__H1_PIECE)) return NX_ENOMEM;
    size_t got = 0, most = req->body.length_left < NX__H1_PIECE ? (size_t)req->body.length_left
                                                                : NX__H1_PIECE;
    NX_TRY(receive(req, req->body.piece, most, &got));
    req->body.length_left -= got;
    req->body_done = !req->body.length_left;
    *chunk = nx_slice(req->body.piece, got);
    return NX_OK;
}

nx_err nx__h1_body(nx_request *base, nx_bytes *body)
{
    struct nx__h1_request *req = of(base);
    struct nx__arena *arena = &base->fiber->own.arena;
    uint64_t most = req->conn->server->options.max_body;
    *body = nx_slice("", 0);
    if (req->body_done) return NX_OK;
    if (nx__unlikely(base->match->outcome == NX__ROUTE_TOO_LARGE)) return too_large(req);
    if (!req->chunked) {
        /* The length was held against max_body with the head. Memory is touched only as bytes come.
         */
        size_t size = (size_t)req->body.length_left, len = 0;
        char *data = nx__arena_alloc(arena, size + 1);
        if (!data) return broken(req, NX_ENOMEM, "out of memory");
        while (len < size) {
            size_t got;
            NX_TRY(receive(req, data + len, size - len, &got));
            len += got;
            req->body.length_left -= got;
        }
        req->body_done = true;
        data[len] = '\0';
        *body = nx_slice(data, len);
        return NX_OK;
    }
    char *data = NULL;
    size_t len = 0, capacity = 0;
    for (;;) {
        nx_bytes chunk;
        NX_TRY(read_chunked(req, &chunk));
        if (len + chunk.len > most) return too_large(req);
        if (len + chunk.len + 1 > capacity) {
            size_t wanted = (len + chunk.len + 1) * 2;
            data = nx__arena_grow(arena, data, capacity, wanted);
            if (!data) return broken(req, NX_ENOMEM, "out of memory");
            capacity = wanted;
        }
        if (!chunk.len) break;
        /* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker): grown above */
        memcpy(data + len, chunk.data, chunk.len);
        len += chunk.len;
    }
    data[len] = '\0';
    *body = nx_slice(data, len);
    return NX_OK;
}

bool nx__h1_discard(struct nx__h1_request *req)
{
    if (req->expect_continue || req->conn->close_after) return false;
    uint64_t before = req->body.received;
    while (!req->body_done) {
        nx_bytes chunk;
        if (nx__h1_read(&req->base, &chunk) || req->body.received - before > NX__H1_DISCARD_MOST)
            return false;
    }
    return true;
}

bool nx__h1_read_all(const nx_request *base)
{
    return ((const struct nx__h1_request *)base)->body_done;
}

nx_bytes nx__h1_trailers(const nx_request *base)
{
    const struct nx__h1_request *req = (const struct nx__h1_request *)base;
    if (!req->has_body || !req->body_done || !req->body.trailer) return (nx_bytes){0};
    return nx_slice(req->body.trailer, req->body.decoder.trailer_len);
}
