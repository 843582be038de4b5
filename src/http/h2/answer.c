/* HTTP/2 answers: heads, bodies, pieces, trailers, and how they reach the session. */
#include "http/h2/conn.h"

#include "base/json.h"
#include <errno.h>
#include <stdio.h>

enum {
    OWN_FIELDS = 5,          /* status, content type, date, length, where HTTP/3 is */
    REFUSAL_PAGE_MOST = 256, /* bytes */
};

#define NV(literal, data, length)                                                                  \
    (nghttp2_nv)                                                                                   \
    {                                                                                              \
        (uint8_t *)(uintptr_t)(literal), (uint8_t *)(uintptr_t)(data), sizeof(literal) - 1,        \
            (length), NGHTTP2_NV_FLAG_NO_COPY_NAME                                                 \
    }

static struct nx__h2_request *of(const nx_response *res)
{
    return (struct nx__h2_request *)res->req;
}

static nx_err gone(void)
{
    return nx__error_set(NX_ERESET, "cannot send the answer: the peer has reset the request");
}

static nx_err no_memory(struct nx__h2_stream *stream)
{
    nx__h2_reset(stream, NGHTTP2_INTERNAL_ERROR);
    return nx__error_set(NX_ENOMEM, "cannot send the answer: out of memory");
}

/* ---- What is sent next */

static nghttp2_nv nv_of(const struct nx__field *field)
{
    return (nghttp2_nv){(uint8_t *)(uintptr_t)field->name.data,
                        (uint8_t *)(uintptr_t)field->value.data, field->name.len, field->value.len,
                        NGHTTP2_NV_FLAG_NONE};
}

/* Fields of HTTP/1.1's connections have no meaning here, and make an answer malformed (RFC 9113
 * 8.2.2). */
static bool is_hop(nx_bytes name)
{
    switch (name.len) {
    case 2: return strcasecmp(name.data, "te") == 0;
    case 7: return strcasecmp(name.data, "upgrade") == 0;
    case 10: return strcasecmp(name.data, "keep-alive") == 0;
    case 16: return strcasecmp(name.data, "proxy-connection") == 0;
    default: return false;
    }
}

static size_t put_fields(nghttp2_nv *nv, const struct nx__fields *fields)
{
    size_t count = 0;
    for (uint32_t i = 0; i < fields->count; i++)
        if (!is_hop(fields->items[i].name)) nv[count++] = nv_of(&fields->items[i]);
    return count;
}

static int trailers_submit(nghttp2_session *session, const struct nx__h2_stream *stream)
{
    const struct nx__fields *trailers = &stream->req->base.response.trailers;
    nghttp2_nv nv[NX_HTTP_MAX_RESPONSE_HEADERS];
    return nghttp2_submit_trailer(session, stream->id, nv, put_fields(nv, trailers));
}

static nghttp2_ssize data_read(nghttp2_session *session, int32_t id, uint8_t *buf, size_t length,
                               uint32_t *flags, nghttp2_data_source *source, void *user_data)
{
    (void)buf, (void)source, (void)user_data;
    struct nx__h2_stream *stream = nghttp2_session_get_stream_user_data(session, id);
    if (!stream || stream->reset) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    size_t n = stream->out.len < length ? stream->out.len : length;
    if (n == 0 && !stream->out_end) {
        stream->deferred = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (n < stream->out.len || !stream->out_end) return (nghttp2_ssize)n;
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (stream->trailers) {
        *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
        if (trailers_submit(session, stream)) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
        stream->trailers = false;
        if (!n) nx__h2_wake(&stream->req->writer); /* no DATA comes that would do it */
    }
    return (nghttp2_ssize)n;
}

/* So much of what was to be sent has gone. */
static void out_sent(struct nx__h2_stream *stream, size_t len)
{
    struct nx__h2_request *req = stream->req;
    if (len) stream->out = nx_slice(stream->out.data + len, stream->out.len - len);
    if (req) req->moved = stream->conn->server->loop->now;
    if (stream->out.len) {
        if (!req) nx__list_remove(&stream->base.link); /* its deadline begins anew */
        return;
    }
    if (stream->copy) {
        nx__h2_free(stream->conn, stream->copy);
        stream->copy = NULL;
    }
    stream->out = (nx_bytes){0};
    if (!stream->out_end) nx__list_remove(&stream->sending);
    if (req) nx__h2_wake(&req->writer);
    if (stream->tunnel && stream->blocked) nx__h2_tunnel_tell(stream, NX__WRITABLE);
    if (stream->events && nx__list_empty(&stream->due))
        nx__list_insert(&stream->conn->due, &stream->due);
}

int nx__h2_send_data(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *framehd,
                     size_t length, nghttp2_data_source *source, void *user_data)
{
    (void)source, (void)user_data;
    enum { FRAME_HEAD = 9 };
    struct nx__h2_shared *shared = nx__h2_shared;
    struct nx__h2_stream *stream =
        nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    if (!stream || stream->out.len < length) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    if (FRAME_HEAD + length > NX__H2_SCRATCH - shared->out_len) {
        shared->full = true;
        return NGHTTP2_ERR_WOULDBLOCK;
    }
    char *at = shared->out + shared->out_len;
    memcpy(at, framehd, FRAME_HEAD);
    if (length) memcpy(at + FRAME_HEAD, stream->out.data, length);
    shared->out_len += FRAME_HEAD + length;
    out_sent(stream, length);
    return 0;
}

/* There is something to send: the session asks for it. */
static void out_ready(struct nx__h2_stream *stream)
{
    struct nx__h2_conn *conn = stream->conn;
    if (nx__list_empty(&stream->sending)) nx__list_insert(&conn->sending, &stream->sending);
    if (stream->deferred) {
        stream->deferred = false;
        if (nghttp2_session_resume_data(conn->session, stream->id) == NGHTTP2_ERR_NOMEM)
            conn->broken = true;
    }
    nx__h2_dirty(conn);
}

bool nx__h2_put_copy(struct nx__h2_stream *stream, nx_bytes bytes, bool end)
{
    if (bytes.len) {
        stream->copy = nx__h2_alloc(stream->conn, bytes.len);
        if (!stream->copy) return false;
        memcpy(stream->copy, bytes.data, bytes.len);
        stream->out = nx_slice(stream->copy, bytes.len);
    }
    stream->out_end = end;
    out_ready(stream);
    return true;
}

static nx_err write_failed(struct nx__h2_stream *stream, int64_t result)
{
    /* Of what was to be sent a part may be on its way: nothing may follow it, and the memory is the
     * caller's. */
    stream->out = (nx_bytes){0};
    if (stream->reset || stream->closed) return gone();
    nx__h2_reset(stream, NGHTTP2_CANCEL);
    if (result == -ETIMEDOUT) {
        nx__count(&stream->conn->server->stats.timed_out, 1);
        return nx__error_peer(NX_ETIMEDOUT,
                              "cannot send the answer: the peer has taken nothing for too long");
    }
    return nx__net_wait_error(result);
}

/* Waits until what is to be sent has gone, and the trailers after it. */
static nx_err out_wait(struct nx__h2_request *req)
{
    struct nx__h2_stream *stream = req->stream;
    nx_http_server *server = stream->conn->server;
    nx_duration span = server->options.write_deadline;
    req->moved = server->loop->now;
    while (stream->out.len || stream->trailers) {
        if (stream->reset || stream->closed) return write_failed(stream, 0);
        struct nx__timed_op wait = {0};
        nx_duration until = span == NX_FOREVER ? NX_FOREVER : req->moved + span;
        req->writer = &wait;
        int64_t result = nx__net_wait(&wait, server->loop, until);
        req->writer = NULL;
        if (result == -ETIMEDOUT && req->moved + span > server->loop->now) continue;
        if (result) return write_failed(stream, result);
    }
    return NX_OK;
}

/* Sends bytes of the handler's, which waits until they have gone. */
static nx_err out_put(struct nx__h2_request *req, nx_bytes bytes, bool end)
{
    struct nx__h2_stream *stream = req->stream;
    if (nx__unlikely(stream->out.len)) NX_TRY(out_wait(req)); /* a comment, in order */
    if (stream->reset || stream->closed) return gone();
    stream->out = bytes;
    stream->out_end = end;
    stream->trailers = end && req->base.response.trailers.count;
    out_ready(stream);
    return out_wait(req);
}

/* ---- Heads */

/* Statuses that never have a body (RFC 9110 6.4.1). */
static bool bodiless(int status)
{
    return status == 204 || status == 304;
}

/* The value of a line that was made for HTTP/1.1. */
static nx_bytes value_of(const struct nx__line *line, size_t name)
{
    return nx_slice(line->text + name + 2, line->len - name - 4);
}

static size_t size_of(const nghttp2_nv *nv, size_t count)
{
    size_t size = 0;
    for (size_t i = 0; i < count; i++) size += nv[i].namelen + nv[i].valuelen + 4;
    return size;
}

/* Hands the head to the session; `length` UINT64_MAX: not known. Without `body` it is the whole
 * answer. */
static nx_err head_submit(nx_response *res, uint64_t length, bool body)
{
    struct nx__h2_stream *stream = of(res)->stream;
    struct nx__h2_conn *conn = stream->conn;
    nghttp2_nv nv[NX_HTTP_MAX_RESPONSE_HEADERS + OWN_FIELDS];
    size_t count = 0;
    char digits[20];
    if (nx__unlikely(stream->reset || stream->closed)) {
        res->state = NX__RESPONSE_DONE; /* there is nobody for an error page either */
        return gone();
    }
    nv[count++] = NV(":status", nx__status_line(res->status)->text + sizeof "HTTP/1.1", 3);
    bool given = nx__unlikely(res->fields.count != 0);
    if (length && res->content_type &&
        !(given && nx__response_has(res, "content-type", res->fields.count))) {
        nx_bytes type = value_of(res->content_type, sizeof "content-type" - 1);
        nv[count++] = NV("content-type", type.data, type.len);
    }
    if (!(given && nx__response_has(res, "date", res->fields.count))) {
        nx_duration until;
        nx_bytes date = value_of(nx__date_line(conn->server->loop, &until), sizeof "date" - 1);
        nv[count++] = NV("date", date.data, date.len);
    }
    const struct nx__line *other = &conn->server->alt_svc;
    if (other->len && !(given && nx__response_has(res, "alt-svc", res->fields.count))) {
        nx_bytes where = value_of(other, sizeof "alt-svc" - 1);
        nv[count++] = NV("alt-svc", where.data, where.len);
    }
    if (length != UINT64_MAX && !bodiless(res->status)) {
        size_t at = sizeof digits;
        do digits[--at] = (char)('0' + length % 10);
        while (length /= 10);
        nv[count++] = NV("content-length", digits + at, sizeof digits - at);
    }
    if (given) count += put_fields(nv + count, &res->fields);
    if (nx__unlikely(size_of(nv, count) > NX__H2_RESPONSE_HEAD_MOST))
        return nx__error_set(NX_ETOOBIG, "cannot answer: the head is larger than %d bytes",
                             NX__H2_RESPONSE_HEAD_MOST);
    const nghttp2_data_provider2 data = {.read_callback = data_read};
    if (nghttp2_submit_response2(conn->session, stream->id, nv, count, body ? &data : NULL))
        return no_memory(stream);
    nx__h2_dirty(conn);
    return NX_OK;
}

/* ---- Answers */

NX__HOT nx_err nx__h2_send(nx_response *res, nx_bytes body)
{
    struct nx__h2_request *req = of(res);
    bool sends = body.len && !req->head_method && !bodiless(res->status);
    bool trailers = res->trailers.count && !req->head_method;
    NX_TRY(head_submit(res, body.len, sends || trailers));
    res->state = NX__RESPONSE_DONE;
    if (!sends && !trailers) return NX_OK;
    if (!sends) body.len = 0;
    res->sent = body.len;
    if (trailers || body.len > NX__H2_COPY_MOST) return out_put(req, body, true);
    return nx__h2_put_copy(req->stream, body, true) ? NX_OK : no_memory(req->stream);
}

NX__HOT nx_err nx__h2_send_json(nx_response *res, nx_value value)
{
    /* What connections send is put there later: nobody else is at it now. Trailers are waited for,
     * and the text with them. */
    char *text = nx__h2_shared->out;
    nx_err err = NX_OK;
    size_t len = nx__json_write(value, text, NX__H2_COPY_MOST, &err);
    if (nx__unlikely(err)) return err;
    if (nx__likely(len <= NX__H2_COPY_MOST && !res->trailers.count))
        return nx__h2_send(res, nx_slice(text, len));
    nx_bytes whole;
    NX_TRY(nx_json_write(value, &whole));
    return nx__h2_send(res, whole);
}

nx_err nx__h2_send_head(nx_response *res, uint64_t length, bool *body)
{
    *body = length && !of(res)->head_method && !bodiless(res->status);
    NX_TRY(head_submit(res, length, *body));
    res->state = *body ? NX__RESPONSE_STREAMING : NX__RESPONSE_DONE;
    return NX_OK;
}

nx_err nx__h2_write(nx_response *res, nx_bytes piece)
{
    struct nx__h2_request *req = of(res);
    bool none = req->head_method || bodiless(res->status);
    if (res->state == NX__RESPONSE_OPEN) {
        if (!res->content_type) res->content_type = &nx__type_bytes;
        NX_TRY(head_submit(res, res->length_known ? res->length : UINT64_MAX, !none));
        res->state = NX__RESPONSE_STREAMING;
    }
    if (res->length_known && piece.len > res->length - res->sent)
        return nx__error_set(NX_EINVAL,
                             "cannot answer: the body has more bytes than were announced");
    if (!piece.len || none)
        return req->stream->reset || (req->stream->closed && !none) ? gone() : NX_OK;
    NX_TRY(out_put(req, piece, false));
    res->sent += piece.len;
    return NX_OK;
}

nx_err nx__h2_end(nx_response *res)
{
    struct nx__h2_request *req = of(res);
    struct nx__h2_stream *stream = req->stream;
    bool none = req->head_method || bodiless(res->status);
    if (res->length_known && !none && res->sent != res->length)
        return nx__error_set(NX_EINVAL,
                             "cannot answer: the body has fewer bytes than were announced");
    if (res->state == NX__RESPONSE_OPEN && res->length_known)
        return nx__h2_send_head(res, res->length, &(bool){false});
    if (res->state == NX__RESPONSE_OPEN) return nx__h2_send(res, (nx_bytes){0});
    res->state = NX__RESPONSE_DONE;
    if (nx__unlikely(res->events)) nx__h2_stream_over(stream);
    if (none) return NX_OK;
    if (res->trailers.count) return out_put(req, (nx_bytes){0}, true);
    if (stream->reset || stream->closed) return gone();
    return nx__h2_put_copy(stream, (nx_bytes){0}, true) ? NX_OK : no_memory(stream);
}

nx_err nx__h2_send_switch(nx_response *res)
{
    res->status = 200;
    NX_TRY(head_submit(res, UINT64_MAX, true));
    res->state = NX__RESPONSE_DONE;
    return NX_OK;
}

/* ---- Before the answer */

nx_err nx__h2_continue(struct nx__h2_request *req)
{
    const nghttp2_nv nv = NV(":status", "100", 3);
    struct nx__h2_stream *stream = req->stream;
    if (nghttp2_submit_headers(stream->conn->session, NGHTTP2_FLAG_NONE, stream->id, NULL, &nv, 1,
                               NULL) < 0)
        return no_memory(stream);
    nx__h2_dirty(stream->conn);
    return NX_OK;
}

nx_err nx__h2_early(nx_response *res, nx_bytes link)
{
    struct nx__h2_stream *stream = of(res)->stream;
    const nghttp2_nv nv[] = {NV(":status", "103", 3), NV("link", link.data, link.len)};
    if (stream->reset || stream->closed) return gone();
    if (nghttp2_submit_headers(stream->conn->session, NGHTTP2_FLAG_NONE, stream->id, NULL, nv, 2,
                               NULL) < 0)
        return no_memory(stream);
    nx__h2_dirty(stream->conn);
    return NX_OK;
}

/* ---- What is no request */

void nx__h2_refuse(struct nx__h2_conn *conn, struct nx__h2_stream *stream, int status,
                   const char *reason, const struct nx__h2_head *head)
{
    nx_http_server *server = conn->server;
    char page[REFUSAL_PAGE_MOST], digits[12], peer[NX__H2_PEER];
    nx_bytes text = nx__status_text(status);
    bool plain = server->options.pages == NX_HTTP_PAGES_TEXT;
    int len = plain ? snprintf(page, sizeof page, "%d %.*s\n%s\n", status, NX_FMT(text), reason)
                    : snprintf(page, sizeof page, "{\"error\":\"%.*s\",\"message\":\"%s\"}",
                               NX_FMT(text), reason);
    nx_bytes body = nx_slice(page, (size_t)len);
    nx_bytes type = value_of(plain ? &nx__type_text : &nx__type_json, sizeof "content-type" - 1);
    nx_duration until;
    nx_bytes date = value_of(nx__date_line(server->loop, &until), sizeof "date" - 1);
    int digit_count = snprintf(digits, sizeof digits, "%d", len);
    const nghttp2_nv nv[] = {NV(":status", nx__status_line(status)->text + sizeof "HTTP/1.1", 3),
                             NV("content-type", type.data, type.len),
                             NV("date", date.data, date.len),
                             NV("content-length", digits, (size_t)digit_count)};
    const nghttp2_data_provider2 data = {.read_callback = data_read};
    bool sends = head->method_id != NX__METHOD_HEAD;
    stream->discarded = NX__H2_DISCARD_MOST + 1;
    if (nghttp2_submit_response2(conn->session, stream->id, nv, sizeof nv / sizeof *nv,
                                 sends ? &data : NULL) ||
        (sends && !nx__h2_put_copy(stream, body, true)))
        nx__h2_reset(stream, NGHTTP2_INTERNAL_ERROR);
    nx__h2_dirty(conn);
    char line[200];
    int line_len = snprintf(
        line, sizeof line, "%.*s %.*s HTTP/2.0",
        (int)(head->method.len < 32 ? head->method.len : 32), head->text + head->method.off,
        (int)(head->path.len < 150 ? head->path.len : 150), head->text + head->path.off);
    const struct nx__refusal refusal = {.server = server,
                                        .status = status,
                                        .reason = reason,
                                        .peer = nx__h2_peer(conn, peer),
                                        .head = nx_slice(line, (size_t)line_len),
                                        .sent = sends ? body.len : 0};
    for (const struct nx__refusal_observer *o = server->root->refusal_observers; o; o = o->next)
        o->fn(&refusal, o->context);
}
