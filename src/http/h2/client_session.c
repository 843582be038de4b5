/* What a client's session of HTTP/2 is told, and gives: frames of all exchanges. It does no I/O. */
#include "http/client/through.h"
#include "http/h2/client.h"

#include <sys/random.h>

enum {
    WINDOW = 1024 * 1024, /* bytes of a body that nobody has read */
    CONTINUATIONS = 8,
    SETTINGS_ENTRIES = 32,
    ACKS = 256,
};

/* ---- What goes */

nghttp2_ssize nx__h2_client_data(nghttp2_session *session, int32_t id, uint8_t *buf, size_t length,
                                 uint32_t *flags, nghttp2_data_source *source, void *user_data)
{
    (void)source, (void)user_data;
    struct nx__h2_exchange *x = nghttp2_session_get_stream_user_data(session, id);
    if (!x) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    size_t n = x->out.len < length ? x->out.len : length;
    if (!n && !x->out_end) {
        x->deferred = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    if (n) {
        memcpy(buf, x->out.data, n);
        x->out = nx_slice(x->out.data + n, x->out.len - n);
    }
    if (x->whole)
        x->head_until = nx__exchange_until(&x->base, x->out.len ? x->base.idle_deadline
                                                                : x->base.head_deadline);
    if (!x->out.len) {
        if (x->out_end) {
            *flags |= NGHTTP2_DATA_FLAG_EOF;
            if (x->trailers) {
                *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
                if (nghttp2_submit_trailer(session, id, x->trailers, x->base.sends_count))
                    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
            }
            x->out_sent = true;
        }
        if (x->base.through)
            nx__through_tell(x->base.through, NX__WRITABLE);
        else
            nx__h2_client_wake(x);
    }
    return (nghttp2_ssize)n;
}

/* ---- What comes */

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user_data)
{
    (void)user_data;
    struct nx__h2_exchange *x = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    if (!x) return 0;
    nx__coming_begin(&x->base, &x->coming);
    return 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, nghttp2_rcbuf *name,
                     nghttp2_rcbuf *value, uint8_t flags, void *user_data)
{
    (void)flags, (void)user_data;
    struct nx__h2_exchange *x = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    nghttp2_vec n = nghttp2_rcbuf_get_buf(name), v = nghttp2_rcbuf_get_buf(value);
    if (!x || x->base.through) return 0;
    bool taken =
        nx__coming_field(&x->base, &x->coming, nx_slice((const char *)n.base, n.len),
                         nx_slice((const char *)v.base, v.len)); /* nghttp2 has looked at them */
    return taken ? 0 : NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

static void head_come(struct nx__h2_exchange *x)
{
    struct nx__h2_client *c = nx__h2_client_of(x);
    if (!nx__coming_head(&x->base, &x->coming, "HTTP/2"))
        nx__h2_client_said(c, nghttp2_submit_rst_stream(c->session, 0, x->id, NGHTTP2_CANCEL));
}

static int on_frame_recv(nghttp2_session *session, const nghttp2_frame *frame, void *user_data)
{
    struct nx__h2_client *c = user_data;
    if (frame->hd.type == NGHTTP2_GOAWAY) {
        c->last = c->base.broken = true;
        return 0;
    }
    if (frame->hd.type == NGHTTP2_SETTINGS && !(frame->hd.flags & NGHTTP2_FLAG_ACK) &&
        !c->settled) {
        c->settled = true;
        for (struct nx__list *link = c->exchanges.next; link != &c->exchanges; link = link->next)
            nx__h2_client_wake(nx__container_of(link, struct nx__h2_exchange, link));
        return 0;
    }
    if (frame->hd.type == NGHTTP2_ALTSVC) {
        /* nghttp2 drops those of a stream that have an origin, and others that have none. */
        const nghttp2_ext_altsvc *said = frame->ext.payload;
        nx__client_pool_told(&c->base, nx_slice((const char *)said->origin, said->origin_len),
                             nx_slice((const char *)said->field_value, said->field_value_len));
        return 0;
    }
    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA) return 0;
    struct nx__h2_exchange *x = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    if (!x) return 0;
    if (frame->hd.type == NGHTTP2_HEADERS && !x->coming.headed) head_come(x);
    if (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) x->in_end = true;
    nx__h2_client_wake(x);
    return 0;
}

static int on_frame_send(nghttp2_session *session, const nghttp2_frame *frame, void *user_data)
{
    (void)user_data;
    if (frame->hd.type != NGHTTP2_HEADERS) return 0;
    struct nx__h2_exchange *x = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    if (x) x->base.begun = true;
    return 0;
}

static int on_data_chunk(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data,
                         size_t len, void *user_data)
{
    (void)flags;
    struct nx__h2_exchange *x = nghttp2_session_get_stream_user_data(session, id);
    if (!x) {
        nx__h2_client_said(user_data, nghttp2_session_consume(session, id, len));
        return 0;
    }
    if (nx__buffer_append(&x->in, data, len, NX__H2_CLIENT_CONN_WINDOW))
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    nx__h2_client_wake(x);
    return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t code, void *user_data)
{
    (void)user_data;
    struct nx__h2_exchange *x = nghttp2_session_get_stream_user_data(session, id);
    if (!x) return 0;
    x->closed = true;
    x->code = code;
    nx__h2_client_wake(x);
    return 0;
}

/* ---- Making it */

static void random_bytes(uint8_t *to, size_t len)
{
    while (getrandom(to, len, 0) != (ssize_t)len) continue;
}

nx_err nx__h2_client_session(struct nx__h2_client *c)
{
    static const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, WINDOW},
        {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
    };
    nghttp2_session_callbacks *callbacks = NULL;
    nghttp2_option *option = NULL;
    int bad = nghttp2_session_callbacks_new(&callbacks) || nghttp2_option_new(&option);
    if (!bad) {
        nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
        nghttp2_session_callbacks_set_on_header_callback2(callbacks, on_header);
        nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame_recv);
        nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_send);
        nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data_chunk);
        nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
        nghttp2_session_callbacks_set_rand_callback(callbacks, random_bytes);
        nghttp2_option_set_no_auto_window_update(option, 1);
        nghttp2_option_set_max_settings(option, SETTINGS_ENTRIES);
        nghttp2_option_set_max_outbound_ack(option, ACKS);
        nghttp2_option_set_max_continuations(option, CONTINUATIONS);
        nghttp2_option_set_builtin_recv_extension_type(option, NGHTTP2_ALTSVC);
        bad =
            nghttp2_session_client_new2(&c->session, callbacks, c, option) ||
            nghttp2_submit_settings(c->session, 0, settings, sizeof settings / sizeof *settings) ||
            nghttp2_session_set_local_window_size(c->session, 0, 0, NX__H2_CLIENT_CONN_WINDOW);
    }
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_option_del(option);
    return bad ? NX_ENOMEM : NX_OK;
}
