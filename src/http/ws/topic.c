/* WebSockets that listen to topics: a message is framed once for all of them, and compressed once
 * for all that have agreed on the same window. */
#include "http/topic.h"

#include "http/ws/ws.h"
#include <errno.h>
#include <stdlib.h>

struct subscription {
    struct nx__stream stream; /* first: what frees it */
    struct nx__list link;     /* in ws->subscriptions */
    nx_ws *ws;
    const nx_topic *topic;
};

static struct subscription *of(struct nx__stream *stream)
{
    return nx__container_of(stream, struct subscription, stream);
}

/* ---- Frames. A form's kind is the window's bits; 0: it is not compressed */

static bool compress(nx_bytes data, unsigned bits, struct nx__buffer *out)
{
    struct nx__ws_deflater **deflater = &nx__ws_pool->deflaters[bits];
    if (!*deflater) *deflater = nx__ws_deflater_new(bits);
    return *deflater && nx__ws_deflate(*deflater, data, out, true) == NX_OK;
}

static struct nx__form *form_new(const struct nx__frame *frame, unsigned bits)
{
    struct nx__buffer packed = {0};
    nx_bytes data = nx__frame_data(frame), payload = data;
    struct nx__ws_utf8 utf8 = {0};
    bool text = !frame->binary && nx__ws_utf8(&utf8, data.data, data.len) && !utf8.len;
    struct nx__form *form = NULL;
    nx__ws_borrow(&packed);
    if (!bits || compress(data, bits, &packed)) {
        bool useless = bits && packed.len >= data.len;
        if (bits) payload = nx_slice(packed.data, packed.len);
        form = malloc(sizeof *form + (useless ? 0 : NX__WS_HEAD_MOST + payload.len));
        if (form) {
            form->kind = bits;
            form->len = 0;
        }
        if (form && !useless) {
            size_t head = nx__ws_head(form->bytes, text ? NX__WS_TEXT : NX__WS_BINARY, bits != 0,
                                      payload.len, NULL);
            if (payload.len) memcpy(form->bytes + head, payload.data, payload.len);
            form->len = (uint32_t)(head + payload.len);
        }
    }
    nx__ws_give(&packed);
    return form;
}

/* NULL when memory is out. Another worker may make the same meanwhile: then there are two. */
static const struct nx__form *form_of(struct nx__frame *frame, unsigned bits)
{
    struct nx__form *first = atomic_load(&frame->forms);
    for (struct nx__form *form = first; form; form = form->next)
        if (form->kind == bits) return form;
    struct nx__form *form = form_new(frame, bits);
    if (!form) return NULL;
    form->next = first;
    while (!atomic_compare_exchange_weak(&frame->forms, &form->next, form)) {}
    return form;
}

static bool piece_of(struct nx__stream *stream, struct nx__frame *frame, nx_bytes *piece)
{
    nx_ws *ws = of(stream)->ws;
    const struct nx__form *form = NULL;
    if (frame->data == UINT32_MAX) return true; /* an event without data */
    unsigned bits = ws->server ? ws->deflate.server_bits : 0;
    if (ws->deflate.on && bits && frame->data_len >= ws->compress_min) {
        form = form_of(frame, bits);
        if (!form) return false;
        /* What it has compressed before is no longer where our own deflater has it. */
        if (form->len) ws->stale = true;
    }
    if (!form || !form->len) form = form_of(frame, 0);
    if (!form) return false;
    *piece = nx_slice(form->bytes, form->len);
    return true;
}

/* ---- The stream's driver */

static long stream_send(struct nx__stream *stream, const nx_bytes *pieces, size_t count)
{
    return nx__ws_send_frames(of(stream)->ws, pieces, count);
}

static void subscription_leave(struct subscription *s)
{
    nx__list_remove(&s->link);
    nx__stream_leave(&s->stream);
}

static void stream_end(struct nx__stream *stream, bool in_order)
{
    struct subscription *s = of(stream);
    nx_ws *ws = s->ws;
    subscription_leave(s); /* a topic that is freed leaves the WebSocket open */
    if (!in_order)
        nx__ws_over(ws, NX_ERESET, NX__WS_CLOSE_ABNORMAL,
                    "it was too far behind what it listens to", false);
}

/* ---- For the WebSocket */

static void serve(nx_ws *ws)
{
    struct nx__list *link = ws->subscriptions.next, *next;
    ws->holds++;
    for (; link != &ws->subscriptions && !ws->blocked && ws->state == NX__WS_OPEN; link = next) {
        next = link->next;
        nx__stream_serve(&nx__container_of(link, struct subscription, link)->stream);
    }
    /* The others have their turn when the peer takes more. */
    if (link != &ws->subscriptions && ws->state == NX__WS_OPEN) ws->starved = true;
    nx__ws_release(ws);
}

static void leave(nx_ws *ws)
{
    while (!nx__list_empty(&ws->subscriptions))
        subscription_leave(nx__container_of(ws->subscriptions.next, struct subscription, link));
}

static struct subscription *find(const nx_ws *ws, const nx_topic *topic)
{
    struct nx__list *link = ws->subscriptions.next;
    for (; link != &ws->subscriptions; link = link->next) {
        struct subscription *s = nx__container_of(link, struct subscription, link);
        if (s->topic == topic) return s;
    }
    return NULL;
}

nx_err nx_ws_subscribe_with(nx_ws *ws, nx_topic *topic, const nx_subscribe_options *options)
{
    static const struct nx__http_driver driver = {.stream_send = stream_send,
                                                  .stream_end = stream_end};
    static const struct nx__ws_topics topics = {.serve = serve, .leave = leave};
    NX__OPTIONS(nx_subscribe_options, o, options);
    if (!topic) return nx__error_set(NX_ENOMEM, "cannot subscribe: the topic had no memory");
    if (ws->state != NX__WS_OPEN)
        return nx__error_set(NX_ECLOSED, "cannot subscribe: the WebSocket is closed");
    if (!ws->server)
        return nx__error_set(NX_ENOTSUP, "cannot subscribe: a client masks each frame anew");
    if (find(ws, topic))
        return nx__error_set(NX_ESTATE, "cannot subscribe: the WebSocket listens to it already");
    struct subscription *s = calloc(1, sizeof *s);
    if (!s) return nx__error_set(NX_ENOMEM, "cannot subscribe: out of memory");
    s->ws = ws;
    s->topic = topic;
    s->stream.driver = &driver;
    s->stream.form = piece_of;
    s->stream.skips = ws->slow == NX_WS_DROP;
    nx__list_init(&s->stream.link);
    nx_err err = nx__topic_join(topic, &s->stream, (nx_bytes){0}, o.recent);
    if (err) {
        free(s);
        return err;
    }
    nx__list_insert(&ws->subscriptions, &s->link);
    ws->topics = &topics;
    nx__stream_serve(&s->stream);
    return NX_OK;
}

void nx_ws_unsubscribe(nx_ws *ws, const nx_topic *topic)
{
    struct subscription *s = find(ws, topic);
    if (s) subscription_leave(s);
}
