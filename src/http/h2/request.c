/* HTTP/2 requests: from a head to a handler, and the life of their streams. */
#include "http/h2/conn.h"

#include "base/arena.h"
#include "http/events.h"
#include "http/h1/parse.h"
#include "loop/fiber.h"
#include <errno.h>

/* ---- Streams */

/* What of the body nobody reads any more does not hold up the others. */
static void body_drop(struct nx__h2_stream *stream)
{
    nghttp2_session *session = stream->conn->session;
    size_t len = stream->in.len;
    if (len && stream->closed)
        nx__h2_said(stream->conn, nghttp2_session_consume_connection(session, len));
    else if (len)
        nx__h2_said(stream->conn, nghttp2_session_consume(session, stream->id, len));
    if (len) nx__h2_dirty(stream->conn);
    nx__buffer_free(&stream->in);
}

void nx__h2_stream_free(struct nx__h2_stream *stream)
{
    struct nx__h2_conn *conn = stream->conn;
    nx__list_remove(&stream->link);
    nx__list_remove(&stream->sending);
    nx__list_remove(&stream->due);
    nx__list_remove(&stream->base.link);
    body_drop(stream);
    nx__h2_free(conn, stream->copy);
    nx__h2_free(conn, stream);
    conn->open--;
    if (nx__list_empty(&conn->streams)) nx__h2_dirty(conn);
}

static struct nx__h2_stream *stream_new(struct nx__h2_conn *conn, int32_t id)
{
    struct nx__h2_stream *stream = nx__h2_alloc(conn, sizeof *stream);
    if (!stream) return NULL;
    memset(stream, 0, sizeof *stream);
    stream->conn = conn;
    stream->id = id;
    stream->base.kind = &nx__h2_stream_kind;
    nx__list_init(&stream->base.link);
    nx__list_init(&stream->sending);
    nx__list_init(&stream->due);
    nx__list_insert(&conn->streams, &stream->link);
    NX_IGNORE(nghttp2_session_set_stream_user_data(conn->session, id, stream));
    conn->open++;
    return stream;
}

void nx__h2_stream_closed(struct nx__h2_stream *stream, uint32_t code)
{
    struct nx__h2_conn *conn = stream->conn;
    struct nx__h2_request *req = stream->req;
    if (!stream->closed) {
        stream->closed = true;
        if (!stream->out_done || code != NGHTTP2_NO_ERROR) stream->reset = true;
        NX_IGNORE(nghttp2_session_set_stream_user_data(conn->session, stream->id, NULL));
        nx__list_remove(&stream->sending);
        if (stream->reset && !stream->tunnel) {
            /* Who is still reading is not told that this was all. */
            if (stream->in.len) stream->in_end = false;
            body_drop(stream);
        }
    }
    if ((stream->streaming || stream->watched) && req) nx_cancel(req->base.fiber);
    if (stream->events) nx__h2_stream_over(stream);
    if (req) {
        nx__h2_wake(&req->reader);
        nx__h2_wake(&req->writer);
    }
    if (stream->tunnel)
        nx__h2_tunnel_tell(stream, NX__READABLE | NX__WRITABLE);
    else if (!req)
        nx__h2_stream_free(stream);
}

void nx__h2_reset(struct nx__h2_stream *stream, uint32_t code)
{
    if (stream->closed || stream->ended) return;
    stream->ended = true;
    stream->reset = code != NGHTTP2_NO_ERROR;
    if (nghttp2_submit_rst_stream(stream->conn->session, 0, stream->id, code))
        stream->conn->broken = true;
    nx__list_remove(&stream->sending);
    nx__h2_dirty(stream->conn);
}

/* The answer has gone and the body has not all come: a little more of it is dropped, so that the
 * peer can end in order, and then it is told to stop (RFC 9113 8.1). */
static void rest_discard(struct nx__h2_stream *stream)
{
    if (stream->closed || stream->in_end || stream->req) return;
    if (stream->discarded > NX__H2_DISCARD_MOST)
        nx__h2_reset(stream, NGHTTP2_NO_ERROR);
    else
        nx__h2_stream_list(stream, NX__CONN_LINGER);
}

void nx__h2_stream_sent(struct nx__h2_stream *stream)
{
    stream->out_done = true;
    nx__list_remove(&stream->sending);
    rest_discard(stream);
}

static void expire(struct nx__conn *base, enum nx__conn_list list)
{
    struct nx__h2_stream *stream = nx__container_of(base, struct nx__h2_stream, base);
    nx_http_server *server = stream->conn->server;
    nx__list_remove(&base->link); /* it is told once */
    if (stream->req && list != NX__CONN_TUNNEL) {
        nx__count(&server->stats.timed_out, 1);
        nx_cancel(stream->req->base.fiber);
        return;
    }
    if (list == NX__CONN_TUNNEL) {
        nx__h2_tunnel_expire(stream);
        return;
    }
    if (list == NX__CONN_LINGER) {
        nx__h2_reset(stream, NGHTTP2_NO_ERROR);
        return;
    }
    nx__count(&server->stats.timed_out, 1);
    nx__h2_reset(stream, NGHTTP2_CANCEL);
}

/* Only whole connections are handed over, or asked whether they are used. */
static bool is_used(const struct nx__conn *base)
{
    (void)base;
    return false;
}

const struct nx__conn_kind nx__h2_stream_kind = {
    .expire = expire, .beat = nx__h2_stream_beat, .stop = nx__h2_tunnel_stop, .is_used = is_used};

/* ---- A request's fiber */

static NX__HOT nx_err request_main(void *arg)
{
    struct nx__h2_request *req = arg;
    struct nx__h2_stream *stream = req->stream;
    struct nx__h2_conn *conn = stream->conn;
    nx__request_serve(&req->base);
    if (nx__unlikely(req->base.response.state != NX__RESPONSE_DONE))
        nx__h2_reset(stream, NGHTTP2_INTERNAL_ERROR); /* cut off in the middle */
    nx__count(&conn->server->stats.requests, 1);
    nx__buffer_free(&req->piece);
    stream->req = NULL;
    conn->handlers--;
    if (nx__unlikely(stream->tunnel != NULL)) {
        nx__h2_tunnel_enter(stream);
        return NX_OK;
    }
    nx__list_remove(&stream->base.link);
    if (nx__unlikely(stream->closed)) {
        nx__h2_stream_over(stream);
        nx__h2_stream_free(stream);
        return NX_OK;
    }
    body_drop(stream);
    if (nx__unlikely(stream->streaming)) {
        if (stream->events)
            nx__h2_stream_enter(stream);
        else
            nx__h2_stream_over(stream);
    }
    if (stream->out_done) rest_discard(stream);
    nx__h2_dirty(conn);
    return NX_OK;
}

/* ---- From the head */

/* What the parser of HTTP/1.1 refuses in a target; NULL if nothing. */
static const char *bad_target(const struct nx__h2_head *head)
{
    const char *path = head->text + head->path.off;
    size_t len = head->path.len, i = 0;
    if (!len) return "no path";
    if (path[0] != '/' && !(len == 1 && path[0] == '*' && head->method_id == NX__METHOD_OPTIONS))
        return "the path does not begin with a slash";
    for (; i < len && path[i] != '?'; i++) {
        if (nx__likely(nx__h1_is(path[i], NX__H1_PLAIN))) continue;
        if (path[i] == '\\') return "backslash in the request target";
        return path[i] == '#' ? "fragment in the request target"
                              : "bad character in the request target";
    }
    for (; i < len; i++) {
        if (nx__likely(nx__h1_is(path[i], NX__H1_TARGET))) continue;
        return path[i] == '#' ? "fragment in the request target"
                              : "bad character in the request target";
    }
    return NULL;
}

static const char *bad_head(const struct nx__h2_head *head)
{
    const char *reason = bad_target(head);
    if (reason) return reason;
    if (!head->authority.len) return "no :authority";
    if (!nx__h1_valid_host(head->text + head->authority.off, head->authority.len))
        return "bad host";
    if (head->length && head->method_id == NX__METHOD_TRACE)
        return "a body where the method has none";
    return NULL;
}

static nx_bytes slice_of(const char *text, struct nx__h1_slice slice)
{
    return nx_slice(text + slice.off, slice.len);
}

/* Method and target go before the rest of the text, as a request line has them. */
static struct nx__h2_request *request_new(struct nx__h2_conn *conn, const struct nx__h2_head *head)
{
    nx_fiber *fiber = nx__fiber_new(request_main, NULL, nx__request_fiber);
    if (!fiber) return NULL;
    size_t fields = head->count * sizeof *head->fields,
           line = head->method.len + head->path.len + 2u;
    struct {
        struct nx__h2_request req;
        struct nx__route_match match; /* not cleared: large, and filled by the router */
        char copy[];
    } *memory = nx__arena_alloc(&fiber->own.arena, sizeof *memory + fields + line + head->text_len);
    if (!memory) {
        nx__fiber_release(fiber);
        return NULL;
    }
    struct nx__h2_request *req = &memory->req;
    memset(req, 0, sizeof *req);
    char *method = memory->copy + fields, *target = method + head->method.len + 1,
         *text = method + line;
    memcpy(memory->copy, head->fields, fields);
    memcpy(method, head->text + head->method.off, head->method.len);
    target[-1] = ' ';
    memcpy(target, head->text + head->path.off, head->path.len);
    target[head->path.len] = ' ';
    memcpy(text, head->text, head->text_len);
    nx_request *base = &req->base;
    base->driver = &nx__h2_driver;
    base->server = conn->server;
    base->fiber = fiber;
    base->secure = conn->io.tls != NULL;
    base->method = nx_slice(method, head->method.len);
    const char *query = memchr(target, '?', head->path.len);
    base->path = nx_slice(target, query ? (size_t)(query - target) : head->path.len);
    if (query) base->query = nx_slice(query + 1, head->path.len - base->path.len - 1);
    base->head = text;
    base->headers = (const struct nx__h1_header *)(void *)memory->copy;
    base->header_count = head->count;
    base->match = &memory->match;
    base->response.req = base;
    base->response.status = 200;
    req->head_method = head->method_id == NX__METHOD_HEAD;
    req->length = head->has_length ? head->length : UINT64_MAX;
    req->expect_continue = head->expect && !head->ends;
    fiber->arg = req;
    fiber->activity = nx_slice(method, line - 1);
    return req;
}

void nx__h2_request(struct nx__h2_conn *conn, const struct nx__h2_head *head)
{
    nx_http_server *server = conn->server;
    conn->requests++;
    if (nx__unlikely(conn->handlers >= NX__H2_STREAMS || conn->open >= 2 * NX__H2_STREAMS)) {
        /* The peer has reset requests whose handlers, or tunnels, are still at it. */
        nx__h2_said(conn, nghttp2_submit_rst_stream(conn->session, 0, head->stream,
                                                    NGHTTP2_REFUSED_STREAM));
        return;
    }
    struct nx__h2_stream *stream = stream_new(conn, head->stream);
    if (!stream) {
        conn->broken = true;
        return;
    }
    stream->in_end = head->ends;
    int status = head->status;
    const char *reason = head->reason;
    if (!status && head->method_id == NX__METHOD_CONNECT && !head->protocol.len) {
        status = 501;
        reason = "CONNECT is not served";
    }
    if (!status) {
        reason = bad_head(head);
        if (nx__unlikely(reason)) status = 400;
    }
    struct nx__h2_request *req = status ? NULL : request_new(conn, head);
    if (nx__unlikely(!req)) {
        if (status) nx__count(&server->stats.bad, 1);
        nx__h2_refuse(conn, stream, status ? status : 503,
                      status ? reason : "out of memory or fibers", head);
        return;
    }
    req->stream = stream;
    stream->req = req;
    nx_request *base = &req->base;
    const struct nx__site *site = &server->sites.rest;
    if (nx__unlikely(server->sites.count))
        site = nx__site_find(&server->sites, slice_of(head->text, head->authority));
    /* What HTTP/1.1 asks for by GET and Upgrade is at the same place (RFC 8441 5). */
    bool changes = nx__unlikely(head->protocol.len != 0);
    if (changes) req->asked = slice_of(base->head, head->protocol);
    nx__router_match(site->routes, changes ? nx_str("GET") : base->method, base->path, base->match);
    base->handler = (nx_http_handler)base->match->handler;
    if (nx__unlikely(head->length > server->options.max_body)) {
        /* It gets an error page, in the style of where it leads, and is not read. */
        base->match->outcome = NX__ROUTE_TOO_LARGE;
        base->handler = NULL;
        stream->discarded = NX__H2_DISCARD_MOST + 1;
        nx__count(&server->stats.bad, 1);
    }
    conn->handlers++;
    if (nx__unlikely(conn->requests >= server->options.max_requests && !conn->last)) {
        conn->last = true;
        nx__h2_said(
            conn, nghttp2_submit_goaway(conn->session, 0, head->stream, NGHTTP2_NO_ERROR, NULL, 0));
    }
    nx__fiber_resume(base->fiber);
    /* It is there: the session closes no stream while it tells of its head. */
    if (stream->req == req && !stream->streaming && !stream->tunnel)
        nx__h2_stream_list(stream, NX__CONN_HANDLER);
}

/* ---- The seam */

static nx_bytes peer(nx_request *base)
{
    struct nx__h2_request *req = (struct nx__h2_request *)base;
    if (req->peer) return nx_str(req->peer);
    char *memory = nx__arena_alloc(&base->fiber->own.arena, NX__H2_PEER);
    if (!memory) return nx_str("");
    nx_bytes text = nx__h2_peer(req->stream->conn, memory);
    if (text.data == memory) req->peer = memory;
    return text;
}

static nx_bytes protocol(const nx_request *base)
{
    (void)base;
    return nx_str("HTTP/2.0");
}

static const nx_tls_info *tls(nx_request *base)
{
    return nx__tls_info(((struct nx__h2_request *)base)->stream->conn->io.tls);
}

/* A connection has other requests too: nobody else can have it. */
static int descriptor(const nx_request *base)
{
    (void)base;
    return -1;
}

static void leave(nx_request *base)
{
    nx__h2_reset(((struct nx__h2_request *)base)->stream, NGHTTP2_INTERNAL_ERROR);
    base->response.state = NX__RESPONSE_DONE;
}

static void moves(nx_request *base)
{
    nx__h2_stream_list(((struct nx__h2_request *)base)->stream, NX__CONN_HANDLER);
}

static void watch(nx_request *base)
{
    struct nx__h2_stream *stream = ((struct nx__h2_request *)base)->stream;
    stream->watched = true;
    if (stream->closed) nx_cancel(base->fiber);
}

const struct nx__http_driver nx__h2_driver = {
    .send = nx__h2_send,
    .send_json = nx__h2_send_json,
    .send_file = nx__h2_send_file,
    .write = nx__h2_write,
    .end = nx__h2_end,
    .early = nx__h2_early,
    .read = nx__h2_read,
    .body = nx__h2_body,
    .read_all = nx__h2_read_all,
    .trailers = nx__h2_trailers,
    .peer = peer,
    .protocol = protocol,
    .tls = tls,
    .tunnel = nx__h2_tunnel,
    .tunnel_asked = nx__h2_tunnel_asked,
    .descriptor = descriptor,
    .leave = leave,
    .moves = moves,
    .watch = watch,
    .events = nx__h2_events,
    .hold = nx__h2_hold,
    .stream_send = nx__h2_stream_send,
    .stream_end = nx__h2_stream_end,
};
