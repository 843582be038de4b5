/* An API as it goes to production: a public part, a part for who has a token, an admin site of its
 * own, a log, health for the load balancer.
 *   nexus run --allow-net=:3000 app.c
 *   curl localhost:3000/api/notes
 *   curl -H 'Authorization: Bearer s3cret' -d 'buy milk' localhost:3000/api/notes
 *   curl -u ada:lovelace localhost:3000/admin */
#include <nexus.h>
#include <stdio.h>

enum { NOTES = 100 };

/* A server has one thread unless asked otherwise, so handlers share this without locks. */
static struct {
    char text[NOTES][256];
    size_t count;
} notes;

static nx_err list(nx_request *req, nx_response *res)
{
    (void)req;
    nx_value *items = nx_alloc_zero(NOTES, sizeof *items);
    if (!items) return NX_ENOMEM;
    for (size_t i = 0; i < notes.count; i++) items[i] = nx_val(notes.text[i]);
    return nx_response_json(res, nx_obj("notes", nx_list(items, notes.count)));
}

static nx_err add(nx_request *req, nx_response *res)
{
    nx_bytes body;
    NX_TRY(nx_request_body(req, &body));
    if (!body.len) return nx_response_error(res, 422, "a note has no text");
    if (notes.count == NOTES) return nx_fail(NX_ELIMIT, "there are %d notes already", NOTES);
    snprintf(notes.text[notes.count++], sizeof *notes.text, "%.*s", NX_FMT(body));
    nx_response_status(res, 201);
    return nx_response_json(res, nx_obj("id", notes.count, "by", nx_request_user(req)));
}

static nx_err token(nx_request *req, nx_bytes given, void *context)
{
    (void)context;
    if (!nx_secret_eq(given, nx_str("s3cret"))) return NX_EACCES;
    return nx_request_set_user(req, nx_str("ada"));
}

static nx_err overview(nx_request *req, nx_response *res)
{
    nx_http_stats stats = {.size = sizeof stats};
    nx_http_stats_get(nx_request_app(req), &stats);
    return nx_response_json(res, nx_obj("requests", stats.requests, "bad", stats.bad, "notes",
                                        notes.count, "user", nx_request_user(req)));
}

/* Sets a header on all answers of a router; it runs the rest by nx_http_next. */
static nx_err timing(nx_request *req, nx_response *res, void *context)
{
    (void)context;
    nx_response_header(res, "server-timing", "app;desc=\"nexus\"");
    return nx_http_next(req, res);
}

/* An error of ours becomes a status of its own; all others keep theirs, and the page its looks. */
static nx_err page(nx_request *req, nx_response *res, const nx_http_failure *failure)
{
    if (failure->err == NX_ELIMIT) nx_response_status(res, 507);
    if (failure->err == NX_OK && failure->status == 404)
        return nx_response_json(res,
                                nx_obj("error", "there is no such page", "id", nx_request_id(req)));
    return NX_OK;
}

/* A sub-app: it could come from a library. */
static nx_http_router *admin_new(nx_http_server *server)
{
    nx_http_router *admin = nx_http_router_new();
    nx_http_set_app(admin, server);
    nx_http_basic_auth(admin, .realm = "admin", .users = NX_HTTP_USERS({"ada", "lovelace"}));
    nx_http_get(admin, "/", overview);
    return admin;
}

int main(void)
{
    NX_AUTO(nx_http_server) *server =
        nx_http_server_new(.host = "0.0.0.0", .port = 3000, .stop_delay = NX_S(5));
    nx_http_trust_proxies(server, "loopback");
    nx_http_request_id(server);
    nx_http_access_log(server, .format = NX_HTTP_LOG_JSON);
    nx_http_on_error(server, page);
    nx_http_health(server, "/healthz", NULL, NULL);
    nx_http_ready(server, "/readyz", NULL, NULL);

    nx_http_router *api = nx_http_group(server, "/api");
    nx_http_cors(api, .origins = NX_HTTP_LIST("https://app.example.com"));
    nx_http_rate_limit(api, .limit = 100, .window = NX_S(60));
    nx_http_use(api, timing, NULL);
    nx_http_get(api, "/notes", list);

    nx_http_router *writers = nx_http_group(api, "");
    nx_http_bearer_auth(writers, .check = token);
    nx_http_post(writers, "/notes", add);

    nx_http_mount(server, "/admin", admin_new(server));
    nx_err err = nx_http_listen(server);
    if (err) fprintf(stderr, "%s\n", nx_error_last()->message);
    return err;
}
