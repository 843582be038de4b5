/* HTTP/3 as a client speaks it: many exchanges over a connection of QUIC, which the loop serves by
 * itself: a fiber only waits for what it asked for. */
#include "http/h3/client.h"

#include "base/clock.h"
#include "base/error.h"
#include "http/client/through.h"
#include "http/h1/parser.h"
#include <nexus/crypto.h>
#include <stdlib.h>

#define HANDSHAKE_DEADLINE NX_S(30)
#define IDLE_DEADLINE      NX_S(60) /* nothing has come for so long */

static struct nx__h3_conn *of(const struct nx__quic_conn *quic)
{
    return nx__container_of((struct nx__h3_end *)quic->session, struct nx__h3_conn, end);
}

/* The pool may be told that it is broken, in the loop's own time. */
static void look(struct nx__h3_conn *c)
{
    if (c->posted || !nx__loop_current) return;
    c->posted = true;
    nx__loop_post(nx__loop_current, &c->post);
}

/* ---- What nghttp3 says */

static struct nx__h3_exchange *exchange_of(void *stream_user)
{
    return stream_user ? ((struct nx__h3_asked *)stream_user)->x : NULL;
}

static nx_bytes slice(nghttp3_rcbuf *buffer)
{
    nghttp3_vec v = nghttp3_rcbuf_get_buf(buffer);
    return nx_slice((const char *)v.base, v.len);
}

static int begin_headers(nghttp3_conn *h3, int64_t id, void *user, void *stream_user)
{
    struct nx__h3_exchange *x = exchange_of(stream_user);
    (void)h3, (void)id, (void)user;
    if (x) nx__coming_begin(&x->base, &x->coming);
    return 0;
}

static int recv_header(nghttp3_conn *h3, int64_t id, int32_t token, nghttp3_rcbuf *name,
                       nghttp3_rcbuf *value, uint8_t flags, void *user, void *stream_user)
{
    struct nx__h3_asked *s = stream_user;
    struct nx__h3_exchange *x = exchange_of(stream_user);
    nx_bytes n = slice(name), v = slice(value);
    (void)h3, (void)id, (void)token, (void)flags, (void)user;
    if (!s) return 0;
    s->expanded += n.len + v.len;
    /* Nobody has to decode for ever what was refused long ago. */
    if (s->expanded > NX__H3_EXPANDED_MOST) return NGHTTP3_ERR_CALLBACK_FAILURE;
    if (!x || x->failed || x->base.through || nx__coming_field(&x->base, &x->coming, n, v))
        return 0;
    if (x->coming.too_large)
        nx__h3_exchange_fail(x, NX_ETOOBIG, "the answer's head is too large");
    else
        nx__h3_exchange_fail(x, NX_ENOMEM, "out of memory");
    return 0;
}

static int end_headers(nghttp3_conn *h3, int64_t id, int end, void *user, void *stream_user)
{
    struct nx__h3_exchange *x = exchange_of(stream_user);
    (void)h3, (void)id, (void)user;
    if (!x) return 0;
    if (!x->coming.headed && !nx__coming_head(&x->base, &x->coming, "HTTP/3"))
        nx__h3_exchange_fail(x, NX_EPROTO, "the peer sends answers of 1xx without end");
    if (end) x->in_end = true;
    nx__h3_exchange_wake(x);
    return 0;
}

static int recv_data(nghttp3_conn *h3, int64_t id, const uint8_t *data, size_t len, void *user,
                     void *stream_user)
{
    struct nx__h3_conn *c = user;
    struct nx__h3_exchange *x = exchange_of(stream_user);
    (void)h3;
    if (!x) {
        nx__quic_consumed(c->quic, id, len);
        return 0;
    }
    if (nx__buffer_append(&x->in, data, len, NX__QUIC_JOIN_STREAM_WINDOW)) return NGHTTP3_ERR_NOMEM;
    nx__h3_exchange_wake(x);
    return 0;
}

static int end_stream(nghttp3_conn *h3, int64_t id, void *user, void *stream_user)
{
    struct nx__h3_exchange *x = exchange_of(stream_user);
    (void)h3, (void)id, (void)user;
    if (!x) return 0;
    x->in_end = true;
    nx__h3_exchange_wake(x);
    return 0;
}

static int deferred_consume(nghttp3_conn *h3, int64_t id, size_t len, void *user, void *stream_user)
{
    (void)h3, (void)stream_user;
    nx__quic_consumed(((struct nx__h3_conn *)user)->quic, id, len);
    return 0;
}

static int stop_sending(nghttp3_conn *h3, int64_t id, uint64_t code, void *user, void *stream_user)
{
    (void)h3, (void)stream_user;
    nx__quic_stop_sending(((struct nx__h3_conn *)user)->quic, id, code);
    return 0;
}

static int reset_stream(nghttp3_conn *h3, int64_t id, uint64_t code, void *user, void *stream_user)
{
    (void)h3, (void)stream_user;
    nx__quic_reset(((struct nx__h3_conn *)user)->quic, id, code);
    return 0;
}

static int acked_data(nghttp3_conn *h3, int64_t id, uint64_t len, void *user, void *stream_user)
{
    struct nx__h3_asked *s = stream_user;
    struct nx__h3_exchange *x = s->x;
    (void)h3, (void)id, (void)user;
    nx__h3_out_done(&s->out, len);
    s->conn->out_len -= (size_t)len;
    if (!x) return 0;
    if (x->base.through) {
        nx__through_tell(x->base.through, NX__WRITABLE);
        return 0;
    }
    x->base.moved = nx__deadline(0);
    if (x->whole)
        x->head_until = nx__exchange_until(
            &x->base, x->rest.len || s->out.len ? x->base.idle_deadline : x->base.head_deadline);
    if (x->rest.len) nx__h3_asked_resume(s);
    nx__h3_exchange_wake(x);
    return 0;
}

static int stream_close(nghttp3_conn *h3, int64_t id, uint64_t code, void *user, void *stream_user)
{
    struct nx__h3_asked *s = stream_user;
    (void)h3, (void)id, (void)user;
    if (!s) return 0;
    struct nx__h3_exchange *x = s->x;
    nx__h3_asked_free(s);
    if (!x) return 0;
    if (!x->in_end && code == NGHTTP3_H3_NO_ERROR)
        nx__h3_exchange_fail(x, NX_EPROTO,
                             x->coming.headed ? "the peer has ended amid the answer's body"
                                              : "the request was ended without an answer");
    nx__h3_exchange_wake(x);
    return 0;
}

/* GOAWAY (RFC 9114 5.2): what has this number or a higher one was not looked at. */
static int going_away(nghttp3_conn *h3, int64_t id, void *user)
{
    struct nx__h3_conn *c = user;
    (void)h3;
    c->going = c->base.broken = true;
    look(c);
    for (struct nx__list *link = c->streams.next; link != &c->streams; link = link->next) {
        const struct nx__h3_asked *s = nx__container_of(link, struct nx__h3_asked, link);
        if (s->id < id || !s->x || s->x->in_end) continue;
        s->x->base.begun = false;
        nx__h3_exchange_fail(s->x, NX_ERESET, "the peer has not looked at the request");
    }
    return 0;
}

static int recv_settings(nghttp3_conn *h3, const nghttp3_proto_settings *settings, void *user)
{
    struct nx__h3_conn *c = user;
    (void)h3;
    c->settled = true;
    c->connects = settings->enable_connect_protocol;
    nx__h3_conn_wake(c);
    return 0;
}

static void random_bytes(uint8_t *out, size_t len)
{
    nx_random(out, len);
}

static const nghttp3_callbacks callbacks = {
    .acked_stream_data = acked_data,
    .stream_close = stream_close,
    .recv_data = recv_data,
    .deferred_consume = deferred_consume,
    .begin_headers = begin_headers,
    .recv_header = recv_header,
    .end_headers = end_headers,
    .begin_trailers = begin_headers,
    .recv_trailer = recv_header,
    .stop_sending = stop_sending,
    .end_stream = end_stream,
    .reset_stream = reset_stream,
    .shutdown = going_away,
    .rand = random_bytes,
    .recv_settings2 = recv_settings,
};

/* ---- What the connection says */

/* The session begins: with 0-RTT before the handshake is done, else after. */
static uint64_t app_ready(struct nx__quic_conn *quic)
{
    struct nx__h3_conn *c = of(quic);
    nghttp3_settings settings;
    if (c->end.h3) return 0;
    nx__h3_settings(&settings, NX__H1_MAX_HEAD);
    if (nghttp3_conn_client_new(&c->end.h3, &callbacks, &settings, NULL, c)) {
        c->end.h3 = NULL;
        return NGHTTP3_H3_INTERNAL_ERROR;
    }
    uint64_t code = nx__h3_wire_bind(quic);
    if (code) return code;
    for (struct nx__list *link = c->exchanges.next; link != &c->exchanges; link = link->next) {
        struct nx__h3_exchange *x = nx__container_of(link, struct nx__h3_exchange, link);
        if (x->again) (void)nx__h3_exchange_submit(x);
    }
    nx__h3_conn_wake(c);
    return 0;
}

static void session_free(struct nx__h3_conn *c)
{
    while (!nx__list_empty(&c->streams))
        nx__h3_asked_free(nx__container_of(c->streams.next, struct nx__h3_asked, link));
    nghttp3_conn_del(c->end.h3);
    c->end.h3 = NULL;
    c->settled = c->connects = false;
}

/* What has gone by 0-RTT has not; the requests are asked again. */
static uint64_t app_rejected(struct nx__quic_conn *quic)
{
    struct nx__h3_conn *c = of(quic);
    session_free(c);
    for (struct nx__list *link = c->exchanges.next; link != &c->exchanges; link = link->next) {
        struct nx__h3_exchange *x = nx__container_of(link, struct nx__h3_exchange, link);
        x->again = x->sending;
    }
    return 0;
}

static uint64_t app_received(struct nx__quic_conn *quic, int64_t id, const uint8_t *data,
                             size_t len, bool end, bool early)
{
    const struct nx__h3_conn *c = of(quic);
    (void)early;
    if (!c->end.h3) return NGHTTP3_H3_INTERNAL_ERROR;
    nghttp3_ssize n = nghttp3_conn_read_stream2(c->end.h3, id, data, len, end,
                                                (nghttp3_tstamp)nx__clock_monotonic());
    if (n > 0) nx__quic_consumed(quic, id, (uint64_t)n);
    return nx__h3_code(n);
}

static struct nx__h3_asked *find(const struct nx__h3_conn *c, int64_t id)
{
    return c->end.h3 ? nghttp3_conn_get_stream_user_data(c->end.h3, id) : NULL;
}

static uint64_t app_reset(struct nx__quic_conn *quic, int64_t id, uint64_t code)
{
    const struct nx__h3_conn *c = of(quic);
    const struct nx__h3_asked *s = find(c, id);
    if (!c->end.h3) return 0;
    struct nx__h3_exchange *x = s ? s->x : NULL;
    if (x && code == NGHTTP3_H3_REQUEST_REJECTED) {
        x->base.begun = false; /* RFC 9114 4.1.1: nothing has been done for it */
        nx__h3_exchange_fail(x, NX_ERESET, "the peer has refused the request");
    } else if (x && !x->in_end) {
        bool ours = code == NGHTTP3_H3_MESSAGE_ERROR || code == NGHTTP3_H3_FRAME_UNEXPECTED;
        nx__h3_exchange_fail(x, ours ? NX_EPROTO : NX_ERESET, "the request was reset");
    }
    return nx__h3_code(nghttp3_conn_shutdown_stream_read(c->end.h3, id));
}

static uint64_t app_stopped(struct nx__quic_conn *quic, int64_t id, uint64_t code)
{
    const struct nx__h3_conn *c = of(quic);
    struct nx__h3_asked *s = find(c, id);
    (void)code;
    if (!c->end.h3) return 0;
    nghttp3_conn_shutdown_stream_write(c->end.h3, id);
    if (!s) return 0;
    s->over = true;
    if (s->x) {
        s->x->stopped = true;
        s->x->rest = (nx_bytes){0};
        nx__h3_exchange_wake(s->x);
    }
    return 0;
}

static uint64_t app_closed(struct nx__quic_conn *quic, int64_t id, uint64_t code)
{
    const struct nx__h3_conn *c = of(quic);
    if (!c->end.h3) return 0;
    int err = nghttp3_conn_close_stream(c->end.h3, id, code ? code : NGHTTP3_H3_NO_ERROR);
    return err == NGHTTP3_ERR_STREAM_NOT_FOUND ? 0 : nx__h3_code(err);
}

static void app_more(struct nx__quic_conn *quic)
{
    nx__h3_conn_wake(of(quic));
}

static void app_served(struct nx__quic_conn *quic)
{
    struct nx__h3_conn *c = of(quic);
    if (c->told || !quic->handshaken) return;
    c->told = true;
    nx__h3_conn_wake(c);
}

static void app_gone(struct nx__quic_conn *quic)
{
    struct nx__h3_conn *c = of(quic);
    c->failed = nx__quic_ended(quic, c->why);
    c->base.broken = true;
    c->quic = NULL;
    session_free(c);
    nx__h3_conn_wake(c);
    look(c);
}

static const struct nx__quic_app app = {
    .ready = app_ready,
    .opened = nx__h3_wire_opened,
    .received = app_received,
    .acked = nx__h3_wire_acked,
    .reset = app_reset,
    .stopped = app_stopped,
    .closed = app_closed,
    .unblocked = nx__h3_wire_unblocked,
    .pull = nx__h3_wire_pull,
    .pushed = nx__h3_wire_pushed,
    .blocked = nx__h3_wire_blocked,
    .shut = nx__h3_wire_shut,
    .rejected = app_rejected,
    .more = app_more,
    .served = app_served,
    .gone = app_gone,
};

/* ---- Connections */

static void conn_free(struct nx__h3_conn *c)
{
    if (!c->posted && c->done) free(c);
}

static void posted(struct nx__post *post)
{
    struct nx__h3_conn *c = nx__container_of(post, struct nx__h3_conn, post);
    c->posted = false;
    if (c->done)
        conn_free(c);
    else if (c->base.origin)
        nx__client_pool_settle(&c->base);
}

static void endpoint_left(struct nx__quic_endpoint *endpoint)
{
    (void)endpoint;
}

static void endpoint_done(struct nx__quic_endpoint *endpoint)
{
    struct nx__h3_conn *c = endpoint->owner;
    c->done = true;
    conn_free(c);
}

void nx__h3_conn_close(struct nx__client_conn *conn)
{
    struct nx__h3_conn *c = (struct nx__h3_conn *)conn;
    if (!nx__loop_current) c->posted = false; /* nothing posted comes any more */
    if (c->quic && nx__loop_current) nx__quic_fail(c->quic, NGHTTP3_H3_NO_ERROR);
    nx__quic_close(&c->endpoint);
}

nx_err nx__h3_conn_begin(struct nx__h3_conn **out, const struct nx__quic_target *target, bool early)
{
    const struct nx__quic_how how = {.app = &app,
                                     .protocol = "h3",
                                     .workers = 1,
                                     .handshake_deadline = HANDSHAKE_DEADLINE,
                                     .idle_deadline = IDLE_DEADLINE,
                                     .early = early,
                                     .qlog = -1};
    struct nx__h3_conn *c = calloc(1, sizeof *c);
    struct nx__quic_group *group = c ? nx__quic_group_new(&how) : NULL;
    if (!group) {
        free(c);
        return nx__error_set(NX_ENOMEM, "out of memory");
    }
    c->base.driver = &nx__h3_client_driver;
    c->post.fn = posted;
    c->endpoint.owner = c;
    c->endpoint.left = endpoint_left;
    c->endpoint.done = endpoint_done;
    nx__list_init(&c->exchanges);
    nx__list_init(&c->streams);
    nx_err err = nx__quic_connect(&c->quic, &c->endpoint, group, target, &c->end);
    nx__quic_group_free(group);
    if (err) {
        free(c);
        return err;
    }
    *out = c;
    return NX_OK;
}
