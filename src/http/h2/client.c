/* A request and its answer over HTTP/2, as the client's drivers have it. */
#include "http/h2/client.h"

#include "http/h1/parser.h"
#include <stdio.h>
#include <stdlib.h>

enum { OWN_FIELDS = 6 };

static nx_err broken(nx_err err, const char *why)
{
    return nx__error_set(err, "%s", why);
}

/* Waits once for the answer. */
static nx_err answer_wait(struct nx__h2_exchange *x, nx_duration deadline)
{
    if (!x->base.apart || x->base.sent)
        return nx__h2_client_wait(nx__h2_client_of(x), &x->waiter, deadline);
    return nx__h2_client_look(nx__h2_client_of(x), &x->waiter, deadline);
}

/* Whether the exchange can't go on. */
static nx_err check(struct nx__h2_exchange *x)
{
    struct nx__h2_client *c = nx__h2_client_of(x);
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

/* ---- The request */

static nghttp2_nv nv(nx_bytes name, nx_bytes value)
{
    return (nghttp2_nv){(uint8_t *)(uintptr_t)name.data, (uint8_t *)(uintptr_t)value.data, name.len,
                        value.len, NGHTTP2_NV_FLAG_NONE};
}

/* Another protocol is asked for only of who has said that it takes that (RFC 8441 3). */
static nx_err connect_wait(struct nx__h2_exchange *x, nx_duration deadline)
{
    struct nx__h2_client *c = nx__h2_client_of(x);
    nx__h2_client_dirty(c); /* our side of the preface */
    while (!c->settled) {
        NX_TRY(check(x));
        nx_err err = nx__h2_client_wait(c, &x->waiter, deadline);
        if (err)
            return nx__exchange_late(&x->base, err, "the peer has sent no settings",
                                     "head_deadline");
    }
    if (nghttp2_session_get_remote_settings(c->session, NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL))
        return NX_OK;
    return broken(NX_ENOTSUP, "the server takes no other protocol over HTTP/2 "
                              "(SETTINGS_ENABLE_CONNECT_PROTOCOL, RFC 8441)");
}

static nx_err begin(struct nx__exchange *base, const struct nx__ask *ask)
{
    struct nx__h2_exchange *x = (struct nx__h2_exchange *)base;
    struct nx__h2_client *c = nx__h2_client_of(x);
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
    if (ask->protocol.len) NX_TRY(connect_wait(x, nx__exchange_until(base, base->head_deadline)));
    x->to_head = nx_bytes_is(ask->method, "HEAD");
    fields[count++] = nv(nx_str(":method"), ask->method);
    if (ask->protocol.len) fields[count++] = nv(nx_str(":protocol"), ask->protocol);
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
    const nghttp2_data_provider2 data = {.read_callback = nx__h2_client_data};
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
    nx__h2_client_dirty(c);
    return NX_OK;
}

/* Waits until what is to be sent has gone. */
static nx_err out_wait(struct nx__h2_exchange *x)
{
    while (x->out.len || (x->out_end && !x->out_sent)) {
        nx_err err = check(x);
        if (!err && x->coming.headed && (x->coming.answer.status >= 300 || x->in_end))
            err = broken(NX_ECLOSED, "the peer has answered before the body was sent");
        if (!err)
            err = nx__h2_client_look(nx__h2_client_of(x), &x->sender,
                                     nx__exchange_until(&x->base, x->base.idle_deadline));
        if (err) {
            x->out = (nx_bytes){0}; /* it is the caller's */
            return nx__exchange_late(&x->base, err, "the peer took nothing more", "idle_deadline");
        }
    }
    x->base.moved = nx__deadline(0);
    return NX_OK;
}

void nx__h2_client_resume(struct nx__h2_exchange *x)
{
    struct nx__h2_client *c = nx__h2_client_of(x);
    if (x->deferred) {
        x->deferred = false;
        nx__h2_client_said(c, nghttp2_session_resume_data(c->session, x->id));
    }
    nx__h2_client_dirty(c);
}

static nx_err out_put(struct nx__h2_exchange *x, nx_bytes bytes, bool ends)
{
    x->out = bytes;
    x->out_end = ends;
    nx__h2_client_resume(x);
    return out_wait(x);
}

static nx_err write_piece(struct nx__exchange *base, nx_bytes piece)
{
    struct nx__h2_exchange *x = (struct nx__h2_exchange *)base;
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
    struct nx__h2_exchange *x = (struct nx__h2_exchange *)base;
    if (base->sent) return NX_OK;
    if (x->to_send && x->to_send != NX__LENGTH_UNKNOWN)
        return broken(NX_EINVAL, "its body has fewer bytes than were announced");
    if (base->sends_count) {
        x->trailers = nx__arena_alloc(base->arena, base->sends_count * sizeof *x->trailers);
        if (!x->trailers) return broken(NX_ENOMEM, "out of memory");
        for (size_t i = 0; i < base->sends_count; i++)
            x->trailers[i] = nv(base->sends[i].name, base->sends[i].value);
    }
    NX_TRY(out_put(x, (nx_bytes){0}, true));
    base->sent = true;
    x->head_until = nx__exchange_until(&x->base, base->head_deadline);
    return NX_OK;
}

/* The peer answers while it is still sent to, and what is asked lasts no longer: the rest is kept.
 */
static nx_err out_keep(struct nx__h2_exchange *x)
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
    struct nx__h2_exchange *x = (struct nx__h2_exchange *)base;
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
    struct nx__h2_exchange *x = (struct nx__h2_exchange *)base;
    struct nx__h2_client *c = nx__h2_client_of(x);
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
            nx__h2_client_said(c, x->closed
                                      ? nghttp2_session_consume_connection(c->session, come.len)
                                      : nghttp2_session_consume(c->session, x->id, come.len));
            nx__h2_client_dirty(c);
        }
        return NX_OK;
    }
    base->done = base->enough = true;
    return NX_OK;
}

static bool come(const struct nx__exchange *base)
{
    const struct nx__h2_exchange *x = (const struct nx__h2_exchange *)base;
    return base->done || x->in.len || x->in_end || x->closed;
}

static void told(struct nx__exchange *base)
{
    nx__h2_client_wake((struct nx__h2_exchange *)base);
}

/* ---- The end */

static void end(struct nx__exchange *base)
{
    struct nx__h2_exchange *x = (struct nx__h2_exchange *)base;
    struct nx__h2_client *c = nx__h2_client_of(x);
    nx__list_remove(&x->link);
    if (x->id && !x->closed) {
        NX_IGNORE(nghttp2_session_set_stream_user_data(c->session, x->id, NULL));
        if (!c->failed && (!x->in_end || !base->sent || !x->out_end))
            nx__h2_client_said(c, nghttp2_submit_rst_stream(c->session, 0, x->id, NGHTTP2_CANCEL));
    }
    if (x->in.len && !c->failed)
        nx__h2_client_said(c, nghttp2_session_consume_connection(c->session, x->in.len));
    nx__buffer_free(&x->in);
    nx__buffer_free(&x->piece);
    nx__buffer_free(&x->put);
    free(x->kept);
    c->base.exchanges--;
    c->base.answered++;
    /* Unlike in HTTP/1.1 an exchange that has gone wrong is no end of the connection. */
    c->base.broken = c->failed || c->last || !nghttp2_session_check_request_allowed(c->session);
    if (!c->failed) nx__h2_client_dirty(c);
    nx__h2_client_pass_on(c);
}

/* ---- The driver */

_Static_assert(sizeof(struct nx__h2_exchange) <= NX__EXCHANGE_MOST, "grow NX__EXCHANGE_MOST");

const struct nx__client_driver nx__h2_client_driver = {
    .name = "HTTP/2",
    .streams = true,
    .exchange_size = sizeof(struct nx__h2_exchange),
    .begin = begin,
    .write = write_piece,
    .finish = finish,
    .head = head,
    .read = read_piece,
    .come = come,
    .told = told,
    .take = nx__h2_client_take,
    .put = nx__h2_client_put,
    .shut = nx__h2_client_shut,
    .over = nx__h2_client_over,
    .end = end,
    .room = nx__h2_client_room,
    .alive = nx__h2_client_alive,
    .close = nx__h2_client_close,
};
