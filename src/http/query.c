/* The query of a request, decoded at first use; and what is decoded of a request in general. */
#include "http/data.h"

#include "base/arena.h"

struct nx__request_data *nx__request_data(nx_request *req)
{
    if (nx__likely(req->data != NULL)) return req->data;
    struct nx__request_data *data = nx__arena_alloc(nx__request_arena(req), sizeof *data);
    if (!data) {
        (void)nx__error_set(NX_ENOMEM, "cannot read the request: out of memory");
        return NULL;
    }
    *data = (struct nx__request_data){0};
    req->data = data;
    return data;
}

nx_err nx__request_defer(nx_request *req, void (*fn)(void *arg), void *arg)
{
    struct nx_scope *scope = &req->fiber->own;
    struct nx__deferred *deferred = nx__arena_alloc(&scope->arena, sizeof *deferred);
    if (!deferred) return nx__error_set(NX_ENOMEM, "cannot read the request: out of memory");
    *deferred = (struct nx__deferred){.next = scope->deferred, .fn = fn, .arg = arg};
    scope->deferred = deferred;
    return NX_OK;
}

nx_err nx__request_piece(nx_request *req, bool *given, nx_bytes *piece)
{
    if (!req->body_whole) return nx_request_read(req, piece);
    *piece = *given ? (nx_bytes){0} : req->body;
    *given = true;
    return NX_OK;
}

/* ---- The query */

static nx_err parse(nx_request *req, const struct nx__params **out)
{
    static const struct nx__params none;
    *out = &none;
    struct nx__request_data *data = nx__request_data(req);
    if (nx__unlikely(!data)) return NX_ENOMEM;
    if (!data->query_parsed) {
        data->query_parsed = true;
        data->query_failed = nx__params_parse(&data->query, req->query, NX_HTTP_MAX_QUERY,
                                              nx__request_arena(req), &data->query_reason);
        if (data->query_failed == NX_ETOOBIG)
            data->query_failed = NX_EPROTO; /* no 413: it is no body */
    }
    *out = &data->query;
    return data->query_failed;
}

/* For calls that have no error to return: the answer fails instead. */
static const struct nx__params *params(nx_request *req)
{
    const struct nx__params *out;
    nx_err err = parse(req, &out);
    if (nx__unlikely(err))
        nx__response_mistake(&req->response, err,
                             err == NX_EPROTO ? req->data->query_reason : "out of memory");
    return out;
}

nx_err nx_request_query_check(nx_request *req)
{
    const struct nx__params *out;
    nx_err err = parse(req, &out);
    if (err == NX_EPROTO)
        return nx__error_peer(err, "cannot read the query: %s", req->data->query_reason);
    return err ? nx__error_set(err, "cannot read the query: out of memory") : NX_OK;
}

nx_bytes nx_request_query_get(nx_request *req, const char *name)
{
    size_t at = 0;
    const struct nx__param *param = nx__params_find(params(req), name, &at);
    return param ? param->value : (nx_bytes){0};
}

int64_t nx_request_query_int(nx_request *req, const char *name, int64_t fallback)
{
    return nx__params_int(params(req), name, fallback);
}

double nx_request_query_double(nx_request *req, const char *name, double fallback)
{
    return nx__params_double(params(req), name, fallback);
}

bool nx_request_query_bool(nx_request *req, const char *name, bool fallback)
{
    return nx__params_bool(params(req), name, fallback);
}

bool nx_request_query_each(nx_request *req, const char *name, size_t *at, nx_bytes *value)
{
    const struct nx__param *param = nx__params_find(params(req), name, at);
    *value = param ? param->value : (nx_bytes){0};
    return param != NULL;
}

bool nx_request_query_at(nx_request *req, size_t index, nx_bytes *name, nx_bytes *value)
{
    const struct nx__params *all = params(req);
    if (index >= all->count) return false;
    *name = all->items[index].name;
    *value = all->items[index].value;
    return true;
}

nx_err nx_request_query_take(nx_request *req, const char *name, void *out, int type, bool needed)
{
    NX_TRY(nx_request_query_check(req));
    return nx__params_take(params(req), "parameter", name, out, type, needed);
}
