/* HTTP/3 answers: heads, bodies, and how much of them may wait for a peer. */
#include "http/h3/h3.h"

#include "base/arena.h"
#include "base/json.h"
#include "http/files/files.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
    OWN_FIELDS = 8,    /* that the server itself puts into a head */
    SMALL_JSON = 2048, /* a value that needs no memory but its piece */
    HEAD_MOST = 32 * 1024
};

static struct nx__h3_stream *of(nx_response *res)
{
    return ((struct nx__h3_request *)res->req)->stream;
}

static nx_err reset(void)
{
    return nx__error_set(NX_ERESET, "cannot send the answer: the peer wants no more of it");
}

/* ---- What waits for the peer */

bool nx__h3_out_add(struct nx__h3_stream *stream, nx_bytes bytes)
{
    if (!nx__h3_out_put(&stream->out, bytes)) return false;
    stream->session->out_len += bytes.len;
    return true;
}

void nx__h3_resume(struct nx__h3_stream *stream)
{
    struct nx__h3_session *session = stream->session;
    if (stream->waits) {
        stream->waits = false;
        if (nghttp3_conn_resume_stream(session->h3, stream->id))
            session->ops->fail(session->wire, NGHTTP3_H3_INTERNAL_ERROR);
    }
    session->ops->wants(session->wire);
}

void nx__h3_out_close(struct nx__h3_stream *stream)
{
    stream->out_over = true;
    nx__h3_resume(stream);
}

nghttp3_ssize nx__h3_pull(nghttp3_conn *h3, int64_t id, nghttp3_vec *vec, size_t most,
                          uint32_t *flags, void *session, void *arg)
{
    struct nx__h3_stream *stream = arg;
    (void)h3, (void)id, (void)session;
    size_t count = nx__h3_out_pull(&stream->out, vec, most);
    if (stream->out.pulled) return (nghttp3_ssize)count;
    if (stream->out_over) {
        *flags |= NGHTTP3_DATA_FLAG_EOF;
        if (stream->trailers) *flags |= NGHTTP3_DATA_FLAG_NO_END_STREAM;
    } else if (!count) {
        stream->waits = true;
        return NGHTTP3_ERR_WOULDBLOCK;
    }
    return (nghttp3_ssize)count;
}

void nx__h3_out_acked(struct nx__h3_stream *stream, uint64_t len)
{
    nx__h3_out_done(&stream->out, len);
    stream->session->out_len -= (size_t)len;
    stream->progressed = stream->server->loop->now;
    nx__h3_wake(&stream->writer);
    if (stream->room_wanted) nx__h3_turn(stream);
}

void nx__h3_out_free(struct nx__h3_stream *stream)
{
    if (stream->session) stream->session->out_len -= stream->out.len;
    nx__h3_out_clear(&stream->out);
}

static bool has_room(const struct nx__h3_stream *stream)
{
    return nx__h3_out_has_room(&stream->out, stream->session->out_len);
}

/* Waits until more may be added. */
static nx_err room(struct nx__h3_stream *stream)
{
    nx_duration span = stream->server->options.write_deadline;
    if (nx__h3_broken(stream)) return reset();
    if (nx__likely(has_room(stream))) return NX_OK;
    stream->progressed = nx__loop()->now;
    while (!has_room(stream)) {
        nx_duration by = span == NX_FOREVER ? NX_FOREVER : stream->progressed + span;
        nx_err err = nx__h3_wait(stream, &stream->writer, "for an answer to be taken", by);
        if (nx__h3_broken(stream)) return reset();
        if (err == NX_ETIMEDOUT && nx__loop()->now < stream->progressed + span) continue;
        if (!err) continue;
        nx__h3_cut(stream, NGHTTP3_H3_REQUEST_CANCELLED);
        stream->reset = true;
        return err == NX_ETIMEDOUT
                   ? nx__error_peer(
                         err, "cannot send the answer: the peer has taken nothing for too long")
                   : err;
    }
    return NX_OK;
}

static nx_err add(struct nx__h3_stream *stream, nx_bytes bytes)
{
    if (nx__h3_out_add(stream, bytes)) return NX_OK;
    return nx__error_set(NX_ENOMEM, "cannot send the answer: out of memory");
}

/* Bytes of the body, as fast as the peer takes them. */
static nx_err put(struct nx__h3_stream *stream, nx_bytes bytes)
{
    while (bytes.len) {
        NX_TRY(room(stream));
        size_t n = bytes.len < NX__H3_PIECE ? bytes.len : NX__H3_PIECE;
        NX_TRY(add(stream, nx_slice(bytes.data, n)));
        bytes = nx_slice(bytes.data + n, bytes.len - n);
        nx__h3_resume(stream);
    }
    return NX_OK;
}

/* ---- Heads */

/* "name: value" of a line with its end. */
static nghttp3_nv nv_line(const struct nx__line *line)
{
    const char *colon = memchr(line->text, ':', line->len);
    size_t name = (size_t)(colon - line->text);
    return nx__h3_nv(nx_slice(line->text, name),
                     nx_slice(colon + 2, (size_t)line->len - name - 2 - 2));
}

/* Of one connection, which HTTP/3 has other means for (RFC 9114 4.2). */
static bool is_of_connection(nx_bytes name)
{
    return nx_bytes_is(name, "connection") || nx_bytes_is(name, "keep-alive") ||
           nx_bytes_is(name, "proxy-connection") || nx_bytes_is(name, "transfer-encoding") ||
           nx_bytes_is(name, "upgrade");
}

/* Names are in lower case (RFC 9114 4.2). The bytes, of the request's memory where they had to be
 * changed; NULL when memory is out. */
static nx_bytes lower(nx_response *res, nx_bytes name)
{
    size_t i = 0;
    while (i < name.len && !(name.data[i] >= 'A' && name.data[i] <= 'Z')) i++;
    if (i == name.len) return name;
    char *copy = nx__arena_alloc(&res->req->fiber->own.arena, name.len);
    if (!copy) return (nx_bytes){0};
    for (i = 0; i < name.len; i++)
        copy[i] =
            (char)(name.data[i] >= 'A' && name.data[i] <= 'Z' ? name.data[i] | 0x20 : name.data[i]);
    return nx_slice(copy, name.len);
}

static nx_err fields_put(nx_response *res, const struct nx__fields *fields, nghttp3_nv *out,
                         size_t *count)
{
    size_t size = 0;
    for (uint32_t i = 0; i < fields->count; i++) {
        const struct nx__field *field = &fields->items[i];
        nx_bytes name = lower(res, field->name);
        if (!name.data) return nx__error_set(NX_ENOMEM, "cannot answer: out of memory");
        size += name.len + field->value.len + 4;
        if (!is_of_connection(name)) out[(*count)++] = nx__h3_nv(name, field->value);
    }
    if (size > HEAD_MOST)
        return nx__error_set(NX_ETOOBIG, "cannot answer: the head is larger than %d bytes",
                             HEAD_MOST);
    return NX_OK;
}

/* Statuses that never have a body (RFC 9110 6.4.1). */
static bool bodiless(int status)
{
    return status == 204 || status == 304;
}

static nx_bytes digits(uint64_t n, char out[24])
{
    char *at = out + 24;
    do *--at = (char)('0' + n % 10);
    while (n /= 10);
    return nx_slice(at, (size_t)(out + 24 - at));
}

static nx_err submit_fields(struct nx__h3_stream *stream, const nghttp3_nv *fields, size_t count,
                            bool body)
{
    static const nghttp3_data_reader reader = {nx__h3_pull};
    struct nx__h3_session *session = stream->session;
    int err =
        nghttp3_conn_submit_response(session->h3, stream->id, fields, count, body ? &reader : NULL);
    if (err == NGHTTP3_ERR_NOMEM)
        return nx__error_set(NX_ENOMEM, "cannot send the answer: out of memory");
    if (err) return reset();
    stream->submitted = true;
    if (!body) stream->out_over = true;
    session->ops->wants(session->wire);
    return NX_OK;
}

/* The head of an answer with so many bytes (UINT64_MAX: it is not known how many). `*body`: they
 * are to be sent. */
static nx_err submit(nx_response *res, uint64_t length, bool *body)
{
    struct nx__h3_stream *stream = of(res);
    nghttp3_nv fields[NX_HTTP_MAX_RESPONSE_HEADERS + OWN_FIELDS];
    char status[24], length_text[24];
    size_t count = 0;
    nx_duration until;
    bool none = bodiless(res->status), head = ((struct nx__h3_request *)res->req)->head_method;
    if (nx__h3_broken(stream)) {
        res->state = NX__RESPONSE_DONE; /* nobody is there for an error page */
        return reset();
    }
    fields[count++] = nx__h3_nv(nx_str(":status"), digits((uint64_t)res->status, status));
    if (length && res->content_type && !nx__response_has(res, "content-type", res->fields.count))
        fields[count++] = nv_line(res->content_type);
    if (!nx__response_has(res, "date", res->fields.count))
        fields[count++] = nv_line(nx__date_line(stream->server->loop, &until));
    if (!none && length != UINT64_MAX)
        fields[count++] = nx__h3_nv(nx_str("content-length"), digits(length, length_text));
    NX_TRY(fields_put(res, &res->fields, fields, &count));
    *body = !none && !head && length;
    return submit_fields(stream, fields, count, *body);
}

nx_err nx__h3_inform(struct nx__h3_stream *stream, const nghttp3_nv *fields, size_t count)
{
    if (nx__h3_broken(stream)) return reset();
    int err = nghttp3_conn_submit_info(stream->session->h3, stream->id, fields, count);
    if (err == NGHTTP3_ERR_NOMEM)
        return nx__error_set(NX_ENOMEM, "cannot send an interim answer: out of memory");
    if (err) return reset();
    stream->session->ops->wants(stream->session->wire);
    return NX_OK;
}

nx_err nx__h3_early(nx_response *res, nx_bytes link)
{
    const nghttp3_nv fields[] = {nx__h3_nv(nx_str(":status"), nx_str("103")),
                                 nx__h3_nv(nx_str("link"), link)};
    return nx__h3_inform(of(res), fields, 2);
}

/* ---- Answers */

nx_err nx__h3_send(nx_response *res, nx_bytes body)
{
    struct nx__h3_stream *stream = of(res);
    bool sends = false;
    NX_TRY(submit(res, body.len, &sends));
    res->state = NX__RESPONSE_DONE;
    if (!sends) return NX_OK;
    NX_TRY(put(stream, body));
    res->sent = body.len;
    nx__h3_out_close(stream);
    return NX_OK;
}

nx_err nx__h3_send_json(nx_response *res, nx_value value)
{
    char local[SMALL_JSON];
    nx_err err = NX_OK;
    size_t len = nx__json_write(value, local, sizeof local, &err);
    if (nx__unlikely(err)) return err;
    if (nx__likely(len <= sizeof local)) return nx__h3_send(res, nx_slice(local, len));
    nx_bytes text;
    NX_TRY(nx_json_write(value, &text));
    return nx__h3_send(res, text);
}

nx_err nx__h3_write(nx_response *res, nx_bytes piece)
{
    struct nx__h3_stream *stream = of(res);
    bool sends;
    if (res->state == NX__RESPONSE_OPEN) {
        NX_TRY(submit(res, res->length_known ? res->length : UINT64_MAX, &sends));
        res->state = NX__RESPONSE_STREAMING;
    }
    if (res->length_known && piece.len > res->length - res->sent)
        return nx__error_set(NX_EINVAL,
                             "cannot answer: the body has more bytes than were announced");
    if (nx__h3_broken(stream)) return reset();
    if (stream->out_over) return NX_OK; /* it has no body */
    NX_TRY(put(stream, piece));
    res->sent += piece.len;
    return NX_OK;
}

static nx_err trailers(nx_response *res)
{
    struct nx__h3_stream *stream = of(res);
    nghttp3_nv fields[NX_HTTP_MAX_RESPONSE_HEADERS];
    size_t count = 0;
    NX_TRY(fields_put(res, &res->trailers, fields, &count));
    if (!count) return NX_OK;
    int err = nghttp3_conn_submit_trailers(stream->session->h3, stream->id, fields, count);
    if (err == NGHTTP3_ERR_NOMEM)
        return nx__error_set(NX_ENOMEM, "cannot send the answer: out of memory");
    if (err) return reset();
    stream->trailers = true;
    return NX_OK;
}

nx_err nx__h3_end(nx_response *res)
{
    struct nx__h3_stream *stream = of(res);
    bool none = bodiless(res->status) || ((struct nx__h3_request *)res->req)->head_method;
    if (res->length_known && !none && res->sent != res->length)
        return nx__error_set(NX_EINVAL,
                             "cannot answer: the body has fewer bytes than were announced");
    if (res->state == NX__RESPONSE_OPEN && res->length_known) {
        NX_TRY(submit(res, res->length, &(bool){false}));
        res->state = NX__RESPONSE_DONE;
        return NX_OK;
    }
    if (res->state == NX__RESPONSE_OPEN) return nx__h3_send(res, (nx_bytes){0});
    res->state = NX__RESPONSE_DONE;
    if (nx__h3_broken(stream)) return reset();
    if (stream->out_over) return NX_OK;
    if (res->trailers.count) NX_TRY(trailers(res));
    nx__h3_out_close(stream);
    return NX_OK;
}

void nx__h3_refuse(struct nx__h3_stream *stream, int status, const char *reason)
{
    nx_http_server *server = stream->server;
    char body[256], status_text[24], length[24];
    nx_bytes text = nx__status_text(status);
    bool plain = server->options.pages == NX_HTTP_PAGES_TEXT;
    int len = plain ? snprintf(body, sizeof body, "%d %.*s\n%s\n", status, NX_FMT(text), reason)
                    : snprintf(body, sizeof body, "{\"error\":\"%.*s\",\"message\":\"%s\"}",
                               NX_FMT(text), reason);
    nx_duration until;
    const nghttp3_nv fields[] = {
        nx__h3_nv(nx_str(":status"), digits((uint64_t)status, status_text)),
        nv_line(plain ? &nx__type_text : &nx__type_json),
        nv_line(nx__date_line(server->loop, &until)),
        nx__h3_nv(nx_str("content-length"), digits((uint64_t)len, length))};
    nx__buffer_free(&stream->text);
    stream->refused = (uint16_t)status;
    nx__h3_body_drop(stream);
    if (nx__h3_broken(stream)) return;
    if (!nx__h3_out_add(stream, nx_slice(body, (size_t)len)) ||
        submit_fields(stream, fields, sizeof fields / sizeof *fields, true)) {
        nx__h3_cut(stream, NGHTTP3_H3_INTERNAL_ERROR);
        return;
    }
    nx__h3_out_close(stream);
    nx__h3_ended(stream);
    const struct nx__refusal_observer *observer = server->root->refusal_observers;
    const struct nx__refusal refusal = {.server = server,
                                        .status = status,
                                        .reason = reason,
                                        .sent = (uint64_t)len,
                                        .peer = nx_str("")};
    for (; observer; observer = observer->next) observer->fn(&refusal, observer->context);
}

/* ---- Files */

struct piece_read {
    int fd;
    char *data;
    size_t len;
    off_t at;
};

static int64_t piece_run(void *arg)
{
    const struct piece_read *r = arg;
    ssize_t n;
    do n = pread(r->fd, r->data, r->len, r->at);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

/* Without waiting where it is in memory, else on the pool. */
static int64_t piece_get(struct piece_read *r)
{
    struct iovec iov = {r->data, r->len};
    ssize_t n = preadv2(r->fd, &iov, 1, r->at, RWF_NOWAIT);
    return n > 0 ? n : nx__file_blocking(piece_run, r);
}

static nx_err range(struct nx__h3_stream *stream, char *memory, int fd, uint64_t offset,
                    uint64_t len)
{
    while (len) {
        NX_TRY(room(stream));
        struct piece_read r = {fd, memory, len < NX__H3_PIECE ? (size_t)len : NX__H3_PIECE,
                               (off_t)offset};
        int64_t n = piece_get(&r);
        if (n == 0)
            return nx__error_set(NX_EIO, "cannot send the answer: the file has become shorter");
        if (n == -ECANCELED) return NX_ECANCELED;
        if (n < 0) return nx__error_system((int)-n, "cannot send the answer");
        if (nx__h3_broken(stream)) return reset();
        NX_TRY(add(stream, nx_slice(memory, (size_t)n)));
        nx__h3_resume(stream);
        offset += (uint64_t)n;
        len -= (uint64_t)n;
    }
    return NX_OK;
}

nx_err nx__h3_send_file(nx_response *res, int fd, const struct nx__file_piece *pieces, size_t count)
{
    struct nx__h3_stream *stream = of(res);
    uint64_t length = 0;
    bool sends = false;
    for (size_t i = 0; i < count; i++) length += pieces[i].bytes.len + pieces[i].len;
    NX_TRY(submit(res, length, &sends));
    res->state = NX__RESPONSE_STREAMING;
    if (sends) {
        char *memory = nx_alloc(NX__H3_PIECE);
        if (!memory) return NX_ENOMEM;
        for (size_t i = 0; i < count; i++) {
            NX_TRY(put(stream, pieces[i].bytes));
            NX_TRY(range(stream, memory, fd, pieces[i].offset, pieces[i].len));
        }
        if (nx__h3_broken(stream)) return reset();
        nx__h3_out_close(stream);
        res->sent = length;
    }
    res->state = NX__RESPONSE_DONE;
    return NX_OK;
}
