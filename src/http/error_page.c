/* Error pages: JSON, or what the peer likes better, or what the app makes of it. */
#include "http/dev.h"
#include "http/server.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- The pages */

static nx_err send_html(nx_response *res, nx_bytes text, const char *message)
{
    static const char format[] =
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n"
        "<meta name=\"viewport\" content=\"width=device-width\">\n<title>%d %.*s</title>\n"
        "<style>body{font:1rem/1.5 system-ui,sans-serif;margin:15vh auto;max-width:36rem;"
        "padding:0 1rem;color-scheme:light dark}</style>\n<h1>%d %.*s</h1>\n<p>%s</p>\n";
    const char *safe = nx_html_escape(nx_str(message));
    char *page =
        safe ? nx_format(format, res->status, NX_FMT(text), res->status, NX_FMT(text), safe) : NULL;
    if (!page) return nx__error_set(NX_ENOMEM, "cannot make the error page: out of memory");
    return nx_response_html(res, page);
}

static nx_err send_text(nx_response *res, nx_bytes text, const char *message)
{
    size_t size = text.len + (message ? strlen(message) : 0) + 16;
    char *page = nx__arena_alloc(&res->req->fiber->own.arena, size);
    if (!page) return nx__error_set(NX_ENOMEM, "cannot make the error page: out of memory");
    int used = snprintf(page, size, "%d %.*s\n%s%s", res->status, NX_FMT(text),
                        message ? message : "", message ? "\n" : "");
    res->content_type = &nx__type_text;
    return res->req->driver->send(res, nx_slice(page, (size_t)used));
}

static nx_err send_json(nx_response *res, nx_bytes text, const char *message)
{
    res->content_type = &nx__type_json;
    if (message) {
        nx_err err = res->req->driver->send_json(res, nx_obj("error", text, "message", message));
        if (err != NX_EINVAL || res->state != NX__RESPONSE_OPEN) return err;
        /* The message is not UTF-8. */
    }
    return res->req->driver->send_json(res, nx_obj("error", text));
}

static nx_err usual_page(nx_response *res, const char *message)
{
    nx_bytes text = nx__status_text(res->status);
    nx_response_header_add(res, "vary", "accept");
    res->failed = NX_OK; /* a page without that field is better than none */
    /* The first is also for who likes nothing of it. */
    bool plain = res->req->server->options.pages == NX_HTTP_PAGES_TEXT;
    const char *const json = "application/json", *const text_plain = "text/plain";
    int liked = nx_request_accepts(res->req, plain ? text_plain : json, plain ? json : text_plain,
                                   "text/html");
    if (liked == 2) return send_html(res, text, message);
    return plain == (liked == 1) ? send_json(res, text, message) : send_text(res, text, message);
}

/* Takes out the fields that describe another content, or all but those that always stay. */
static void fields_drop(struct nx__fields *fields, bool all)
{
    static const char type[] = "content-type", encoding[] = "content-encoding";
    uint32_t kept = 0;
    for (uint32_t i = 0; i < fields->count; i++) {
        const struct nx__field *field = &fields->items[i];
        const char *name = field->name.data;
        if (all ? field->always : strcasecmp(name, type) != 0 && strcasecmp(name, encoding) != 0)
            fields->items[kept++] = *field;
    }
    fields->count = kept;
}

/* Asks the app for the page first. */
static nx_err page(nx_response *res, const nx_http_failure *failure)
{
    nx_request *req = res->req;
    nx_http_error_handler handler = nx__request_scope(req)->on_error;
    const char *message = failure->message;
    res->status = failure->status;
    if (handler && !res->page) {
        res->page = true; /* nx_response_error in the handler gives the usual page */
        nx_err err = handler(req, res, failure);
        if (res->state != NX__RESPONSE_OPEN) {
            if (!err && res->state == NX__RESPONSE_STREAMING) err = nx_response_end(res);
            return err;
        }
        if (!err && res->failed) err = nx__response_ready(res);
        if (err) {
            nx__request_log_failure(req, err, "the error handler");
            fields_drop(&res->fields, true);
            res->failed = NX_OK;
            res->status = 500;
            message = NULL;
        }
    }
    if (nx__unlikely(nx__http_dev != NULL) && failure->err && res->status >= 500 &&
        nx__http_dev->page(res, failure) == NX_OK)
        return NX_OK;
    return usual_page(res, message);
}

nx_err nx_response_error(nx_response *res, int status, const char *message)
{
    if (status < 400 || status > 999)
        return nx__error_set(NX_EINVAL, "cannot make an error page with status %d: it is below 400",
                             status);
    NX_TRY(nx__response_ready(res));
    fields_drop(&res->fields, false);
    return page(res, &(nx_http_failure){
                         .size = sizeof(nx_http_failure), .status = status, .message = message});
}

/* What is returned for a status: the code that says the same elsewhere in the runtime. */
static nx_err code_of(int status)
{
    switch (status) {
    case 401: return NX_EACCES;
    case 403: return NX_EPERM;
    case 404:
    case 410: return NX_ENOENT;
    case 408:
    case 504: return NX_ETIMEDOUT;
    case 409: return NX_EEXIST;
    case 413:
    case 414:
    case 431: return NX_ETOOBIG;
    case 415:
    case 501: return NX_ENOTSUP;
    case 429: return NX_ELIMIT;
    case 503: return NX_EAGAIN;
    default: return status < 500 ? NX_EPROTO : NX_EFAILED;
    }
}

nx_err nx_http_error(int status, const char *format, ...)
{
    if (status < 400 || status > 999)
        return nx__error_set(NX_EINVAL, "cannot make an error of status %d: it is below 400",
                             status);
    va_list args;
    va_start(args, format);
    nx_err err = nx__error_peer_v(code_of(status), format, args);
    va_end(args);
    (void)nx__error_status_set((unsigned)status);
    return err;
}

nx_err nx__response_failed(nx_response *res, const nx_http_failure *failure)
{
    /* Whatever the handler had set up belongs to an answer that is not given. */
    fields_drop(&res->fields, true);
    res->failed = NX_OK;
    return page(res, failure);
}
