/* CORS: which pages of other origins may ask, and read the answers (Fetch, 3.2). */
#include "http/server.h"

#include "http/h1/syntax.h"
#include <stdio.h>

enum { ORIGIN_MOST = 512, HEADERS_MOST = 1024 };

struct cors {
    const char **origins; /* NULL: any, or those that `origin` likes */
    bool (*origin)(nx_request *req, nx_bytes origin, void *context);
    void *context;
    const char *methods, *headers, *expose;
    bool credentials;
    char max_age[24];
};

/* "https://app.example.com", or any name below in place of a "*." behind the scheme. */
static bool origin_fits(const char *wanted, nx_bytes origin)
{
    const char *star = strstr(wanted, "://*.");
    if (!star) return nx_bytes_is(origin, wanted);
    size_t scheme = (size_t)(star - wanted) + 3;
    nx_bytes end = nx_str(star + 4); /* with its dot */
    if (origin.len <= scheme + end.len || memcmp(origin.data, wanted, scheme) != 0) return false;
    for (size_t i = scheme; i < origin.len - end.len; i++)
        if (!nx__h1_is(origin.data[i], NX__H1_LABEL)) return false; /* no port, no user */
    return nx_bytes_eq(nx_slice(origin.data + origin.len - end.len, end.len), end);
}

static bool is_allowed(const struct cors *cors, nx_request *req, nx_bytes origin)
{
    if (!cors->origins && !cors->origin) return true;
    if (origin.len > ORIGIN_MOST) return false;
    for (size_t i = 0; i < origin.len; i++)
        if (origin.data[i] <= 0x20 || origin.data[i] >= 0x7f) return false;
    for (const char *const *wanted = cors->origins; wanted && *wanted; wanted++)
        if (origin_fits(*wanted, origin)) return true;
    return cors->origin && cors->origin(req, origin, cors->context);
}

static void header(nx_response *res, const char *name, nx_bytes value)
{
    nx_response_header_always(res, name, nx_copy(value));
}

/* The names that the preflight asks for, as they are, if they are names. */
static void headers_allow(const struct cors *cors, nx_request *req, nx_response *res)
{
    nx_bytes asked = nx_request_header(req, "access-control-request-headers");
    if (cors->headers) {
        nx_response_header_always(res, "access-control-allow-headers", cors->headers);
        return;
    }
    nx__response_vary(res, "access-control-request-headers");
    if (!asked.len || asked.len > HEADERS_MOST) return;
    for (size_t i = 0; i < asked.len; i++)
        if (!nx__h1_is(asked.data[i], NX__H1_TOKEN | NX__H1_BLANK) && asked.data[i] != ',') return;
    header(res, "access-control-allow-headers", asked);
}

static nx_err cors_run(nx_request *req, nx_response *res, void *context)
{
    const struct cors *cors = context;
    nx_bytes origin = nx_request_header(req, "origin");
    bool any = !cors->origins && !cors->origin;
    bool preflight = origin.data && nx_bytes_is(req->method, "OPTIONS") &&
                     nx_request_header(req, "access-control-request-method").data;
    bool allowed = origin.data && is_allowed(cors, req, origin);
    if (!any) nx__response_vary(res, "origin");
    if (allowed) {
        header(res, "access-control-allow-origin", any ? nx_str("*") : origin);
        if (cors->credentials)
            nx_response_header_always(res, "access-control-allow-credentials", "true");
    }
    if (!preflight) {
        if (allowed && cors->expose)
            nx_response_header_always(res, "access-control-expose-headers", cors->expose);
        return nx_http_next(req, res);
    }
    if (allowed) {
        nx_response_header_always(res, "access-control-allow-methods", cors->methods);
        nx_response_header_always(res, "access-control-max-age", cors->max_age);
        headers_allow(cors, req, res);
    }
    nx_response_status(res, 204);
    return nx_response_end(res);
}

/* The list with its strings. NULL when memory is out. */
static const char **list_keep(nx_http_router *router, const char *const *list)
{
    size_t count = 0;
    while (list[count]) count++;
    const char **copy = nx__router_keep(router, (count + 1) * sizeof *copy, NULL);
    for (size_t i = 0; copy && i < count; i++)
        if (!(copy[i] = nx__router_keep_text(router, list[i]))) return NULL;
    return copy;
}

static void value_check(nx_http_router *router, const char *what, const char *value)
{
    for (; value && *value; value++)
        if (!nx__h1_is(*value, NX__H1_TOKEN | NX__H1_BLANK) && *value != ',')
            nx__router_mistake(router, NX_EINVAL, "nx_http_cors: %s is no list such as \"a, b\"",
                               what);
}

void nx_http_cors_with(nx_http_router *router, const nx_http_cors_options *options)
{
    nx_http_cors_options o = {0};
    memcpy(&o, options, options->size < sizeof o ? options->size : sizeof o);
    struct cors *cors = nx__router_keep(router, sizeof *cors, NULL);
    if (!cors) return;
    if (o.credentials && !o.origins && !o.origin)
        nx__router_mistake(
            router, NX_EINVAL,
            "nx_http_cors: credentials need origins, else every page could use them");
    for (const char *const *origin = o.origins; origin && *origin; origin++)
        if (strcmp(*origin, "*") == 0)
            nx__router_mistake(router, NX_EINVAL,
                               "nx_http_cors: \"*\" is no origin; leave origins out for any");
        else if (strcmp(*origin, "null") != 0 &&
                 (!strstr(*origin, "://") || strchr(strstr(*origin, "://") + 3, '/')))
            nx__router_mistake(router, NX_EINVAL,
                               "nx_http_cors: \"%s\" is no origin such as \"https://example.com\"",
                               *origin);
    value_check(router, "methods", o.methods);
    value_check(router, "headers", o.headers);
    value_check(router, "expose", o.expose);
    if (o.origins && !(cors->origins = list_keep(router, o.origins))) return;
    cors->origin = o.origin;
    cors->context = o.context;
    cors->methods =
        o.methods ? nx__router_keep_text(router, o.methods) : "GET, HEAD, POST, PUT, PATCH, DELETE";
    cors->headers = nx__router_keep_text(router, o.headers);
    cors->expose = nx__router_keep_text(router, o.expose);
    cors->credentials = o.credentials;
    long long seconds = (o.max_age ? o.max_age : NX_S(600)) / NX_S(1);
    (void)snprintf(cors->max_age, sizeof cors->max_age, "%lld", seconds);
    nx_http_router_use(router, cors_run, cors);
}
