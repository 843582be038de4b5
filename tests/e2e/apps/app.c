/* What the tests of routers and middleware talk to. argv[1] is the port, argv[2] "json" for a JSON
 * access log, "forwarded" for proxies that speak Forwarded; argv[3] a directory to serve,
 * compressed. */
#include "several.h"
#include <nexus.h>
#include <stdio.h>
#include <stdlib.h>

static const char trace_key; /* whose address is the key */

static nx_err send_params(nx_request *req, nx_response *res)
{
    const char *trace = nx_request_get(req, &trace_key);
    return nx_response_json(res, nx_obj("path", nx_request_path(req), "org",
                                        nx_request_param(req, "org"), "id",
                                        nx_request_param(req, "id"), "trace", trace));
}

static nx_err where(nx_request *req, nx_response *res)
{
    const char *name = nx_request_app(req);
    return nx_response_json(res, nx_obj("app", name, "peer", nx_request_peer(req), "scheme",
                                        nx_request_scheme(req), "host", nx_request_host(req)));
}

static nx_err ok(nx_request *req, nx_response *res)
{
    (void)req;
    return nx_response_send(res, "ok");
}

static nx_err who(nx_request *req, nx_response *res)
{
    return nx_response_json(res, nx_obj("user", nx_request_user(req), "id", nx_request_id(req)));
}

static nx_err fail(nx_request *req, nx_response *res)
{
    (void)req;
    nx_response_header(res, "x-half-done", "yes");
    return nx_fail(NX_EIO, "the database \"secret\" is gone");
}

static nx_err refuse(nx_request *req, nx_response *res)
{
    (void)req;
    nx_response_header(res, "x-hint", "kept");
    nx_response_header(res, "content-type", "image/png");
    nx_response_header(res, "Content-Encoding", "gzip");
    return nx_response_error(res, 422, "<b>\"name\" & more</b>");
}

/* The client's fault, found where no request is at hand, in this fiber or another. */
static nx_err item_find(void *arg)
{
    const char *status = arg;
    return nx_http_error((int)strtol(status, NULL, 10), "there is no <item> %s", status);
}

static nx_err told(nx_request *req, nx_response *res)
{
    (void)res;
    const char *how = nx_copy(nx_request_param(req, "how"));
    char *status = nx_copy(nx_request_param(req, "status"));
    if (!how || !status) return NX_ENOMEM;
    nx_response_header(res, "x-half-done", "yes");
    nx_response_header_always(res, "retry-after", "7");
    if (strcmp(how, "blocking") == 0) return nx_blocking(item_find, status);
    if (strcmp(how, "fiber") == 0) {
        nx_fiber *fiber;
        NX_TRY(nx_spawn(&fiber, item_find, status));
        return nx_join(fiber);
    }
    nx_err err = item_find(status);
    if (strcmp(how, "lost") == 0) NX_IGNORE(nx_fail(NX_EIO, "another one"));
    if (strcmp(how, "other") == 0) return NX_ETIMEDOUT; /* whose message is not the last one's */
    return err;
}

/* Errors of the program's own: not the client's, whatever their code. */
static nx_err own_fault(nx_request *req, nx_response *res)
{
    (void)res;
    static const nx_err codes[] = {NX_EPROTO, NX_ETIMEDOUT, NX_ETOOBIG, NX_ENOTSUP};
    size_t which = (size_t)nx_request_query_int(req, "code", 0);
    return nx_fail(codes[which % 4], "the database talks nonsense");
}

static nx_err nothing(nx_request *req, nx_response *res)
{
    (void)req;
    (void)res;
    return NX_OK;
}

static nx_err stream(nx_request *req, nx_response *res)
{
    (void)req;
    for (int i = 0; i < 3; i++) NX_TRY(nx_response_write(res, nx_str("piece ")));
    nx_response_status(res, 204); /* too late: it changes nothing */
    return nx_response_write(res, nx_str("end"));
}

static nx_err split(nx_request *req, nx_response *res)
{
    (void)req;
    nx_response_header_always(res, "x-bad", "a\r\nset-cookie: b");
    return nx_response_send(res, "never");
}

static nx_err next_in_handler(nx_request *req, nx_response *res)
{
    nx_err err = nx_http_next(req, res);
    return nx_response_send(res, err == NX_ESTATE ? "refused" : "ran");
}

/* ---- Middleware */

static nx_err mark(nx_request *req, nx_response *res, void *context)
{
    const char *before = nx_request_get(req, &trace_key);
    NX_TRY(
        nx_request_set(req, &trace_key, nx_format("%s%s", before ? before : "", (char *)context)));
    return nx_http_next(req, res);
}

static char sent[256];

static nx_err observe(nx_request *req, nx_response *res, void *context)
{
    (void)context;
    int before = nx_response_status_sent(res);
    nx_err err = nx_http_next(req, res);
    (void)snprintf(sent, sizeof sent, "%d %d %llu %s", before, nx_response_status_sent(res),
                   (unsigned long long)nx_response_bytes_sent(res), nx_err_name(err));
    return err;
}

static nx_err observed(nx_request *req, nx_response *res)
{
    (void)req;
    return nx_response_send(res, sent);
}

/* Turns one error into an answer, and tries the rest twice on another. */
static nx_err rescue(nx_request *req, nx_response *res, void *context)
{
    (void)context;
    nx_err err = nx_http_next(req, res);
    if (err == NX_EAGAIN) err = nx_http_next(req, res);
    return err == NX_ENOENT ? nx_response_error(res, 404, "rescued") : err;
}

static int gate_calls;

static nx_err gate(nx_request *req, nx_response *res, void *context)
{
    (void)context;
    if (gate_calls++ % 2 == 0) return NX_EAGAIN;
    return nx_http_next(req, res);
}

static nx_err missing(nx_request *req, nx_response *res)
{
    (void)req;
    (void)res;
    return nx_fail(NX_ENOENT, "no such thing");
}

static nx_err page(nx_request *req, nx_response *res, const nx_http_failure *failure)
{
    if (nx_bytes_is(nx_request_path(req), "/pages/worse")) return nx_fail(NX_EIO, "even the page");
    if (nx_bytes_is(nx_request_path(req), "/pages/usual")) {
        nx_response_status(res, 418);
        return NX_OK;
    }
    return nx_response_send(res, nx_format("own page: %d %s %s %s", failure->status,
                                           nx_err_name(failure->err),
                                           failure->message ? failure->message : "-",
                                           failure->detail ? failure->detail : "-"));
}

static nx_err not_found(nx_request *req, nx_response *res)
{
    (void)req;
    return nx_response_send(res, "nothing here");
}

static nx_err check_token(nx_request *req, nx_bytes token, void *context)
{
    (void)context;
    if (nx_bytes_is(token, "weak")) return NX_EPERM;
    if (nx_bytes_is(token, "broken")) return nx_fail(NX_EIO, "no database");
    if (!nx_secret_eq(token, nx_str("good"))) return NX_EACCES;
    return nx_request_set_user(req, nx_str("token \"x\"\n"));
}

static nx_bytes by_header(nx_request *req, void *context)
{
    (void)context;
    return nx_request_header(req, "x-key");
}

static nx_err healthy(void *context)
{
    (void)context;
    return getenv("SICK") ? nx_fail(NX_EIO, "feeling unwell") : NX_OK;
}

static void stop_soon(void *server)
{
    nx_http_stop(server);
}

static nx_err stop(nx_request *req, nx_response *res)
{
    (void)req;
    NX_TRY(nx_defer(stop_soon, *(nx_http_server **)nx_request_app(req)));
    return nx_response_send(res, "stopping");
}

static nx_http_router *admin(void)
{
    nx_http_router *router = nx_http_router_new();
    nx_http_set_app(router, "admin");
    nx_http_use(router, mark, "admin,");
    nx_http_get(router, "/", where);
    nx_http_get(router, "/users/:id", send_params);
    return router;
}

static void write_slowly(nx_bytes line, void *context)
{
    (void)context;
    NX_IGNORE(nx_sleep(NX_MS(200)));
    NX_IGNORE(nx_print_bytes(NX_STDOUT, line));
}

/* Middleware that looks at what the body says. */
static nx_err peek(nx_request *req, nx_response *res, void *context)
{
    (void)context;
    nx_bytes piece = {0};
    nx_err err = nx_bytes_is(nx_request_query(req), "piece") ? nx_request_read(req, &piece)
                                                             : nx_request_body(req, &piece);
    nx_response_header_always(res, "x-peek", err ? nx_err_name(err) : "NX_OK");
    return nx_http_next(req, res);
}

/* Milliseconds that a test asks for. */
static nx_duration span(const char *name, long otherwise)
{
    const char *ms = getenv(name);
    return NX_MS(ms ? strtol(ms, NULL, 10) : otherwise);
}

int main(int argc, char **argv)
{
    static nx_http_server *server;
    server =
        nx_http_server_new(.port = (uint16_t)(argc > 1 ? strtol(argv[1], NULL, 10) : 3000),
                           .stop_delay = span("STOP_MS", 400), .workers = several(),
                           .head_deadline = span("HEAD_MS", 60000),
                           .pages = argc > 2 && strcmp(argv[2], "text") == 0 ? NX_HTTP_PAGES_TEXT
                                                                             : NX_HTTP_PAGES_JSON);
    nx_http_set_app(server, "server");
    bool json = argc > 2 && strcmp(argv[2], "json") == 0;
    bool slowly = argc > 2 && strcmp(argv[2], "slowly") == 0;
    nx_http_access_log(server, .format = json ? NX_HTTP_LOG_JSON : NX_HTTP_LOG_COMBINED,
                       .write = slowly ? write_slowly : NULL);
    if (argc > 3) {
        nx_http_compress(server, .min = 1);
        nx_http_static(server, "/assets", argv[3]);
    }
    nx_http_request_id(server);
    if (argc > 2 && strcmp(argv[2], "forwarded") == 0)
        nx_http_trust_forwarded(server, "127.0.0.1", "10.0.0.0/8", "2001:db8::/32");
    else
        nx_http_trust_proxies(server, "127.0.0.1", "10.0.0.0/8", "2001:db8::/32");
    nx_http_health(server, "/healthz", healthy, NULL);
    nx_http_ready(server, "/readyz", NULL, NULL);

    nx_http_use(server, mark, "server,");
    nx_http_get(server, "/", ok);
    nx_http_get(server, "/where", where);
    nx_http_get(server, "/who", who);
    nx_http_get(server, "/fail", fail);
    nx_http_post(server, "/refuse", refuse);
    nx_http_get(server, "/refuse", refuse);
    nx_http_get(server, "/split", split);
    nx_http_get(server, "/told/:how/:status", told);
    nx_http_get(server, "/own-fault", own_fault);
    nx_http_get(server, "/next", next_in_handler);
    nx_http_get(server, "/trace", send_params);
    nx_http_get(server, "/files/*path", ok);

    nx_http_router *api = nx_http_group(server, "/api");
    nx_http_get(api, "/", send_params);
    nx_http_get(api, "/items/:id", send_params);
    nx_http_delete(api, "/items/:id", send_params);
    nx_http_router *org = nx_http_group(api, "/orgs/:org");
    nx_http_use(org, mark, "org,");
    nx_http_get(org, "/things/:id", send_params);
    nx_http_use(api, mark, "api,"); /* after its routes: it counts all the same */
    nx_http_cors(api, .origins = NX_HTTP_LIST("https://app.example.com", "https://*.example.org"),
                 .credentials = true, .expose = "x-total", .max_age = NX_S(60));

    nx_http_router *open = nx_http_group(server, "/open");
    nx_http_cors(open);
    nx_http_get(open, "/data", ok);
    nx_http_put(open, "/data", ok);
    nx_http_get(open, "/fail", fail);

    nx_http_router *shared = admin();
    nx_http_mount(server, "/admin", shared);
    nx_http_router *basic = nx_http_group(server, "/basic");
    nx_http_basic_auth(basic, .realm = "the vault",
                       .users = NX_HTTP_USERS({"ada", "love:lace"}, {"bob", ""}));
    nx_http_get(basic, "/who", who);
    nx_http_mount(basic, "/admin", shared);
    nx_http_router *bearer = nx_http_group(server, "/bearer");
    nx_http_bearer_auth(bearer, .check = check_token, .realm = "api");
    nx_http_get(bearer, "/who", who);
    nx_http_router *keys = nx_http_group(server, "/keys");
    nx_http_bearer_auth(keys, .tokens = NX_HTTP_LIST("k1", "k2"));
    nx_http_get(keys, "/who", who);

    nx_http_router *limited = nx_http_group(server, "/limited");
    nx_http_rate_limit(limited, .limit = 3, .window = NX_S(3));
    nx_http_get(limited, "/", ok);
    nx_http_router *keyed = nx_http_group(server, "/keyed");
    nx_http_rate_limit(keyed, .limit = 2, .window = NX_S(600), .key = by_header, .max_keys = 64,
                       .quiet = true);
    nx_http_get(keyed, "/", ok);

    nx_http_router *seen = nx_http_group(server, "/seen");
    nx_http_use(seen, observe, NULL);
    nx_http_get(seen, "/ok", ok);
    nx_http_get(seen, "/fail", fail);
    nx_http_get(seen, "/nothing", nothing);
    nx_http_get(seen, "/stream", stream);
    nx_http_get(server, "/observed", observed);

    nx_http_router *again = nx_http_group(server, "/again");
    nx_http_use(again, rescue, NULL);
    nx_http_use(again, gate, NULL);
    nx_http_get(again, "/", ok);
    nx_http_get(again, "/missing", missing);

    nx_http_router *pages = nx_http_group(server, "/pages");
    nx_http_on_error(pages, page);
    nx_http_get(pages, "/fail", fail);
    nx_http_get(pages, "/refuse", refuse);
    nx_http_get(pages, "/worse", fail);
    nx_http_get(pages, "/usual", fail);
    nx_http_get(pages, "/told/:how/:status", told);
    nx_http_post(pages, "/upload/:name", ok);
    nx_http_router *peeked = nx_http_group(pages, "/peeked");
    nx_http_use(peeked, peek, NULL);
    nx_http_post(peeked, "/", ok);
    nx_http_router *lost = nx_http_group(server, "/lost");
    nx_http_not_found(lost, not_found);

    nx_http_router *site = nx_http_host(server, "api.Example.com");
    nx_http_set_app(site, "api");
    nx_http_get(site, "/where", where);
    nx_http_get(site, "/trace", send_params);
    nx_http_get(nx_http_host(server, "*.example.com"), "/trace", ok);
    nx_http_set_app(nx_http_host(server, "*.deep.example.com"), "deep");
    nx_http_get(nx_http_host(server, "*.deep.example.com"), "/where", where);
    nx_http_set_app(nx_http_host(server, "[::1]"), "six");
    nx_http_get(nx_http_host(server, "[::1]"), "/where", where);

    nx_http_router *control = nx_http_group(server, "");
    nx_http_set_app(control, &server);
    nx_http_post(control, "/stop", stop);

    nx_err err = nx_http_listen(server);
    if (err) fprintf(stderr, "%s\n", nx_error_last()->message);
    nx_http_server_free(server);
    return err;
}
