/* Requests: what came, and the course of one. */
#include "http/server.h"

#include "base/arena.h"
#include "http/h1/parser.h"
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
    return req->server->app;
}
nx_bytes nx_request_peer(nx_request *req)
{
    return req->driver->peer(req);
}
size_t nx_request_header_count(const nx_request *req)
{
    return req->header_count;
}

nx_err nx_request_body(nx_request *req, nx_bytes *body)
{
    if (!req->body_whole) {
        if (req->body_streamed)
            return nx__error_set(
                NX_ESTATE, "cannot read the whole body: parts were read with nx_request_read");
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
    req->body_streamed = true;
    return req->driver->read(req, chunk);
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

static int status_of(nx_err err)
{
    switch (err) {
    case NX_EPROTO: return 400;
    case NX_ETIMEDOUT: return 408;
    case NX_ETOOBIG: return 413;
    case NX_ECANCELED: return 503;
    case NX_ENOTSUP: return nx__error_is_peers(err) ? 415 : 500;
    default: return 500;
    }
}

/* A GET handler need not know of HEAD and OPTIONS. */
static nx_err unrouted(nx_request *req)
{
    nx_response *res = &req->response;
    if (req->match->outcome == NX__ROUTE_NOT_FOUND) return nx__response_error(res, 404, NULL);
    bool options = nx_bytes_is(req->method, "OPTIONS");
    if (!options) {
        res->status = 405;
        nx_response_header(res, "allow", req->match->allow);
        res->content_type = &nx__type_json;
        return req->driver->send_json(res, nx_obj("error", nx__status_text(405)));
    }
    nx_response_header(res, "allow", req->match->allow);
    res->status = 204;
    return req->driver->send(res, (nx_bytes){0});
}

static NX__COLD void handler_failed(nx_request *req, nx_err err)
{
    nx_response *res = &req->response;
    const nx_error *last = nx_error_last();
    const char *message = last->code == err && last->message[0] ? last->message : nx_err_text(err);
    int status = status_of(err);
    if (status >= 500 && err != NX_ECANCELED)
        (void)fprintf(stderr, "nexus: handler of %.*s %.*s failed: %s\n", NX_FMT(req->method),
                      (int)(req->path.len < 200 ? req->path.len : 200), req->path.data, message);
    if (res->state != NX__RESPONSE_OPEN) return;
    /* What went wrong inside is for the log, not for the peer; what it did wrong itself it is told.
     */
    char reason[NX__ERROR_MESSAGE_MAX];
    bool told = nx__error_is_peers(err);
    if (told) memcpy(reason, message, strlen(message) + 1);
    NX_IGNORE(nx__response_error(res, status, told ? reason : NULL));
}

void nx__request_serve(nx_request *req)
{
    nx_response *res = &req->response;
    nx_err err = NX_OK;
    if (nx__unlikely(req->match->param_count)) {
        nx_err bad = params_decode(req);
        if (bad) {
            NX_IGNORE(
                nx__response_error(res, bad == NX_EINVAL ? 400 : 500,
                                   bad == NX_EINVAL ? "bad percent-encoding in the path" : NULL));
            return;
        }
    }
    err = req->handler ? req->handler(req, res) : unrouted(req);
    if (nx__likely(!err && res->state == NX__RESPONSE_DONE)) return;
    if (!err && res->state == NX__RESPONSE_STREAMING) err = nx_response_end(res);
    if (!err && res->state == NX__RESPONSE_OPEN) {
        if (!res->failed && res->status == 200) res->status = 204;
        err = res->failed ? nx_response_end(res) : req->driver->send(res, (nx_bytes){0});
    }
    if (err) handler_failed(req, err);
}
