/* WebSockets: making and freeing them, and the buffers that those of a loop share. */
#include "http/ws/ws.h"

#include <stdlib.h>

NX__THREAD_LOCAL struct nx__ws_pool *nx__ws_pool;

/* ---- The loop's pool */

static bool pool_join(void)
{
    if (!nx__ws_pool) nx__ws_pool = calloc(1, sizeof *nx__ws_pool);
    if (!nx__ws_pool) return false;
    nx__ws_pool->users++;
    return true;
}

static void pool_leave(void)
{
    struct nx__ws_pool *pool = nx__ws_pool;
    if (--pool->users) return;
    for (size_t i = 0; i < pool->count; i++) nx__buffer_free(&pool->spare[i]);
    nx__ws_inflater_free(pool->inflater);
    for (size_t i = 0; i <= NX__WS_BITS_MOST; i++) nx__ws_deflater_free(pool->deflaters[i]);
    free(pool);
    nx__ws_pool = NULL;
}

void nx__ws_borrow(struct nx__buffer *buffer)
{
    struct nx__ws_pool *pool = nx__ws_pool;
    if (!buffer->data && pool->count) *buffer = pool->spare[--pool->count];
}

void nx__ws_give(struct nx__buffer *buffer)
{
    struct nx__ws_pool *pool = nx__ws_pool;
    if (!buffer->data) return;
    if (pool->count == NX__WS_SPARE || buffer->capacity > NX__WS_SPARE_MOST) {
        nx__buffer_free(buffer);
        return;
    }
    buffer->len = 0;
    pool->spare[pool->count++] = *buffer;
    *buffer = (struct nx__buffer){0};
}

/* ---- Life */

static nx_duration or_default(nx_duration given, nx_duration otherwise)
{
    return given ? given : otherwise;
}

nx_err nx__ws_new(nx_ws **out, const nx_ws_options *o, nx_bytes protocol)
{
    nx_ws *ws = calloc(1, sizeof *ws + protocol.len + 1);
    if (!ws || !pool_join()) {
        free(ws);
        return nx__error_set(NX_ENOMEM, "cannot make a WebSocket: out of memory");
    }
    ws->loop = nx__loop();
    if (nx__timer_keep(&ws->loop->timers, &ws->timer)) {
        free(ws);
        pool_leave();
        return NX_ENOMEM;
    }
    ws->holds = 1;
    ws->tunnel.user = &nx__ws_user;
    ws->late.fn = nx__ws_late;
    ws->timer.fire = nx__ws_timer_fire;
    nx__list_init(&ws->late.link);
    nx__list_init(&ws->writers);
    nx__list_init(&ws->subscriptions);
    ws->max_message = o->max_message ? o->max_message : NX_WS_MAX_MESSAGE;
    ws->max_queue = o->max_queue ? o->max_queue : NX_WS_MAX_QUEUE;
    ws->reader.max_message = ws->max_message;
    ws->slow = o->slow ? o->slow : NX_WS_WAIT;
    ws->compress_min = o->compress_min ? o->compress_min : 256;
    ws->heartbeat = or_default(o->heartbeat, NX_S(30));
    ws->idle_deadline = or_default(o->idle_deadline, NX_FOREVER);
    ws->write_deadline = or_default(o->write_deadline, NX_S(30));
    ws->close_deadline = or_default(o->close_deadline, NX_S(5));
    ws->open = o->open;
    ws->on_message = o->message;
    ws->close = o->close;
    ws->data = o->data;
    memcpy(ws->protocol, protocol.data ? protocol.data : "", protocol.len);
    *out = ws;
    return NX_OK;
}

void nx__ws_begin(nx_ws *ws)
{
    ws->holds++; /* the tunnel's */
    ws->heard = ws->messaged = ws->loop->now;
    nx__ws_timer(ws);
}

void nx__ws_release(nx_ws *ws)
{
    if (--ws->holds) return;
    nx__timer_let(&ws->loop->timers, &ws->timer);
    nx__list_remove(&ws->late.link);
    nx__ws_give(&ws->in);
    nx__ws_give(&ws->message);
    nx__ws_give(&ws->plain);
    nx__ws_give(&ws->out);
    nx__ws_inflater_free(ws->inflater);
    nx__ws_deflater_free(ws->deflater);
    free(ws);
    pool_leave();
}
