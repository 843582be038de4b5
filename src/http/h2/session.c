/* What nghttp2 tells of a session: heads, bodies, ends, and what is to be sent. */
#include "http/h2/conn.h"

#include "http/h1/parse.h"
#include <stdlib.h>
#include <sys/random.h>

/* ---- Heads */

static void head_begin(struct nx__h2_conn *conn, const nghttp2_frame *frame)
{
    struct nx__h2_head *head = nx__h2_shared->head;
    memset(head, 0, offsetof(struct nx__h2_head, fields));
    head->cookie = -1;
    head->stream = frame->hd.stream_id;
    head->trailer = frame->headers.cat != NGHTTP2_HCAT_REQUEST;
    nx__h2_shared->head_of = conn;
}

static void refuse(struct nx__h2_head *head, uint16_t status, const char *reason)
{
    if (head->status) return;
    head->status = status;
    head->reason = reason;
}

/* Where the bytes go; NULL where there is no more room, and the head is refused. */
static char *text_room(struct nx__h2_conn *conn, struct nx__h2_head *head, size_t len)
{
    const nx_http_server_options *o = &conn->server->options;
    size_t most = head->trailer ? o->max_trailer : o->max_head;
    if (most > sizeof head->text) most = sizeof head->text;
    if (len > most - head->text_len || head->status) {
        refuse(head, 431, "the request head is too large");
        return NULL;
    }
    char *at = head->text + head->text_len;
    head->text_len += (uint32_t)len;
    return at;
}

static struct nx__h1_slice put_text(struct nx__h2_conn *conn, struct nx__h2_head *head,
                                    nx_bytes bytes)
{
    char *at = text_room(conn, head, bytes.len + 1);
    if (!at) return (struct nx__h1_slice){0};
    memcpy(at, bytes.data, bytes.len);
    at[bytes.len] = ' ';
    return (struct nx__h1_slice){(uint16_t)(at - head->text), (uint16_t)bytes.len};
}

static struct nx__h1_header *put_field(struct nx__h2_conn *conn, struct nx__h2_head *head,
                                       nx_bytes name, nx_bytes value)
{
    if (head->count >= conn->server->options.max_headers) {
        refuse(head, 431, "too many header fields");
        return NULL;
    }
    char *at = text_room(conn, head, name.len + value.len + 4); /* as HTTP/1.1 counts */
    if (!at) return NULL;
    memcpy(at, name.data, name.len);
    memcpy(at + name.len, ": ", 2);
    memcpy(at + name.len + 2, value.data, value.len);
    memcpy(at + name.len + 2 + value.len, "\r\n", 2);
    size_t off = (size_t)(at - head->text);
    struct nx__h1_header *field = &head->fields[head->count++];
    *field = (struct nx__h1_header){(uint16_t)off, (uint16_t)name.len,
                                    (uint16_t)(off + name.len + 2), (uint16_t)value.len};
    return field;
}

/* Crumbs become one field again (RFC 9113 8.2.3). */
static void put_cookie(struct nx__h2_conn *conn, struct nx__h2_head *head, nx_bytes name,
                       nx_bytes value)
{
    if (head->cookie < 0) {
        if (put_field(conn, head, name, value)) head->cookie = (int16_t)(head->count - 1);
        return;
    }
    struct nx__h1_header *field = &head->fields[head->cookie];
    size_t end = (size_t)field->value_off + field->value_len, more = value.len + 2;
    if (end + 2 != head->text_len) { /* others came between: all of it moves behind them */
        struct nx__h1_header old = *field;
        char *at = text_room(conn, head, (size_t)old.value_len + 2);
        if (!at) return;
        memcpy(at, head->text + old.value_off, old.value_len);
        field->value_off = (uint16_t)(at - head->text);
        end = (size_t)field->value_off + field->value_len;
    }
    if (!text_room(conn, head, more)) return;
    memcpy(head->text + end, "; ", 2);
    memcpy(head->text + end + 2, value.data, value.len);
    memcpy(head->text + end + more, "\r\n", 2);
    field->value_len = (uint16_t)(field->value_len + more);
}

static void put_authority(struct nx__h2_conn *conn, struct nx__h2_head *head, nx_bytes host)
{
    if (head->authority.len) { /* it goes before the Host field, which may not say otherwise */
        if (head->authority.len != host.len ||
            memcmp(head->text + head->authority.off, host.data, host.len) != 0)
            refuse(head, 400, "the host field is not that of the request");
        return;
    }
    const struct nx__h1_header *field = put_field(conn, head, nx_str("host"), host);
    if (field) head->authority = (struct nx__h1_slice){field->value_off, field->value_len};
}

static void put_pseudo(struct nx__h2_conn *conn, struct nx__h2_head *head, nx_bytes name,
                       nx_bytes value)
{
    if (nx_bytes_is(name, ":method")) {
        head->method_id = nx__h1_method(value.data, value.len);
        if (value.len > NX__H1_MAX_METHOD) refuse(head, 501, "the method is too long");
        head->method = put_text(conn, head, value);
    } else if (nx_bytes_is(name, ":path")) {
        if (value.len > conn->server->options.max_target)
            refuse(head, 414, "the request target is too long");
        head->path = put_text(conn, head, value);
    } else if (nx_bytes_is(name, ":authority")) {
        put_authority(conn, head, value);
    } else if (nx_bytes_is(name, ":scheme")) {
        head->scheme = put_text(conn, head, value);
    } else if (nx_bytes_is(name, ":protocol")) {
        head->protocol = put_text(conn, head, value);
    }
}

static void put_any(struct nx__h2_conn *conn, struct nx__h2_head *head, nx_bytes name,
                    nx_bytes value)
{
    if (head->trailer) {
        if (!nx__h1_forbidden_trailer(name.data, name.len))
            (void)put_field(conn, head, name, value);
        return;
    }
    if (name.len && name.data[0] == ':') {
        put_pseudo(conn, head, name, value);
        return;
    }
    switch (name.len) {
    case 4:
        if (nx_bytes_is(name, "host")) {
            put_authority(conn, head, value);
            return;
        }
        break;
    case 6:
        if (nx_bytes_is(name, "cookie")) {
            put_cookie(conn, head, name, value);
            return;
        }
        if (nx_bytes_is(name, "expect")) {
            head->expect = NX__ASCII_IS(value.data, value.len, "100-continue");
            if (!head->expect) refuse(head, 417, "an expectation that is not met");
        }
        break;
    case 14:
        if (nx_bytes_is(name, "content-length")) { /* a number: nghttp2 has looked */
            head->has_length = true;
            for (size_t i = 0; i < value.len; i++)
                head->length = head->length * 10 + (uint64_t)(value.data[i] - '0');
        }
        break;
    default: break;
    }
    (void)put_field(conn, head, name, value);
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user_data)
{
    (void)session;
    head_begin(user_data, frame);
    return 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, nghttp2_rcbuf *name,
                     nghttp2_rcbuf *value, uint8_t flags, void *user_data)
{
    (void)session, (void)flags, (void)frame;
    struct nx__h2_conn *conn = user_data;
    struct nx__h2_head *head = nx__h2_shared->head;
    nghttp2_vec n = nghttp2_rcbuf_get_buf(name), v = nghttp2_rcbuf_get_buf(value);
    head->seen += (uint32_t)(n.len + v.len) + 4;
    if (nx__unlikely(head->seen > NX__H2_HEAD_SEEN)) {
        conn->flooded = true;
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    }
    put_any(conn, head, nx_slice((const char *)n.base, n.len),
            nx_slice((const char *)v.base, v.len));
    return 0;
}

/* What HTTP/1.1 refuses is refused here, and not left out. */
static int on_invalid_header(nghttp2_session *session, const nghttp2_frame *frame,
                             nghttp2_rcbuf *name, nghttp2_rcbuf *value, uint8_t flags,
                             void *user_data)
{
    (void)session, (void)frame, (void)name, (void)value, (void)flags;
    struct nx__h2_conn *conn = user_data;
    nx__count(&conn->server->stats.bad, 1);
    nx__h2_shared->head_of = NULL; /* nothing more of it is told */
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

/* No more of the stream's head is waited for. */
static void head_drop(struct nx__h2_conn *conn, int32_t stream)
{
    struct nx__h2_shared *shared = nx__h2_shared;
    if (shared->head_of == conn && shared->head->stream == stream) shared->head_of = NULL;
    if (!conn->kept || conn->kept->stream != stream) return;
    nx__h2_free(conn, conn->kept);
    conn->kept = NULL;
}

bool nx__h2_head_keep(struct nx__h2_conn *conn)
{
    struct nx__h2_shared *shared = nx__h2_shared;
    if (nx__likely(shared->head_of != conn)) return true;
    shared->head_of = NULL;
    size_t size = offsetof(struct nx__h2_head, text) + shared->head->text_len;
    conn->kept = nx__h2_alloc(conn, size);
    if (!conn->kept) return false;
    memcpy(conn->kept, shared->head, size);
    return true;
}

void nx__h2_head_restore(struct nx__h2_conn *conn)
{
    if (nx__likely(!conn->kept)) return;
    const struct nx__h2_head *kept = conn->kept;
    memcpy(nx__h2_shared->head, kept, offsetof(struct nx__h2_head, text) + kept->text_len);
    nx__h2_shared->head_of = conn;
    nx__h2_free(conn, conn->kept);
    conn->kept = NULL;
}

/* ---- Frames */

static struct nx__h2_stream *stream_of(nghttp2_session *session, int32_t id)
{
    return nghttp2_session_get_stream_user_data(session, id);
}

/* The trailer section has come: into memory of the request, if anybody can still ask for it. False
 * where it can't be had: a body without it is not the whole. */
static bool trailer_take(struct nx__h2_stream *stream, const struct nx__h2_head *head)
{
    struct nx__h2_request *req = stream->req;
    if (!req) return true;
    if (head->status) return false; /* past max_trailer */
    if (!head->text_len) return true;
    req->trailer = nx__arena_alloc(&req->base.fiber->own.arena, head->text_len);
    if (!req->trailer) return false;
    memcpy(req->trailer, head->text, head->text_len);
    req->trailer_len = head->text_len;
    return true;
}

static void body_ended(struct nx__h2_stream *stream)
{
    stream->in_end = true;
    if (stream->tunnel) nx__h2_tunnel_tell(stream, NX__READABLE);
    if (stream->req) nx__h2_wake(&stream->req->reader);
}

static int on_frame_recv(nghttp2_session *session, const nghttp2_frame *frame, void *user_data)
{
    struct nx__h2_conn *conn = user_data;
    struct nx__h2_shared *shared = nx__h2_shared;
    bool ends = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;
    if (frame->hd.type == NGHTTP2_HEADERS) {
        struct nx__h2_head *head = shared->head;
        shared->head_of = NULL;
        nx__h2_earn(conn);
        if (!head->trailer) {
            head->ends = ends;
            nx__h2_request(conn, head);
            return 0;
        }
        struct nx__h2_stream *stream = stream_of(session, frame->hd.stream_id);
        if (!stream) return 0;
        if (trailer_take(stream, head))
            body_ended(stream);
        else
            nx__h2_reset(stream, NGHTTP2_ENHANCE_YOUR_CALM);
    } else if (frame->hd.type == NGHTTP2_DATA && ends) {
        struct nx__h2_stream *stream = stream_of(session, frame->hd.stream_id);
        if (stream) body_ended(stream);
    } else if (frame->hd.type == NGHTTP2_PING && frame->hd.flags & NGHTTP2_FLAG_ACK &&
               conn->noticed && !conn->last) {
        /* Whatever it had sent before it knew that we stop has come by now (RFC 9113 6.8). */
        conn->last = true;
        nx__h2_said(conn, nghttp2_submit_goaway(session, 0,
                                                nghttp2_session_get_last_proc_stream_id(session),
                                                NGHTTP2_NO_ERROR, NULL, 0));
    }
    return 0;
}

static int on_frame_send(nghttp2_session *session, const nghttp2_frame *frame, void *user_data)
{
    struct nx__h2_conn *conn = user_data;
    if (frame->hd.type == NGHTTP2_RST_STREAM) {
        /* What the peer makes us reset costs as much as what it resets itself. */
        nx__h2_scan_reset(&conn->scan, frame->hd.stream_id);
        if (frame->rst_stream.error_code != NGHTTP2_NO_ERROR)
            nx__h2_charge(conn, NX__H2_RESET_COST);
        return 0;
    }
    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA) return 0;
    nx__h2_earn(conn);
    if (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) {
        struct nx__h2_stream *stream = stream_of(session, frame->hd.stream_id);
        if (stream) nx__h2_stream_sent(stream);
    }
    return 0;
}

static int on_data_chunk(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data,
                         size_t len, void *user_data)
{
    (void)flags;
    struct nx__h2_stream *stream = stream_of(session, id);
    if (!stream) { /* refused */
        nx__h2_said(user_data, nghttp2_session_consume_connection(session, len));
        return 0;
    }
    return nx__h2_body_come(stream, data, len) ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t code, void *user_data)
{
    struct nx__h2_stream *stream = stream_of(session, id);
    head_drop(user_data, id);
    if (stream) nx__h2_stream_closed(stream, code);
    return 0;
}

static void random_bytes(uint8_t *to, size_t len)
{
    while (getrandom(to, len, 0) != (ssize_t)len) continue;
}

/* ---- Once a loop */

bool nx__h2_session_setup(struct nx__h2_shared *shared)
{
    if (nghttp2_session_callbacks_new(&shared->callbacks) || nghttp2_option_new(&shared->option))
        return false;
    nghttp2_session_callbacks *c = shared->callbacks;
    nghttp2_session_callbacks_set_on_begin_headers_callback(c, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback2(c, on_header);
    nghttp2_session_callbacks_set_on_invalid_header_callback2(c, on_invalid_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(c, on_frame_recv);
    nghttp2_session_callbacks_set_on_frame_send_callback(c, on_frame_send);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(c, on_data_chunk);
    nghttp2_session_callbacks_set_on_stream_close_callback(c, on_stream_close);
    nghttp2_session_callbacks_set_send_data_callback(c, nx__h2_send_data);
    nghttp2_session_callbacks_set_rand_callback(c, random_bytes);
    nghttp2_option *o = shared->option;
    nghttp2_option_set_no_auto_window_update(o, 1);
    nghttp2_option_set_no_closed_streams(o, 1);
    nghttp2_option_set_max_deflate_dynamic_table_size(o, NX__H2_TABLE);
    nghttp2_option_set_max_settings(o, NX__H2_SETTINGS_ENTRIES);
    nghttp2_option_set_max_outbound_ack(o, NX__H2_ACKS);
    nghttp2_option_set_max_continuations(o, NX__H2_CONTINUATIONS);
    nghttp2_option_set_builtin_recv_extension_type(o, NGHTTP2_PRIORITY_UPDATE);
    return true;
}
