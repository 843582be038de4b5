/* WebSockets: what comes, deadlines, and the end. */
#include "http/ws/ws.h"

#include "base/say.h"
#include "loop/fiber.h"
#include "loop/files.h"
#include <errno.h>

/* Deadlines are this exact: timers of sockets in use are not moved with each message. */
#define GRAIN_LEAST NX_MS(10)

enum {
    PASSED_OVER = 64, /* messages in one turn, when nobody reads any more */
    FILLS_MOST = 8,   /* in one turn, of what makes no message */
};

/* ---- The end */

static void run(nx_ws *ws);
static bool reader_wake(nx_ws *ws, int64_t result);

/* The loop is to run it. It holds until then: the tunnel may be about to let go of it. */
static void run_later(nx_ws *ws)
{
    if (!ws->owed) ws->holds++;
    ws->owed = true;
    nx__loop_late(ws->loop, &ws->late);
}

void nx__ws_late(struct nx__late *late)
{
    nx_ws *ws = nx__container_of(late, nx_ws, late);
    if (!ws->owed) ws->holds++;
    ws->owed = false; /* that hold is for here */
    nx__ws_flush(ws);
    bool again = ws->again && !reader_wake(ws, 0);
    ws->again = false;
    if (ws->entered && (again || ws->state == NX__WS_OVER || !ws->opened)) run(ws);
    nx__ws_release(ws);
}

void nx__ws_leave(nx_ws *ws)
{
    if (!ws->tunnel.conn || (ws->in_order && nx__ws_waiting(ws))) return;
    ws->tunnel.driver->close(&ws->tunnel, ws->in_order);
    ws->out.len = ws->out_at = 0;
    nx__timer_clear(&ws->loop->timers, &ws->timer);
    nx__ws_release(ws);
}

struct reader {
    struct nx__op op;
    nx_ws *ws;
};

/* True when there is one who waits for a message, and now goes on. */
static bool reader_wake(nx_ws *ws, int64_t result)
{
    struct nx__op *op = ws->reader_op;
    ws->reader_op = NULL;
    if (op) nx__op_complete(op, result);
    return op;
}

static void reader_cancel(struct nx__op *op)
{
    (void)reader_wake(nx__container_of(op, struct reader, op)->ws, -ECANCELED);
}

void nx__ws_over(nx_ws *ws, nx_err err, unsigned code, const char *why, bool in_order)
{
    if (ws->state == NX__WS_OVER) return;
    ws->state = NX__WS_OVER;
    ws->err = err;
    ws->why = why;
    ws->in_order = in_order;
    ws->since = ws->loop->now;
    if (!ws->code) ws->code = (uint16_t)code;
    ws->holds++; /* for as long as this takes */
    nx__ws_writers_wake(ws);
    reader_wake(ws, 0);
    if (ws->topics) ws->topics->leave(ws);
    if (in_order && nx__ws_waiting(ws)) nx__loop_late(ws->loop, &ws->late);
    if (in_order) nx__ws_timer(ws);
    nx__ws_leave(ws);
    if (ws->entered) run(ws);
    nx__ws_release(ws);
}

static void fail(nx_ws *ws, nx_err err, unsigned code, const char *why)
{
    char payload[NX__WS_CONTROL_MOST];
    size_t len = strlen(why);
    if (len > sizeof payload - 2) len = sizeof payload - 2;
    payload[0] = (char)(code >> 8);
    payload[1] = (char)code;
    memcpy(payload + 2, why, len);
    bool sent = ws->state == NX__WS_CLOSING ||
                nx__ws_control(ws, NX__WS_CLOSE, nx_slice(payload, len + 2)) == NX_OK;
    nx__ws_over(ws, err, code, why, sent);
}

static void broken(nx_ws *ws, const char *why)
{
    nx__ws_over(ws, NX_ERESET, NX__WS_CLOSE_ABNORMAL, why, false);
}

void nx_ws_close(nx_ws *ws, unsigned code, const char *reason)
{
    char payload[NX__WS_CONTROL_MOST];
    size_t len = 0;
    if (ws->state != NX__WS_OPEN) return;
    if (code && !nx__ws_close_code_valid(code)) code = NX__WS_CLOSE_NORMAL;
    if (code) {
        nx_bytes text = nx_str(reason);
        if (text.len > sizeof payload - 2) text.len = sizeof payload - 2;
        struct nx__ws_utf8 utf8 = {0};
        if (!nx__ws_utf8(&utf8, text.data, text.len)) text.len = 0;
        text.len -= utf8.len; /* not cut inside of a character */
        payload[0] = (char)(code >> 8);
        payload[1] = (char)code;
        memcpy(payload + 2, text.data, text.len);
        len = text.len + 2;
    }
    ws->holds++;
    if (nx__ws_control(ws, NX__WS_CLOSE, nx_slice(payload, len))) {
        broken(ws, "out of memory");
    } else if (ws->state == NX__WS_OPEN) { /* it has not broken with that */
        ws->state = NX__WS_CLOSING;
        ws->code = (uint16_t)(code ? code : NX__WS_CLOSE_NONE);
        if (code) {
            ws->reason_len = (uint8_t)(len - 2);
            memcpy(ws->reason, payload + 2, len - 2);
        }
        ws->since = ws->loop->now;
        nx__ws_writers_wake(ws);
        nx__ws_timer(ws);
    }
    nx__ws_release(ws);
}

/* ---- What comes */

static void closed_by_peer(nx_ws *ws)
{
    const struct nx__ws_reader *r = &ws->reader;
    struct nx__ws_close close;
    uint16_t wrong;
    if (!nx__ws_close_read(&close, nx_slice(r->control, r->control_len), &wrong)) {
        fail(ws, NX_EPROTO, wrong, "a close frame is malformed");
        return;
    }
    bool answered = ws->state == NX__WS_CLOSING;
    ws->code = close.code;
    ws->reason_len = close.len;
    memcpy(ws->reason, close.reason, close.len);
    bool sent = answered || nx__ws_control(ws, NX__WS_CLOSE,
                                           nx_slice(r->control, r->control_len ? 2 : 0)) == NX_OK;
    nx__ws_over(ws, NX_ECLOSED, close.code, "the peer has closed it", sent);
}

static void control(nx_ws *ws)
{
    const struct nx__ws_reader *r = &ws->reader;
    switch (r->opcode) {
    case NX__WS_CLOSE: closed_by_peer(ws); break;
    case NX__WS_PING:
        if (ws->state != NX__WS_OPEN) break;
        /* Answers that the peer does not take are no queue without a bound. */
        if (nx__ws_waiting(ws) > ws->max_queue + NX__WS_PIECE)
            broken(ws, "the peer asks and takes no answers");
        else if (nx__ws_control(ws, NX__WS_PONG, nx_slice(r->control, r->control_len)))
            broken(ws, "out of memory");
        break;
    default: break;
    }
}

static const char NOT_UTF8[] = "a text message is not UTF-8";

/* The message as it was before it was compressed. False: it is over. */
static bool decompress(nx_ws *ws)
{
    struct nx__ws_utf8 utf8 = {0};
    bool fresh = ws->server ? ws->deflate.client_fresh : ws->deflate.server_fresh;
    unsigned bits = ws->server ? ws->deflate.client_bits : ws->deflate.server_bits;
    struct nx__ws_inflater **inflater = fresh ? &nx__ws_pool->inflater : &ws->inflater;
    if (!*inflater) *inflater = nx__ws_inflater_new(fresh ? NX__WS_BITS_MOST : bits);
    nx__ws_borrow(&ws->plain);
    nx_err err = *inflater ? nx__ws_inflate(*inflater, nx_slice(ws->message.data, ws->message.len),
                                            &ws->plain, ws->max_message, fresh)
                           : NX_ENOMEM;
    nx__ws_give(&ws->message);
    if (err == NX_EPROTO) {
        fail(ws, err, NX__WS_CLOSE_TEXT, "a message is not compressed as it should be");
    } else if (err == NX_ETOOBIG) {
        fail(ws, err, NX__WS_CLOSE_TOO_BIG, "a message is larger than max_message");
    } else if (err) {
        fail(ws, NX_ENOMEM, NX__WS_CLOSE_FAILED, "out of memory");
    } else if (ws->reader.opcode == NX__WS_TEXT &&
               (!nx__ws_utf8(&utf8, ws->plain.data, ws->plain.len) || utf8.len)) {
        fail(ws, NX_EPROTO, NX__WS_CLOSE_TEXT, NOT_UTF8);
    } else {
        return true;
    }
    return false;
}

/* Reads on; false when nothing is there, or it is over. */
static bool fill(nx_ws *ws)
{
    if (ws->tunnel.drained) return false;
    ws->in.len = ws->in_at = 0;
    nx__ws_borrow(&ws->in);
    if (nx__buffer_reserve(&ws->in, NX__WS_PIECE, NX__WS_PIECE)) {
        fail(ws, NX_ENOMEM, NX__WS_CLOSE_FAILED, "out of memory");
        return false;
    }
    long n = ws->tunnel.driver->read(&ws->tunnel, ws->in.data, NX__WS_PIECE);
    if (n == -EAGAIN) {
        ws->tunnel.drained = true;
        return false;
    }
    if (n <= 0) {
        if (n == 0)
            nx__ws_over(ws, ws->state == NX__WS_CLOSING ? NX_ECLOSED : NX_ERESET,
                        NX__WS_CLOSE_ABNORMAL, "the peer has left without a close", true);
        else
            broken(ws, "the connection has broken");
        return false;
    }
    ws->in.len = (size_t)n;
    ws->heard = ws->loop->now;
    ws->pinged = false;
    return true;
}

enum next { NEXT_MESSAGE, NEXT_WAIT, NEXT_OVER };

/* Gives back what holds nothing, before a wait. */
static void buffers_give(nx_ws *ws)
{
    if (ws->in_at == ws->in.len) {
        nx__ws_give(&ws->in);
        ws->in_at = 0;
    }
    if (!ws->message.len) nx__ws_give(&ws->message);
    nx__ws_give(&ws->plain);
}

/* The next message; never suspends. */
static enum next next(nx_ws *ws, nx_ws_message *message)
{
    int fills = 0;
    while (ws->state != NX__WS_OVER) {
        if (ws->in_at == ws->in.len && fills++ == FILLS_MOST) {
            ws->again = true; /* pings and the like, without end */
            nx__loop_late(ws->loop, &ws->late);
            return NEXT_WAIT;
        }
        if (ws->in_at == ws->in.len && !fill(ws)) {
            if (ws->state == NX__WS_OVER) break;
            return NEXT_WAIT;
        }
        nx_bytes rest = nx_slice(ws->in.data + ws->in_at, ws->in.len - ws->in_at);
        nx__ws_borrow(&ws->message);
        enum nx__ws_step step = nx__ws_read(&ws->reader, &rest, &ws->message);
        ws->in_at = ws->in.len - rest.len;
        switch (step) {
        case NX__WS_MORE: break;
        case NX__WS_CONTROL: control(ws); break;
        case NX__WS_BAD:
            fail(ws, ws->reader.code == NX__WS_CLOSE_TOO_BIG ? NX_ETOOBIG : NX_EPROTO,
                 ws->reader.code, ws->reader.reason);
            break;
        case NX__WS_NO_MEMORY: fail(ws, NX_ENOMEM, NX__WS_CLOSE_FAILED, "out of memory"); break;
        case NX__WS_MESSAGE: {
            struct nx__buffer *data = &ws->message;
            ws->messaged = ws->loop->now;
            if (ws->reader.compressed) {
                if (!decompress(ws)) break;
                data = &ws->plain;
            }
            data->data[data->len] = '\0';
            *message = (nx_ws_message){.data = nx_slice(data->data, data->len),
                                       .text = ws->reader.opcode == NX__WS_TEXT};
            return NEXT_MESSAGE;
        }
        }
    }
    return NEXT_OVER;
}

/* The program has done with the message. */
static void message_done(nx_ws *ws)
{
    ws->message.len = ws->plain.len = 0;
}

static nx_err over(const nx_ws *ws)
{
    if (ws->err == NX_ECLOSED || ws->err == NX_ENOMEM)
        return nx__error_set(ws->err, "cannot receive from the WebSocket: %s", ws->why);
    return nx__error_peer(ws->err, "cannot receive from the WebSocket: %s", ws->why);
}

nx_err nx_ws_receive(nx_ws *ws, nx_ws_message *message)
{
    *message = (nx_ws_message){.data = nx_slice("", 0)};
    if (ws->callbacks)
        return nx__error_set(NX_ESTATE, "cannot receive: the WebSocket has callbacks");
    if (ws->reading) return nx__error_set(NX_ESTATE, "cannot receive: another fiber does already");
    if (!ws->reader.message) message_done(ws);
    for (;;) {
        if (nx__file_turn(ws->in_at == ws->in.len ? ws->in.len : 0))
            return nx__error_set(NX_ECANCELED, "cannot receive from the WebSocket: cancelled");
        enum next n = next(ws, message);
        if (n == NEXT_MESSAGE) return NX_OK;
        buffers_give(ws);
        if (n == NEXT_OVER) return over(ws);
        struct reader reader = {.op.cancel = reader_cancel, .ws = ws};
        ws->reader_op = &reader.op;
        ws->reading = true;
        int64_t result = nx__op_wait(&reader.op);
        ws->reading = false;
        ws->reader_op = NULL;
        if (result == -ELIMIT_OPERATIONS) return nx__error_operations();
        if (result < 0)
            return nx__error_set(NX_ECANCELED, "cannot receive from the WebSocket: cancelled");
    }
}

/* ---- Callbacks */

static void callback_failed(nx_ws *ws, nx_err err)
{
    if (err != NX_ECLOSED && err != NX_ECANCELED && err != NX_ERESET) {
        const nx_error *last = nx_error_last();
        nx__say(NX__SAY_ERROR, "a WebSocket's callback failed: %s",
                last->code == err && last->message[0] ? last->message : nx_err_text(err));
    }
    nx_ws_close(ws, NX__WS_CLOSE_FAILED, NULL);
}

/* What a callback has allocated, deferred and spawned ends with it. */
static nx_err memory_end(nx_scope *own)
{
    if (nx__unlikely(own->deferred || own->alive || !nx__list_empty(&own->fibers)))
        return nx__scope_end(own);
    if (own->arena.chunks) nx__arena_rewind(&own->arena);
    return NX_OK;
}

/* Runs callbacks until nothing is left to call them for. */
static nx_err callbacks_main(void *arg)
{
    nx_ws *ws = arg;
    nx_scope *own = &ws->fiber->own;
    nx_ws_message message;
    if (!ws->opened) {
        ws->opened = true;
        nx_err err = ws->open ? ws->open(ws) : NX_OK;
        if (!err) err = memory_end(own);
        if (err) callback_failed(ws, err);
    }
    enum next n;
    while ((n = next(ws, &message)) == NEXT_MESSAGE) {
        /* After our close what still comes is passed over. */
        if (ws->state == NX__WS_OPEN && ws->on_message) {
            nx_err err = ws->on_message(ws, &message);
            if (!err) err = memory_end(own);
            if (err) callback_failed(ws, err);
        }
        message_done(ws);
        /* Others have their turn, however much one sends. */
        if (ws->in_at == ws->in.len) (void)nx__file_turn(ws->in.len);
    }
    buffers_give(ws);
    if (n == NEXT_OVER && !ws->told) {
        ws->told = true;
        if (ws->close) ws->close(ws);
    }
    ws->fiber = NULL;
    nx__ws_release(ws);
    return NX_OK;
}

/* In the loop's context, after the handler's end: goes on with what has come. */
static void run(nx_ws *ws)
{
    if (!ws->callbacks) { /* nobody reads any more; the peer's close is waited for */
        nx_ws_message message;
        int left = PASSED_OVER;
        while (left && next(ws, &message) == NEXT_MESSAGE) {
            message_done(ws);
            left--;
        }
        buffers_give(ws);
        if (!left) run_later(ws);
        return;
    }
    if (ws->fiber || ws->told || nx__fiber_running()) {
        /* It goes on by itself; where it is another fiber that has ended it, the loop calls. */
        if (!ws->fiber && !ws->told) run_later(ws);
        return;
    }
    nx_fiber *fiber = nx__fiber_new(callbacks_main, ws, "websocket");
    if (!fiber) {
        run_later(ws);
        return;
    }
    ws->fiber = fiber;
    ws->holds++;
    nx__fiber_resume(fiber);
}

/* ---- The tunnel's events */

static void ready(struct nx__tunnel *tunnel, uint32_t events)
{
    nx_ws *ws = nx__container_of(tunnel, nx_ws, tunnel);
    ws->holds++;
    if (events & NX__WRITABLE && ws->blocked) {
        ws->blocked = false;
        nx__ws_flush(ws);
    }
    if (events & NX__READABLE) {
        tunnel->drained = false;
        if (!reader_wake(ws, 0) && ws->entered && tunnel->conn) run(ws);
    }
    nx__ws_release(ws);
}

static void entered(struct nx__tunnel *tunnel)
{
    nx_ws *ws = nx__container_of(tunnel, nx_ws, tunnel);
    ws->entered = true;
    ws->holds++;
    if (!ws->callbacks) nx_ws_close(ws, NX__WS_CLOSE_NORMAL, NULL);
    run(ws);
    nx__ws_release(ws);
}

static void stop(struct nx__tunnel *tunnel)
{
    nx_ws_close(nx__container_of(tunnel, nx_ws, tunnel), NX__WS_CLOSE_AWAY, NULL);
}

static void gone(struct nx__tunnel *tunnel)
{
    nx_ws *ws = nx__container_of(tunnel, nx_ws, tunnel);
    if (ws->fiber) nx_cancel(ws->fiber);
    nx__ws_over(ws, NX_ERESET, NX__WS_CLOSE_ABNORMAL, "the server has closed the connection",
                false);
    nx__timer_clear(&ws->loop->timers, &ws->timer);
    nx__ws_release(ws);
}

const struct nx__tunnel_user nx__ws_user = {
    .ready = ready, .entered = entered, .stop = stop, .gone = gone};

/* ---- Deadlines */

static nx_duration after(nx_duration since, nx_duration span)
{
    return span == NX_FOREVER ? NX_FOREVER : since + span;
}

static nx_duration sooner(nx_duration a, nx_duration b)
{
    return a < b ? a : b;
}

static nx_duration due(const nx_ws *ws)
{
    nx_duration at = NX_FOREVER;
    if (ws->state != NX__WS_OPEN) return after(ws->since, ws->close_deadline);
    if (ws->blocked) at = after(ws->since, ws->write_deadline);
    at = sooner(at, after(ws->heard, ws->heartbeat));
    return sooner(at, after(ws->messaged, ws->idle_deadline));
}

void nx__ws_timer(nx_ws *ws)
{
    nx_duration at = due(ws), least = ws->loop->now + GRAIN_LEAST;
    if (!ws->tunnel.conn) return;
    if (ws->timer.place && ws->timer.at <= at) return; /* it looks then */
    if (at == NX_FOREVER) return;
    /* It has its place. */
    NX_IGNORE(nx__timer_set(&ws->loop->timers, &ws->timer, at > least ? at : least));
}

void nx__ws_timer_fire(struct nx__timer *timer)
{
    nx_ws *ws = nx__container_of(timer, nx_ws, timer);
    nx_duration now = ws->loop->now;
    ws->holds++;
    if (ws->state != NX__WS_OPEN) {
        if (now >= after(ws->since, ws->close_deadline)) {
            ws->in_order = false;
            if (ws->state == NX__WS_CLOSING)
                nx__ws_over(ws, NX_ETIMEDOUT, NX__WS_CLOSE_ABNORMAL,
                            "the peer has not answered our close", false);
            else
                nx__ws_leave(ws);
        }
    } else if (ws->blocked && now >= after(ws->since, ws->write_deadline)) {
        nx__ws_over(ws, NX_ETIMEDOUT, NX__WS_CLOSE_ABNORMAL,
                    "the peer has taken nothing for too long", false);
    } else if (now >= after(ws->messaged, ws->idle_deadline)) {
        nx_ws_close(ws, NX__WS_CLOSE_AWAY, "idle");
    } else if (now >= after(ws->heard, ws->heartbeat)) {
        /* Who is busy with a message has not looked whether there is an answer. */
        bool listens = ws->tunnel.drained && (ws->reader_op || !ws->fiber);
        if (listens && ws->pinged) {
            nx__ws_over(ws, NX_ETIMEDOUT, NX__WS_CLOSE_ABNORMAL, "the peer does not answer", false);
        } else {
            if (listens && nx__ws_control(ws, NX__WS_PING, (nx_bytes){0}))
                broken(ws, "out of memory");
            ws->pinged = listens;
            ws->heard = now; /* what is waited for now is the answer */
        }
    }
    if (ws->tunnel.conn) nx__ws_timer(ws);
    nx__ws_release(ws);
}

/* ---- About it */

unsigned nx_ws_close_code(const nx_ws *ws)
{
    return ws->code;
}

nx_bytes nx_ws_close_reason(const nx_ws *ws)
{
    return nx_slice(ws->reason, ws->reason_len);
}

const char *nx_ws_protocol(const nx_ws *ws)
{
    return ws->protocol;
}

size_t nx_ws_queued(const nx_ws *ws)
{
    return nx__ws_waiting(ws);
}

void *nx_ws_data(const nx_ws *ws)
{
    return ws->data;
}

void nx_ws_set_data(nx_ws *ws, void *data)
{
    ws->data = data;
}
