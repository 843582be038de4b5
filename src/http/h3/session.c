/* HTTP/3 sessions: what nghttp3 says, and the lives of streams. Nothing here knows of packets. */
#include "http/h3/h3.h"

#include "base/clock.h"
#include "http/events.h"
#include <errno.h>
#include <nexus/crypto.h>
#include <stdlib.h>

static struct nx__h3_session *of(void *user)
{
    return user;
}

/* ---- Waiting */

static void wait_end(struct nx__op *op, int64_t result)
{
    struct nx__timed_op *w = nx__container_of(op, struct nx__timed_op, op);
    struct nx__op **slot = w->on;
    if (*slot == op) *slot = NULL;
    nx__op_complete(op, result);
}

static void wait_cancel(struct nx__op *op)
{
    wait_end(op, -ECANCELED);
}

static void wait_expire(struct nx__timer *timer)
{
    wait_end(&nx__container_of(timer, struct nx__timed_op, timer)->op, -ETIMEDOUT);
}

nx_err nx__h3_wait(struct nx__h3_stream *stream, struct nx__op **slot, const char *call,
                   nx_duration by)
{
    struct nx_loop *loop = stream->server->loop;
    struct nx__timed_op w = {
        .op = {.cancel = wait_cancel, .call = call}, .timer.fire = wait_expire, .on = (void *)slot};
    if (by != NX_FOREVER) NX_TRY(nx__timer_set(&loop->timers, &w.timer, by));
    *slot = &w.op;
    int64_t result = nx__op_wait(&w.op);
    *slot = NULL;
    nx__timer_clear(&loop->timers, &w.timer);
    if (result == 0) return NX_OK;
    if (result == -ETIMEDOUT) return nx__error_set(NX_ETIMEDOUT, "the deadline has passed");
    if (result == -ELIMIT_OPERATIONS) return nx__error_operations();
    return nx__error_set(NX_ECANCELED, "cancelled");
}

void nx__h3_wake(struct nx__op **slot)
{
    struct nx__op *op = *slot;
    if (!op) return;
    *slot = NULL;
    nx__op_complete(op, 0);
}

/* ---- Streams */

static void stream_due(struct nx__timer *timer);

struct nx__h3_stream *nx__h3_find(const struct nx__h3_session *session, int64_t id)
{
    return nghttp3_conn_get_stream_user_data(session->h3, id);
}

static struct nx__h3_stream *stream_new(struct nx__h3_session *session, int64_t id)
{
    struct nx__h3_stream *stream = calloc(1, sizeof *stream);
    if (!stream) return NULL;
    stream->id = id;
    stream->session = session;
    stream->server = session->server;
    stream->timer.fire = stream_due;
    stream->length = UINT64_MAX;
    nx__list_init(&stream->turn);
    nx__list_insert(&session->streams, &stream->link);
    session->stream_count++;
    return stream;
}

/* Not free() itself: the analyzer takes a list for one in which what was taken out still is. */
static void (*const memory_free)(void *memory) = free;

static void stream_free(struct nx__h3_stream *stream)
{
    struct nx__h3_session *session = stream->session;
    nx__timer_let(&stream->server->loop->timers, &stream->timer);
    nx__h3_out_free(stream);
    nx__list_remove(&stream->link);
    nx__list_remove(&stream->turn);
    nx__buffer_free(&stream->text);
    nx__buffer_free(&stream->trailer);
    nx__buffer_free(&stream->in);
    nx__buffer_free(&stream->given);
    free(stream->fields);
    memory_free(stream);
    if (!session) return;
    session->stream_count--;
    session->used = session->server->loop->now;
    /* Only now, so that a peer that breaks requests off has no more handlers than others. */
    nghttp3_conn_set_max_client_streams_bidi(session->h3, ++session->streams_most);
    session->ops->more_streams(session->wire);
}

void nx__h3_timer(struct nx__h3_stream *stream, nx_duration at)
{
    struct nx__timers *timers = &stream->server->loop->timers;
    /* Without memory for it a deadline is missed, no more. */
    if (at == NX_FOREVER || nx__timer_set(timers, &stream->timer, at))
        nx__timer_clear(timers, &stream->timer);
}

static nx_duration after(const struct nx__h3_stream *stream, nx_duration span)
{
    return span == NX_FOREVER ? NX_FOREVER : stream->server->loop->now + span;
}

void nx__h3_handler_timer(struct nx__h3_stream *stream)
{
    nx__h3_timer(stream, after(stream, stream->server->options.handler_deadline));
}

void nx__h3_cut(struct nx__h3_stream *stream, uint64_t code)
{
    struct nx__h3_session *session = stream->session;
    if (!session || stream->gone) return;
    nghttp3_conn_shutdown_stream_write(session->h3, stream->id);
    session->ops->reset(session->wire, stream->id, code);
    if (!stream->in_end && !stream->stopped)
        session->ops->stop_sending(session->wire, stream->id, code);
    stream->stopped = stream->cut = true;
    /* A peer that does not end its side would keep the stream, and so the connection, for ever. */
    if (!stream->req) nx__h3_timer(stream, after(stream, stream->server->options.write_deadline));
}

static void turn_posted(struct nx__post *post)
{
    struct nx__h3_session *session = nx__container_of(post, struct nx__h3_session, post);
    session->posted = false;
    if (session->gone)
        free(session);
    else
        nx__h3_session_turn(session);
}

static void turn_later(struct nx__h3_session *session)
{
    if (session->busy || session->posted) return;
    session->posted = true;
    nx__loop_post(session->server->loop, &session->post);
}

void nx__h3_turn(struct nx__h3_stream *stream)
{
    struct nx__h3_session *session = stream->session;
    if (!session) return;
    if (nx__list_empty(&stream->turn)) nx__list_insert(&session->turns, &stream->turn);
    turn_later(session);
}

/* The handler has ended, in its fiber. */
void nx__h3_ended(struct nx__h3_stream *stream)
{
    stream->req = NULL;
    /* What goes on without a fiber does not without its connection. */
    if (stream->streaming && (!stream->held || !stream->session)) nx__h3_stream_over(stream);
    if (!stream->session) {
        nx_http_server *server = stream->server;
        stream_free(stream);
        server->notices--;
        nx__server_closed(server);
        return;
    }
    if (!stream->reset) stream->session->requests++;
    if (stream->tunnel) {
        stream->enters = true;
        nx__h3_turn(stream);
        return;
    }
    if (!stream->out_over && !stream->held) nx__h3_cut(stream, NGHTTP3_H3_INTERNAL_ERROR);
    nx__h3_rest(stream);
}

void nx__h3_rest(struct nx__h3_stream *stream)
{
    const nx_http_server_options *o = &stream->server->options;
    nx__h3_body_drop(stream);
    if (stream->session && !stream->in_end && !stream->stopped && !stream->gone) {
        stream->stopped = true;
        stream->session->ops->stop_sending(stream->session->wire, stream->id, NGHTTP3_H3_NO_ERROR);
    }
    stream->progressed = stream->server->loop->now;
    if (!stream->held) nx__h3_timer(stream, after(stream, o->write_deadline));
    if (stream->gone || stream->held) nx__h3_turn(stream);
}

static void stream_due(struct nx__timer *timer)
{
    struct nx__h3_stream *stream = nx__container_of(timer, struct nx__h3_stream, timer);
    const nx_http_server_options *o = &stream->server->options;
    if (stream->streaming) {
        nx__h3_stream_due(stream);
        return;
    }
    if (stream->cut && !stream->req) {
        stream->session->ops->fail(stream->session->wire, NGHTTP3_H3_EXCESSIVE_LOAD);
        return;
    }
    if (!stream->req && stream->head_done) {
        nx_duration at = stream->progressed + o->write_deadline;
        if (at > stream->server->loop->now) {
            nx__h3_timer(stream, at);
            return;
        }
    }
    nx__count(&stream->server->stats.timed_out, 1);
    if (stream->req)
        nx_cancel(stream->req->base.fiber);
    else
        nx__h3_cut(stream, stream->head_done ? NGHTTP3_H3_REQUEST_CANCELLED
                                             : NGHTTP3_H3_REQUEST_INCOMPLETE);
}

/* ---- What nghttp3 says */

static int begin_headers(nghttp3_conn *h3, int64_t id, void *user, void *stream_user)
{
    struct nx__h3_session *session = of(user);
    (void)stream_user;
    struct nx__h3_stream *stream = stream_new(session, id);
    if (!stream) return NGHTTP3_ERR_NOMEM;
    stream->early = session->early && !session->ops->handshaken(session->wire);
    nx__h3_turn(stream);
    return nghttp3_conn_set_stream_user_data(h3, id, stream);
}

static nx_bytes slice(nghttp3_rcbuf *buffer)
{
    nghttp3_vec v = nghttp3_rcbuf_get_buf(buffer);
    return nx_slice((const char *)v.base, v.len);
}

static int recv_header(nghttp3_conn *h3, int64_t id, int32_t token, nghttp3_rcbuf *name,
                       nghttp3_rcbuf *value, uint8_t flags, void *user, void *stream_user)
{
    struct nx__h3_stream *stream = stream_user;
    (void)h3, (void)id, (void)flags, (void)user;
    return nx__h3_field(stream, token, slice(name), slice(value)) ? 0
                                                                  : NGHTTP3_ERR_CALLBACK_FAILURE;
}

static int recv_trailer(nghttp3_conn *h3, int64_t id, int32_t token, nghttp3_rcbuf *name,
                        nghttp3_rcbuf *value, uint8_t flags, void *user, void *stream_user)
{
    struct nx__h3_stream *stream = stream_user;
    (void)h3, (void)id, (void)token, (void)flags, (void)user;
    return nx__h3_trailer(stream, slice(name), slice(value)) ? 0 : NGHTTP3_ERR_CALLBACK_FAILURE;
}

static int end_headers(nghttp3_conn *h3, int64_t id, int fin, void *user, void *stream_user)
{
    struct nx__h3_stream *stream = stream_user;
    (void)h3, (void)id, (void)user;
    stream->head_done = true;
    if (fin) stream->in_end = true;
    nx__h3_turn(stream);
    return 0;
}

static int recv_data(nghttp3_conn *h3, int64_t id, const uint8_t *data, size_t len, void *user,
                     void *stream_user)
{
    struct nx__h3_stream *stream = stream_user;
    (void)h3, (void)id, (void)user;
    return nx__h3_body_add(stream, data, len) ? 0 : NGHTTP3_ERR_NOMEM;
}

static int end_stream(nghttp3_conn *h3, int64_t id, void *user, void *stream_user)
{
    struct nx__h3_stream *stream = stream_user;
    (void)h3, (void)id, (void)user;
    stream->in_end = true;
    nx__h3_wake(&stream->reader);
    nx__h3_came(stream);
    return 0;
}

static int deferred_consume(nghttp3_conn *h3, int64_t id, size_t len, void *user, void *stream_user)
{
    struct nx__h3_session *session = of(user);
    (void)h3, (void)stream_user;
    session->ops->consumed(session->wire, id, len);
    return 0;
}

static int stop_sending(nghttp3_conn *h3, int64_t id, uint64_t code, void *user, void *stream_user)
{
    struct nx__h3_session *session = of(user);
    (void)h3, (void)stream_user;
    session->ops->stop_sending(session->wire, id, code);
    return 0;
}

static int reset_stream(nghttp3_conn *h3, int64_t id, uint64_t code, void *user, void *stream_user)
{
    struct nx__h3_session *session = of(user);
    (void)h3, (void)stream_user;
    session->ops->reset(session->wire, id, code);
    return 0;
}

static int acked_data(nghttp3_conn *h3, int64_t id, uint64_t len, void *user, void *stream_user)
{
    (void)h3, (void)id, (void)user;
    if (stream_user) nx__h3_out_acked(stream_user, len);
    return 0;
}

static void another_stream(struct nx__h3_session *session)
{
    nghttp3_conn_set_max_client_streams_bidi(session->h3, ++session->streams_most);
    session->ops->more_streams(session->wire);
}

static void stream_over(struct nx__h3_stream *stream)
{
    stream->gone = true;
    nx__h3_wake(&stream->reader);
    nx__h3_wake(&stream->writer);
    if ((stream->streaming || stream->watched) && stream->req) nx_cancel(stream->req->base.fiber);
    nx__h3_turn(stream);
}

static int stream_close(nghttp3_conn *h3, int64_t id, uint64_t code, void *user, void *stream_user)
{
    (void)h3, (void)code;
    if (stream_user)
        stream_over(stream_user);
    else if (ngtcp2_is_bidi_stream(id))
        another_stream(of(user)); /* it had not come to be a request */
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
    .recv_trailer = recv_trailer,
    .stop_sending = stop_sending,
    .end_stream = end_stream,
    .reset_stream = reset_stream,
    .rand = random_bytes,
};

/* ---- What the connection says */

uint64_t nx__h3_received(struct nx__h3_session *session, int64_t id, const uint8_t *data,
                         size_t len, bool end, bool early)
{
    session->busy = true;
    session->early = early;
    nghttp3_ssize n = nghttp3_conn_read_stream2(session->h3, id, data, len, end,
                                                (nghttp3_tstamp)nx__clock_monotonic());
    if (n > 0) session->ops->consumed(session->wire, id, (uint64_t)n);
    return nx__h3_code(n);
}

/* Those that a peer breaks off cost it little and us a handler (CVE-2023-44487 in HTTP/3's form).
 */
static uint64_t broken_off(struct nx__h3_session *session, struct nx__h3_stream *stream)
{
    if (stream && !stream->reset) {
        stream->reset = true;
        session->broken++;
        nx__h3_wake(&stream->reader);
        nx__h3_wake(&stream->writer);
        if ((stream->streaming || stream->watched) && stream->req)
            nx_cancel(stream->req->base.fiber);
        nx__h3_turn(stream);
    }
    return session->broken > session->requests + NX__H3_BROKEN_MOST ? NGHTTP3_H3_EXCESSIVE_LOAD : 0;
}

uint64_t nx__h3_reset(struct nx__h3_session *session, int64_t id, uint64_t code)
{
    (void)code;
    struct nx__h3_stream *stream = nx__h3_find(session, id);
    uint64_t why = nx__h3_code(nghttp3_conn_shutdown_stream_read(session->h3, id));
    /* One that we have asked to stop is answered. */
    if (why || (stream && stream->stopped)) return why;
    if (stream) nx__h3_cut(stream, NGHTTP3_H3_REQUEST_CANCELLED);
    return broken_off(session, stream);
}

uint64_t nx__h3_stopped(struct nx__h3_session *session, int64_t id, uint64_t code)
{
    (void)code;
    nghttp3_conn_shutdown_stream_write(session->h3, id);
    return broken_off(session, nx__h3_find(session, id));
}

uint64_t nx__h3_closed(struct nx__h3_session *session, int64_t id, uint64_t code)
{
    int err = nghttp3_conn_close_stream(session->h3, id, code ? code : NGHTTP3_H3_NO_ERROR);
    if (err == NGHTTP3_ERR_STREAM_NOT_FOUND) {
        if (ngtcp2_is_bidi_stream(id)) another_stream(session);
        return 0;
    }
    return nx__h3_code(err);
}

/* ---- Turns */

static void session_over(struct nx__h3_session *session)
{
    if (session->last && !session->stream_count)
        session->ops->fail(session->wire, NGHTTP3_H3_NO_ERROR);
}

static void stream_turn(struct nx__h3_stream *stream)
{
    if (stream->tunnel) nx__h3_tunnel_turn(stream);
    if (stream->tunnel && stream->gone) nx__h3_tunnel_over(stream);
    if (stream->gone && !stream->req) {
        if (stream->streaming) nx__h3_stream_over(stream);
        stream_free(stream);
        return;
    }
    if (!stream->head_done) {
        if (!stream->timer.place)
            nx__h3_timer(stream, after(stream, stream->server->options.head_deadline));
    } else if (!stream->begun) {
        /* Else a request of 0-RTT would be taken for its whose address was forged. */
        if (stream->early && !stream->session->ops->proved(stream->session->wire)) {
            if (stream->in_end) {
                stream->session->put_off = true;
                return;
            }
            /* One with a body would have that kept for it. */
            stream->refused = 425;
            stream->reason = "the request came before the handshake was done";
        }
        stream->begun = true;
        nx__h3_begin(stream);
    } else if (stream->held && !stream->req) {
        nx__h3_stream_enter(stream);
    }
}

static void put_off_end(struct nx__h3_session *session)
{
    session->put_off = false;
    for (struct nx__list *link = session->streams.next; link != &session->streams;
         link = link->next) {
        struct nx__h3_stream *stream = nx__container_of(link, struct nx__h3_stream, link);
        if (stream->head_done && !stream->begun) nx__h3_turn(stream);
    }
}

void nx__h3_session_turn(struct nx__h3_session *session)
{
    session->busy = true;
    if (session->put_off && session->ops->proved(session->wire)) put_off_end(session);
    while (!nx__list_empty(&session->turns)) {
        struct nx__list *link = nx__list_pop(&session->turns);
        stream_turn(nx__container_of(link, struct nx__h3_stream, turn));
    }
    session->busy = false;
    session_over(session);
}

/* ---- Life */

static void session_timer(struct nx__h3_session *session, nx_duration at)
{
    if (at != NX_FOREVER)
        NX_IGNORE(nx__timer_set(&session->server->loop->timers, &session->timer, at));
}

static void session_due(struct nx__timer *timer)
{
    struct nx__h3_session *session = nx__container_of(timer, struct nx__h3_session, timer);
    nx_duration now = session->server->loop->now, span = session->server->options.idle_deadline;
    if (session->going) {
        if (!session->last) (void)nghttp3_conn_shutdown(session->h3);
        session->last = true;
        session->ops->wants(session->wire);
        session_over(session);
        return;
    }
    if (!session->stream_count && now - session->used >= span) {
        nx__count(&session->server->stats.timed_out, 1);
        session->ops->fail(session->wire, NGHTTP3_H3_NO_ERROR);
        return;
    }
    session_timer(session, session->stream_count ? now + span : session->used + span);
}

struct nx__h3_session *nx__h3_session_new(nx_http_server *server, const struct nx__h3_wire *ops,
                                          void *wire)
{
    struct nx__h3_session *session = calloc(1, sizeof *session);
    if (!session) return NULL;
    nghttp3_settings settings;
    nx__h3_settings(&settings, server->options.max_head);
    settings.enable_connect_protocol = 1;
    session->server = server;
    session->ops = ops;
    session->wire = wire;
    session->post.fn = turn_posted;
    session->timer.fire = session_due;
    session->used = server->loop->now;
    session->streams_most = NX__QUIC_STREAMS;
    nx__list_init(&session->link);
    nx__list_init(&session->streams);
    nx__list_init(&session->turns);
    if (nx__timer_keep(&server->loop->timers, &session->timer) ||
        nghttp3_conn_server_new(&session->h3, &callbacks, &settings, NULL, session)) {
        nx__timer_let(&server->loop->timers, &session->timer);
        free(session);
        return NULL;
    }
    nghttp3_conn_set_max_client_streams_bidi(session->h3, session->streams_most);
    nx_duration span = server->options.idle_deadline;
    session_timer(session, span == NX_FOREVER ? NX_FOREVER : session->used + span);
    return session;
}

static void stream_leave(struct nx__h3_stream *stream)
{
    nx__list_remove(&stream->link);
    nx__list_remove(&stream->turn);
    stream->session = NULL;
    if (stream->tunnel) nx__h3_tunnel_over(stream);
    if (!stream->req) {
        if (stream->streaming) nx__h3_stream_over(stream);
        stream_free(stream);
        return;
    }
    /* The server waits for the handler all the same. */
    stream->server->notices++;
    nx__h3_orphan(stream->server, &stream->link);
    nx__h3_wake(&stream->reader);
    nx__h3_wake(&stream->writer);
    if (stream->streaming || stream->watched) nx_cancel(stream->req->base.fiber);
}

void nx__h3_orphan_expire(struct nx__list *link)
{
    nx_cancel(nx__container_of(link, struct nx__h3_stream, link)->req->base.fiber);
}

void nx__h3_session_gone(struct nx__h3_session *session)
{
    struct nx__timers *timers = &session->server->loop->timers;
    while (!nx__list_empty(&session->streams))
        stream_leave(nx__container_of(session->streams.next, struct nx__h3_stream, link));
    nghttp3_conn_del(session->h3);
    nx__timer_let(timers, &session->timer);
    nx__list_remove(&session->link);
    session->gone = true;
    if (!session->posted) free(session);
}

void nx__h3_session_drain(struct nx__h3_session *session)
{
    enum { GRACE_MS = 250 }; /* an idle connection may bring one more request while we stop */
    if (session->going) return;
    session->going = true;
    (void)nghttp3_conn_submit_shutdown_notice(session->h3);
    session->ops->wants(session->wire);
    session_timer(session, session->server->loop->now + NX_MS(GRACE_MS));
    for (struct nx__list *link = session->streams.next, *next; link != &session->streams;
         link = next) {
        struct nx__h3_stream *stream = nx__container_of(link, struct nx__h3_stream, link);
        next = link->next;
        if (stream->streaming) nx__h3_stream_drain(stream);
        if (stream->tunnel) nx__h3_tunnel_stop(stream);
    }
}

void nx__h3_session_expire(struct nx__h3_session *session)
{
    for (struct nx__list *link = session->streams.next; link != &session->streams;
         link = link->next) {
        struct nx__h3_stream *stream = nx__container_of(link, struct nx__h3_stream, link);
        if (stream->req) nx_cancel(stream->req->base.fiber);
    }
    session->last = true;
    session->ops->fail(session->wire, NGHTTP3_H3_NO_ERROR);
}
