/* The heads of HTTP/3 requests: collected field by field, and laid out as those of HTTP/1.1 are, so
 * that all that reads requests finds them alike. */
#include "http/h3/h3.h"

#include "http/h1/syntax.h"
#include "loop/fiber.h"
#include <stdlib.h>

enum { FIELD_OVERHEAD = 32 /* what a field counts beside its bytes (RFC 9114 4.2.2) */ };

/* ---- Collecting */

/* Keeps the bytes; where they are. */
static bool keep(struct nx__h3_stream *stream, nx_bytes bytes, struct nx__h1_slice *out)
{
    size_t at = stream->text.len;
    if (nx__buffer_append(&stream->text, bytes.data, bytes.len, NX__H1_MAX_HEAD)) return false;
    *out = (struct nx__h1_slice){(uint16_t)at, (uint16_t)bytes.len};
    return true;
}

static bool refuse(struct nx__h3_stream *stream, int status, const char *reason)
{
    if (!stream->refused) {
        stream->refused = (uint16_t)status;
        stream->reason = reason;
    }
    return true;
}

static bool fields_grow(struct nx__h3_stream *stream)
{
    uint32_t capacity = stream->field_capacity ? stream->field_capacity * 2 : 16;
    struct nx__h1_header *fields = realloc(stream->fields, capacity * sizeof *fields);
    if (!fields) return false;
    stream->fields = fields;
    stream->field_capacity = capacity;
    return true;
}

static void length_read(struct nx__h3_stream *stream, nx_bytes value)
{
    uint64_t n = 0;
    for (size_t i = 0; i < value.len; i++) { /* nghttp3 has seen to it that these are digits */
        unsigned digit = (unsigned)(value.data[i] - '0');
        if (digit > 9 || n > ((uint64_t)INT64_MAX - digit) / 10) return;
        n = n * 10 + digit;
    }
    stream->length = n;
}

bool nx__h3_field(struct nx__h3_stream *stream, int32_t token, nx_bytes name, nx_bytes value)
{
    const nx_http_server_options *o = &stream->server->options;
    stream->expanded += name.len + value.len + FIELD_OVERHEAD;
    if (stream->expanded > NX__H3_EXPANDED_MOST) {
        stream->session->ops->fail(stream->session->wire, NGHTTP3_H3_EXCESSIVE_LOAD);
        return false;
    }
    if (stream->refused) return true;
    if (stream->text.len + name.len + value.len + 4 > o->max_head)
        return refuse(stream, 431, "the request head is too large");
    switch (token) {
    case NGHTTP3_QPACK_TOKEN__METHOD: return keep(stream, value, &stream->method);
    case NGHTTP3_QPACK_TOKEN__PATH:
        if (value.len > o->max_target) return refuse(stream, 414, "the target is too long");
        return keep(stream, value, &stream->path);
    case NGHTTP3_QPACK_TOKEN__AUTHORITY: return keep(stream, value, &stream->authority);
    case NGHTTP3_QPACK_TOKEN__SCHEME: return keep(stream, value, &stream->scheme);
    case NGHTTP3_QPACK_TOKEN__PROTOCOL: return keep(stream, value, &stream->protocol);
    case NGHTTP3_QPACK_TOKEN_CONTENT_LENGTH: length_read(stream, value); break;
    case NGHTTP3_QPACK_TOKEN_COOKIE: stream->cookies++; break;
    default: break;
    }
    if (name.len == 6 && memcmp(name.data, "expect", 6) == 0 &&
        NX__ASCII_IS(value.data, value.len, "100-continue"))
        stream->expect = true;
    if (stream->field_count == o->max_headers)
        return refuse(stream, 431, "there are too many header fields");
    if (stream->field_count == stream->field_capacity && !fields_grow(stream)) return false;
    struct nx__h1_slice at_name, at_value;
    if (!keep(stream, name, &at_name) || !keep(stream, value, &at_value)) return false;
    stream->fields[stream->field_count++] = (struct nx__h1_header){
        .name_off = at_name.off, at_name.len, .value_off = at_value.off, at_value.len};
    return true;
}

bool nx__h3_trailer(struct nx__h3_stream *stream, nx_bytes name, nx_bytes value)
{
    size_t most = stream->server->options.max_trailer;
    stream->expanded += name.len + value.len + FIELD_OVERHEAD;
    if (stream->expanded > NX__H3_EXPANDED_MOST) {
        stream->session->ops->fail(stream->session->wire, NGHTTP3_H3_EXCESSIVE_LOAD);
        return false;
    }
    if (nx__h1_forbidden_trailer(name.data, name.len)) return true;
    nx_err err =
        nx__buffer_printf(&stream->trailer, most, "%.*s: %.*s\r\n", NX_FMT(name), NX_FMT(value));
    if (!err) return true;
    stream->session->ops->fail(stream->session->wire, NGHTTP3_H3_EXCESSIVE_LOAD);
    return false;
}

/* ---- Laying out */

struct layout {
    char *text, *at;
    struct nx__h1_header *fields;
    uint32_t count;
};

static nx_bytes put(struct layout *l, nx_bytes bytes)
{
    nx_bytes here = nx_slice(l->at, bytes.len);
    if (bytes.len) memcpy(l->at, bytes.data, bytes.len);
    l->at += bytes.len;
    return here;
}

static void put_field(struct layout *l, nx_bytes name, nx_bytes value)
{
    struct nx__h1_header *field = &l->fields[l->count++];
    field->name_off = (uint16_t)(l->at - l->text);
    field->name_len = (uint16_t)name.len;
    (void)put(l, name);
    (void)put(l, nx_str(": "));
    field->value_off = (uint16_t)(l->at - l->text);
    field->value_len = (uint16_t)value.len;
    (void)put(l, value);
    (void)put(l, nx_str("\r\n"));
}

static nx_bytes at(const struct nx__h3_stream *stream, struct nx__h1_slice slice)
{
    return nx_slice(stream->text.data + slice.off, slice.len);
}

static bool is_cookie(const struct nx__h3_stream *stream, const struct nx__h1_header *field)
{
    return field->name_len == 6 && memcmp(stream->text.data + field->name_off, "cookie", 6) == 0;
}

/* What came in pieces is one field for those who read it (RFC 9114 4.2.1). */
static void put_cookies(struct layout *l, const struct nx__h3_stream *stream)
{
    struct nx__h1_header *whole = NULL;
    for (uint32_t i = 0; i < stream->field_count; i++) {
        const struct nx__h1_header *field = &stream->fields[i];
        if (!is_cookie(stream, field)) continue;
        nx_bytes value = nx_slice(stream->text.data + field->value_off, field->value_len);
        if (!whole) {
            put_field(l, nx_str("cookie"), value);
            whole = &l->fields[l->count - 1];
            continue;
        }
        l->at -= 2; /* over its end of line */
        (void)put(l, nx_str("; "));
        (void)put(l, value);
        whole->value_len = (uint16_t)(whole->value_len + 2 + value.len);
        (void)put(l, nx_str("\r\n"));
    }
}

static bool has_host(const struct nx__h3_stream *stream)
{
    for (uint32_t i = 0; i < stream->field_count; i++) {
        const struct nx__h1_header *field = &stream->fields[i];
        if (field->name_len == 4 && memcmp(stream->text.data + field->name_off, "host", 4) == 0)
            return true;
    }
    return false;
}

/* A Host field says what :authority does, or nothing (RFC 9114 4.3.1). */
static bool host_agrees(const struct nx__h3_stream *stream)
{
    nx_bytes authority = at(stream, stream->authority);
    for (uint32_t i = 0; i < stream->field_count && authority.len; i++) {
        const struct nx__h1_header *field = &stream->fields[i];
        const char *name = stream->text.data + field->name_off;
        nx_bytes value = nx_slice(stream->text.data + field->value_off, field->value_len);
        if (field->name_len == 4 && memcmp(name, "host", 4) == 0 && !nx_bytes_eq(value, authority))
            return false;
    }
    return true;
}

static const char end_of_line[] = " HTTP/3\r\n";

/* Bytes of the laid out head, at most. */
static size_t layout_size(const struct nx__h3_stream *stream)
{
    return stream->text.len + stream->protocol.len + (stream->field_count + 1) * 4u +
           sizeof end_of_line + sizeof "host" + 16;
}

static void lay_out(struct layout *l, const struct nx__h3_stream *stream, nx_request *base)
{
    base->method = put(l, at(stream, stream->method));
    (void)put(l, nx_str(" "));
    nx_bytes target = put(l, at(stream, stream->path));
    (void)put(l, nx_str(end_of_line));
    const char *mark = target.len ? memchr(target.data, '?', target.len) : NULL;
    base->path = mark ? nx_slice(target.data, (size_t)(mark - target.data)) : target;
    base->query =
        mark ? nx_slice(mark + 1, (size_t)(target.data + target.len - mark - 1)) : (nx_bytes){0};
    if (stream->authority.len && !has_host(stream))
        put_field(l, nx_str("host"), at(stream, stream->authority));
    for (uint32_t i = 0; i < stream->field_count; i++) {
        const struct nx__h1_header *field = &stream->fields[i];
        if (stream->cookies > 1 && is_cookie(stream, field)) continue;
        put_field(l, nx_slice(stream->text.data + field->name_off, field->name_len),
                  nx_slice(stream->text.data + field->value_off, field->value_len));
    }
    if (stream->cookies > 1) put_cookies(l, stream);
    base->head = l->text;
    base->headers = l->fields;
    base->header_count = l->count;
}

/* ---- Requests */

static nx_err request_main(void *arg)
{
    struct nx__h3_request *req = arg;
    struct nx__h3_stream *stream = req->stream;
    nx__request_serve(&req->base);
    nx__count(&stream->server->stats.requests, 1);
    nx__h3_ended(stream);
    return NX_OK;
}

static struct nx__h3_request *request_new(struct nx__h3_stream *stream)
{
    nx_fiber *fiber = nx__fiber_new(request_main, NULL, nx__request_fiber);
    if (!fiber) return NULL;
    size_t fields_size = (stream->field_count + 1) * sizeof(struct nx__h1_header);
    struct {
        struct nx__h3_request req;
        struct nx__route_match match; /* not cleared: large, and filled by the router */
        char copy[];
    } *memory =
        nx__arena_alloc(&fiber->own.arena, sizeof *memory + fields_size + layout_size(stream));
    if (!memory) {
        nx__fiber_release(fiber);
        return NULL;
    }
    struct nx__h3_request *req = &memory->req;
    nx_request *base = &req->base;
    struct layout l = {.text = memory->copy + fields_size,
                       .at = memory->copy + fields_size,
                       .fields = (struct nx__h1_header *)(void *)memory->copy};
    memset(req, 0, sizeof *req);
    lay_out(&l, stream, base);
    base->driver = &nx__h3_driver;
    base->server = stream->server;
    base->secure = true;
    base->fiber = fiber;
    base->match = &memory->match;
    base->response.req = base;
    base->response.status = 200;
    req->stream = stream;
    if (stream->protocol.len) req->asked = put(&l, at(stream, stream->protocol));
    req->head_method = nx_bytes_is(base->method, "HEAD");
    fiber->arg = req;
    fiber->activity =
        nx_slice(base->method.data, (size_t)(base->path.data + base->path.len - base->method.data));
    return req;
}

static bool all_are(nx_bytes text, unsigned classes)
{
    for (size_t i = 0; i < text.len; i++)
        if (!nx__h1_is(text.data[i], classes)) return false;
    return text.len != 0;
}

static bool is_safe(nx_bytes method)
{
    return nx_bytes_is(method, "GET") || nx_bytes_is(method, "HEAD") ||
           nx_bytes_is(method, "OPTIONS");
}

/* As strict as the parser of HTTP/1.1, where nghttp3 is not. */
static bool check(struct nx__h3_stream *stream)
{
    if (stream->refused) return false;
    nx_bytes method = at(stream, stream->method), path = at(stream, stream->path);
    stream->refused = 400;
    stream->reason = "the method is no token";
    if (!all_are(method, NX__H1_TOKEN)) return false;
    bool connect = nx_bytes_is(method, "CONNECT");
    if (method.len > NX__H1_MAX_METHOD || (connect && !stream->protocol.len)) {
        stream->refused = 501;
        stream->reason = "the method is not served";
        return false;
    }
    stream->reason = "the target is no path";
    bool all = nx_bytes_is(path, "*") && nx_bytes_is(method, "OPTIONS");
    if (!all && (!all_are(path, NX__H1_TARGET) || *path.data != '/')) return false;
    stream->reason = "the host field is not that of the request";
    if (!host_agrees(stream)) return false;
    /* What is sent in 0-RTT may be sent again by others (RFC 8470 5.2). */
    stream->refused = 425;
    stream->reason = "the request came before the handshake was done";
    if (stream->early && !is_safe(method)) return false;
    stream->refused = 431;
    stream->reason = "the request head is too large";
    if (layout_size(stream) > NX__H1_MAX_HEAD) return false;
    stream->refused = 0;
    return true;
}

void nx__h3_begin(struct nx__h3_stream *stream)
{
    nx_http_server *server = stream->server;
    const nx_http_server_options *o = &server->options;
    if (!check(stream)) {
        nx__count(&server->stats.bad, 1);
        nx__h3_refuse(stream, stream->refused, stream->reason);
        return;
    }
    struct nx__h3_request *req = request_new(stream);
    if (!req) {
        nx__h3_refuse(stream, 503, "out of memory or fibers");
        return;
    }
    nx__buffer_free(&stream->text);
    free(stream->fields);
    stream->fields = NULL;
    nx_request *base = &req->base;
    const struct nx__site *site = &server->sites.rest;
    if (nx__unlikely(server->sites.count))
        site = nx__site_find(&server->sites, nx_request_header(base, "host"));
    /* A tunnel is opened where HTTP/1.1 would upgrade. */
    nx__router_match(site->routes, req->asked.len ? nx_str("GET") : base->method, base->path,
                     base->match);
    base->handler = (nx_http_handler)base->match->handler;
    if (nx__unlikely(stream->length != UINT64_MAX && stream->length > o->max_body)) {
        base->match->outcome = NX__ROUTE_TOO_LARGE;
        base->handler = NULL;
        nx__count(&server->stats.bad, 1);
    }
    stream->req = req;
    nx__fiber_resume(base->fiber);
    if (stream->req && !stream->streaming && !stream->tunnel) nx__h3_handler_timer(stream);
}
