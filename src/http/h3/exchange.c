/* Exchanges of HTTP/3: a request and its answer, from where they are asked for. */
#include "base/arena.h"
#include "base/error.h"
#include "http/client/through.h"
#include "http/h3/client.h"
#include <stdio.h>
#include <stdlib.h>

enum {
    STREAMS_MOST = 100, /* exchanges at once, where the peer allows more */
    OWN_FIELDS = 6,
};
#define KEEP_ALIVE NX_S(10) /* the peer is asked for a sign of life while it owes an answer */

_Static_assert(sizeof(struct nx__h3_exchange) <= NX__EXCHANGE_MOST, "grow NX__EXCHANGE_MOST");

/* ---- Waiting */

static nx_err broken(nx_err err, const char *why)
{
    return nx__error_set(err, "%s", why);
}

static void op_wake(struct nx__timed_op **slot)
{
    struct nx__timed_op *wait = *slot;
    *slot = NULL;
    if (wait) nx__op_complete(&wait->op, 0);
}

void nx__h3_exchange_wake(struct nx__h3_exchange *x)
{
    op_wake(&x->waiter);
    op_wake(&x->sender);
    if (x->base.through) nx__through_tell(x->base.through, NX__READABLE | NX__WRITABLE);
}

void nx__h3_conn_wake(struct nx__h3_conn *c)
{
    if (c->opener) op_wake(c->opener);
    for (struct nx__list *link = c->exchanges.next; link != &c->exchanges; link = link->next)
        nx__h3_exchange_wake(nx__container_of(link, struct nx__h3_exchange, link));
}

nx_err nx__h3_conn_wait(struct nx__timed_op **slot, nx_duration deadline)
{
    struct nx__timed_op op = {0};
    *slot = &op;
    int64_t result = nx__net_wait(&op, nx__loop(), deadline);
    *slot = NULL;
    return nx__net_wait_error(result);
}

void nx__h3_exchange_fail(struct nx__h3_exchange *x, nx_err err, const char *why)
{
    if (x->failed) return;
    x->failed = err;
    x->why = why;
    nx__h3_exchange_wake(x);
}

static void wants(struct nx__h3_conn *c)
{
    if (c->quic) nx__quic_wants(c->quic);
}

/* ---- Streams */

void nx__h3_asked_free(struct nx__h3_asked *s)
{
    if (s->x) s->x->stream = NULL;
    s->conn->out_len -= s->out.len;
    nx__list_remove(&s->link);
    nx__h3_out_clear(&s->out);
    free(s);
}

void nx__h3_asked_resume(struct nx__h3_asked *s)
{
    struct nx__h3_conn *c = s->conn;
    if (s->waits && nx__h3_conn_is_open(c)) {
        s->waits = false;
        if (nghttp3_conn_resume_stream(c->end.h3, s->id))
            nx__quic_fail(c->quic, NGHTTP3_H3_INTERNAL_ERROR);
    }
    wants(c);
}

static bool has_room(const struct nx__h3_asked *s)
{
    return nx__h3_out_has_room(&s->out, s->conn->out_len);
}

nx_err nx__h3_asked_put(struct nx__h3_asked *s, nx_bytes *bytes)
{
    while (bytes->len && has_room(s)) {
        size_t n = bytes->len < NX__H3_PIECE ? bytes->len : NX__H3_PIECE;
        if (!nx__h3_out_put(&s->out, nx_slice(bytes->data, n))) return NX_ENOMEM;
        s->conn->out_len += n;
        *bytes = nx_slice(bytes->data + n, bytes->len - n);
    }
    return NX_OK;
}

static nghttp3_ssize pull(nghttp3_conn *h3, int64_t id, nghttp3_vec *vec, size_t most,
                          uint32_t *flags, void *user, void *stream_user)
{
    struct nx__h3_asked *s = stream_user;
    struct nx__h3_exchange *x = s->x;
    (void)h3, (void)id, (void)user;
    if (x && x->rest.len && nx__h3_asked_put(s, &x->rest))
        nx__h3_exchange_fail(x, NX_ENOMEM, "out of memory");
    size_t count = nx__h3_out_pull(&s->out, vec, most);
    if (s->out.pulled || (x && x->rest.len && count)) return (nghttp3_ssize)count;
    if (s->over && !(x && x->rest.len)) {
        *flags |= NGHTTP3_DATA_FLAG_EOF;
        if (s->trailers) *flags |= NGHTTP3_DATA_FLAG_NO_END_STREAM;
    } else if (!count) {
        s->waits = true;
        return NGHTTP3_ERR_WOULDBLOCK;
    }
    return (nghttp3_ssize)count;
}

bool nx__h3_exchange_submit(struct nx__h3_exchange *x)
{
    static const nghttp3_data_reader reader = {pull};
    struct nx__h3_conn *c = nx__h3_conn_of(x);
    if (!nx__h3_conn_is_open(c)) return false;
    struct nx__h3_asked *s = calloc(1, sizeof *s);
    if (!s) {
        nx__h3_exchange_fail(x, NX_ENOMEM, "out of memory");
        return false;
    }
    s->id = nx__quic_open_bidi(c->quic);
    if (s->id < 0) {
        free(s);
        return false;
    }
    s->conn = c;
    s->x = x;
    s->over = x->whole;
    nx__list_insert(&c->streams, &s->link);
    x->stream = s;
    x->early = !c->quic->handshaken;
    x->again = false;
    x->sending = x->base.begun = true;
    x->coming = (struct nx__coming){.length = NX__LENGTH_UNKNOWN};
    if (nghttp3_conn_submit_request(c->end.h3, s->id, x->fields, x->field_count,
                                    x->body ? &reader : NULL, s)) {
        x->base.begun = false;
        /* Without memory it may know the stream all the same. */
        NX_IGNORE(nghttp3_conn_set_stream_user_data(c->end.h3, s->id, NULL));
        nghttp3_conn_shutdown_stream_write(c->end.h3, s->id);
        nx__quic_reset(c->quic, s->id, NGHTTP3_H3_REQUEST_CANCELLED);
        nx__quic_stop_sending(c->quic, s->id, NGHTTP3_H3_REQUEST_CANCELLED);
        nx__h3_asked_free(s);
        nx__h3_exchange_fail(x, NX_ERESET, "the connection takes no more requests");
        return false;
    }
    wants(c);
    return true;
}

/* ---- The request */

/* Whether the exchange can't go on. */
static nx_err check(const struct nx__h3_exchange *x)
{
    const struct nx__h3_conn *c = nx__h3_conn_of(x);
    if (x->failed) return broken(x->failed, x->why);
    return c->failed && !x->in_end ? broken(c->failed, c->why) : NX_OK;
}

/* Sends the head as soon as the peer takes it, be it that it allows another stream or that it has
 * shown who it is. */
static nx_err go(struct nx__h3_exchange *x, nx_duration deadline)
{
    const struct nx__h3_conn *c = nx__h3_conn_of(x);
    for (;;) {
        NX_TRY(check(x));
        bool may = c->quic && (c->quic->handshaken || x->safe);
        if (may && nx__h3_exchange_submit(x)) return NX_OK;
        NX_TRY(check(x));
        nx_err err = nx__h3_conn_wait(&x->waiter, deadline);
        if (err)
            return nx__exchange_late(&x->base, err, "the peer takes no more requests",
                                     "head_deadline");
    }
}

/* Another protocol is asked for only of who has said that it takes that (RFC 9220 3). */
static nx_err connect_wait(struct nx__h3_exchange *x, nx_duration deadline)
{
    const struct nx__h3_conn *c = nx__h3_conn_of(x);
    while (!c->settled) {
        NX_TRY(check(x));
        nx_err err = nx__h3_conn_wait(&x->waiter, deadline);
        if (err)
            return nx__exchange_late(&x->base, err, "the peer has sent no settings",
                                     "head_deadline");
    }
    return c->connects ? NX_OK
                       : broken(NX_ENOTSUP, "the server takes no other protocol over HTTP/3 "
                                            "(SETTINGS_ENABLE_CONNECT_PROTOCOL, RFC 9220)");
}

static bool is_safe(nx_bytes method)
{
    return nx_bytes_is(method, "GET") || nx_bytes_is(method, "HEAD") ||
           nx_bytes_is(method, "OPTIONS");
}

static nx_err begin(struct nx__exchange *base, const struct nx__ask *ask)
{
    struct nx__h3_exchange *x = (struct nx__h3_exchange *)base;
    struct nx__h3_conn *c = nx__h3_conn_of(x);
    nx__list_insert(&c->exchanges, &x->link);
    if (c->base.exchanges++ == 0 && c->quic) nx__quic_keep_alive(c->quic, KEEP_ALIVE);
    x->coming.length = NX__LENGTH_UNKNOWN;
    char *number = nx__arena_alloc(base->arena, 24);
    nghttp3_nv *fields =
        nx__arena_alloc(base->arena, (ask->field_count + OWN_FIELDS) * sizeof *fields);
    if (!fields || !number) return broken(NX_ENOMEM, "out of memory");
    if (ask->upgrade || ask->connect)
        return broken(NX_ENOTSUP, "a connection of HTTP/3 does not change its protocol so");
    if (ask->protocol.len) NX_TRY(connect_wait(x, nx__exchange_until(base, base->head_deadline)));
    size_t count = 0;
    fields[count++] = nx__h3_nv(nx_str(":method"), ask->method);
    if (ask->protocol.len) fields[count++] = nx__h3_nv(nx_str(":protocol"), ask->protocol);
    fields[count++] = nx__h3_nv(nx_str(":scheme"), ask->scheme);
    fields[count++] = nx__h3_nv(nx_str(":authority"), ask->authority);
    fields[count++] = nx__h3_nv(nx_str(":path"), ask->target);
    for (size_t i = 0; i < ask->field_count; i++)
        fields[count++] = nx__h3_nv(ask->fields[i].name, ask->fields[i].value);
    if (ask->length < NX__LENGTH_UNKNOWN) {
        int n = snprintf(number, 24, "%llu", (unsigned long long)ask->length);
        fields[count++] = nx__h3_nv(nx_str("content-length"), nx_slice(number, (size_t)n));
    }
    x->fields = fields;
    x->field_count = count;
    x->to_head = nx_bytes_is(ask->method, "HEAD");
    x->body = ask->length != NX__LENGTH_NONE && ask->length != 0;
    x->safe = is_safe(ask->method) && !x->body;
    x->to_send = x->body ? ask->length : 0;
    x->whole = !x->body || ask->body.len == ask->length;
    if (x->body && x->whole) x->rest = ask->body;
    NX_TRY(go(x, nx__exchange_until(base, base->head_deadline)));
    if (x->whole) {
        base->sent = true;
        x->head_until =
            nx__exchange_until(base, x->body ? base->idle_deadline : base->head_deadline);
    }
    return NX_OK;
}

/* What is to be said before more of a body is sent. */
static nx_err out_check(const struct nx__h3_exchange *x)
{
    NX_TRY(check(x));
    bool answered = x->coming.headed && (x->coming.answer.status >= 300 || x->in_end);
    if (answered || x->stopped)
        return broken(NX_ECLOSED, "the peer has answered before the body was sent");
    return x->stream ? NX_OK : broken(NX_ERESET, "the request has been ended");
}

static nx_err write_piece(struct nx__exchange *base, nx_bytes piece)
{
    struct nx__h3_exchange *x = (struct nx__h3_exchange *)base;
    if (x->to_send != NX__LENGTH_UNKNOWN) {
        if (piece.len > x->to_send)
            return broken(NX_EINVAL, "its body has more bytes than were announced");
        x->to_send -= piece.len;
    }
    while (piece.len) {
        NX_TRY(out_check(x));
        if (has_room(x->stream)) {
            if (nx__h3_asked_put(x->stream, &piece)) return broken(NX_ENOMEM, "out of memory");
            base->moved = nx__deadline(0);
            nx__h3_asked_resume(x->stream);
            continue;
        }
        nx_err err = nx__h3_conn_wait(&x->sender, nx__exchange_until(base, base->idle_deadline));
        if (err) return nx__exchange_late(base, err, "the peer took nothing more", "idle_deadline");
    }
    return NX_OK;
}

static nx_err trailers_put(struct nx__h3_exchange *x)
{
    const struct nx__exchange *base = &x->base;
    struct nx__h3_asked *s = x->stream;
    nghttp3_nv *fields = nx__arena_alloc(base->arena, base->sends_count * sizeof *fields);
    if (!fields) return broken(NX_ENOMEM, "out of memory");
    for (size_t i = 0; i < base->sends_count; i++)
        fields[i] = nx__h3_nv(base->sends[i].name, base->sends[i].value);
    int err =
        nghttp3_conn_submit_trailers(nx__h3_conn_of(x)->end.h3, s->id, fields, base->sends_count);
    if (err == NGHTTP3_ERR_NOMEM) return broken(NX_ENOMEM, "out of memory");
    if (err) return broken(NX_ERESET, "the request has been ended");
    s->trailers = true;
    return NX_OK;
}

static nx_err finish(struct nx__exchange *base)
{
    struct nx__h3_exchange *x = (struct nx__h3_exchange *)base;
    if (base->sent) return NX_OK;
    if (x->to_send && x->to_send != NX__LENGTH_UNKNOWN)
        return broken(NX_EINVAL, "its body has fewer bytes than were announced");
    NX_TRY(out_check(x));
    if (base->sends_count) NX_TRY(trailers_put(x));
    x->stream->over = true;
    nx__h3_asked_resume(x->stream);
    base->sent = true;
    x->head_until = nx__exchange_until(base, base->head_deadline);
    return NX_OK;
}

/* The peer answers while it is still sent to, and what is asked lasts no longer: the rest is kept.
 */
static nx_err out_keep(struct nx__h3_exchange *x)
{
    nx_bytes rest = x->rest;
    if (!rest.len) return NX_OK;
    x->rest = (nx_bytes){0};
    x->kept = malloc(rest.len);
    if (!x->kept) return broken(NX_ENOMEM, "out of memory");
    memcpy(x->kept, rest.data, rest.len);
    x->rest = nx_slice(x->kept, rest.len);
    return NX_OK;
}

/* ---- The answer */

/* The exchange has no stream any more; what is left of it is not for us. */
static void stream_let(struct nx__h3_exchange *x)
{
    struct nx__h3_asked *s = x->stream;
    struct nx__h3_conn *c = nx__h3_conn_of(x);
    bool whole = x->in_end && (!x->body || (s && s->over && !x->rest.len));
    x->stream = NULL;
    if (s) s->x = NULL;
    if (s && nx__h3_conn_is_open(c) && !whole) {
        if (!x->in_end) {
            NX_IGNORE(nghttp3_conn_shutdown_stream_read(c->end.h3, s->id));
            nx__quic_stop_sending(c->quic, s->id, NGHTTP3_H3_REQUEST_CANCELLED);
        }
        nghttp3_conn_shutdown_stream_write(c->end.h3, s->id);
        nx__quic_reset(c->quic, s->id, NGHTTP3_H3_REQUEST_CANCELLED);
    }
    if (x->in.len && c->quic) nx__quic_consumed(c->quic, s ? s->id : -1, x->in.len);
    x->in.len = 0;
}

/* 425: the peer wants it after the handshake (RFC 8470 5.2). */
static nx_err ask_again(struct nx__h3_exchange *x)
{
    stream_let(x);
    x->in_end = x->early = x->safe = false;
    x->coming = (struct nx__coming){.length = NX__LENGTH_UNKNOWN};
    return go(x, x->head_until);
}

static nx_err head(struct nx__exchange *base, struct nx__answer *out)
{
    struct nx__h3_exchange *x = (struct nx__h3_exchange *)base;
    if (!base->sent)
        x->head_until =
            base->apart ? base->deadline : nx__exchange_until(base, base->head_deadline);
    for (;;) {
        if (x->coming.headed && x->coming.answer.status == 425 && x->early) NX_TRY(ask_again(x));
        if (x->again && nx__h3_conn_is_open(nx__h3_conn_of(x))) NX_TRY(go(x, x->head_until));
        if (x->coming.headed) break;
        NX_TRY(check(x));
        NX_TRY(nx__exchange_unsent(base));
        nx_err err = nx__h3_conn_wait(&x->waiter, x->head_until);
        /* Meanwhile the peer has taken more of the body. */
        if (err == NX_ETIMEDOUT && nx__deadline(0) < x->head_until) continue;
        bool sends = x->rest.len || (x->whole && x->body && x->stream && x->stream->out.len);
        if (err && sends)
            return nx__exchange_late(base, err, "the peer took nothing more", "idle_deadline");
        if (err) return nx__exchange_late(base, err, "no answer came", "head_deadline");
    }
    if (x->failed) return check(x);
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
    struct nx__h3_exchange *x = (struct nx__h3_exchange *)base;
    const struct nx__h3_conn *c = nx__h3_conn_of(x);
    *piece = (nx_bytes){0};
    while (!x->in.len && !x->in_end && !base->done) {
        NX_TRY(check(x));
        NX_TRY(nx__exchange_unsent(base));
        nx_err err = nx__h3_conn_wait(&x->waiter, nx__exchange_until(base, base->idle_deadline));
        if (err && !nx__exchange_moves(base, err))
            return nx__exchange_late(base, err, "nothing more came of the answer", "idle_deadline");
    }
    struct nx__buffer come = x->in;
    x->in = x->piece;
    x->in.len = 0;
    x->piece = come;
    if (!come.len) {
        base->done = base->enough = true;
        return x->failed && !x->in_end ? check(x) : NX_OK;
    }
    *piece = nx_slice(come.data, come.len);
    if (c->quic) nx__quic_consumed(c->quic, x->stream ? x->stream->id : -1, come.len);
    return NX_OK;
}

/* ---- The end */

static bool come(const struct nx__exchange *base)
{
    const struct nx__h3_exchange *x = (const struct nx__h3_exchange *)base;
    return base->done || x->in.len || x->in_end || x->failed;
}

static void told(struct nx__exchange *base)
{
    nx__h3_exchange_wake((struct nx__h3_exchange *)base);
}

static void end(struct nx__exchange *base)
{
    struct nx__h3_exchange *x = (struct nx__h3_exchange *)base;
    struct nx__h3_conn *c = nx__h3_conn_of(x);
    nx__list_remove(&x->link);
    stream_let(x);
    nx__buffer_free(&x->in);
    nx__buffer_free(&x->piece);
    free(x->kept);
    c->base.answered++;
    /* Unlike in HTTP/1.1 an exchange that has gone wrong is no end of the connection. */
    c->base.broken = c->failed || c->going;
    if (--c->base.exchanges == 0 && c->quic) nx__quic_keep_alive(c->quic, NX_FOREVER);
    nx__h3_conn_wake(c); /* there may be a stream for who waits for one */
}

static uint32_t room(const struct nx__client_conn *conn)
{
    if (conn->broken) return 0;
    return conn->exchanges < STREAMS_MOST ? STREAMS_MOST - conn->exchanges : 0;
}

static bool alive(struct nx__client_conn *conn)
{
    const struct nx__h3_conn *c = (const struct nx__h3_conn *)conn;
    return !conn->broken && c->quic && !nx__quic_silent(c->quic);
}

const struct nx__client_driver nx__h3_client_driver = {.name = "HTTP/3",
                                                       .streams = true,
                                                       .exchange_size =
                                                           sizeof(struct nx__h3_exchange),
                                                       .begin = begin,
                                                       .write = write_piece,
                                                       .finish = finish,
                                                       .head = head,
                                                       .read = read_piece,
                                                       .come = come,
                                                       .told = told,
                                                       .take = nx__h3_client_take,
                                                       .put = nx__h3_client_put,
                                                       .shut = nx__h3_client_shut,
                                                       .over = nx__h3_client_over,
                                                       .end = end,
                                                       .room = room,
                                                       .alive = alive,
                                                       .close = nx__h3_conn_close};
