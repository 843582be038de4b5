/* Requests: what came, and the course of one. */
#include "http/server.h"

#include "base/arena.h"
#include "base/say.h"
#include "http/coding/coding.h"
#include "http/events.h"
#include "http/h1/parser.h"
#include "permission/permission.h"
#include <stdio.h>

nx_bytes nx_request_method(const nx_request *req)
{
    return req->method;
}
nx_bytes nx_request_path(const nx_request *req)
{
    return req->path;
}
nx_bytes nx_request_query(const nx_request *req)
{
    return req->query;
}
void *nx_request_app(const nx_request *req)
{
    return nx__request_scope(req)->app;
}
size_t nx_request_header_count(const nx_request *req)
{
    return req->header_count;
}

nx_err nx__request_unsupported(nx_request *req, nx_bytes coding)
{
    static const char decoded[] = "gzip, br, zstd", none[] = "identity";
    const struct nx__coding_config *config = req->server->coding;
    char name[32], printable[32];
    nx_response_header_always(&req->response, "accept-encoding",
                              config && config->decode ? decoded : none);
    (void)snprintf(name, sizeof name, "%.*s", (int)(coding.len < 31 ? coding.len : 31),
                   coding.data);
    return nx__error_peer(NX_ENOTSUP, "cannot read the body: its content-encoding is \"%s\"",
                          nx__printable(printable, sizeof printable, name));
}

void nx__response_accept(nx_request *req, const char *types)
{
    nx_response *res = &req->response;
    nx_response_header_always(res, "accept", types);
    if (nx_bytes_is(req->method, "POST")) nx_response_header_always(res, "accept-post", types);
    if (nx_bytes_is(req->method, "PATCH")) nx_response_header_always(res, "accept-patch", types);
}

/* A body that is encoded is read by who decodes it; a handler would take it for what it is not. */
static nx_err encoding_check(nx_request *req)
{
    if (req->coded && req->server->coding->decode) return NX_OK;
    nx_bytes coding = nx_request_header(req, "content-encoding");
    if (nx__likely(!coding.len) || nx__coding_named(coding) == NX__CODING_IDENTITY) return NX_OK;
    return nx__request_unsupported(req, coding);
}

nx_err nx_request_body(nx_request *req, nx_bytes *body)
{
    if (!req->body_whole) {
        if (req->body_streamed)
            return nx__error_set(
                NX_ESTATE, "cannot read the whole body: parts were read with nx_request_read");
        NX_TRY(encoding_check(req));
        NX_TRY(req->driver->body(req, &req->body));
        req->body_whole = true;
    }
    *body = req->body;
    return NX_OK;
}

nx_err nx_request_read(nx_request *req, nx_bytes *chunk)
{
    if (req->body_whole)
        return nx__error_set(NX_ESTATE, "cannot read on: the body was read with nx_request_body");
    if (!req->body_streamed) NX_TRY(encoding_check(req));
    req->body_streamed = true;
    return req->driver->read(req, chunk);
}

/* An absolute target lies between the method and the version: "http://host/path" (RFC 9112 3.2.2).
 */
nx_bytes nx__request_own_host(const nx_request *req)
{
    const char *target = req->method.data + req->method.len + 1;
    if (*target == '/' || *target == '*') return nx_request_header(req, "host");
    const char *host = target;
    while (*host != '/') host++;
    host += 2;
    size_t len = 0;
    while (host[len] != '/' && host[len] != '?' && host[len] != ' ') len++;
    return nx_slice(host, len);
}

nx_bytes nx_request_param(const nx_request *req, const char *name)
{
    for (uint32_t i = 0; i < req->match->param_count; i++)
        if (nx_bytes_is(req->match->params[i].name, name)) return req->params[i];
    return (nx_bytes){0};
}

/* Percent-decodes what the route's parameters matched. NX_EINVAL for a bad escape. */
static nx_err params_decode(nx_request *req)
{
    struct nx__arena *arena = &req->fiber->own.arena;
    req->params = nx__arena_alloc(arena, req->match->param_count * sizeof *req->params);
    if (!req->params) return NX_ENOMEM;
    for (uint32_t i = 0; i < req->match->param_count; i++) {
        nx_bytes raw =
            nx_slice(req->path.data + req->match->params[i].offset, req->match->params[i].len);
        char *decoded = nx__arena_alloc(arena, raw.len + 1);
        if (!decoded) return NX_ENOMEM;
        size_t len;
        if (!nx__percent_decode(raw, decoded, &len)) return NX_EINVAL;
        decoded[len] = '\0';
        req->params[i] = nx_slice(decoded, len);
    }
    return NX_OK;
}

nx_bytes nx__trailer_find(nx_bytes lines, const char *name)
{
    if (!lines.len) return (nx_bytes){0};
    const char *line = lines.data, *end = line + lines.len;
    while (line < end) {
        const char *next = memchr(line, '\n', (size_t)(end - line));
        struct nx__h1_header field;
        if (!next) break;
        size_t len = (size_t)(next - line);
        if (len && line[len - 1] == '\r') len--;
        if (!nx__h1_parse_field(line, len, &field)) break;
        if (nx__h1_find(&field, 1, line, name, strlen(name)))
            return nx_slice(line + field.value_off, field.value_len);
        line = next + 1;
    }
    return (nx_bytes){0};
}

nx_bytes nx_request_trailer(const nx_request *req, const char *name)
{
    return nx__trailer_find(req->driver->trailers(req), name);
}

/* ---- The course of it */

const char nx__request_fiber[] = "http";

/* In a signal handler of the thread that serves it: what is there says `activity`, which is set
 * last and cleared first. */
nx_bytes nx__request_label(const nx_fiber *fiber)
{
    if (fiber->name != nx__request_fiber || !fiber->activity.data || !fiber->own.arena.chunks)
        return (nx_bytes){0};
    const struct nx__route_match *match = ((const nx_request *)fiber->arg)->match;
    return match->outcome == NX__ROUTE_FOUND ? ((const struct nx__target *)match->data)->route
                                             : (nx_bytes){0};
}

static int status_of(nx_err err)
{
    unsigned status = nx__error_status(err);
    if (status) return (int)status;
    if (err == NX_ECANCELED) return 503;
    if (!nx__error_is_peers(err)) return 500;
    switch (err) {
    case NX_EPROTO: return 400;
    case NX_ETIMEDOUT: return 408;
    case NX_ETOOBIG: return 413;
    case NX_ENOTSUP: return 415;
    default: return 500;
    }
}

void nx__request_log_failure(nx_request *req, nx_err err, const char *what)
{
    const nx_error *last = nx_error_last();
    nx__say(NX__SAY_ERROR, "%s of %.*s %.*s failed: %s", what, NX_FMT(req->method),
            (int)(req->path.len < 200 ? req->path.len : 200), req->path.data,
            last->code == err && last->message[0] ? last->message : nx_err_text(err));
}

static NX__COLD void handler_failed(nx_request *req, nx_err err)
{
    nx_response *res = &req->response;
    const nx_error *last = nx_error_last();
    char detail[NX__ERROR_MESSAGE_MAX]; /* the error handler's own errors take its place */
    (void)snprintf(detail, sizeof detail, "%s",
                   last->code == err && last->message[0] ? last->message : nx_err_text(err));
    int status = status_of(err);
    bool told = nx__error_is_peers(err);
    /* That a peer has left in the middle is no failure of the handler. */
    bool left = (err == NX_ERESET || err == NX_ECLOSED) && res->state != NX__RESPONSE_OPEN;
    if (status >= 500 && err != NX_ECANCELED && !left) nx__request_log_failure(req, err, "handler");
    if (res->state != NX__RESPONSE_OPEN) return;
    /* What went wrong inside is for the log, not for the peer; what it did wrong itself it is told.
     */
    const nx_http_failure failure = {.size = sizeof failure,
                                     .err = err,
                                     .status = status,
                                     .message = told ? detail : NULL,
                                     .detail = detail};
    NX_IGNORE(nx__response_failed(res, &failure));
}

/* The handler has left the answer to us, or failed. */
static NX__COLD void conclude(nx_request *req, nx_err err)
{
    nx_response *res = &req->response;
    if (nx__unlikely(res->events)) err = nx__events_over(res, err);
    if (!err && res->state == NX__RESPONSE_STREAMING) err = nx_response_end(res);
    if (!err && res->state == NX__RESPONSE_OPEN) {
        if (!res->failed && res->status == 200) res->status = 204;
        err = res->failed ? nx_response_end(res) : req->driver->send(res, (nx_bytes){0});
    }
    if (err) handler_failed(req, err);
}

NX__HOT void nx__request_serve(nx_request *req)
{
    const struct nx__coding_config *coding = req->server->coding;
    if (nx__unlikely(coding != NULL)) coding->begin(req);
    nx_response *res = &req->response;
    nx_http_handler handler = req->handler;
    nx_err err = NX_OK;
    if (nx__unlikely(req->match->param_count)) {
        err = params_decode(req);
        if (err == NX_EINVAL) {
            err = NX_OK;
            handler = NULL;
            if (req->match->outcome == NX__ROUTE_FOUND) req->match->outcome = NX__ROUTE_BAD;
            req->match->param_count = 0;
        }
    }
    if (!err) err = nx__likely(handler) ? handler(req, res) : nx__request_unrouted(req);
    if (nx__unlikely(err || res->state != NX__RESPONSE_DONE)) conclude(req, err);
    if (nx__unlikely(coding != NULL)) coding->end(req);
    if (nx__unlikely(req->extra)) nx__request_ended(req);
}
