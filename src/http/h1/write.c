/* HTTP/1.1 answers: heads, bodies, pieces, and getting them to the peer. */
#include "http/h1/conn.h"

#include "base/json.h"
#include "base/syscall.h"
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/uio.h>

/* Longest that the server itself puts into a head: status line, date, framing, content type. */
enum { HEAD_ROOM = 512 };

#define LITERAL(text) (text), sizeof(text) - 1

/* ---- To the peer */

void nx__h1_watch_writable(struct nx__h1_conn *conn, bool want)
{
    if (conn->writable_armed == want) return;
    uint32_t events = NX__READABLE | (want ? NX__WRITABLE : 0u);
    if (nx__poller_change(&conn->server->loop->poller, &conn->watch, events)) conn->broken = true;
    conn->writable_armed = want;
}

/* Puts the shared output behind what is kept already. */
static nx_err keep_output(struct nx__h1_conn *conn, size_t from)
{
    struct nx__h1_shared *shared = nx__h1_shared;
    nx_err err = nx__io_keep(&conn->io, shared->out + from, shared->out_len - from, &conn->out,
                             (size_t)NX__H1_SCRATCH * 2);
    shared->out_len = 0;
    if (err) conn->broken = true;
    return err;
}

bool nx__h1_flush_kept(struct nx__h1_conn *conn)
{
    while (conn->out.len && !conn->broken) {
        long n = nx__send(conn->io.fd, conn->out.data, conn->out.len);
        if (n == -EINTR) continue;
        if (n == -EAGAIN) return false;
        if (n < 0) {
            conn->broken = true;
            return false;
        }
        nx__buffer_consume(&conn->out, (size_t)n);
    }
    nx__buffer_free(&conn->out);
    nx__h1_watch_writable(conn, false);
    return !conn->broken;
}

NX__HOT bool nx__h1_flush(struct nx__h1_conn *conn)
{
    struct nx__h1_shared *shared = nx__h1_shared;
    size_t sent = 0;
    while (!conn->out.len && sent < shared->out_len && !conn->broken) {
        long n = nx__io_send(&conn->io, shared->out + sent, shared->out_len - sent, &conn->out);
        if (nx__likely(n > 0)) {
            sent += (size_t)n;
            continue;
        }
        if (n == -EINTR) continue;
        if (n != -EAGAIN) conn->broken = true;
        break;
    }
    if (nx__likely(sent == shared->out_len && !conn->out.len)) {
        shared->out_len = 0;
        return true;
    }
    if (!conn->broken && keep_output(conn, sent) == NX_OK) nx__h1_watch_writable(conn, true);
    shared->out_len = 0;
    return !conn->broken;
}

/* What was for this peer must not reach the next one that the shared output serves. */
nx_err nx__h1_reset(struct nx__h1_conn *conn, int error)
{
    conn->broken = true;
    nx__h1_shared->out_len = 0;
    return nx__error_set(NX_ERESET, "cannot send the answer: %s", nx__errno_text(error));
}

nx_err nx__h1_wait_writable(struct nx__h1_conn *conn)
{
    nx__h1_watch_writable(conn, true);
    nx_duration span = conn->server->options.write_deadline;
    nx_err err = nx__wait_fd(&conn->watch, NX__WRITABLE,
                             span == NX_FOREVER ? NX_FOREVER : nx__loop()->now + span);
    if (!err) return NX_OK;
    conn->broken = true;
    /* A reset: else the kernel would go on offering to a peer that takes nothing what it has. */
    struct linger none = {.l_onoff = 1, .l_linger = 0};
    (void)setsockopt(conn->io.fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
    return err == NX_ETIMEDOUT
               ? nx__error_peer(err,
                                "cannot send the answer: the peer has taken nothing for too long")
               : err;
}

void nx__h1_written(struct nx__h1_conn *conn)
{
    nx__h1_watch_writable(conn, false);
}

nx_err nx__h1_send_more(struct nx__h1_conn *conn, nx_bytes body, nx_bytes tail, int flags)
{
    struct nx__h1_shared *shared = nx__h1_shared;
    if (conn->broken) return nx__h1_reset(conn, EPIPE);
    if (conn->out.len) NX_TRY(keep_output(conn, 0)); /* in order */
    for (;;) {
        bool kept = conn->out.len != 0;
        nx_bytes first =
            kept ? nx_slice(conn->out.data, conn->out.len) : nx_slice(shared->out, shared->out_len);
        struct iovec iov[3] = {{(void *)(uintptr_t)first.data, first.len},
                               {(void *)(uintptr_t)body.data, body.len},
                               {(void *)(uintptr_t)tail.data, tail.len}};
        if (!first.len && !body.len && !tail.len) break;
        long n = nx__unlikely(kept && conn->io.tls)
                     ? nx__send(conn->io.fd, first.data, first.len) /* sealed already */
                     : nx__io_sendv(&conn->io, iov, 3, flags, &conn->out);
        if (n == -EINTR) continue;
        if (n < 0 && n != -EAGAIN) return nx__h1_reset(conn, (int)-n);
        size_t sent = n < 0 ? 0 : (size_t)n;
        size_t of_first = sent < first.len ? sent : first.len;
        if (kept)
            nx__buffer_consume(&conn->out, of_first);
        else if (of_first < first.len)
            NX_TRY(keep_output(conn, of_first)); /* others use the shared output while we wait */
        else
            shared->out_len = 0;
        sent -= of_first;
        size_t of_body = sent < body.len ? sent : body.len;
        if (of_body) body = nx_slice(body.data + of_body, body.len - of_body);
        sent -= of_body;
        if (sent) tail = nx_slice(tail.data + sent, tail.len - sent);
        if (!conn->out.len && !body.len && !tail.len) break;
        NX_TRY(nx__h1_wait_writable(conn));
    }
    nx__buffer_free(&conn->out);
    nx__h1_watch_writable(conn, false);
    return conn->broken ? nx__h1_reset(conn, EPIPE) : NX_OK;
}

nx_err nx__h1_send_all(struct nx__h1_conn *conn, nx_bytes body, nx_bytes tail)
{
    return nx__h1_send_more(conn, body, tail, 0);
}

/* Makes room in the shared output. */
static nx_err room(struct nx__h1_conn *conn, size_t size)
{
    if (nx__likely(size <= NX__H1_SCRATCH - nx__h1_shared->out_len)) return NX_OK;
    return nx__h1_send_all(conn, (nx_bytes){0}, (nx_bytes){0});
}

/* What was put into the shared output goes out now, or with the batch that is being handled. */
static nx_err flush_or_defer(struct nx__h1_conn *conn)
{
    if (nx__likely(nx__h1_shared->active == conn && !conn->out.len)) return NX_OK;
    return nx__h1_send_all(conn, (nx_bytes){0}, (nx_bytes){0});
}

/* ---- Heads */

static char *put(char *at, const char *data, size_t len)
{
    memcpy(at, data, len);
    return at + len;
}

/* Copies more than the line has: there is HEAD_ROOM, and a length that is known costs no call. */
static inline char *put_line(char *at, const struct nx__line *line)
{
    memcpy(at, line->text, sizeof line->text);
    return at + line->len;
}

static inline char *put_number(char *at, uint64_t n)
{
    if (n >= 10 && n < 100) { /* many JSON bodies */
        at[0] = (char)('0' + n / 10);
        at[1] = (char)('0' + n % 10);
        return at + 2;
    }
    size_t len = 1;
    for (uint64_t rest = n; rest >= 10; rest /= 10) len++;
    for (size_t i = len; i--; n /= 10) at[i] = (char)('0' + n % 10);
    return at + len;
}

static size_t fields_size(const struct nx__fields *fields)
{
    size_t size = 0;
    for (uint32_t i = 0; i < fields->count; i++)
        size += fields->items[i].name.len + fields->items[i].value.len + 4;
    return size;
}

static char *put_fields(char *at, const struct nx__fields *fields)
{
    for (uint32_t i = 0; i < fields->count; i++) {
        at = put(at, fields->items[i].name.data, fields->items[i].name.len);
        at = put(at, LITERAL(": "));
        at = put(at, fields->items[i].value.data, fields->items[i].value.len);
        at = put(at, LITERAL("\r\n"));
    }
    return at;
}

static bool has_field(const struct nx__fields *fields, const char *name)
{
    for (uint32_t i = 0; i < fields->count; i++)
        if (strcasecmp(fields->items[i].name.data, name) == 0) return true;
    return false;
}

nx_err nx__h1_send_before_body(struct nx__h1_request *req)
{
    static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
    struct nx__h1_conn *conn = req->conn;
    struct nx__h1_shared *shared = nx__h1_shared;
    /* Who has the head of the answer already does not wait any more. */
    bool wanted = req->expect_continue && req->base.response.state == NX__RESPONSE_OPEN;
    req->expect_continue = false;
    if (wanted && shared->out_len + sizeof go_on > NX__H1_SCRATCH && !nx__h1_flush(conn))
        return nx__h1_reset(conn, EPIPE);
    if (wanted) {
        put(shared->out + shared->out_len, LITERAL(go_on));
        shared->out_len += sizeof go_on - 1;
    }
    if (shared->out_len && !nx__h1_flush(conn)) return nx__h1_reset(conn, EPIPE);
    return NX_OK;
}

enum framing { FRAMING_LENGTH, FRAMING_CHUNKED, FRAMING_CLOSE, FRAMING_NONE };

/* Status, content type and date, where the fields of the answer don't bring the latter two. */
static NX__NOINLINE char *put_own(char *at, const nx_response *res, struct nx_loop *loop,
                                  bool content)
{
    nx_duration until;
    at = put_line(at, nx__status_line(res->status));
    if (content && res->content_type && !has_field(&res->fields, "content-type"))
        at = put_line(at, res->content_type);
    if (!has_field(&res->fields, "date")) at = put_line(at, nx__date_line(loop, &until));
    if (!has_field(&res->fields, "alt-svc")) at = put_line(at, &res->req->server->alt_svc);
    return at;
}

static NX__COLD void prefix_make(struct nx__h1_prefix *prefix, const nx_response *res,
                                 struct nx_loop *loop)
{
    char *at =
        put(prefix->text, nx__status_line(res->status)->text, nx__status_line(res->status)->len);
    if (res->content_type) at = put(at, res->content_type->text, res->content_type->len);
    const struct nx__line *date = nx__date_line(loop, &prefix->until);
    at = put(at, date->text, date->len);
    at = put(at, res->req->server->alt_svc.text, res->req->server->alt_svc.len);
    prefix->server = res->req->server;
    prefix->len = (uint32_t)(at - prefix->text);
    prefix->status = res->status;
    prefix->type = res->content_type;
}

/* The same without fields: mostly what the answer before had. */
static inline char *put_prefix(char *at, const nx_response *res, struct nx_loop *loop)
{
    struct nx__h1_prefix *prefix = &nx__h1_shared->prefix;
    if (nx__unlikely(prefix->status != res->status || prefix->type != res->content_type ||
                     prefix->server != res->req->server || loop->now >= prefix->until))
        prefix_make(prefix, res, loop);
    memcpy(at, prefix->text, sizeof prefix->text);
    return at + prefix->len;
}

/* Writes the head at `at`, where there is room. RFC 9112 6.3, 9.3. */
static NX__INLINE char *put_head(char *at, nx_response *res, enum framing framing, uint64_t length)
{
    struct nx__h1_request *req = (struct nx__h1_request *)res->req;
    struct nx__h1_conn *conn = req->conn;
    nx_http_server *server = conn->server;
    bool unread =
        !req->body_done && (req->expect_continue || req->body.length_left > NX__H1_DISCARD_MOST);
    if (!req->keep_alive || framing == FRAMING_CLOSE || server->closing || unread ||
        conn->half_closed || conn->requests >= server->options.max_requests)
        conn->close_after = true;
    bool given = nx__unlikely(res->fields.count != 0);
    if (nx__likely(!given && length))
        at = put_prefix(at, res, server->loop);
    else
        at = put_own(at, res, server->loop, length != 0);
    if (framing == FRAMING_LENGTH) {
        at = put(at, LITERAL("content-length: "));
        at = put_number(at, length);
        at = put(at, LITERAL("\r\n"));
    } else if (framing == FRAMING_CHUNKED) {
        at = put(at, LITERAL("transfer-encoding: chunked\r\n"));
    }
    if (nx__unlikely(conn->close_after))
        at = put(at, LITERAL("connection: close\r\n"));
    else if (nx__unlikely(req->minor == 0))
        at = put(at, LITERAL("connection: keep-alive\r\n"));
    if (given) at = put_fields(at, &res->fields);
    return put(at, LITERAL("\r\n"));
}

/* Statuses that never have a body (RFC 9110 6.4.1). */
static bool bodiless(int status)
{
    return status == 204 || status == 304;
}

static inline nx_err head_room(nx_response *res, size_t extra, size_t *head_most)
{
    *head_most = HEAD_ROOM;
    if (nx__unlikely(res->fields.count)) *head_most += fields_size(&res->fields);
    if (nx__unlikely(*head_most > NX__H1_RESPONSE_HEAD_MOST))
        return nx__error_set(NX_ETOOBIG, "cannot answer: the head is larger than %d bytes",
                             NX__H1_RESPONSE_HEAD_MOST);
    return room(((struct nx__h1_request *)res->req)->conn, *head_most + extra);
}

/* ---- Answers */

NX__HOT nx_err nx__h1_send(nx_response *res, nx_bytes body)
{
    struct nx__h1_request *req = (struct nx__h1_request *)res->req;
    struct nx__h1_shared *shared = nx__h1_shared;
    bool none = bodiless(res->status);
    bool copy = body.len <= NX__H1_COPY_MOST;
    size_t head_most;
    NX_TRY(head_room(res, copy ? body.len : 0, &head_most));
    char *at = put_head(shared->out + shared->out_len, res, none ? FRAMING_NONE : FRAMING_LENGTH,
                        body.len);
    res->state = NX__RESPONSE_DONE;
    if (none || req->head_method) body.len = 0;
    res->sent = body.len;
    if (copy && body.len) at = put(at, body.data, body.len);
    shared->out_len = (size_t)(at - shared->out);
    if (copy || !body.len) return flush_or_defer(req->conn);
    return nx__h1_send_all(req->conn, body, (nx_bytes){0});
}

NX__HOT nx_err nx__h1_send_json(nx_response *res, nx_value value)
{
    struct nx__h1_request *req = (struct nx__h1_request *)res->req;
    struct nx__h1_shared *shared = nx__h1_shared;
    size_t head_most;
    NX_TRY(head_room(res, NX__H1_COPY_MOST, &head_most));
    /* The body first, where it ends up but for a few bytes: its length belongs into the head. */
    char *body = shared->out + shared->out_len + head_most;
    nx_err err = NX_OK;
    size_t len = nx__json_write(value, body, (size_t)(shared->out + NX__H1_SCRATCH - body), &err);
    if (nx__unlikely(err)) return err;
    if (nx__unlikely(len > (size_t)(shared->out + NX__H1_SCRATCH - body))) {
        nx_bytes text;
        NX_TRY(nx_json_write(value, &text));
        return nx__h1_send(res, text);
    }
    bool none = bodiless(res->status);
    char *at =
        put_head(shared->out + shared->out_len, res, none ? FRAMING_NONE : FRAMING_LENGTH, len);
    res->state = NX__RESPONSE_DONE;
    if (!none && !req->head_method) {
        memmove(at, body, len);
        at += len;
        res->sent = len;
    }
    shared->out_len = (size_t)(at - shared->out);
    return flush_or_defer(req->conn);
}

nx_err nx__h1_send_head(nx_response *res, uint64_t length, bool *body)
{
    struct nx__h1_request *req = (struct nx__h1_request *)res->req;
    struct nx__h1_shared *shared = nx__h1_shared;
    size_t head_most;
    NX_TRY(head_room(res, 0, &head_most));
    bool none = bodiless(res->status);
    char *at =
        put_head(shared->out + shared->out_len, res, none ? FRAMING_NONE : FRAMING_LENGTH, length);
    shared->out_len = (size_t)(at - shared->out);
    *body = !none && !req->head_method && length;
    res->state = *body ? NX__RESPONSE_STREAMING : NX__RESPONSE_DONE;
    return *body ? NX_OK : flush_or_defer(req->conn);
}

nx_err nx__h1_send_switch(nx_response *res, const char *protocol)
{
    struct nx__h1_conn *conn = ((struct nx__h1_request *)res->req)->conn;
    struct nx__h1_shared *shared = nx__h1_shared;
    size_t head_most;
    nx_duration until;
    NX_TRY(head_room(res, 0, &head_most));
    char *at = shared->out + shared->out_len;
    at = put_line(at, nx__status_line(101));
    at = put_line(at, nx__date_line(conn->server->loop, &until));
    at = put(at, LITERAL("connection: upgrade\r\nupgrade: "));
    at = put(at, protocol, strlen(protocol));
    at = put(at, LITERAL("\r\n"));
    at = put_fields(at, &res->fields);
    at = put(at, LITERAL("\r\n"));
    shared->out_len = (size_t)(at - shared->out);
    res->status = 101;
    res->state = NX__RESPONSE_DONE;
    return nx__h1_send_all(conn, (nx_bytes){0}, (nx_bytes){0});
}

nx_err nx__h1_write(nx_response *res, nx_bytes piece)
{
    struct nx__h1_request *req = (struct nx__h1_request *)res->req;
    struct nx__h1_shared *shared = nx__h1_shared;
    if (res->state == NX__RESPONSE_OPEN) {
        size_t head_most;
        NX_TRY(head_room(res, 0, &head_most));
        enum framing framing = bodiless(res->status) ? FRAMING_NONE
                               : res->length_known   ? FRAMING_LENGTH
                               : req->minor          ? FRAMING_CHUNKED
                                                     : FRAMING_CLOSE;
        if (!res->content_type) res->content_type = &nx__type_bytes;
        char *at = put_head(shared->out + shared->out_len, res, framing,
                            framing == FRAMING_LENGTH ? res->length : framing != FRAMING_NONE);
        shared->out_len = (size_t)(at - shared->out);
        res->state = NX__RESPONSE_STREAMING;
    }
    if (!piece.len || req->head_method || bodiless(res->status))
        return nx__h1_send_all(req->conn, (nx_bytes){0}, (nx_bytes){0});
    if (res->length_known && piece.len > res->length - res->sent)
        return nx__error_set(NX_EINVAL,
                             "cannot answer: the body has more bytes than were announced");
    res->sent += piece.len;
    if (!req->minor || res->length_known) return nx__h1_send_all(req->conn, piece, (nx_bytes){0});
    NX_TRY(room(req->conn, 32));
    int n = snprintf(shared->out + shared->out_len, 32, "%zx\r\n", piece.len);
    shared->out_len += (size_t)n;
    return nx__h1_send_all(req->conn, piece, nx_str("\r\n"));
}

nx_err nx__h1_end(nx_response *res)
{
    struct nx__h1_request *req = (struct nx__h1_request *)res->req;
    struct nx__h1_shared *shared = nx__h1_shared;
    if (res->length_known && !req->head_method && !bodiless(res->status) &&
        res->sent != res->length)
        return nx__error_set(NX_EINVAL,
                             "cannot answer: the body has fewer bytes than were announced");
    if (res->state == NX__RESPONSE_OPEN && res->length_known) {
        bool body;
        return nx__h1_send_head(res, res->length, &body);
    }
    if (res->state == NX__RESPONSE_OPEN) return nx__h1_send(res, (nx_bytes){0});
    if (req->minor && !res->length_known && !req->head_method && !bodiless(res->status)) {
        size_t size = fields_size(&res->trailers);
        if (size > NX__H1_RESPONSE_HEAD_MOST)
            return nx__error_set(NX_ETOOBIG, "cannot answer: the trailers are larger than %d bytes",
                                 NX__H1_RESPONSE_HEAD_MOST);
        NX_TRY(room(req->conn, size + 8));
        char *at = put(shared->out + shared->out_len, LITERAL("0\r\n"));
        at = put_fields(at, &res->trailers);
        at = put(at, LITERAL("\r\n"));
        shared->out_len = (size_t)(at - shared->out);
    }
    res->state = NX__RESPONSE_DONE;
    if (nx__unlikely(res->events)) nx__h1_stream_over(req->conn);
    return flush_or_defer(req->conn);
}

nx_err nx__h1_early(nx_response *res, nx_bytes link)
{
    struct nx__h1_request *req = (struct nx__h1_request *)res->req;
    struct nx__h1_shared *shared = nx__h1_shared;
    if (!req->minor) return NX_OK; /* RFC 9110 15.2 */
    if (link.len > NX__H1_RESPONSE_HEAD_MOST)
        return nx__error_set(NX_ETOOBIG, "cannot send early hints: they are larger than %d bytes",
                             NX__H1_RESPONSE_HEAD_MOST);
    NX_TRY(room(req->conn, link.len + 64));
    char *at = put(shared->out + shared->out_len, LITERAL("HTTP/1.1 103 Early Hints\r\nlink: "));
    at = put(at, link.data, link.len);
    at = put(at, LITERAL("\r\n\r\n"));
    shared->out_len = (size_t)(at - shared->out);
    return nx__h1_send_all(req->conn, (nx_bytes){0}, (nx_bytes){0}); /* before what takes long */
}

/* Puts the answer into the shared output; returns the length of its body. */
static size_t put_refusal(struct nx__h1_conn *conn, int status, const char *reason)
{
    struct nx__h1_shared *shared = nx__h1_shared;
    if (NX__H1_SCRATCH - shared->out_len < HEAD_ROOM && !nx__h1_flush(conn)) return 0;
    if (NX__H1_SCRATCH - shared->out_len < HEAD_ROOM)
        return 0; /* what waits already is more than the peer takes */
    char body[256], *at = shared->out + shared->out_len;
    nx_bytes text = nx__status_text(status);
    bool plain = conn->server->options.pages == NX_HTTP_PAGES_TEXT;
    int len = plain ? snprintf(body, sizeof body, "%d %.*s\n%s\n", status, NX_FMT(text), reason)
                    : snprintf(body, sizeof body, "{\"error\":\"%.*s\",\"message\":\"%s\"}",
                               NX_FMT(text), reason);
    at = put_line(at, nx__status_line(status));
    at = put_line(at, plain ? &nx__type_text : &nx__type_json);
    nx_duration until;
    at = put_line(at, nx__date_line(conn->server->loop, &until));
    at = put(at, LITERAL("connection: close\r\ncontent-length: "));
    at = put_number(at, (uint64_t)len);
    at = put(at, LITERAL("\r\n\r\n"));
    at = put(at, body, (size_t)len);
    shared->out_len = (size_t)(at - shared->out);
    return (size_t)len;
}

void nx__h1_refuse(struct nx__h1_conn *conn, int status, const char *reason, nx_bytes head)
{
    conn->close_after = true;
    size_t sent = put_refusal(conn, status, reason);
    if (nx__h1_shared->active != conn) (void)nx__h1_flush(conn);
    const struct nx__refusal_observer *observer = conn->server->root->refusal_observers;
    if (!observer) return;
    char peer[NX__H1_PEER];
    bool waited = conn->list == NX__CONN_HEAD;
    const struct nx__refusal refusal = {.server = conn->server,
                                        .status = status,
                                        .reason = reason,
                                        .peer = nx__h1_peer(conn, peer),
                                        .head = head,
                                        .sent = sent,
                                        .took = waited ? nx__loop()->now - conn->base.since : 0};
    for (; observer; observer = observer->next) observer->fn(&refusal, observer->context);
}
