/* A todo list over HTTP, kept in memory and saved to todo.txt:
 *   nexus run --allow-net=:3000 --allow-read=. --allow-write=. app.c
 *   curl -d 'buy milk' localhost:3000/todos
 *   curl -X PUT -d done localhost:3000/todos/1 */
#include "./store.h"

#include <nexus.h>
#include <stdio.h>
#include <stdlib.h>

/* A handler reads `id` from the route; one that finds nothing answers by itself. */
static todo *wanted(nx_request *req)
{
    nx_bytes id = nx_request_param(req, "id");
    return store_find(nx_request_app(req), strtoll(nx_copy(id), NULL, 10));
}

static nx_err refuse(nx_response *res, int status, const char *why)
{
    nx_response_status(res, status);
    return nx_response_json(res, nx_obj("error", why));
}

static nx_err answer(nx_response *res, int status, const todo *t)
{
    nx_response_status(res, status);
    return nx_response_json(res, nx_obj("id", t->id, "text", t->text, "done", nx_bool(t->done)));
}

static nx_err list(nx_request *req, nx_response *res)
{
    const store *s = nx_request_app(req);
    nx_value *items = nx_alloc_zero(s->count + 1, sizeof *items);
    nx_value *fields = nx_alloc_zero(s->count + 1, 6 * sizeof *fields);
    if (!items || !fields) return NX_ENOMEM;
    for (size_t i = 0; i < s->count; i++) {
        const todo *t = &s->todos[i];
        nx_value *f = fields + 6 * i; /* an object is a list of names and values */
        f[0] = nx_val("id"), f[1] = nx_val(t->id);
        f[2] = nx_val("text"), f[3] = nx_val(t->text);
        f[4] = nx_val("done"), f[5] = nx_bool(t->done);
        items[i] = nx_value_object(f, 6);
    }
    return nx_response_json(res, nx_list(items, s->count));
}

static nx_err add(nx_request *req, nx_response *res)
{
    store *s = nx_request_app(req);
    nx_bytes text;
    NX_TRY(nx_request_body(req, &text));
    todo *added;
    if (store_add(s, text, &added)) return refuse(res, 400, nx_error_last()->message);
    todo copy = *added; /* saving suspends, and others may change the store meanwhile */
    NX_TRY(store_save(s));
    nx_response_header(res, "location", nx_format("/todos/%lld", (long long)copy.id));
    return answer(res, 201, &copy);
}

static nx_err show(nx_request *req, nx_response *res)
{
    const todo *t = wanted(req);
    return t ? answer(res, 200, t) : refuse(res, 404, "no such todo");
}

static nx_err mark(nx_request *req, nx_response *res)
{
    nx_bytes word;
    NX_TRY(nx_request_body(req, &word));
    todo *t = wanted(req);
    if (!t) return refuse(res, 404, "no such todo");
    t->done = nx_bytes_is(word, "done");
    todo copy = *t;
    NX_TRY(store_save(nx_request_app(req)));
    return answer(res, 200, &copy);
}

static nx_err drop(nx_request *req, nx_response *res)
{
    todo *t = wanted(req);
    if (!t) return refuse(res, 404, "no such todo");
    store_remove(nx_request_app(req), t);
    NX_TRY(store_save(nx_request_app(req)));
    nx_response_status(res, 204);
    return nx_response_send(res, "");
}

static nx_http_server *todo_server(store *s)
{
    nx_http_server *server = nx_http_server_new();
    nx_http_set_app(server, s);
    nx_http_route(server, "GET", "/todos", list);
    nx_http_route(server, "POST", "/todos", add);
    nx_http_route(server, "GET", "/todos/:id", show);
    nx_http_route(server, "PUT", "/todos/:id", mark);
    nx_http_route(server, "DELETE", "/todos/:id", drop);
    return server;
}

static nx_err serve(store *s)
{
    NX_TRY(store_open(s, "todo.txt"));
    nx_http_server *server = todo_server(s);
    return nx_http_listen(server);
}

int main(void)
{
    store s;
    nx_err err = serve(&s);
    if (err) fprintf(stderr, "todo: %s\n", nx_error_last()->message);
    store_close(&s);
    return err;
}
