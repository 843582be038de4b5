/* A URL shortener:
 *   export SHORTENER_TOKEN=s3cret
 *   nexus run --allow-net=127.0.0.1:3000 --allow-read=. --allow-write=. --allow-env=SHORTENER_TOKEN
 *   curl -d url=https://example.com -d alias=short localhost:3000
 *   curl -i localhost:3000/short
 * and a form at http://localhost:3000/. README.md has the whole API. */
#include "./page.h"
#include "./store.h"
#include "./url.h"

#include <getopt.h>
#include <nexus.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

enum {
    PAGE_LINKS = 50, /* in a list, if nobody says how many */
    PAGE_LINKS_MOST = 500,
    EXPIRES_MOST = 10 * 365 * 86400, /* seconds */
    BODY_MOST = 16 << 10
};

typedef struct options {
    const char *host, *data, *base, *proxy, *token;
    uint16_t port;
    uint32_t rate; /* links a minute that an address may make */
} options;

typedef struct app {
    store *store;       /* NULL until it is open */
    nx_channel *opened; /* closed then */
    const char *base;   /* "https://sho.rt"; NULL: as the client has it */
} app;

/* ---- What is said about a link */

static int64_t now(void)
{
    return nx_wall_time() / NX_S(1);
}

/* NULL for 0, which JSON has as null. */
static const char *iso(int64_t seconds)
{
    char text[32];
    time_t t = (time_t)seconds;
    struct tm tm;
    if (!seconds || !gmtime_r(&t, &tm)) return NULL;
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm);
    return nx_copy(nx_str(text));
}

static const char *short_url(nx_request *req, const char *code)
{
    const app *a = nx_request_app(req);
    nx_bytes scheme = nx_request_scheme(req), host = nx_request_host(req);
    if (a->base) return nx_format("%s/%s", a->base, code);
    if (!host.len) return nx_format("/%s", code);
    return nx_format("%.*s://%.*s/%s", NX_FMT(scheme), NX_FMT(host), code);
}

static nx_value link_value(nx_request *req, const shortlink *l)
{
    return nx_obj("code", l->code, "short", short_url(req, l->code), "url", l->url, "hits", l->hits,
                  "created", iso(l->created), "expires", iso(l->expires), "last_hit",
                  iso(l->last_hit));
}

/* The links' own host. */
static nx_bytes own_host(nx_request *req)
{
    const app *a = nx_request_app(req);
    const char *host = a->base ? strstr(a->base, "//") : NULL;
    return host ? nx_str(host + 2) : nx_request_host(req);
}

/* ---- Making one */

/* The first segments of other paths. */
static bool is_reserved(nx_bytes code)
{
    return nx_bytes_is(code, "api") || nx_bytes_is(code, "healthz") || nx_bytes_is(code, "readyz");
}

/* `expires_in` is in seconds, 0 for never. */
static nx_err make(nx_request *req, nx_bytes url, nx_bytes alias, int64_t expires_in,
                   const shortlink **out)
{
    app *a = nx_request_app(req);
    char *checked;
    NX_TRY(url_check(url, own_host(req), &checked));
    if (expires_in < 0 || expires_in > EXPIRES_MOST)
        return nx_fail(NX_EINVAL, "expires_in is a number of seconds, at most %d", EXPIRES_MOST);
    if (is_reserved(alias)) return nx_fail(NX_EEXIST, "\"%.*s\" is taken", NX_FMT(alias));
    return store_add(a->store, alias, nx_str(checked), now(), expires_in ? now() + expires_in : 0,
                     out);
}

/* The status that tells the client what is wrong with its wish; 0 where that is our trouble. */
static int refusal(nx_err err)
{
    switch (err) {
    case NX_EINVAL: return 422;
    case NX_EEXIST: return 409;
    case NX_ELIMIT:
    case NX_ENOSPC: return 507;
    default: return 0;
    }
}

/* POST /api/links {"url":"…","alias":"…","expires_in":3600} */
static nx_err create(nx_request *req, nx_response *res)
{
    nx_json body;
    nx_bytes url, alias = nx_str("");
    int64_t expires_in = 0;
    const shortlink *l = NULL;
    NX_TRY(nx_request_json(req, &body));
    NX_TRY(nx_json_need(body, &url, "url"));
    NX_TRY(nx_json_maybe(body, &alias, "alias"));
    NX_TRY(nx_json_maybe(body, &expires_in, "expires_in"));
    nx_err err = make(req, url, alias, expires_in, &l);
    if (refusal(err)) return nx_response_error(res, refusal(err), nx_error_last()->message);
    NX_TRY(err);
    nx_response_status(res, 201);
    nx_response_header(res, "location", nx_format("/api/links/%s", l->code));
    return nx_response_json(res, link_value(req, l));
}

static nx_err form(nx_request *req, nx_response *res)
{
    (void)req;
    return page_form(res, NULL, nx_str(""), nx_str(""));
}

/* POST / of the form: on to the page of the link, so that a reload makes no second one. */
static nx_err create_by_form(nx_request *req, nx_response *res)
{
    nx_form *f;
    int64_t expires_in = 0;
    const shortlink *l = NULL;
    NX_TRY(nx_request_form(req, &f));
    nx_bytes url = nx_form_get(f, "url"), alias = nx_form_get(f, "alias");
    if (nx_form_get(f, "expires_in").len) NX_TRY(nx_form_need(f, "expires_in", &expires_in));
    nx_err err = make(req, url, alias, expires_in, &l);
    if (refusal(err)) {
        const char *wrong = nx_error_last()->message;
        nx_response_status(res, refusal(err));
        return page_form(res, wrong, url, alias);
    }
    NX_TRY(err);
    return nx_response_redirect(res, 303, nx_format("/%s+", l->code));
}

/* ---- Following it */

static nx_err not_here(nx_response *res)
{
    return nx_response_error(res, 404, "there is no such link, or no more");
}

/* GET /CODE leads on; GET /CODE+ tells where to. */
static nx_err follow(nx_request *req, nx_response *res)
{
    app *a = nx_request_app(req);
    nx_bytes code = nx_request_param(req, "code");
    bool tell = code.len && code.data[code.len - 1] == '+';
    if (tell) code.len--;
    const shortlink *l = store_find(a->store, code, now());
    if (!l) return not_here(res);
    if (tell)
        return page_link(res, short_url(req, l->code), l->url, l->hits, iso(l->created),
                         iso(l->expires));
    if (nx_bytes_is(nx_request_method(req), "GET")) store_hit(a->store, l, now()); /* not HEAD */
    nx_response_header(res, "cache-control", "private, no-store");
    /* 302 and not 301: browsers keep a 301, and then hits, expiry and removal pass them by. */
    return nx_response_redirect(res, 302, l->url);
}

/* ---- For whoever has the token */

/* GET /api/links?limit=50&after=CODE, newest first */
static nx_err list(nx_request *req, nx_response *res)
{
    app *a = nx_request_app(req);
    uint32_t limit = PAGE_LINKS, count = 0;
    nx_bytes after = nx_str("");
    const shortlink *l = NULL;
    NX_TRY(nx_request_query_maybe(req, "limit", &limit));
    NX_TRY(nx_request_query_maybe(req, "after", &after));
    if (limit < 1 || limit > PAGE_LINKS_MOST)
        return nx_response_error(res, 422, nx_format("limit is 1 to %d", PAGE_LINKS_MOST));
    if (after.len && !(l = store_find(a->store, after, now())))
        return nx_response_error(res, 422, "the link of \"after\" is gone: begin anew");
    nx_value *items = nx_alloc_zero(limit, sizeof *items);
    if (!items) return NX_ENOMEM;
    const shortlink *next = store_older(a->store, l, now());
    for (; next && count < limit; next = store_older(a->store, next, now())) {
        items[count++] = link_value(req, next);
        l = next;
    }
    return nx_response_json(res,
                            nx_obj("links", nx_list(items, count), "next",
                                   next && l ? l->code : NULL, "total", store_count(a->store)));
}

static nx_err show(nx_request *req, nx_response *res)
{
    app *a = nx_request_app(req);
    const shortlink *l = store_find(a->store, nx_request_param(req, "code"), now());
    return l ? nx_response_json(res, link_value(req, l)) : not_here(res);
}

static nx_err drop(nx_request *req, nx_response *res)
{
    app *a = nx_request_app(req);
    nx_err err = store_remove(a->store, nx_request_param(req, "code"), now());
    if (err == NX_ENOENT) return not_here(res);
    NX_TRY(err);
    nx_response_status(res, 204);
    return nx_response_send(res, "");
}

/* ---- The server */

/* The store opens while the server listens already: at a restart the program before keeps the file
 * until it hears that its successor listens. Who asks meanwhile waits, and gets his answer. */
static nx_err when_open(nx_request *req, nx_response *res, void *context)
{
    const app *a = context;
    char nothing;
    if (!a->store) {
        nx_err err = nx_recv(a->opened, &nothing);
        if (err != NX_ECLOSED) return err;
        if (!a->store) return nx_response_error(res, 503, NULL);
    }
    return nx_http_next(req, res);
}

static nx_err health(void *context)
{
    const app *a = context;
    return a->store ? store_check(a->store) : NX_OK;
}

static nx_err ready(void *context)
{
    const app *a = context;
    return a->store ? NX_OK : nx_fail(NX_EAGAIN, "the links are not read yet");
}

static nx_http_server *shortener(app *a, const options *o)
{
    nx_http_server *server =
        nx_http_server_new(.host = o->host, .port = o->port, .max_body = BODY_MOST);
    nx_http_set_app(server, a);
    if (o->proxy) nx_http_trust_proxies(server, o->proxy);
    nx_http_request_id(server);
    nx_http_access_log(server,
                       .format = isatty(STDOUT_FILENO) ? NX_HTTP_LOG_COMBINED : NX_HTTP_LOG_JSON);
    nx_http_health(server, "/healthz", health, a);
    nx_http_ready(server, "/readyz", ready, a);
    nx_http_use(server, when_open, a);

    nx_http_get(server, "/", form);
    nx_http_get(server, "/:code", follow);

    nx_http_router *makers = nx_http_group(server, "");
    nx_http_rate_limit(makers, .limit = o->rate, .window = NX_S(60));
    nx_http_post(makers, "/", create_by_form);
    nx_http_post(makers, "/api/links", create);

    nx_http_router *admin = nx_http_group(server, "");
    nx_http_bearer_auth(admin, .tokens = NX_HTTP_LIST(o->token));
    nx_http_get(admin, "/api/links", list);
    nx_http_get(admin, "/api/links/:code", show);
    nx_http_delete(admin, "/api/links/:code", drop);
    return server;
}

typedef struct opening {
    app *app;
    const char *data;
    nx_http_server *server;
} opening;

/* Logs an error, while its message is the last. */
static nx_err told(nx_err err)
{
    if (err) nx_log_error(nx_error_last()->message);
    return err;
}

static nx_err open_links(void *arg)
{
    const opening *o = arg;
    nx_err err = store_open(&o->app->store, o->data, now());
    nx_channel_close(o->app->opened);
    if (err)
        nx_http_stop(o->server);
    else
        nx_log_info("ready", "links", store_count(o->app->store));
    return err;
}

static nx_err serve(const options *o)
{
    app a = {.base = o->base};
    nx_fiber *opener;
    NX_TRY(nx_channel_new(&a.opened, 1, 0));
    nx_http_server *server = shortener(&a, o);
    opening what = {&a, o->data, server};
    nx_err err = nx_spawn(&opener, open_links, &what, .name = "opening");
    if (!err) {
        err = told(nx_http_listen(server));
        nx_cancel(opener);
        nx_err opened = nx_join(opener);
        if (!err && opened != NX_ECANCELED) err = told(opened);
    }
    nx_http_server_free(server);
    store_close(a.store);
    nx_channel_free(a.opened);
    return err;
}

/* ---- Arguments */

static int usage(void)
{
    fputs("usage: app.c [--host=ADDRESS] [--port=PORT] [--data=FILE] [--base=https://HOST]\n"
          "             [--rate=LINKS-A-MINUTE] [--proxy=ADDRESS]\n",
          stderr);
    return NX_EUSAGE;
}

static bool number(const char *text, long most, long *out)
{
    char *end;
    *out = strtol(text, &end, 10);
    return end != text && !*end && *out >= 1 && *out <= most;
}

/* A token for this run, where nobody has set one. */
static const char *token_draw(char out[33])
{
    unsigned char bytes[16];
    if (getrandom(bytes, sizeof bytes, 0) != sizeof bytes) return NULL;
    for (size_t i = 0; i < sizeof bytes; i++) snprintf(out + 2 * i, 3, "%02x", bytes[i]);
    nx_log_warn("SHORTENER_TOKEN is not set: this token is good until the program ends", "token",
                out);
    return out;
}

int main(int argc, char **argv)
{
    static const struct option flags[] = {
        {"host", required_argument, NULL, 'h'},
        {"port", required_argument, NULL, 'p'},
        {"data", required_argument, NULL, 'd'},
        {"base", required_argument, NULL, 'b'},
        {"rate", required_argument, NULL, 'r'},
        {"proxy", required_argument, NULL, 'x'},
        {NULL, 0, NULL, 0},
    };
    options o = {.host = "127.0.0.1", .port = 3000, .data = "links.log", .rate = 60};
    char token[33];
    long n;
    for (int flag; (flag = getopt_long(argc, argv, "", flags, NULL)) != -1;) {
        switch (flag) {
        case 'h': o.host = optarg; break;
        case 'd': o.data = optarg; break;
        case 'b': o.base = optarg; break;
        case 'x': o.proxy = optarg; break;
        case 'p':
            if (!number(optarg, 65534, &n)) return usage();
            o.port = (uint16_t)n;
            break;
        case 'r':
            if (!number(optarg, 1000000, &n)) return usage();
            o.rate = (uint32_t)n;
            break;
        default: return usage();
        }
    }
    if (optind < argc) return usage();
    o.token = getenv("SHORTENER_TOKEN");
    if (!o.token || !*o.token) o.token = token_draw(token);
    if (!o.token) return NX_EFAILED;
    return serve(&o);
}
