/* The opening handshake, as a server (RFC 6455 4.2). */
#include "http/data.h"
#include "http/ws/ws.h"
#include "ws/handshake.h"
#include <stdio.h>

nx_err nx__ws_options_check(const nx_ws_options *o)
{
    const nx_duration deadlines[] = {o->heartbeat, o->idle_deadline, o->write_deadline,
                                     o->close_deadline, o->deadline};
    for (size_t i = 0; i < sizeof deadlines / sizeof *deadlines; i++)
        if (deadlines[i] < 0) return nx__error_set(NX_EINVAL, "a WebSocket's deadline is negative");
    if ((unsigned)o->slow > NX_WS_CUT || (unsigned)o->compress > NX_WS_CONTEXT)
        return nx__error_set(NX_EINVAL, "a WebSocket's `slow` or `compress` is none that there is");
    if ((unsigned)o->version > NX_HTTP_3)
        return nx__error_set(NX_EINVAL, "a WebSocket's `version` is none that there is");
    if (o->max_message > SIZE_MAX / 4 || o->max_queue > SIZE_MAX / 4)
        return nx__error_set(NX_EINVAL, "a WebSocket's max_message or max_queue is more than any "
                                        "memory");
    if (o->window_bits && (o->window_bits < NX__WS_BITS_LEAST || o->window_bits > NX__WS_BITS_MOST))
        return nx__error_set(NX_EINVAL, "a WebSocket's window_bits are %u, not from %d to %d",
                             o->window_bits, NX__WS_BITS_LEAST, NX__WS_BITS_MOST);
    return NX_OK;
}

/* All fields of that name as one list (RFC 9110 5.3); `*count` is how many there are. NX_ENOMEM. */
static nx_err list_of(nx_request *req, const char *name, nx_bytes *list, size_t *count)
{
    nx_bytes field, value, only = {0};
    size_t len = 0;
    *count = 0;
    for (size_t i = 0; nx_request_header_at(req, i, &field, &value); i++) {
        if (!nx__text_ieq(field, name)) continue;
        only = value;
        len += value.len + 1;
        ++*count;
    }
    *list = only;
    if (*count < 2) return NX_OK;
    char *all = nx__arena_alloc(nx__request_arena(req), len), *at = all;
    if (!all) return nx__error_set(NX_ENOMEM, "cannot accept a WebSocket: out of memory");
    for (size_t i = 0; nx_request_header_at(req, i, &field, &value); i++) {
        if (!nx__text_ieq(field, name)) continue;
        memcpy(at, value.data, value.len);
        at[value.len] = ',';
        at += value.len + 1;
    }
    *list = nx_slice(all, len - 1);
    return NX_OK;
}

/* ---- The request */

/* RFC 6455 4.2.1; of extended CONNECT (RFC 8441 5) only the version is asked for. `*key` is empty
 * then. */
static nx_err request_check(nx_request *req, nx_response *res, nx_bytes *key)
{
    nx_bytes asked = nx__tunnel_asked(req), list;
    size_t count;
    *key = (nx_bytes){0};
    if (!asked.data) {
        if (!nx_bytes_is(req->method, "GET"))
            return nx_http_error(400, "a WebSocket is opened by GET");
        NX_TRY(list_of(req, "upgrade", &list, &count));
        if (!nx__ws_list_has(list, "websocket")) {
            nx_response_header_always(res, "upgrade", "websocket");
            return nx_http_error(426, "this is a WebSocket");
        }
        NX_TRY(list_of(req, "connection", &list, &count));
        if (!nx__ws_list_has(list, "upgrade"))
            return nx_http_error(400, "the connection field does not say \"upgrade\"");
    } else if (!nx__text_ieq(asked, "websocket")) {
        return nx_http_error(501, "only WebSocket is spoken here");
    }
    NX_TRY(list_of(req, "sec-websocket-version", &list, &count));
    if (!nx_bytes_is(list, "13")) {
        nx_response_header_always(res, "sec-websocket-version", "13");
        return nx_http_error(426, "sec-websocket-version is not 13");
    }
    if (asked.data) return NX_OK;
    NX_TRY(list_of(req, "sec-websocket-key", &list, &count));
    if (count != 1 || !nx__ws_key_valid(list))
        return nx_http_error(400, "sec-websocket-key is not 16 bytes as base64");
    *key = list;
    return NX_OK;
}

/* A page of another site would act with what the browser knows of its user. */
static nx_err origin_check(nx_request *req, const char *origins)
{
    nx_bytes list;
    size_t count;
    NX_TRY(list_of(req, "origin", &list, &count));
    if (!count) return NX_OK;
    bool allowed = count == 1 && (origins ? nx__ws_origin_allowed(origins, list)
                                          : nx__ws_origin_is_own(list, nx_request_host(req)));
    if (allowed) return NX_OK;
    return nx_http_error(403, "pages of this origin may not connect");
}

/* The first of ours that the client knows (RFC 6455 4.2.2); names are compared as they are. */
static nx_err protocol_choose(nx_request *req, const char *ours, nx_bytes *chosen)
{
    nx_bytes own = nx_str(ours), list;
    size_t count;
    *chosen = (nx_bytes){0};
    NX_TRY(list_of(req, "sec-websocket-protocol", &list, &count));
    for (nx_bytes name; (name = nx__ws_list_next(&own)).len;) {
        nx_bytes rest = list;
        for (nx_bytes theirs; (theirs = nx__ws_list_next(&rest)).len;) {
            if (!nx_bytes_eq(name, theirs)) continue;
            *chosen = name;
            return NX_OK;
        }
    }
    return NX_OK;
}

/* ---- The answer */

static nx_err field(nx_response *res, const char *name, const char *value)
{
    size_t len = strlen(value);
    char *copy = nx__arena_alloc(nx__request_arena(res->req), len + 1);
    if (!copy) return nx__error_set(NX_ENOMEM, "cannot accept a WebSocket: out of memory");
    memcpy(copy, value, len + 1);
    return nx__response_field(res, nx_str(name), nx_slice(copy, len));
}

static nx_err answer(nx_ws *ws, nx_request *req, nx_response *res, nx_bytes key,
                     const nx_ws_options *o)
{
    char text[NX__WS_DEFLATE_TEXT];
    nx_bytes offers;
    size_t count;
    if (key.len) {
        NX_TRY(nx__ws_accept_key(key, text));
        NX_TRY(field(res, "sec-websocket-accept", text));
    }
    if (ws->protocol[0]) NX_TRY(field(res, "sec-websocket-protocol", ws->protocol));
    if (!o->compress) return NX_OK;
    const struct nx__ws_deflate_wish wish = {
        .fresh = o->compress == NX_WS_FRESH,
        .max_bits = (uint8_t)(o->window_bits ? o->window_bits : NX__WS_BITS_MOST)};
    NX_TRY(list_of(req, "sec-websocket-extensions", &offers, &count));
    if (!nx__ws_deflate_accept(&ws->deflate, offers, &wish)) return NX_OK;
    ws->reader.deflate = true;
    nx__ws_deflate_answer(&ws->deflate, text);
    return field(res, "sec-websocket-extensions", text);
}

static void handler_ended(void *arg)
{
    nx__ws_release(arg);
}

static nx_err accept(nx_request *req, nx_response *res, nx_ws **out, const nx_ws_options *o)
{
    nx_bytes key, protocol;
    nx_ws *ws;
    *out = NULL;
    NX_TRY(nx__ws_options_check(o));
    NX_TRY(request_check(req, res, &key));
    NX_TRY(origin_check(req, o->origins));
    NX_TRY(protocol_choose(req, o->protocols, &protocol));
    NX_TRY(nx__ws_new(&ws, o, protocol));
    ws->server = req->server;
    ws->reader.masked = true;
    nx_err err = nx__request_defer(req, handler_ended, ws);
    if (err) {
        nx__ws_release(ws);
        return err;
    }
    NX_TRY(answer(ws, req, res, key, o));
    NX_TRY(nx__tunnel_open(res, &ws->tunnel, "websocket"));
    nx__ws_begin(ws);
    *out = ws;
    return NX_OK;
}

nx_err nx_ws_accept_with(nx_request *req, nx_response *res, nx_ws **out,
                         const nx_ws_options *options)
{
    NX__OPTIONS(nx_ws_options, o, options);
    *out = NULL;
    if (o.open || o.message || o.close)
        return nx__error_set(NX_EINVAL, "nx_ws_accept takes no callbacks; nx_ws_serve does");
    return accept(req, res, out, &o);
}

nx_err nx_ws_serve_with(nx_request *req, nx_response *res, const nx_ws_options *options)
{
    NX__OPTIONS(nx_ws_options, o, options);
    nx_ws *ws;
    NX_TRY(accept(req, res, &ws, &o));
    ws->callbacks = true;
    return NX_OK;
}
