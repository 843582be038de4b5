/* WebSockets: what is sent, and what waits for the peer to take it. */
#include "http/ws/ws.h"

#include "base/json.h"
#include <errno.h>
#include <nexus/crypto.h>
#include <stdlib.h>

/* Who waits for room. */
struct writer {
    struct nx__op op;
    struct nx__list link; /* in ws->writers; a list of itself once woken */
};

void nx__ws_writers_wake(nx_ws *ws)
{
    for (struct nx__list *link; (link = nx__list_pop(&ws->writers));)
        nx__op_complete(&nx__container_of(link, struct writer, link)->op, 0);
}

static void writer_cancel(struct nx__op *op)
{
    struct writer *writer = nx__container_of(op, struct writer, op);
    if (nx__list_empty(&writer->link)) return; /* woken already */
    nx__list_remove(&writer->link);
    nx__op_complete(op, -ECANCELED);
}

/* ---- To the peer */

static void broken(nx_ws *ws)
{
    if (ws->state == NX__WS_OVER) { /* what was still to be sent can't be */
        ws->in_order = false;
        nx__ws_leave(ws);
        return;
    }
    nx__ws_over(ws, NX_ERESET, NX__WS_CLOSE_ABNORMAL, "the connection has broken", false);
}

static void block(nx_ws *ws)
{
    ws->blocked = true;
    ws->since = ws->state == NX__WS_OPEN ? ws->loop->now : ws->since;
    nx__ws_timer(ws);
}

void nx__ws_flush(nx_ws *ws)
{
    size_t waiting = nx__ws_waiting(ws);
    if (!ws->tunnel.conn || ws->blocked) return;
    if (waiting) {
        nx_bytes piece = nx_slice(ws->out.data + ws->out_at, waiting);
        long n = ws->tunnel.driver->send(&ws->tunnel, &piece, 1);
        if (n < 0 && n != -EAGAIN) {
            broken(ws);
            return;
        }
        if (n > 0) ws->out_at += (size_t)n;
        if ((size_t)(n > 0 ? n : 0) < waiting) block(ws);
    }
    waiting = nx__ws_waiting(ws);
    if (!waiting) {
        nx__ws_give(&ws->out);
        ws->out_at = 0;
    }
    if (waiting <= ws->max_queue / 2) nx__ws_writers_wake(ws);
    if (ws->starved && !ws->blocked && ws->state == NX__WS_OPEN) {
        ws->starved = false;
        ws->topics->serve(ws);
    }
    if (ws->state == NX__WS_OVER) nx__ws_leave(ws);
}

/* What was gathered goes out at the end of the turn, or now that it is much. */
static void flush_soon(nx_ws *ws)
{
    if (ws->blocked) return;
    if (nx__ws_waiting(ws) >= NX__WS_PIECE)
        nx__ws_flush(ws);
    else
        nx__loop_late(ws->loop, &ws->late);
}

/* Room for a frame behind what is there. */
static char *room(nx_ws *ws, size_t size)
{
    if (ws->out_at && ws->out_at >= ws->out.len / 2) {
        nx__buffer_consume(&ws->out, ws->out_at);
        ws->out_at = 0;
    }
    nx__ws_borrow(&ws->out);
    /* The cap is max_queue, which who sends has looked at. */
    if (nx__buffer_reserve(&ws->out, size, SIZE_MAX)) return NULL;
    return ws->out.data + ws->out.len;
}

/* A new key for each frame (RFC 6455 5.3), from the system's generator. */
static uint32_t key(void)
{
    struct nx__ws_pool *pool = nx__ws_pool;
    uint32_t mask;
    if (pool->keys < sizeof mask) {
        nx_random(pool->random, sizeof pool->random);
        pool->keys = sizeof pool->random;
    }
    pool->keys -= (unsigned)sizeof mask;
    memcpy(&mask, pool->random + pool->keys, sizeof mask);
    return mask;
}

/* Puts a frame behind what waits, or sends it from where it is. NX_ENOMEM, not recorded. */
static nx_err frame_put(nx_ws *ws, enum nx__ws_opcode opcode, bool compressed, nx_bytes payload)
{
    uint32_t mask = ws->server ? 0 : key();
    char head[NX__WS_HEAD_MOST];
    size_t head_len = nx__ws_head(head, opcode, compressed, payload.len, ws->server ? NULL : &mask);
    nx_bytes first = nx_slice(head, head_len);
    if (payload.len > NX__WS_COPY_MOST && !ws->blocked && ws->server) {
        size_t waiting = nx__ws_waiting(ws);
        nx_bytes waits = waiting ? nx_slice(ws->out.data + ws->out_at, waiting) : (nx_bytes){0};
        nx_bytes pieces[] = {waits, first, payload};
        size_t skip = !waiting;
        long n = ws->tunnel.driver->send(&ws->tunnel, pieces + skip, 3 - skip);
        if (n < 0 && n != -EAGAIN) {
            broken(ws);
            return NX_OK; /* who receives is told */
        }
        size_t sent = n > 0 ? (size_t)n : 0, total = waiting + head_len + payload.len;
        if (sent < total) block(ws);
        size_t of_waiting = sent < waiting ? sent : waiting;
        ws->out_at += of_waiting;
        sent -= of_waiting;
        size_t of_head = sent < head_len ? sent : head_len;
        first = nx_slice(head + of_head, head_len - of_head);
        payload = nx_slice(payload.data + (sent - of_head), payload.len - (sent - of_head));
        if (!first.len && !payload.len) {
            ws->out_at = ws->out.len = 0;
            return NX_OK;
        }
    }
    char *at = room(ws, first.len + payload.len);
    if (!at) {
        broken(ws); /* a part may be gone */
        return NX_ENOMEM;
    }
    memcpy(at, first.data, first.len);
    if (ws->server)
        memcpy(at + first.len, payload.data ? payload.data : "", payload.len);
    else
        (void)nx__ws_mask(at + first.len, payload.data, payload.len, mask);
    ws->out.len += first.len + payload.len;
    flush_soon(ws);
    return NX_OK;
}

/* Ends nothing by itself: who sends is told. */
long nx__ws_send_frames(nx_ws *ws, const nx_bytes *frames, size_t count)
{
    size_t total = 0, done = 0, sent = 0;
    if (ws->blocked) ws->starved = true;
    if (ws->blocked || !ws->tunnel.conn) return -EAGAIN;
    for (size_t i = 0; i < count; i++) total += frames[i].len;
    if (!nx__ws_waiting(ws)) {
        long n = ws->tunnel.driver->send(&ws->tunnel, frames, count);
        if (n < 0 && n != -EAGAIN) return n;
        if (n < (long)total) block(ws);
        if (n < 0) {
            ws->starved = true;
            return n;
        }
        sent = (size_t)n;
    }
    /* What is left goes as it is, before anything else. */
    for (size_t i = 0; i < count; done += frames[i++].len) {
        size_t skip = sent > done ? sent - done : 0;
        if (skip >= frames[i].len) continue;
        size_t len = frames[i].len - skip;
        char *at = room(ws, len);
        if (!at) return -ENOMEM;
        memcpy(at, frames[i].data + skip, len);
        ws->out.len += len;
    }
    if (nx__ws_waiting(ws) && !ws->blocked) nx__loop_late(ws->loop, &ws->late);
    return (long)total;
}

nx_err nx__ws_control(nx_ws *ws, enum nx__ws_opcode opcode, nx_bytes payload)
{
    if (!ws->tunnel.conn) return NX_OK;
    return frame_put(ws, opcode, false, payload);
}

/* ---- Messages */

static nx_err closed(void)
{
    return nx__error_set(NX_ECLOSED, "cannot send to the WebSocket: it is closed");
}

static nx_err no_memory(void)
{
    return nx__error_set(NX_ENOMEM, "cannot send to the WebSocket: out of memory");
}

/* Waits, or does what else is to be done, where too much waits already. `*go` is false where the
 * message is dropped. */
static nx_err make_room(nx_ws *ws, size_t len, bool *go)
{
    *go = true;
    for (size_t waiting; (waiting = nx__ws_waiting(ws)) && waiting + len > ws->max_queue;) {
        if (!ws->blocked) {
            nx__ws_flush(ws);
        } else if (ws->slow == NX_WS_DROP) {
            *go = false;
            return NX_OK;
        } else if (ws->slow == NX_WS_CUT) {
            nx__ws_over(ws, NX_ELIMIT, NX__WS_CLOSE_ABNORMAL, "more than max_queue bytes waited",
                        false);
        } else if (!nx__fiber_running()) {
            return nx__error_set(NX_EWOULDSUSPEND, "cannot wait for the WebSocket here: no fiber");
        } else {
            struct writer writer = {.op.cancel = writer_cancel};
            nx__list_insert(&ws->writers, &writer.link);
            int64_t result = nx__op_wait(&writer.op);
            nx__list_remove(&writer.link);
            if (result == -ELIMIT_OPERATIONS) return nx__error_operations();
            if (result < 0)
                return nx__error_set(NX_ECANCELED, "cannot send to the WebSocket: cancelled");
        }
        if (ws->state != NX__WS_OPEN) return closed();
    }
    return NX_OK;
}

/* Compresses to the end of `*out`. NX_ENOMEM. */
static nx_err compress(nx_ws *ws, nx_bytes payload, struct nx__buffer *out)
{
    bool fresh = ws->server ? ws->deflate.server_fresh : ws->deflate.client_fresh;
    unsigned bits = ws->server ? ws->deflate.server_bits : ws->deflate.client_bits;
    struct nx__ws_deflater **deflater = fresh ? &nx__ws_pool->deflaters[bits] : &ws->deflater;
    if (!*deflater) *deflater = nx__ws_deflater_new(bits);
    if (!*deflater) return NX_ENOMEM;
    bool anew = fresh || ws->stale;
    ws->stale = false;
    return nx__ws_deflate(*deflater, payload, out, anew);
}

static nx_err send_held(nx_ws *ws, enum nx__ws_opcode opcode, nx_bytes payload)
{
    bool go;
    if (ws->state != NX__WS_OPEN) return closed();
    NX_TRY(make_room(ws, payload.len, &go));
    if (!go) return NX_OK;
    if (!ws->deflate.on || payload.len < ws->compress_min)
        return frame_put(ws, opcode, false, payload) ? no_memory() : NX_OK;
    struct nx__buffer out = {0};
    nx__ws_borrow(&out);
    nx_err err = compress(ws, payload, &out);
    if (err)
        broken(ws); /* the peer's window and ours are not the same any more */
    else
        err = frame_put(ws, opcode, true, nx_slice(out.data, out.len));
    nx__ws_give(&out);
    return err ? no_memory() : NX_OK;
}

/* Sending may find that the connection has broken, with which everybody else lets go. */
static nx_err send(nx_ws *ws, enum nx__ws_opcode opcode, nx_bytes payload)
{
    ws->holds++;
    nx_err err = send_held(ws, opcode, payload);
    nx__ws_release(ws);
    return err;
}

nx_err nx_ws_send_text(nx_ws *ws, nx_bytes text)
{
    struct nx__ws_utf8 utf8 = {0};
    if (!nx__ws_utf8(&utf8, text.data, text.len) || utf8.len)
        return nx__error_set(
            NX_EINVAL, "cannot send to the WebSocket: the text is not UTF-8 (nx_ws_send_bytes "
                       "sends any bytes)");
    return send(ws, NX__WS_TEXT, text);
}

nx_err nx_ws_send(nx_ws *ws, const char *text)
{
    return nx_ws_send_text(ws, nx_str(text));
}

nx_err nx_ws_send_bytes(nx_ws *ws, nx_bytes bytes)
{
    return send(ws, NX__WS_BINARY, bytes);
}

nx_err nx_ws_send_message(nx_ws *ws, const nx_ws_message *message)
{
    if (!message->text) return nx_ws_send_bytes(ws, message->data);
    /* What came as text was looked at then. */
    bool came = message->data.data == ws->message.data || message->data.data == ws->plain.data;
    return came ? send(ws, NX__WS_TEXT, message->data) : nx_ws_send_text(ws, message->data);
}

nx_err nx_ws_send_json(nx_ws *ws, nx_value value)
{
    struct nx__buffer text = {0};
    nx__ws_borrow(&text);
    nx_err err = NX_OK;
    size_t len = nx__json_write(value, text.data, text.capacity, &err);
    if (!err && len > text.capacity) {
        if (nx__buffer_reserve(&text, len, SIZE_MAX))
            err = no_memory();
        else
            len = nx__json_write(value, text.data, text.capacity, &err);
    }
    if (!err) err = send(ws, NX__WS_TEXT, nx_slice(text.data, len));
    nx__ws_give(&text);
    return err;
}

nx_err nx_ws_ping(nx_ws *ws, nx_bytes bytes)
{
    if (bytes.len > NX__WS_CONTROL_MOST)
        return nx__error_set(NX_EINVAL, "cannot ping: %zu bytes are more than %d", bytes.len,
                             NX__WS_CONTROL_MOST);
    if (ws->state != NX__WS_OPEN) return closed();
    ws->holds++;
    nx_err err = nx__ws_control(ws, NX__WS_PING, bytes);
    nx__ws_release(ws);
    return err ? no_memory() : NX_OK;
}
