/* Notes over HTTP, as JSON: nexus dev app.c --allow-net=127.0.0.1:3000 */
#include "./notes.h"

#include <nexus/http.h>
#include <stdlib.h>

static nx_value note_value(const note *n)
{
    return nx_obj("id", n->id, "title", n->title, "text", n->text);
}

static nx_err answer(nx_response *res, int status, const note *n)
{
    nx_response_status(res, status);
    return nx_response_json(res, note_value(n));
}

static nx_err refuse(nx_response *res, int status, const char *why)
{
    nx_response_status(res, status);
    return nx_response_json(res, nx_obj("error", why));
}

static nx_err not_found(nx_response *res)
{
    return refuse(res, 404, "there is no such note");
}

/* The note that ":id" of the route means, NULL if there is none. */
static note *wanted(nx_request *req)
{
    char *end, *id = nx_copy(nx_request_param(req, "id"));
    if (!id || id[0] < '1' || id[0] > '9') return NULL;
    long long number = strtoll(id, &end, 10);
    return *end ? NULL : notes_find(nx_request_app(req), number);
}

/* Reads {"title":"…","text":"…"} out of the body. What is no such JSON becomes a 400 that says so,
 * since the handlers return the error. */
static nx_err contents(nx_request *req, nx_bytes *title, nx_bytes *text)
{
    nx_json body;
    *text = nx_str("");
    NX_TRY(nx_request_json(req, &body));
    NX_TRY(nx_json_need(body, title, "title"));
    return nx_json_maybe(body, text, "text");
}

static nx_err list(nx_request *req, nx_response *res)
{
    const notes *all = nx_request_app(req);
    nx_value *items = nx_alloc_zero(all->count + 1, sizeof *items);
    if (!items) return NX_ENOMEM;
    for (size_t i = 0; i < all->count; i++) items[i] = note_value(&all->items[i]);
    return nx_response_json(res, nx_list(items, all->count));
}

static nx_err create(nx_request *req, nx_response *res)
{
    nx_bytes title, text;
    note *n;
    NX_TRY(contents(req, &title, &text));
    if (note_check(title, text)) return refuse(res, 400, nx_error_last()->message);
    NX_TRY(notes_add(nx_request_app(req), title, text, &n));
    nx_response_header(res, "location", nx_format("/notes/%lld", (long long)n->id));
    return answer(res, 201, n);
}

static nx_err show(nx_request *req, nx_response *res)
{
    const note *n = wanted(req);
    return n ? answer(res, 200, n) : not_found(res);
}

static nx_err change(nx_request *req, nx_response *res)
{
    nx_bytes title, text;
    NX_TRY(contents(req, &title, &text)); /* it suspends: the note is looked for afterwards */
    if (note_check(title, text)) return refuse(res, 400, nx_error_last()->message);
    note *n = wanted(req);
    if (!n) return not_found(res);
    note_set(n, title, text);
    return answer(res, 200, n);
}

static nx_err drop(nx_request *req, nx_response *res)
{
    note *n = wanted(req);
    if (!n) return not_found(res);
    notes_remove(nx_request_app(req), n);
    nx_response_status(res, 204);
    return nx_response_send(res, "");
}

static nx_http_server *notes_server(notes *all)
{
    nx_http_server *server =
        nx_http_server_new(.host = "127.0.0.1", .port = 3000, .max_body = 64 << 10);
    nx_http_set_app(server, all);
    nx_http_route(server, "GET", "/notes", list);
    nx_http_route(server, "POST", "/notes", create);
    nx_http_route(server, "GET", "/notes/:id", show);
    nx_http_route(server, "PUT", "/notes/:id", change);
    nx_http_route(server, "DELETE", "/notes/:id", drop);
    return server;
}

int main(void)
{
    notes all = {0};
    nx_http_server *server = notes_server(&all);
    nx_err err = nx_http_listen(server); /* until SIGTERM or Ctrl-C */
    nx_http_server_free(server);
    notes_free(&all);
    return err;
}
