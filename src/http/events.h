/* Server-sent events inside: their wire form, and streams that have no fiber. */
#ifndef NX__HTTP_EVENTS_H
#define NX__HTTP_EVENTS_H

#include "base/buffer.h"
#include "base/list.h"
#include "http/server.h"
#include <nexus/events.h>

/* ---- events.c: the wire form (HTML standard, 9.2.5), pure */

/* What a stream ends with when another program takes our place: EventSource would wait for seconds
 * before it connects anew. 12 bytes. */
#define NX__EVENTS_COME_BACK "retry: 100\n\n"

/* The event as it is asked for, whatever version of the header asks. */
nx_event nx__event_of(const nx_event *event);

/* What goes into data: lines, and whether there are any; JSON is written into `*json`, which the
 * caller frees whatever the result. NX_EINVAL (recorded) for what an event can't say; NX_ENOMEM. */
NX_MUST_CHECK nx_err nx__event_data(const nx_event *event, struct nx__buffer *json, nx_bytes *data);

/* Writes the event to `out` as far as `cap` bytes reach, and returns the length of the whole.
 * `data` is from nx__event_data. */
size_t nx__event_write(const nx_event *event, nx_bytes data, char *out, size_t cap);

/* Sends the head of a stream, once; with HEAD that is all, and the answer is done. Errors as
 * nx_response_events. May suspend. */
NX_MUST_CHECK nx_err nx__events_begin(nx_response *res);

/* After the handler: ends the stream where that is in order. Returns what is left of the error. */
nx_err nx__events_over(nx_response *res, nx_err err);

/* ---- branch.c */

struct nx__frame; /* http/topic.h */

/* An answer that goes on without a fiber, of which a connection has one at most; or whoever else
 * listens. */
struct nx__stream {
    struct nx__list link;      /* in one of the branch's lists, by how far it is */
    struct nx__branch *branch; /* http/topic.h */
    const struct nx__http_driver *driver;
    void *conn;    /* the driver's */
    uint64_t next; /* number of the event that it gets next */
    uint32_t sent; /* bytes of that event that it has */
    bool chunked;  /* takes events with chunk framing around them (RFC 9112 7.1) */
    bool ending;   /* the server stops */
    bool skips;    /* one that falls behind misses events, and is not dropped */
    /* NULL for events as they are; else puts what is to be sent of one event to `*piece`, empty:
     * nothing. False: the stream is to be dropped. The driver's stream_send takes whole pieces
     * then, or none. */
    bool (*form)(struct nx__stream *stream, struct nx__frame *frame, nx_bytes *piece);
    void (*left)(void *arg);
    void *arg;
};

/* Sends what the stream has not got yet, as far as its peer takes it; first when the handler has
 * ended. In the loop's context, as all of these; the stream may be gone after. */
void nx__stream_serve(struct nx__stream *stream);

/* The same, and then ends it. */
void nx__stream_finish(struct nx__stream *stream);

/* The connection has gone, or has no more to do with the stream; frees it. */
void nx__stream_leave(struct nx__stream *stream);

#endif
