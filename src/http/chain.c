/* Middleware: running what goes round a handler, and what a request hands down through it. */
#include "http/server.h"

/* ---- Going on. A handler without middleware never comes by here. */

NX__COLD nx_err nx_http_nothing_behind(nx_request *req, nx_response *res, void *context)
{
    (void)req;
    (void)res;
    (void)context;
    return nx__error_set(NX_ESTATE, "cannot run the rest: there is nothing behind a handler");
}

NX__HOT nx_err nx__chain_end(nx_request *req, nx_response *res, void *context)
{
    (void)context;
    return ((const struct nx__target *)req->match->data)->handler(req, res);
}

NX__HOT nx_err nx__chain_run(nx_request *req, nx_response *res)
{
    req->place.next = nx__request_scope(req)->steps;
    return nx_http_next(req, res);
}

nx_err nx__unrouted(nx_request *req, nx_response *res)
{
    nx_http_handler not_found = nx__request_scope(req)->not_found;
    if (req->match->outcome == NX__ROUTE_BAD)
        return nx_response_error(res, 400, "bad percent-encoding in the path");
    if (req->match->outcome == NX__ROUTE_TOO_LARGE)
        return nx_response_error(res, 413, "the body is larger than max_body");
    if (req->match->outcome == NX__ROUTE_NOT_FOUND) {
        if (!not_found) return nx_response_error(res, 404, NULL);
        nx_response_status(res, 404);
        return not_found(req, res);
    }
    nx_response_header(res, "allow", req->match->allow);
    /* A GET handler need not know of OPTIONS. */
    if (!nx_bytes_is(req->method, "OPTIONS")) return nx_response_error(res, 405, NULL);
    nx_response_status(res, 204);
    return nx_response_end(res);
}

nx_err nx__request_unrouted(nx_request *req)
{
    const struct nx__sites *sites = &req->server->sites;
    const struct nx__site *site =
        sites->count ? nx__site_find(sites, nx__request_own_host(req)) : &sites->rest;
    const struct nx__scope *scope =
        nx__scope_find(site, req->method, req->path,
                       nx_request_header(req, "access-control-request-method"), req->match);
    req->match->data = &scope->unrouted;
    return scope->count ? nx__chain_run(req, &req->response) : nx__unrouted(req, &req->response);
}

/* ---- What is handed down */

struct nx__request_extra *nx__request_extra(nx_request *req)
{
    if (req->extra) return req->extra;
    req->extra = nx__arena_alloc(&req->fiber->own.arena, sizeof *req->extra);
    if (req->extra)
        memset(req->extra, 0, sizeof *req->extra);
    else
        (void)nx__error_set(NX_ENOMEM, "cannot serve the request: out of memory");
    return req->extra;
}

static struct nx__value *value_find(const nx_request *req, const void *key)
{
    struct nx__value *value = req->extra ? req->extra->values : NULL;
    while (value && value->key != key) value = value->next;
    return value;
}

nx_err nx_request_set(nx_request *req, const void *key, void *value)
{
    struct nx__value *known = value_find(req, key);
    if (!known) {
        struct nx__request_extra *extra = nx__request_extra(req);
        if (!extra) return NX_ENOMEM;
        known = nx__arena_alloc(&req->fiber->own.arena, sizeof *known);
        if (!known) return nx__error_set(NX_ENOMEM, "cannot keep a request's value: out of memory");
        *known = (struct nx__value){.next = extra->values, .key = key};
        extra->values = known;
    }
    known->value = value;
    return NX_OK;
}

void *nx_request_get(const nx_request *req, const void *key)
{
    const struct nx__value *value = value_find(req, key);
    return value ? value->value : NULL;
}

/* ---- The end */

nx_err nx_request_on_end(nx_request *req, nx_request_end_fn fn, void *context)
{
    struct nx__request_extra *extra = nx__request_extra(req);
    struct nx__observer *observer =
        extra ? nx__arena_alloc(&req->fiber->own.arena, sizeof *observer) : NULL;
    if (!observer)
        return nx__error_set(NX_ENOMEM, "cannot wait for the request's end: out of memory");
    *observer = (struct nx__observer){.next = extra->observers, .fn = fn, .context = context};
    extra->observers = observer;
    return NX_OK;
}

void nx__request_ended(nx_request *req)
{
    for (struct nx__observer *observer; (observer = req->extra->observers);) {
        req->extra->observers = observer->next;
        observer->fn(req, &req->response, observer->context);
    }
}
