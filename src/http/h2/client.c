/* HTTP/2 as a client speaks it: many exchanges over a connection. No fiber is the connection's own:
 * of those that wait for it one reads for all, and what is to be sent goes in one piece at the end
 * of the loop's turn. */
#include "base/buffer.h"
#include "http/client/coming.h"
#include "http/client/pool.h"
#include "http/h1/parser.h"
#include "loop/fiber.h"
#include "net/fd.h"
#include <errno.h>
#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

enum {
    IN_SIZE = 64 * 1024,  /* bytes read in one go */
    OUT_SIZE = 64 * 1024, /* and written */
    FRAME_MOST = 17 * 1024,
    STREAMS_MOST = 100,   /* exchanges at once, where the peer allows more */
    WINDOW = 1024 * 1024, /* bytes of a body that nobody has read */
    CONN_WINDOW = 4 * 1024 * 1024,
    OWN_FIELDS = 5,
    CONTINUATIONS = 8,
    SETTINGS_ENTRIES = 32,
    ACKS = 256,
};
#define WRITE_DEADLINE NX_S(60) /* the peer has taken nothing for so long */

struct exchange;

struct conn {
    struct nx__client_conn base;
    nghttp2_session *session;
    struct nx__list exchanges;
    struct nx__buffer in; /* its memory alone */
    struct nx__post post;
    nx_err failed; /* why it is broken; its text is `why` */
    char why[128];
    bool spoken;  /* the peer has said something */
    bool reading; /* somebody reads */
    bool writing; /* a fiber sends what there is */
    bool posted;
    bool gone; /* closed, but for what is under way */
    bool last; /* the peer takes no more exchanges */
};

struct exchange {
    struct nx__exchange base;
    struct nx__list link;        /* in conn->exchanges */
    int32_t id;                  /* 0: none yet */
    struct nx__timed_op *waiter; /* for the answer */
    struct nx__timed_op *sender; /* that the peer takes what is sent */
    nx_bytes out;                /* to be sent next, the caller's */
    char *kept;                  /* or what is left of it, once there is an answer */
    bool out_end, deferred, out_sent;
    bool to_head, whole;
    bool closed;   /* the session does not know it any more */
    bool in_end;   /* the answer has come to its end */
    uint32_t code; /* that it was reset with */
    uint64_t to_send;
    nx_duration head_until;
    struct nx__coming coming;
    struct nx__buffer in, piece; /* of the body: come; with its reader */
};

static struct conn *conn_of(const struct exchange *x)
{
    return (struct conn *)x->base.conn;
}

static nx_err broken(nx_err err, const char *why)
{
    return nx__error_set(err, "%s", why);
}

static void wake(struct exchange *x)
{
    struct nx__timed_op *waiter = x->waiter, *sender = x->sender;
    x->waiter = x->sender = NULL;
    if (waiter) nx__op_complete(&waiter->op, 0);
    if (sender) nx__op_complete(&sender->op, 0);
}

/* ---- The end of a connection */

static void conn_free(struct conn *c)
{
    if (c->reading || c->writing || c->posted) return; /* they come by here too */
    c->base.wire->type->close(c->base.wire);
    nghttp2_session_del(c->session);
    nx__buffer_free(&c->in);
    free(c);
}

static void conn_fail(struct conn *c, nx_err err, const char *why)
{
    if (c->failed) return;
    c->failed = err;
    (void)snprintf(c->why, sizeof c->why, "%s", why);
    c->base.broken = true;
    for (struct nx__list *link = c->exchanges.next; link != &c->exchanges; link = link->next)
        wake(nx__container_of(link, struct exchange, link));
}

/* The session may have come to its end. */
static void session_look(struct conn *c)
{
    if (!nghttp2_session_want_read(c->session) && !nghttp2_session_want_write(c->session))
        conn_fail(c, NX_ERESET, "the connection has been ended");
}

/* ---- Sending: by a fiber of its own, that nobody cancels in the middle of a frame */

static nx_err write_main(void *arg)
{
    struct conn *c = arg;
    char *out = malloc(OUT_SIZE);
    size_t len = 0;
    nx_err err = out ? NX_OK : NX_ENOMEM;
    while (!err && !c->failed) {
        const uint8_t *data;
        nghttp2_ssize n = nghttp2_session_mem_send2(c->session, &data);
        if (n < 0 || n > OUT_SIZE - (nghttp2_ssize)len) err = NX_ENOMEM;
        if (err) break;
        if (n) memcpy(out + len, data, (size_t)n);
        len += (size_t)n;
        if (n && len < OUT_SIZE - FRAME_MOST) continue;
        if (!len) break;
        err = c->base.wire->type->write(c->base.wire, nx_slice(out, len),
                                        nx__deadline(WRITE_DEADLINE));
        len = 0;
    }
    free(out);
    c->writing = false;
    if (err)
        conn_fail(c, err == NX_ENOMEM ? err : NX_ERESET, nx__error_last()->message);
    else if (!c->failed)
        session_look(c);
    if (c->gone) conn_free(c);
    return NX_OK;
}

static void posted(struct nx__post *post)
{
    struct conn *c = nx__container_of(post, struct conn, post);
    c->posted = false;
    if (c->gone) {
        conn_free(c);
        return;
    }
    if (c->writing || c->failed || !nghttp2_session_want_write(c->session)) return;
    nx_fiber *fiber = nx__fiber_new(write_main, c, "fetch");
    if (!fiber) {
        conn_fail(c, NX_ENOMEM, "out of memory");
        return;
    }
    c->writing = true;
    nx__fiber_resume(fiber);
}

static void dirty(struct conn *c)
{
    if (c->posted) return;
    c->posted = true;
    nx__loop_post(nx__loop(), &c->post);
}

static nghttp2_ssize data_read(nghttp2_session *session, int32_t id, uint8_t *buf, size_t length,
                               uint32_t *flags, nghttp2_data_source *source, void *user_data)
{
    (void)source, (void)user_data;
    struct exchange *x = nghttp2_session_get_stream_user_data(session, id);
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
            x->out_sent = true;
        }
        wake(x);
    }
    return (nghttp2_ssize)n;
}

/* ---- What comes */

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user_data)
{
    (void)user_data;
    struct exchange *x = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    if (!x) return 0;
    nx__coming_begin(&x->base, &x->coming);
    return 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, nghttp2_rcbuf *name,
                     nghttp2_rcbuf *value, uint8_t flags, void *user_data)
{
    (void)flags, (void)user_data;
    struct exchange *x = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    nghttp2_vec n = nghttp2_rcbuf_get_buf(name), v = nghttp2_rcbuf_get_buf(value);
    if (!x) return 0;
    bool taken =
        nx__coming_field(&x->base, &x->coming, nx_slice((const char *)n.base, n.len),
                         nx_slice((const char *)v.base, v.len)); /* nghttp2 has looked at them */
    return taken ? 0 : NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

static void head_come(struct exchange *x)
{
    if (!nx__coming_head(&x->base, &x->coming, "HTTP/2"))
        NX_IGNORE(nghttp2_submit_rst_stream(conn_of(x)->session, 0, x->id, NGHTTP2_CANCEL));
}

static int on_frame_recv(nghttp2_session *session, const nghttp2_frame *frame, void *user_data)
{
    struct conn *c = user_data;
    if (frame->hd.type == NGHTTP2_GOAWAY) {
        c->last = c->base.broken = true;
        return 0;
    }
    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA) return 0;
    struct exchange *x = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    if (!x) return 0;
    if (frame->hd.type == NGHTTP2_HEADERS && !x->coming.headed) head_come(x);
    if (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) x->in_end = true;
    wake(x);
    return 0;
}

static int on_frame_send(nghttp2_session *session, const nghttp2_frame *frame, void *user_data)
{
    (void)user_data;
    if (frame->hd.type != NGHTTP2_HEADERS) return 0;
    struct exchange *x = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    if (x) x->base.begun = true;
    return 0;
}

static int on_data_chunk(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data,
                         size_t len, void *user_data)
{
    (void)flags, (void)user_data;
    struct exchange *x = nghttp2_session_get_stream_user_data(session, id);
    if (!x) {
        NX_IGNORE(nghttp2_session_consume(session, id, len));
        return 0;
    }
    if (nx__buffer_append(&x->in, data, len, CONN_WINDOW)) return NGHTTP2_ERR_CALLBACK_FAILURE;
    wake(x);
    return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t code, void *user_data)
{
    (void)user_data;
    struct exchange *x = nghttp2_session_get_stream_user_data(session, id);
    if (!x) return 0;
    x->closed = true;
    x->code = code;
    wake(x);
    return 0;
}

static void random_bytes(uint8_t *to, size_t len)
{
    while (getrandom(to, len, 0) != (ssize_t)len) continue;
}

static nx_err take(struct conn *c, size_t len)
{
    static const char other[] = "HTTP/1."; /* no frame begins so: it would be too large */
    bool is_other =
        !c->spoken && len >= sizeof other - 1 && memcmp(c->in.data, other, sizeof other - 1) == 0;
    c->spoken = true;
    if (is_other) {
        conn_fail(c, NX_EPROTO, "the peer speaks HTTP/1.1, not HTTP/2");
        return NX_OK;
    }
    nghttp2_ssize n = nghttp2_session_mem_recv2(c->session, (const uint8_t *)c->in.data, len);
    if (n < 0) {
        bool memory = n == NGHTTP2_ERR_NOMEM || n == NGHTTP2_ERR_CALLBACK_FAILURE;
        conn_fail(c, memory ? NX_ENOMEM : NX_EPROTO,
                  memory ? "out of memory" : nghttp2_strerror((int)n));
    } else {
        session_look(c);
        if (nghttp2_session_want_write(c->session)) dirty(c);
    }
    return NX_OK;
}

/* Reads once, for all. NX_ECLOSED: the connection has been closed meanwhile, and is gone. */
static nx_err read_some(struct conn *c, nx_duration deadline)
{
    size_t got = 0;
    if (!c->in.data && nx__buffer_reserve(&c->in, IN_SIZE, IN_SIZE))
        return broken(NX_ENOMEM, "out of memory");
    c->reading = true;
    nx_err err = c->base.wire->type->read(c->base.wire, c->in.data, IN_SIZE, &got, deadline);
    c->reading = false;
    if (c->gone) {
        conn_free(c);
        return NX_ECLOSED;
    }
    bool own = err == NX_ECANCELED || (err == NX_ETIMEDOUT && !nx__error_last()->system);
    if (own) return err;
    if (err)
        conn_fail(c, err, nx__error_last()->message);
    else if (!got)
        conn_fail(c, NX_ERESET, "the peer has closed the connection");
    else
        return take(c, got);
    return NX_OK;
}

/* The next that waits reads from here on. */
static void pass_on(struct conn *c)
{
    if (c->reading) return;
    for (struct nx__list *link = c->exchanges.next; link != &c->exchanges; link = link->next) {
        struct exchange *x = nx__container_of(link, struct exchange, link);
        if (!x->waiter && !x->sender) continue;
        wake(x);
        return;
    }
}

/* Waits until something has come for the exchange, or has gone. */
static nx_err told_wait(struct nx__timed_op **who, nx_duration deadline)
{
    struct nx__timed_op op = {0};
    *who = &op;
    int64_t result = nx__net_wait(&op, nx__loop(), deadline);
    *who = NULL;
    return nx__net_wait_error(result);
}

/* Waits once, for whatever may be of interest; `who` is the exchange's waiter or its sender. */
static nx_err wait_once(struct conn *c, struct nx__timed_op **who, nx_duration deadline)
{
    if (!c->reading) {
        nx_err err = read_some(c, deadline);
        if (err != NX_ECLOSED) pass_on(c);
        return err;
    }
    return told_wait(who, deadline);
}

/* The same for who has other things to hear of than what comes: nobody reads for it then, since
 * that may be nothing. What comes meanwhile the wire tells. */
static nx_err look_once(struct conn *c, struct nx__timed_op **who, nx_duration deadline)
{
    bool come = !c->reading && c->base.wire->type->heard(c->base.wire, true);
    return come ? wait_once(c, who, deadline) : told_wait(who, deadline);
}

/* Waits once for the answer. */
static nx_err answer_wait(struct exchange *x, nx_duration deadline)
{
    if (!x->base.apart || x->base.sent) return wait_once(conn_of(x), &x->waiter, deadline);
    return look_once(conn_of(x), &x->waiter, deadline);
}

/* Whether the exchange can't go on. */
static nx_err check(struct exchange *x)
{
    struct conn *c = conn_of(x);
    if (x->coming.too_large) return broken(NX_ETOOBIG, "the answer's head is too large");
    if (x->closed && x->code == NGHTTP2_REFUSED_STREAM) {
        x->base.begun = false; /* RFC 9113 8.7: nothing has been done for it */
        return broken(NX_ERESET, "the peer has refused the request");
    }
    if (x->closed && x->code != NGHTTP2_NO_ERROR)
        return nx__error_set(
            x->code == NGHTTP2_CANCEL || x->code == NGHTTP2_INTERNAL_ERROR ? NX_ERESET : NX_EPROTO,
            "the request was reset: %s", nghttp2_http2_strerror(x->code));
    if (c->failed && !x->in_end) return nx__error_set(c->failed, "%s", c->why);
    return NX_OK;
}

/* Something has come while nobody reads: PING and its like, or the end. */
static nx_err idle_main(void *arg)
{
    struct conn *c = arg;
    while (!c->failed && !c->reading && c->base.wire->type->heard(c->base.wire, true)) {
        nx_err err = read_some(c, nx__deadline(0));
        if (err == NX_ECLOSED) return NX_OK;
        if (err == NX_ETIMEDOUT) break; /* it is told again when there is more */
        if (err) conn_fail(c, err, nx__error_last()->message);
    }
    if (!c->gone) nx__client_pool_settle(&c->base);
    return NX_OK;
}

static void heard(void *arg)
{
    struct conn *c = arg;
    if (c->reading || c->failed || c->gone) return;
    nx_fiber *fiber = nx__fiber_new(idle_main, c, "fetch");
    if (fiber)
        nx__fiber_resume(fiber);
    else
        conn_fail(c, NX_ENOMEM, "out of memory");
}

/* ---- The request */

static nghttp2_nv nv(nx_bytes name, nx_bytes value)
{
    return (nghttp2_nv){(uint8_t *)(uintptr_t)name.data, (uint8_t *)(uintptr_t)value.data, name.len,
                        value.len, NGHTTP2_NV_FLAG_NONE};
}

static nx_err begin(struct nx__exchange *base, const struct nx__ask *ask)
{
    struct exchange *x = (struct exchange *)base;
    struct conn *c = conn_of(x);
    nghttp2_nv *fields =
        nx__arena_alloc(base->arena, (ask->field_count + OWN_FIELDS) * sizeof *fields);
    char number[24];
    size_t count = 0;
    nx__list_insert(&c->exchanges, &x->link);
    c->base.exchanges++;
    x->coming.length = NX__LENGTH_UNKNOWN;
    if (!fields) return broken(NX_ENOMEM, "out of memory");
    if (ask->upgrade || ask->connect)
        return broken(NX_ENOTSUP, "a connection of HTTP/2 does not change its protocol so");
    if (c->failed) return nx__error_set(c->failed, "%s", c->why);
    x->to_head = nx_bytes_is(ask->method, "HEAD");
    fields[count++] = nv(nx_str(":method"), ask->method);
    fields[count++] = nv(nx_str(":scheme"), ask->scheme);
    fields[count++] = nv(nx_str(":authority"), ask->authority);
    fields[count++] = nv(nx_str(":path"), ask->target);
    for (size_t i = 0; i < ask->field_count; i++)
        fields[count++] = nv(ask->fields[i].name, ask->fields[i].value);
    if (ask->length < NX__LENGTH_UNKNOWN) {
        int n = snprintf(number, sizeof number, "%llu", (unsigned long long)ask->length);
        fields[count++] = nv(nx_str("content-length"), nx_slice(number, (size_t)n));
    }
    bool body = ask->length != NX__LENGTH_NONE && ask->length != 0;
    x->to_send = body ? ask->length : 0;
    x->whole = !body || ask->body.len == ask->length;
    if (body && x->whole) x->out = ask->body;
    x->out_end = x->whole;
    const nghttp2_data_provider2 data = {.read_callback = data_read};
    x->id = nghttp2_submit_request2(c->session, NULL, fields, count, body ? &data : NULL, x);
    if (x->id < 0) {
        bool used_up = x->id == NGHTTP2_ERR_STREAM_ID_NOT_AVAILABLE;
        x->id = 0;
        c->base.broken = true;
        return used_up ? broken(NX_ERESET, "the connection takes no more requests")
                       : broken(NX_ENOMEM, "out of memory");
    }
    if (x->whole) {
        base->sent = true;
        x->head_until =
            nx__exchange_until(&x->base, x->out.len ? base->idle_deadline : base->head_deadline);
    }
    dirty(c);
    return NX_OK;
}

/* Waits until what is to be sent has gone. */
static nx_err out_wait(struct exchange *x)
{
    while (x->out.len || (x->out_end && !x->out_sent)) {
        nx_err err = check(x);
        if (!err && x->coming.headed && (x->coming.answer.status >= 300 || x->in_end))
            err = broken(NX_ECLOSED, "the peer has answered before the body was sent");
        if (!err)
            err = look_once(conn_of(x), &x->sender,
                            nx__exchange_until(&x->base, x->base.idle_deadline));
        if (err) {
            x->out = (nx_bytes){0}; /* it is the caller's */
            return nx__exchange_late(&x->base, err, "the peer took nothing more", "idle_deadline");
        }
    }
    x->base.moved = nx__deadline(0);
    return NX_OK;
}

static nx_err out_put(struct exchange *x, nx_bytes bytes, bool ends)
{
    struct conn *c = conn_of(x);
    x->out = bytes;
    x->out_end = ends;
    if (x->deferred) {
        x->deferred = false;
        NX_IGNORE(nghttp2_session_resume_data(c->session, x->id));
    }
    dirty(c);
    return out_wait(x);
}

static nx_err write_piece(struct nx__exchange *base, nx_bytes piece)
{
    struct exchange *x = (struct exchange *)base;
    if (!piece.len) return NX_OK;
    if (x->to_send != NX__LENGTH_UNKNOWN) {
        if (piece.len > x->to_send)
            return broken(NX_EINVAL, "its body has more bytes than were announced");
        x->to_send -= piece.len;
    }
    return out_put(x, piece, false);
}

static nx_err finish(struct nx__exchange *base)
{
    struct exchange *x = (struct exchange *)base;
    if (base->sent) return NX_OK;
    if (x->to_send && x->to_send != NX__LENGTH_UNKNOWN)
        return broken(NX_EINVAL, "its body has fewer bytes than were announced");
    NX_TRY(out_put(x, (nx_bytes){0}, true));
    base->sent = true;
    x->head_until = nx__exchange_until(&x->base, base->head_deadline);
    return NX_OK;
}

/* The peer answers while it is still sent to, and what is asked lasts no longer: the rest is kept.
 */
static nx_err out_keep(struct exchange *x)
{
    nx_bytes rest = x->out;
    if (!rest.len || x->base.apart) return NX_OK; /* or the sender's */
    x->out = (nx_bytes){0};
    x->kept = malloc(rest.len);
    if (!x->kept) return broken(NX_ENOMEM, "out of memory");
    memcpy(x->kept, rest.data, rest.len);
    x->out = nx_slice(x->kept, rest.len);
    return NX_OK;
}

/* ---- The answer */

static nx_err head(struct nx__exchange *base, struct nx__answer *out)
{
    struct exchange *x = (struct exchange *)base;
    if (!base->sent)
        x->head_until =
            base->apart ? base->deadline : nx__exchange_until(&x->base, base->head_deadline);
    while (!x->coming.headed) {
        NX_TRY(check(x));
        NX_TRY(nx__exchange_unsent(base));
        if (x->closed) return broken(NX_EPROTO, "the request was ended without an answer");
        nx_err err = answer_wait(x, x->head_until);
        /* Meanwhile the peer has taken more of the body. */
        if (err == NX_ETIMEDOUT && nx__deadline(0) < x->head_until) continue;
        if (err && x->out.len && !base->apart)
            return nx__exchange_late(&x->base, err, "the peer took nothing more", "idle_deadline");
        if (err) return nx__exchange_late(&x->base, err, "no answer came", "head_deadline");
    }
    *out = x->coming.answer;
    out->length = x->coming.length;
    out->empty = base->done =
        x->to_head || (x->in_end && !x->in.len) || out->status == 204 || out->status == 304;
    if (out->empty && !x->to_head) out->length = 0;
    base->enough = out->status >= 300 || x->in_end;
    return out_keep(x);
}

static nx_err read_piece(struct nx__exchange *base, nx_bytes *piece)
{
    struct exchange *x = (struct exchange *)base;
    struct conn *c = conn_of(x);
    *piece = (nx_bytes){0};
    while (!x->in.len && !x->in_end && !base->done) {
        NX_TRY(check(x));
        NX_TRY(nx__exchange_unsent(base));
        if (x->closed) return broken(NX_EPROTO, "the peer has ended amid the answer's body");
        nx_err err = answer_wait(x, nx__exchange_until(&x->base, base->idle_deadline));
        if (err && !nx__exchange_moves(base, err))
            return nx__exchange_late(&x->base, err, "nothing more came of the answer",
                                     "idle_deadline");
    }
    struct nx__buffer come = x->in;
    x->in = x->piece;
    x->in.len = 0;
    x->piece = come;
    if (come.len) {
        *piece = nx_slice(come.data, come.len);
        if (!c->failed) {
            NX_IGNORE(x->closed ? nghttp2_session_consume_connection(c->session, come.len)
                                : nghttp2_session_consume(c->session, x->id, come.len));
            dirty(c);
        }
        return NX_OK;
    }
    base->done = base->enough = true;
    return NX_OK;
}

static void told(struct nx__exchange *base)
{
    wake((struct exchange *)base);
}

/* ---- The end */

static void end(struct nx__exchange *base)
{
    struct exchange *x = (struct exchange *)base;
    struct conn *c = conn_of(x);
    nx__list_remove(&x->link);
    if (x->id && !x->closed) {
        NX_IGNORE(nghttp2_session_set_stream_user_data(c->session, x->id, NULL));
        if (!c->failed && (!x->in_end || !base->sent || !x->out_end))
            NX_IGNORE(nghttp2_submit_rst_stream(c->session, 0, x->id, NGHTTP2_CANCEL));
    }
    if (x->in.len && !c->failed)
        NX_IGNORE(nghttp2_session_consume_connection(c->session, x->in.len));
    nx__buffer_free(&x->in);
    nx__buffer_free(&x->piece);
    free(x->kept);
    c->base.exchanges--;
    c->base.answered++;
    /* Unlike in HTTP/1.1 an exchange that has gone wrong is no end of the connection. */
    c->base.broken = c->failed || c->last || !nghttp2_session_check_request_allowed(c->session);
    if (!c->failed) dirty(c);
    pass_on(c);
}

static uint32_t room(const struct nx__client_conn *conn)
{
    const struct conn *c = (const struct conn *)conn;
    if (conn->broken) return 0;
    uint32_t most =
        nghttp2_session_get_remote_settings(c->session, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
    if (most > STREAMS_MOST) most = STREAMS_MOST;
    return conn->exchanges < most ? most - conn->exchanges : 0;
}

static bool alive(struct nx__client_conn *conn)
{
    return !conn->broken;
}

static void conn_close(struct nx__client_conn *conn)
{
    struct conn *c = (struct conn *)conn;
    if (!nx__loop_current) c->posted = c->reading = c->writing = false; /* none runs any more */
    c->gone = true;
    conn->wire->wake = NULL;
    conn_free(c);
}

static nx_err session_new(struct conn *c)
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
        bad =
            nghttp2_session_client_new2(&c->session, callbacks, c, option) ||
            nghttp2_submit_settings(c->session, 0, settings, sizeof settings / sizeof *settings) ||
            nghttp2_session_set_local_window_size(c->session, 0, 0, CONN_WINDOW);
    }
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_option_del(option);
    return bad ? NX_ENOMEM : NX_OK;
}

nx_err nx__client_h2(struct nx__client_conn **out, struct nx__wire *wire)
{
    static const struct nx__client_driver driver = {.name = "HTTP/2",
                                                    .exchange_size = sizeof(struct exchange),
                                                    .begin = begin,
                                                    .write = write_piece,
                                                    .finish = finish,
                                                    .head = head,
                                                    .read = read_piece,
                                                    .told = told,
                                                    .end = end,
                                                    .room = room,
                                                    .alive = alive,
                                                    .close = conn_close};
    _Static_assert(sizeof(struct exchange) <= NX__EXCHANGE_MOST, "grow NX__EXCHANGE_MOST");
    struct conn *c = calloc(1, sizeof *c);
    *out = NULL;
    if (!c || session_new(c)) {
        if (c) nghttp2_session_del(c->session);
        free(c);
        wire->type->close(wire);
        return nx__error_set(NX_ENOMEM, "cannot make a connection: out of memory");
    }
    c->base.driver = &driver;
    c->base.wire = wire;
    c->post.fn = posted;
    nx__list_init(&c->exchanges);
    wire->wake = heard;
    wire->wake_arg = c;
    *out = &c->base;
    dirty(c);
    return NX_OK;
}
