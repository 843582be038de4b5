/* Server-sent events: their wire form, and streams in the handler's fiber. */
#include "http/events.h"

#include "base/json.h"
#include "http/coding/coding.h"
#include "loop/loop.h"
#include <stdlib.h>

enum { LOCAL_EVENT = 1024 /* bytes of an event that need no memory of their own */ };

/* ---- The wire form */

/* What a line of its own may hold. An id comes back as a header field's value, which must be one
 * that a server takes, or the peer could never connect again. */
static bool is_line(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f) return false;
    return true;
}

nx_event nx__event_of(const nx_event *event)
{
    nx_event e = {0};
    memcpy(&e, event, event->size && event->size < sizeof e ? event->size : sizeof e);
    return e;
}

static nx_err refused(const char *why)
{
    return nx__error_set(NX_EINVAL, "cannot send the event: %s", why);
}

nx_err nx__event_data(const nx_event *event, struct nx__buffer *json, nx_bytes *data)
{
    bool has_json = event->json.kind != NX_VALUE_NULL;
    *data = event->data ? nx_str(event->data) : event->bytes;
    if ((event->data != NULL) + (event->bytes.data != NULL) + has_json > 1)
        return refused("it has more than one of data, bytes and json");
    if (event->event && !is_line(event->event))
        return refused("a line break or control character in its type");
    if (event->id && !is_line(event->id))
        return refused("a line break or control character in its id");
    if (event->id && strlen(event->id) > NX_EVENT_MAX_ID)
        return refused("its id is longer than 512 bytes");
    if (event->retry < 0) return refused("its retry is negative");
    if (event->binary && !event->bytes.data) return refused("it is binary and has no bytes");
    if (has_json) {
        nx_err err = NX_OK;
        size_t len = nx__json_write(event->json, NULL, 0, &err);
        if (err) return err;
        if (nx__buffer_reserve(json, len, SIZE_MAX))
            return nx__error_set(NX_ENOMEM, "cannot send the event: out of memory");
        json->len = nx__json_write(event->json, json->data, json->capacity, &err);
        *data = nx_slice(json->data, json->len);
    }
    /* Without data a peer drops the event in silence. */
    if (!data->data && event->event && *event->event) *data = nx_str("");
    return NX_OK;
}

struct writer {
    char *out;
    size_t cap, len;
};

static void put(struct writer *w, const char *data, size_t len)
{
    if (len && w->len < w->cap)
        memcpy(w->out + w->len, data, len < w->cap - w->len ? len : w->cap - w->len);
    w->len += len;
}

static void put_line(struct writer *w, nx_bytes field, nx_bytes value)
{
    put(w, field.data, field.len);
    put(w, value.data, value.len);
    put(w, "\n", 1);
}

/* A line for each line of the text: LF, CR and CRLF end one. */
static void put_lines(struct writer *w, nx_bytes field, nx_bytes text)
{
    size_t start = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] != '\n' && text.data[i] != '\r') continue;
        put_line(w, field, nx_slice(text.data + start, i - start));
        if (text.data[i] == '\r' && i + 1 < text.len && text.data[i + 1] == '\n') i++;
        start = i + 1;
    }
    put_line(w, field, nx_slice(text.data + start, text.len - start));
}

static void put_retry(struct writer *w, nx_duration retry)
{
    char digits[24], *at = digits + sizeof digits;
    uint64_t ms = (uint64_t)(retry / NX_MS(1));
    do *--at = (char)('0' + ms % 10);
    while (ms /= 10);
    put_line(w, nx_str("retry: "), nx_slice(at, (size_t)(digits + sizeof digits - at)));
}

size_t nx__event_write(const nx_event *event, nx_bytes data, char *out, size_t cap)
{
    struct writer w = {.out = out, .cap = cap};
    if (event->comment) put_lines(&w, nx_str(": "), nx_str(event->comment));
    if (event->event && *event->event) put_line(&w, nx_str("event: "), nx_str(event->event));
    if (event->id) put_line(&w, nx_str("id: "), nx_str(event->id));
    if (event->retry) put_retry(&w, event->retry);
    if (data.data) put_lines(&w, nx_str("data: "), data);
    if (w.len) put(&w, "\n", 1);
    return w.len;
}

/* ---- The stream of a handler */

static nx_err over(void)
{
    return nx__error_set(NX_ECANCELED,
                         "cannot send the event: the peer has left, or the server stops");
}

/* One error for a peer that has left, however it is noticed; the handler is to end then. */
static nx_err sent(nx_response *res, nx_err err)
{
    if (err != NX_ERESET) return err;
    nx_cancel(res->req->fiber);
    return over();
}

static void header_unless_given(nx_response *res, const char *name, const char *value)
{
    for (uint32_t i = 0; i < res->fields.count; i++)
        if (strcasecmp(res->fields.items[i].name.data, name) == 0) return;
    nx_response_header(res, name, value);
}

/* The head is the whole answer then. */
static bool is_head(const nx_response *res)
{
    return nx_bytes_is(res->req->method, "HEAD");
}

static nx_err begin(nx_response *res)
{
    if (res->state != NX__RESPONSE_OPEN)
        return nx__error_set(NX_ESTATE, "cannot send events: another answer has begun already");
    if (res->status == 204 || res->status == 304)
        return nx__error_set(NX_EINVAL, "cannot send events: an answer with status %d has no body",
                             res->status);
    /* Not compressed: comments come between the events, and an event is not to wait for the next.
     */
    if (res->req->server->coding) res->req->server->coding->end(res->req);
    header_unless_given(res, "cache-control", "no-cache");
    header_unless_given(res, "x-accel-buffering", "no"); /* nginx would hold events back */
    res->content_type = &nx__type_events;
    NX_TRY(sent(res, nx_response_write(res, (nx_bytes){0})));
    res->events = true;
    if (is_head(res))
        res->state = NX__RESPONSE_DONE;
    else
        res->req->driver->events(res);
    return NX_OK;
}

nx_err nx__events_begin(nx_response *res)
{
    if (nx_canceled()) return over();
    if (!res->events) return begin(res);
    if (res->state == NX__RESPONSE_DONE && !is_head(res))
        return nx__error_set(NX_ESTATE, "cannot send events: the stream has ended already");
    return NX_OK;
}

nx_err nx_response_events(nx_response *res)
{
    NX_TRY(nx__events_begin(res));
    if (!is_head(res)) return NX_OK;
    nx_cancel(res->req->fiber); /* there is nothing to send, ever */
    return over();
}

nx_err nx_response_event_with(nx_response *res, const nx_event *event)
{
    nx_event e = nx__event_of(event);
    struct nx__buffer json = {0};
    char local[LOCAL_EVENT], *text = local, *more = NULL;
    nx_bytes data;
    nx_err err = nx__event_data(&e, &json, &data);
    if (err) goto out;
    err = nx_response_events(res);
    if (err) goto out;
    /* Not in the request's memory, which would grow as long as the stream lasts. */
    size_t len = nx__event_write(&e, data, local, sizeof local);
    if (len > sizeof local) {
        text = more = malloc(len);
        if (!more) {
            err = nx__error_set(NX_ENOMEM, "cannot send the event: out of memory");
            goto out;
        }
        (void)nx__event_write(&e, data, text, len);
    }
    err = sent(res, nx_response_write(res, nx_slice(text, len)));
    if (!err) res->req->driver->events(res);
out:
    free(more);
    nx__buffer_free(&json);
    return err;
}

nx_err nx__events_over(nx_response *res, nx_err err)
{
    bool stops = res->req->server->draining && err == NX_ECANCELED;
    if (res->state == NX__RESPONSE_STREAMING && stops && res->req->server->handing)
        NX_IGNORE(nx_response_write(res, nx_str(NX__EVENTS_COME_BACK)));
    if (res->state == NX__RESPONSE_STREAMING && (!err || stops)) err = nx_response_end(res);
    return err == NX_ERESET ? NX_ECANCELED : err;
}

nx_bytes nx_request_last_event_id(const nx_request *req)
{
    return nx_request_header(req, "last-event-id");
}
