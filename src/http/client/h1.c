/* HTTP/1.1 as a client speaks it: one exchange at a time over a connection. */
#include "base/buffer.h"
#include "http/client/answer.h"
#include "http/client/pool.h"
#include "http/h1/chunked.h"
#include "http/h1/syntax.h"
#include "net/fd.h"
#include <stdio.h>
#include <stdlib.h>

enum {
    IN_FIRST = 16 * 1024,   /* of a connection's input, which a head makes grow to max_head */
    OUT_MOST = 512 * 1024,  /* of a head that is sent, with a small body */
    TOGETHER = 16 * 1024,   /* a body up to so large goes with the head, a piece with its size */
    WRITE_MOST = 64 * 1024, /* that the peer has to take within an idle_deadline */
    INFORMED_MOST = 32,     /* answers of 1xx before the one that counts */
};

struct conn {
    struct nx__client_conn base;
    struct nx__exchange *x; /* that it has now */
    struct nx__op *waiter;  /* who waits for its answer while another fiber sends */
    char *in;
    size_t in_capacity, at, len; /* `in` has not been taken from `at` to `len` */
    struct nx__buffer out;
    char *trailer; /* NX__H1_DEFAULT_MAX_TRAILER bytes; NULL: there was no chunked body yet */
    struct nx__h1_header *headers; /* of the head that is read */
    uint32_t headers_most;
};

struct exchange {
    struct nx__exchange base;
    struct nx__answer_head head;
    size_t resume;          /* bytes of the head that were not enough */
    nx_duration head_until; /* absolute, once all has been sent */
    enum nx__answer_body body;
    uint64_t left;    /* of a body with a length */
    uint64_t to_send; /* of the request's body; NX__LENGTH_UNKNOWN: chunked */
    unsigned informed;
    bool to_head, to_connect, upgrade;
    bool headed; /* the head of the answer is there */
    struct nx__h1_chunked chunked;
};

static struct conn *conn_of(const struct exchange *x)
{
    return (struct conn *)x->base.conn;
}

static nx_err broken(nx_err err, const char *why)
{
    return nx__error_set(err, "%s", why);
}

static nx_duration earlier(nx_duration a, nx_duration b)
{
    return a < b ? a : b;
}

static nx_duration idle_until(const struct exchange *x)
{
    nx_duration span = x->base.idle_deadline;
    return span == NX_FOREVER ? x->base.deadline : earlier(x->base.deadline, nx__deadline(span));
}

static nx_err late(const struct exchange *x, nx_err err, const char *what, const char *option)
{
    if (err != NX_ETIMEDOUT || nx__error_last()->system) return err;
    bool whole = nx__deadline(0) >= x->base.deadline;
    return nx__error_set(NX_ETIMEDOUT, "%s (%s)", what, whole ? "deadline" : option);
}

/* ---- Sending */

static nx_err put(struct conn *c, const char *text, size_t len)
{
    nx_err err = nx__buffer_append(&c->out, text, len, OUT_MOST);
    if (!err) return NX_OK;
    return err == NX_ENOMEM ? broken(err, "out of memory") : broken(err, "its head is too large");
}

#define PUT(c, literal) put((c), literal, sizeof(literal) - 1)

static nx_err put_field(struct conn *c, nx_bytes name, nx_bytes value)
{
    NX_TRY(put(c, name.data, name.len));
    NX_TRY(PUT(c, ": "));
    NX_TRY(put(c, value.data, value.len));
    return PUT(c, "\r\n");
}

static nx_err put_head(struct conn *c, const struct nx__ask *ask)
{
    char number[48];
    NX_TRY(put(c, ask->method.data, ask->method.len));
    NX_TRY(PUT(c, " "));
    if (ask->to_proxy && !ask->connect) {
        NX_TRY(put(c, ask->scheme.data, ask->scheme.len));
        NX_TRY(PUT(c, "://"));
        NX_TRY(put(c, ask->authority.data, ask->authority.len));
    }
    NX_TRY(put(c, ask->target.data, ask->target.len));
    NX_TRY(PUT(c, " HTTP/1.1\r\nhost: "));
    NX_TRY(put(c, ask->authority.data, ask->authority.len));
    NX_TRY(PUT(c, "\r\n"));
    if (ask->upgrade) NX_TRY(PUT(c, "connection: upgrade\r\n"));
    for (size_t i = 0; i < ask->field_count; i++)
        NX_TRY(put_field(c, ask->fields[i].name, ask->fields[i].value));
    if (ask->length == NX__LENGTH_UNKNOWN) return PUT(c, "transfer-encoding: chunked\r\n\r\n");
    if (ask->length == NX__LENGTH_NONE) return PUT(c, "\r\n");
    int n = snprintf(number, sizeof number, "content-length: %llu\r\n\r\n",
                     (unsigned long long)ask->length);
    return put(c, number, (size_t)n);
}

static nx_err wire_write(struct exchange *x, nx_bytes bytes)
{
    struct nx__wire *wire = x->base.conn->wire;
    while (bytes.len) {
        size_t len = bytes.len < WRITE_MOST ? bytes.len : WRITE_MOST;
        x->base.begun = true;
        nx_err err = wire->type->write(wire, nx_slice(bytes.data, len), idle_until(x));
        if (err) return late(x, err, "the peer took nothing more", "idle_deadline");
        x->base.moved = nx__deadline(0);
        bytes = nx_slice(bytes.data + len, bytes.len - len);
    }
    return NX_OK;
}

static nx_err out_write(struct exchange *x)
{
    struct conn *c = conn_of(x);
    nx_err err = wire_write(x, nx_slice(c->out.data, c->out.len));
    c->out.len = 0;
    return err;
}

/* All of the request has gone. */
static void sent(struct exchange *x)
{
    nx_duration span = x->base.head_deadline;
    x->base.sent = true;
    x->head_until =
        span == NX_FOREVER ? x->base.deadline : earlier(x->base.deadline, nx__deadline(span));
}

static nx_err answer_look(struct exchange *x);

/* A write has failed: who refuses a body may have said so before it closed. */
static nx_err or_answered(struct exchange *x, nx_err err)
{
    struct nx__context kept;
    if (err != NX_ERESET || x->base.apart) return err; /* it is being looked at */
    memcpy(&kept, nx__context(), sizeof kept);
    while (!x->headed && x->base.conn->wire->type->heard(x->base.conn->wire, true))
        if (answer_look(x)) return nx__error_take(&kept, err);
    return x->headed ? broken(NX_ECLOSED, "the peer has answered before the body was sent")
                     : nx__error_take(&kept, err);
}

static nx_err begin(struct nx__exchange *base, const struct nx__ask *ask)
{
    struct exchange *x = (struct exchange *)base;
    struct conn *c = conn_of(x);
    x->to_head = nx_bytes_is(ask->method, "HEAD");
    x->to_connect = ask->connect;
    x->upgrade = ask->upgrade;
    x->to_send = ask->length == NX__LENGTH_NONE ? 0 : ask->length;
    c->x = base;
    base->conn->exchanges = 1;
    c->out.len = 0;
    NX_TRY(put_head(c, ask));
    bool whole = x->to_send == ask->body.len;
    if (whole && ask->body.len <= TOGETHER) NX_TRY(put(c, ask->body.data, ask->body.len));
    nx_err err = out_write(x);
    if (!err && whole && ask->body.len > TOGETHER) err = wire_write(x, ask->body);
    if (!err && whole) sent(x);
    return err ? or_answered(x, err) : NX_OK;
}

static nx_err write_chunk(struct exchange *x, nx_bytes piece)
{
    struct conn *c = conn_of(x);
    char size[24];
    int n = snprintf(size, sizeof size, "%zx\r\n", piece.len);
    NX_TRY(put(c, size, (size_t)n));
    if (piece.len <= TOGETHER) {
        NX_TRY(put(c, piece.data, piece.len));
    } else {
        NX_TRY(out_write(x));
        NX_TRY(wire_write(x, piece));
    }
    NX_TRY(PUT(c, "\r\n"));
    return out_write(x);
}

static nx_err write_piece(struct nx__exchange *base, nx_bytes piece)
{
    struct exchange *x = (struct exchange *)base;
    struct nx__wire *wire = base->conn->wire;
    if (!piece.len) return NX_OK;
    if (x->body == NX__ANSWER_TUNNEL) return wire_write(x, piece);
    while (!base->apart && !x->headed && wire->type->heard(wire, false)) NX_TRY(answer_look(x));
    if (x->headed &&
        (x->head.status >= 300 || (!x->head.keep_alive && (!base->apart || base->done))))
        return broken(NX_ECLOSED, "the peer has answered before the body was sent");
    nx_err err;
    if (x->to_send == NX__LENGTH_UNKNOWN) {
        err = write_chunk(x, piece);
    } else {
        if (piece.len > x->to_send)
            return broken(NX_EINVAL, "its body has more bytes than were announced");
        x->to_send -= piece.len;
        err = wire_write(x, piece);
    }
    return err ? or_answered(x, err) : NX_OK;
}

static nx_err finish(struct nx__exchange *base)
{
    struct exchange *x = (struct exchange *)base;
    if (x->base.sent) return NX_OK;
    if (x->to_send == NX__LENGTH_UNKNOWN) {
        struct conn *c = conn_of(x);
        NX_TRY(PUT(c, "0\r\n"));
        for (size_t i = 0; i < base->sends_count; i++)
            NX_TRY(put_field(c, base->sends[i].name, base->sends[i].value));
        NX_TRY(PUT(c, "\r\n"));
        nx_err err = out_write(x);
        if (err) return or_answered(x, err);
    } else if (x->to_send) {
        return broken(NX_EINVAL, "its body has fewer bytes than were announced");
    }
    sent(x);
    return NX_OK;
}

/* ---- Receiving */

/* Makes room and reads what there is behind what has been read. `*got` is 0 at the end. */
static nx_err fill(struct exchange *x, nx_duration deadline, size_t most, size_t *got)
{
    struct conn *c = conn_of(x);
    if (c->at == c->len) c->at = c->len = 0;
    if (c->len == c->in_capacity && c->at) {
        memmove(c->in, c->in + c->at, c->len - c->at);
        c->len -= c->at;
        c->at = 0;
    }
    if (c->len == c->in_capacity && c->in_capacity < most) {
        size_t wanted = c->in_capacity * 2 < most ? c->in_capacity * 2 : most;
        /* NOLINTNEXTLINE(clang-analyzer-optin.portability.UnixAPI): it begins with IN_FIRST */
        char *grown = realloc(c->in, wanted);
        if (!grown) return broken(NX_ENOMEM, "out of memory");
        c->in = grown;
        c->in_capacity = wanted;
    }
    nx_err err = c->base.wire->type->read(c->base.wire, c->in + c->len, c->in_capacity - c->len,
                                          got, deadline);
    if (err) return err;
    c->len += *got;
    if (*got) x->base.answering = true;
    return NX_OK;
}

static nx_err head_fields(struct exchange *x, struct nx__answer *out)
{
    struct conn *c = conn_of(x);
    const struct nx__answer_head *head = &x->head;
    *out = (struct nx__answer){.status = head->status,
                               .protocol = nx_str(head->minor ? "HTTP/1.1" : "HTTP/1.0"),
                               .field_count = head->header_count};
    char *text = nx__arena_alloc(x->base.arena, head->head_len);
    out->fields = nx__arena_alloc(x->base.arena, (head->header_count + 1u) * sizeof *out->fields);
    if (!text || !out->fields) return broken(NX_ENOMEM, "out of memory");
    memcpy(text, c->in + c->at, head->head_len);
    for (uint32_t i = 0; i < head->header_count; i++) {
        const struct nx__h1_header *h = &c->headers[i];
        out->fields[i] = (struct nx__field){.name = nx_slice(text + h->name_off, h->name_len),
                                            .value = nx_slice(text + h->value_off, h->value_len)};
    }
    return NX_OK;
}

static nx_err informed(struct exchange *x)
{
    struct conn *c = conn_of(x);
    if (++x->informed > INFORMED_MOST)
        return broken(NX_EPROTO, "the peer sends one 1xx answer after the other");
    if (x->base.informed && x->head.status != 100) {
        struct nx__answer answer;
        NX_TRY(head_fields(x, &answer));
        x->base.informed(x->base.informed_arg, &answer);
    }
    c->at += x->head.head_len;
    x->resume = 0;
    return NX_OK;
}

/* Takes the head out of what has come, if it is there. */
static nx_err head_parse(struct exchange *x)
{
    struct conn *c = conn_of(x);
    const struct nx__h1_limits limits = {.max_headers = x->base.max_headers,
                                         .max_head = x->base.max_head};
    if (c->headers_most < x->base.max_headers) {
        struct nx__h1_header *grown = realloc(c->headers, x->base.max_headers * sizeof *c->headers);
        if (!grown) return broken(NX_ENOMEM, "out of memory");
        c->headers = grown;
        c->headers_most = x->base.max_headers;
    }
    while (!x->headed && c->at < c->len) {
        enum nx__h1_status status = nx__answer_parse(c->in + c->at, c->len - c->at, x->resume,
                                                     &limits, c->headers, &x->head);
        x->resume = c->len - c->at;
        if (status == NX__H1_PARTIAL) return NX_OK;
        if (status == NX__H1_ERROR)
            return nx__error_set(NX_EPROTO, "the answer is no good HTTP: %s", x->head.reason);
        if (x->head.status >= 200 || x->head.status == 101)
            x->headed = true;
        else
            NX_TRY(informed(x));
    }
    if (x->headed && x->head.status == 101 && !(x->upgrade && x->head.upgrade))
        return broken(NX_EPROTO, "the answer is 101, and nobody has asked for that");
    return NX_OK;
}

/* Looks at what has come: something has, so this does not wait. */
static nx_err answer_look(struct exchange *x)
{
    size_t got;
    NX_TRY(fill(x, x->base.deadline, x->base.max_head, &got));
    if (!got) return broken(NX_ERESET, "the peer has closed the connection");
    return head_parse(x);
}

/* ---- While another fiber sends: nobody waits in the wire then, but to be told */

static void wake(struct conn *c)
{
    struct nx__op *op = c->waiter;
    c->waiter = NULL;
    if (op) nx__op_complete(op, 0);
}

static void heard(void *arg)
{
    struct conn *c = arg;
    if (c->x) {
        wake(c);
        return;
    }
    /* Something has come while nobody has asked: the end, or what has no place here. */
    c->base.broken = true;
    nx__client_pool_settle(&c->base);
}

static void told(struct nx__exchange *base)
{
    wake(conn_of((struct exchange *)base));
}

/* Nothing has come, and the request has not gone yet. */
static bool must_be_told(const struct exchange *x)
{
    struct nx__wire *wire = x->base.conn->wire;
    /* Who refuses a body may have said so before the connection broke. */
    bool ask = x->base.unsent != NULL;
    return x->base.apart && !x->base.sent && !wire->type->heard(wire, ask);
}

static nx_err told_wait(struct exchange *x, nx_duration deadline)
{
    struct conn *c = conn_of(x);
    struct nx__timed_op op = {0};
    c->waiter = &op.op;
    int64_t result = nx__net_wait(&op, nx__loop(), deadline);
    c->waiter = NULL;
    return nx__net_wait_error(result);
}

static nx_err head_wait(struct exchange *x)
{
    size_t got;
    if (must_be_told(x)) {
        NX_TRY(nx__exchange_unsent(&x->base));
        nx_err err = told_wait(x, x->base.deadline);
        return late(x, err, "no answer came", "deadline");
    }
    nx_err err = fill(x, x->base.sent ? x->head_until : x->base.deadline, x->base.max_head, &got);
    if (err) return late(x, err, "no answer came", "head_deadline");
    if (!got)
        return broken(NX_ERESET, x->base.answering
                                     ? "the peer has closed the connection amid its answer"
                                     : "the peer has closed the connection without an answer");
    return head_parse(x);
}

static nx_err head(struct nx__exchange *base, struct nx__answer *out)
{
    struct exchange *x = (struct exchange *)base;
    struct conn *c = conn_of(x);
    if (!base->sent && !base->apart) { /* what is left of it is not wanted */
        sent(x);
        base->conn->broken = true;
    }
    NX_TRY(head_parse(x));
    while (!x->headed) NX_TRY(head_wait(x));
    NX_TRY(head_fields(x, out));
    c->at += x->head.head_len;
    x->body = nx__answer_body(&x->head, x->to_head, x->to_connect);
    x->left = x->body == NX__ANSWER_LENGTH ? x->head.length : 0;
    out->length = x->head.has_length ? x->head.length : NX__LENGTH_UNKNOWN;
    out->empty = base->done = x->body == NX__ANSWER_EMPTY;
    out->tunnel = x->body == NX__ANSWER_TUNNEL;
    /* RFC 9112 9.3: a connection that goes on has to carry all of the request. */
    base->enough = x->head.status >= 300 || (base->done && !x->head.keep_alive);
    if (out->empty && !x->to_head) out->length = 0;
    if (x->body == NX__ANSWER_CHUNKED) {
        if (!c->trailer) c->trailer = malloc(NX__H1_DEFAULT_MAX_TRAILER);
        if (!c->trailer) return broken(NX_ENOMEM, "out of memory");
        x->chunked = (struct nx__h1_chunked){.trailer = c->trailer,
                                             .trailer_cap = NX__H1_DEFAULT_MAX_TRAILER};
    }
    return NX_OK;
}

static nx_err trailers(struct exchange *x)
{
    const struct nx__h1_chunked *d = &x->chunked;
    struct nx__fields *out = &x->base.trailers;
    if (!d->trailers) return NX_OK;
    char *text = nx__arena_alloc(x->base.arena, d->trailer_len);
    out->items = nx__arena_alloc(x->base.arena, d->trailers * sizeof *out->items);
    if (!text || !out->items) return broken(NX_ENOMEM, "out of memory");
    memcpy(text, d->trailer, d->trailer_len);
    for (char *line = text, *end = text + d->trailer_len; line < end;) {
        char *eol = memchr(line, '\n', (size_t)(end - line));
        struct nx__h1_header h;
        if (!eol) break;
        if (nx__h1_parse_field(line, (size_t)(eol - line), &h))
            out->items[out->count++] =
                (struct nx__field){.name = nx_slice(line + h.name_off, h.name_len),
                                   .value = nx_slice(line + h.value_off, h.value_len)};
        line = eol + 1;
    }
    return NX_OK;
}

/* Takes a piece of the body out of what has come; without any, none may be there yet. */
static nx_err take(struct exchange *x, nx_bytes *piece)
{
    struct conn *c = conn_of(x);
    size_t have = c->len - c->at;
    if (x->body != NX__ANSWER_CHUNKED) {
        if (x->body == NX__ANSWER_LENGTH && have > x->left) have = (size_t)x->left;
        *piece = nx_slice(c->in + c->at, have);
        c->at += have;
        if (x->body == NX__ANSWER_LENGTH) {
            x->left -= have;
            x->base.done = !x->left;
        }
        return NX_OK;
    }
    while (c->at < c->len) {
        size_t consumed, len;
        const char *data;
        enum nx__chunk_event event =
            nx__h1_chunked_feed(&x->chunked, c->in + c->at, c->len - c->at, &consumed, &data, &len);
        c->at += consumed;
        switch (event) {
        case NX__CHUNK_MORE: break;
        case NX__CHUNK_DATA: *piece = nx_slice(data, len); return NX_OK;
        case NX__CHUNK_END: x->base.done = true; return trailers(x);
        case NX__CHUNK_ERROR:
            return nx__error_set(NX_EPROTO, "the answer's chunks are no good HTTP: %s",
                                 x->chunked.reason);
        }
    }
    return NX_OK;
}

static nx_err read_piece(struct nx__exchange *base, nx_bytes *piece)
{
    struct exchange *x = (struct exchange *)base;
    *piece = (nx_bytes){0};
    while (!base->done) {
        size_t got = 0;
        NX_TRY(take(x, piece));
        if (base->done) base->enough |= !x->head.keep_alive;
        if (piece->len || base->done) return NX_OK;
        if (must_be_told(x)) {
            NX_TRY(nx__exchange_unsent(base));
            nx_err err = told_wait(x, idle_until(x));
            if (err && !nx__exchange_moves(base, err))
                return late(x, err, "nothing more came of the answer", "idle_deadline");
            continue;
        }
        nx_err err = fill(x, idle_until(x), IN_FIRST, &got);
        if (err) return late(x, err, "nothing more came of the answer", "idle_deadline");
        if (got) continue;
        if (x->body != NX__ANSWER_CLOSE && x->body != NX__ANSWER_TUNNEL)
            return broken(NX_EPROTO, "the peer has closed the connection amid the answer's body");
        base->done = base->enough = true;
        base->conn->broken = true;
    }
    return NX_OK;
}

static bool come(const struct nx__exchange *base)
{
    const struct conn *c = conn_of((const struct exchange *)base);
    return base->done || c->at < c->len || base->conn->wire->type->heard(base->conn->wire, false);
}

/* ---- The end */

static void end(struct nx__exchange *base)
{
    struct exchange *x = (struct exchange *)base;
    struct conn *c = conn_of(x);
    c->x = NULL;
    c->base.exchanges = 0;
    /* Of a small body that nobody has read, all may be there. */
    while (x->headed && x->body && !base->done && c->at < c->len) {
        nx_bytes piece;
        if (x->body == NX__ANSWER_CLOSE || x->body == NX__ANSWER_TUNNEL || take(x, &piece)) break;
    }
    c->base.answered++;
    if (!base->done || !base->sent || !x->headed || !x->head.keep_alive || c->at != c->len ||
        x->body >= NX__ANSWER_CLOSE)
        c->base.broken = true;
    /* Such an answer has no body, but a peer that announces one may send it. */
    if ((x->head.status == 204) && (x->head.chunked || x->head.length)) c->base.broken = true;
    c->at = c->len = 0;
}

static uint32_t room(const struct nx__client_conn *conn)
{
    return conn->broken || conn->exchanges ? 0 : 1;
}

static bool alive(struct nx__client_conn *conn)
{
    return !conn->wire->type->heard(conn->wire, true);
}

static void conn_close(struct nx__client_conn *conn)
{
    struct conn *c = (struct conn *)conn;
    c->base.wire->type->close(c->base.wire);
    nx__buffer_free(&c->out);
    free(c->in);
    free(c->trailer);
    free(c->headers);
    free(c);
}

nx_err nx__client_h1(struct nx__client_conn **out, struct nx__wire *wire)
{
    static const struct nx__client_driver driver = {.name = "HTTP/1.1",
                                                    .exchange_size = sizeof(struct exchange),
                                                    .begin = begin,
                                                    .write = write_piece,
                                                    .finish = finish,
                                                    .head = head,
                                                    .read = read_piece,
                                                    .come = come,
                                                    .told = told,
                                                    .end = end,
                                                    .room = room,
                                                    .alive = alive,
                                                    .close = conn_close};
    _Static_assert(sizeof(struct exchange) <= NX__EXCHANGE_MOST, "grow NX__EXCHANGE_MOST");
    struct conn *c = calloc(1, sizeof *c);
    char *in = malloc(IN_FIRST);
    *out = NULL;
    if (!c || !in) {
        free(c);
        free(in);
        wire->type->close(wire);
        return nx__error_set(NX_ENOMEM, "cannot make a connection: out of memory");
    }
    c->base.driver = &driver;
    c->base.wire = wire;
    c->in = in;
    c->in_capacity = IN_FIRST;
    wire->wake = heard;
    wire->wake_arg = c;
    *out = &c->base;
    return NX_OK;
}
