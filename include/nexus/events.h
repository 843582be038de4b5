/* Server-sent events: answers that stay open and bring events as they happen, for a handler's own
 * fiber, and by topics for very many listeners. The peer is a browser's EventSource or anything
 * that reads a stream (https://html.spec.whatwg.org/multipage/server-sent-events.html). */
#ifndef NEXUS_EVENTS_H
#define NEXUS_EVENTS_H

#include <nexus/http.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One event. What is left out is not sent; of `data`, `bytes` and `json` one may be given. */
typedef struct nx_event {
    size_t size;
    const char *event; /* its type, "message" for the peer if left out; no control characters */
    const char *data;  /* text, of any number of lines */
    nx_bytes bytes;    /* the same as a slice */
    nx_value json;     /* the same as JSON */
    const char *id;    /* what the peer gives back as Last-Event-ID; no control characters, at most
                          NX_EVENT_MAX_ID bytes; "" makes it forget the one before */
    nx_duration retry; /* how long the peer waits before it connects anew; whole milliseconds */
    const char *comment; /* ignored by the peer; one line or more */
    bool binary; /* `bytes` are a binary message for WebSockets that listen (nx_ws_subscribe);
                    others get nothing of it */
} nx_event;
#define NX_EVENT_MAX_ID 512

/* ---- In the handler's fiber: a loop that sends, and waits for what comes next */

/* Begins an answer of events: sends the head, with content-type: text/event-stream, cache-control:
 * no-cache and x-accel-buffering: no. The first nx_response_event does it by itself; a handler that
 * first waits for something calls it before. From here on handler_deadline no longer counts, a
 * silent stream gets a comment every `heartbeat` of the server's options, and the handler is
 * cancelled as soon as the peer leaves or the server stops: the call that it waits in returns
 * NX_ECANCELED, and the handler should return. Again on the same answer it does nothing. NX_ESTATE
 * (answered already), NX_EINVAL (a builder's mistake, a status without a body), NX_ECANCELED,
 * NX_ETIMEDOUT. May suspend. */
NX_API NX_MUST_CHECK nx_err nx_response_events(nx_response *res);

/* Sends an event:
 *   NX_TRY(nx_response_event(res, .event = "price", .json = nx_obj("eur", 12.5), .id = "7"));
 * Suspends while the peer is slow, so nothing piles up. NX_EINVAL (a line break in `event` or `id`:
 * nothing was sent, and the stream goes on), NX_ECANCELED (the peer has left, or the server stops),
 * NX_ETIMEDOUT (it has taken nothing for write_deadline), NX_ENOMEM. */
NX_API NX_MUST_CHECK nx_err nx_response_event_with(nx_response *res, const nx_event *event);
#define nx_response_event(res, ...)                                                                \
    nx_response_event_with((res), &(nx_event){.size = sizeof(nx_event), __VA_ARGS__})

/* The Last-Event-ID of a peer that was here before; `data` is NULL if there is none. */
NX_API nx_bytes nx_request_last_event_id(const nx_request *req);

/* ---- Topics: one event to all who listen. A listener holds a connection and no fiber. */

typedef struct nx_topic nx_topic;

/* Zero means the default, which is named in the comment. */
typedef struct nx_topic_options {
    size_t size;
    size_t max_queue; /* bytes that a listener may fall behind, 256 KiB; then it is dropped. They
                         are kept once, for all listeners together */
    uint32_t replay;  /* events kept for those who come back, 100; NX_TOPIC_NO_REPLAY */
    bool own_ids;     /* events have the ids that they are given; else the topic numbers them */
} nx_topic_options;
#define NX_TOPIC_MAX_QUEUE ((size_t)256 * 1024)
#define NX_TOPIC_REPLAY    100u
#define NX_TOPIC_NO_REPLAY UINT32_MAX

/* Makes a topic. All threads may use it; the caller frees it, when nobody else does any more. NULL
 * only when memory is out; the calls below then say so. Does not suspend. */
NX_API nx_topic *nx_topic_new_with(const nx_topic_options *options);
#define nx_topic_new(...)                                                                          \
    nx_topic_new_with(&(nx_topic_options){.size = sizeof(nx_topic_options), __VA_ARGS__})

/* Frees the topic: its listeners get what was sent before, and then the end of the stream. NULL is
 * fine. Does not suspend. */
NX_API void nx_topic_free(nx_topic *topic);
static inline void nx_topic_auto(nx_topic **topic)
{
    nx_topic_free(*topic);
}

typedef struct nx_subscribe_options {
    size_t size;
    uint32_t recent; /* a listener that was not here before begins with that many of the events that
                        are kept, none */
    void (*left)(
        void *arg); /* called once when the listener has gone, whatever the way; in a fiber
                       of its own, so it may wait; one at a time for each topic and worker */
    void *arg;
} nx_subscribe_options;

/* Makes the peer a listener of the topic and gives the fiber back when the handler returns:
 *   return nx_response_subscribe(res, topic);
 * One that comes back with a Last-Event-ID first gets what it has missed, or all that is kept where
 * that event is no longer kept. Events that the handler has sent before go first. A request with
 * HEAD is answered with the head alone. NX_ESTATE (subscribed already), NX_ENOMEM, and what
 * nx_response_events returns; then `left` is not called. May suspend. */
NX_API NX_MUST_CHECK nx_err nx_response_subscribe_with(nx_response *res, nx_topic *topic,
                                                       const nx_subscribe_options *options);
#define nx_response_subscribe(res, ...)                                                            \
    NX__SUBSCRIBE(res, __VA_ARGS__, .size = sizeof(nx_subscribe_options))
#define NX__SUBSCRIBE(res, topic, ...)                                                             \
    nx_response_subscribe_with((res), (topic), &(nx_subscribe_options){__VA_ARGS__})

/* Sends an event to all listeners: nx_topic_send(topic, .data = "hello"). It is made once, and sent
 * from the loop a few listeners at a time. A listener that can take no more is never waited for:
 * once it is more than max_queue behind, its connection is closed. Suspends a fiber while others
 * that can take more have not had what was sent before. Any thread: every listener
 * gets the events in one order; a worker whose loop is blocked is waited for a second at most, and
 * without a fiber nobody is. NX_EINVAL (a line break in `event` or `id`), NX_ETOOBIG (larger than
 * max_queue), NX_ENOMEM, NX_ECANCELED, NX_ECLOSED (the topic was freed meanwhile). */
NX_API NX_MUST_CHECK nx_err nx_topic_send_with(nx_topic *topic, const nx_event *event);
#define nx_topic_send(topic, ...)                                                                  \
    nx_topic_send_with((topic), &(nx_event){.size = sizeof(nx_event), __VA_ARGS__})

typedef struct nx_topic_stats {
    size_t size;
    size_t listeners; /* now */
    uint64_t sent;    /* events, ever */
    uint64_t dropped; /* listeners that fell behind by more than max_queue */
    size_t queued;    /* bytes kept, for replay and for those behind */
} nx_topic_stats;
/* Fills `*stats`. Does not suspend. */
NX_API void nx_topic_stats_get(const nx_topic *topic, nx_topic_stats *stats);

#ifdef __cplusplus
}
#endif

#endif
