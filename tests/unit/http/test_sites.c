/* From routers to sites: prefixes, middleware, hosts, mistakes, and memory that runs out. */
#include "http/server.h"

#include "base/siphash.h"
#include "faults.h"
#include <nexus/test.h>

/* Handlers and middleware that are told apart by their address and never called. */
static nx_err handler_a(nx_request *req, nx_response *res)
{
    (void)req;
    (void)res;
    return NX_OK;
}
static nx_err handler_b(nx_request *req, nx_response *res)
{
    (void)req;
    (void)res;
    return NX_EFAILED;
}
static nx_err middleware(nx_request *req, nx_response *res, void *context)
{
    (void)context;
    return nx_http_next(req, res);
}

static struct nx__route_match match;

/* The scope of what the path finds, on the host. */
static const struct nx__scope *scope_of(const nx_http_server *server, const char *host,
                                        const char *method, const char *path)
{
    const struct nx__site *site = nx__site_find(&server->sites, nx_str(host));
    nx__router_match(site->routes, nx_str(method), nx_str(path), &match);
    return nx__scope_find(site, nx_str(method), nx_str(path), (nx_bytes){0}, &match);
}

/* The contexts of its middleware, a letter each. */
static const char *steps(const struct nx__scope *scope)
{
    static char text[NX__APP_MAX_MIDDLEWARE + 1];
    for (uint32_t i = 0; i < scope->count; i++) text[i] = *(const char *)scope->steps[i].context;
    text[scope->count] = '\0';
    return text;
}
#define STEPS(host, method, path) steps(scope_of(server, host, method, path))

static nx_http_server *server_new(void)
{
    nx_http_server *server = nx_http_server_new(.port = 1);
    if (server) nx_http_use(server, middleware, "r");
    return server;
}

NX_TEST("sites chains")
{
    nx_http_server *server = server_new();
    nx_http_get(server, "/", handler_a);
    nx_http_router *api = nx_http_group(server, "/api/");
    nx_http_get(api, "/", handler_a);
    nx_http_post(api, "/x", handler_b);
    nx_http_router *deep = nx_http_group(api, "/:org/deep");
    nx_http_use(deep, middleware, "d");
    nx_http_get(deep, "/:id", handler_a);
    nx_http_use(api, middleware, "a");
    nx_http_use(api, middleware, "b");
    nx_http_get(server, "/api/root", handler_a);
    nx_http_router *plain = nx_http_group(server, "");
    nx_http_use(plain, middleware, "p");
    nx_http_get(plain, "/plain", handler_a);
    nx_expect_ok(nx__server_prepare(server));

    nx_expect_eq(STEPS("", "GET", "/"), "r");
    nx_expect_eq(STEPS("", "GET", "/api"), "rab");
    nx_expect(match.outcome == NX__ROUTE_FOUND && match.handler == (void (*)(void))nx__chain_run);
    nx_expect(((const struct nx__target *)match.data)->handler == handler_a);
    nx_expect_eq(STEPS("", "GET", "/api/acme/deep/1"), "rabd");
    nx_expect_eq(STEPS("", "GET", "/plain"), "rp");
    /* What no route serves is the nearest prefix's; routes that pass it over know better. */
    nx_expect_eq(STEPS("", "GET", "/none"), "r");
    nx_expect_eq(STEPS("", "GET", "/apis"), "r");
    nx_expect_eq(STEPS("", "GET", "/api/"), "rab");
    nx_expect_eq(STEPS("", "GET", "/api/none/at/all"), "rab");
    nx_expect_eq(STEPS("", "GET", "/api/..%2fadmin"), "rab");
    nx_expect_eq(STEPS("", "GET", "/api/acme/deep"), "rabd");
    nx_expect_eq(STEPS("", "GET", "/api/x"), "rab");
    nx_expect_eq(STEPS("", "POST", "/api/root"), "r");
    nx_expect_eq(STEPS("", "OPTIONS", "*"), "r");
    nx_expect_eq(STEPS("", "PUT", "/plain"), "rp");
    nx_http_server_free(server);
}

NX_TEST("sites without middleware cost nothing")
{
    nx_http_server *server = nx_http_server_new(.port = 1);
    nx_http_get(server, "/", handler_a);
    nx_http_get(nx_http_group(server, "/g"), "/x", handler_b);
    nx_expect_ok(nx__server_prepare(server));
    (void)scope_of(server, "", "GET", "/");
    nx_expect(match.handler == (void (*)(void))handler_a);
    (void)scope_of(server, "", "GET", "/g/x");
    nx_expect(match.handler == (void (*)(void))handler_b);
    nx_http_server_free(server);
}

NX_TEST("sites hosts")
{
    nx_http_server *server = server_new();
    nx_http_set_app(server, "server");
    static const char *const hosts[] = {"b.example.com",   "*.example.com", "a.example.com.",
                                        "*.x.example.com", "EXAMPLE.com",   "[2001:db8::1]",
                                        "10.0.0.1"};
    enum { HOSTS = sizeof hosts / sizeof *hosts };
    for (int i = 0; i < HOSTS; i++) {
        nx_http_router *host = nx_http_host(server, hosts[i]);
        nx_http_set_app(host, (void *)(uintptr_t)hosts[i]);
        nx_http_use(host, middleware, "h");
    }
    nx_expect_eq(nx_http_host(server, "B.example.com"), nx_http_host(server, "b.EXAMPLE.com"));
    nx_expect_ok(nx__server_prepare(server));
    static const struct {
        const char *host;
        int wanted; /* -1: the rest */
    } asked[] = {{"b.example.com", 0},
                 {"B.Example.Com:80", 0},
                 {"c.example.com", 1},
                 {"c.d.example.com", 1},
                 {"a.example.com", 2},
                 {"a.example.com.:443", 2},
                 {"y.x.example.com", 3},
                 {"x.example.com", 1},
                 {"example.com", 4},
                 {"[2001:DB8::1]:80", 5},
                 {"10.0.0.1:3000", 6},
                 {".example.com", -1},
                 {"", -1},
                 {":80", -1},
                 {"example.org", -1},
                 {"xexample.com", -1},
                 {"example.com.evil", -1},
                 {"[2001:db8::1", -1},
                 {".", -1},
                 {"..example.com", 1}};
    for (size_t i = 0; i < sizeof asked / sizeof *asked; i++)
        nx_subtest ("\"%s\"", asked[i].host) {
            const char *wanted = asked[i].wanted < 0 ? "server" : hosts[asked[i].wanted];
            const struct nx__scope *scope = scope_of(server, asked[i].host, "GET", "/");
            nx_expect_eq((const char *)scope->app, wanted);
            nx_expect_eq(steps(scope), asked[i].wanted < 0 ? "r" : "rh");
        }
    nx_http_server_free(server);
}

/* What is wrong with the server, which is freed. */
static const char *mistake(nx_http_server *server, nx_err wanted)
{
    nx_expect_err(wanted, nx__server_prepare(server));
    nx_http_server_free(server);
    return nx_error_last()->message;
}
/* Builds a server by `build` and expects the mistake. */
#define MISTAKE(wanted, message, build)                                                            \
    do {                                                                                           \
        nx_http_server *server = server_new();                                                     \
        nx_http_router *group = nx_http_group(server, "/g");                                       \
        (void)group;                                                                               \
        build;                                                                                     \
        nx_expect_contains(mistake(server, wanted), message);                                      \
    } while (0)

NX_TEST("sites mistakes")
{
    MISTAKE(NX_EINVAL, "cannot add the route GET x: the path does not begin with /",
            nx_http_get(server, "x", handler_a));
    MISTAKE(NX_EINVAL, "cannot add the route GET (null): the path",
            nx_http_get(group, NULL, handler_a));
    MISTAKE(NX_EINVAL, "cannot add the route GET : the path", nx_http_get(group, "", handler_a));
    MISTAKE(NX_EINVAL, "cannot add the route (null) /g/x: the method is empty",
            nx_http_route(group, NULL, "/x", handler_a));
    MISTAKE(NX_EINVAL, "cannot add the route GET /x: no handler", nx_http_get(group, "/x", NULL));
    MISTAKE(NX_EEXIST, "cannot add the route GET /g/x: there is one already", {
        nx_http_get(server, "/g/x", handler_a);
        nx_http_get(group, "/x", handler_b);
    });
    MISTAKE(NX_EINVAL, "two parameters have the same name",
            nx_http_get(nx_http_group(server, "/:id"), "/:id", handler_a));
    MISTAKE(NX_EINVAL, "cannot use the prefix \"x\": it does not begin with /",
            nx_http_get(nx_http_group(group, "x"), "/", handler_a));
    MISTAKE(NX_EINVAL, "cannot use the prefix \"(null)\"", (void)nx_http_group(group, NULL));
    MISTAKE(NX_EINVAL, "it has a *", (void)nx_http_group(group, "/a/*rest"));
    MISTAKE(NX_EINVAL, "nx_http_use was given no middleware", nx_http_use(group, NULL, NULL));
    MISTAKE(NX_ENOMEM, "cannot mount a router at \"/m\": out of memory",
            nx_http_mount(group, "/m", (nx_http_router *)NULL));
    MISTAKE(NX_EINVAL, "it is below itself",
            nx_http_mount(group, "/m", nx_http_server_router(server)));
    MISTAKE(NX_EINVAL, "more than 64 middleware", {
        for (int i = 0; i < 64; i++) nx_http_use(group, middleware, "m");
    });
    MISTAKE(NX_EINVAL, "more than 32 routers", {
        for (int i = 0; i < 40; i++) group = nx_http_group(group, "/d");
    });
    static const char *const hosts[] = {
        "",   "a b",  "example.com:80", "*",   "*.",       "a..b", ".a",
        "..", "[::1", "[::1]:80",       "a,b", "http://a", NULL};
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++)
        nx_subtest ("%s", hosts[i] ? hosts[i] : "none")
            MISTAKE(NX_EINVAL, "cannot serve the host", (void)nx_http_host(server, hosts[i]));
    MISTAKE(NX_EEXIST, "it is there already", {
        (void)nx_http_host(server, "a.b");
        (void)nx_http_host(server, "a.b.");
    });
    MISTAKE(NX_EINVAL, "cannot trust the proxy \"10.0.0.0/33\"",
            nx_http_trust_proxies(server, "10.0.0.1", "10.0.0.0/33"));
    MISTAKE(NX_EINVAL, "cannot trust the proxy \"example.com\"",
            nx_http_trust_forwarded(server, "example.com"));
    MISTAKE(NX_EINVAL, "credentials need origins", nx_http_cors(group, .credentials = true));
    MISTAKE(NX_EINVAL, "\"https://a/\" is no origin",
            nx_http_cors(group, .origins = NX_HTTP_LIST("https://a/")));
    MISTAKE(NX_EINVAL, "\"*\" is no origin", nx_http_cors(group, .origins = NX_HTTP_LIST("*")));
    MISTAKE(NX_EINVAL, "methods is no list", nx_http_cors(group, .methods = "GET\r\nx: y"));
    MISTAKE(NX_EINVAL, "needs users or check", nx_http_basic_auth(group));
    MISTAKE(NX_EINVAL, "has no password",
            nx_http_basic_auth(group, .users = NX_HTTP_USERS({"ada", NULL})));
    MISTAKE(NX_EINVAL, "a colon in the name",
            nx_http_basic_auth(group, .users = NX_HTTP_USERS({"a:b", "c"})));
    MISTAKE(NX_EINVAL, "the realm",
            nx_http_basic_auth(group, .users = NX_HTTP_USERS({"a", "b"}), .realm = "a\"b"));
    MISTAKE(NX_EINVAL, "a token is empty", nx_http_bearer_auth(group, .tokens = NX_HTTP_LIST("")));
    MISTAKE(NX_EINVAL, "nx_http_rate_limit", nx_http_rate_limit(group, .limit = 2, .window = 1));
    MISTAKE(NX_EINVAL, "no field's name", nx_http_request_id(group, .header = "x y"));
    MISTAKE(NX_EINVAL, "no such format",
            nx_http_access_log(group, .format = (nx_http_log_format)9));
    MISTAKE(NX_EINVAL, "cannot add the route GET health",
            nx_http_health(server, "health", NULL, NULL));
}

NX_TEST("sites made again")
{
    nx_http_server *server = server_new();
    nx_http_get(server, "/", handler_a);
    nx_expect_ok(nx__server_prepare(server));
    nx_http_get(server, "/later", handler_b);
    (void)scope_of(server, "", "GET", "/later");
    nx_expect_eq(match.outcome, NX__ROUTE_NOT_FOUND);
    nx_expect_ok(nx__server_prepare(server));
    (void)scope_of(server, "", "GET", "/later");
    nx_expect_eq(match.outcome, NX__ROUTE_FOUND);
    nx_http_server_free(server);
}

static nx_http_server *server_of_all(void)
{
    nx_http_server *server = nx_http_server_new(.port = 1);
    nx_http_use(server, middleware, "r");
    nx_http_router *group = nx_http_group(server, "/g"), *sub = nx_http_router_new();
    nx_http_get(sub, "/x", handler_a);
    nx_http_mount(group, "/m", sub);
    nx_http_mount(server, "/n", sub);
    if (sub && !sub->mounts) nx_http_router_free(sub);
    nx_http_cors(group, .origins = NX_HTTP_LIST("https://a", "https://b"), .expose = "x");
    nx_http_basic_auth(group, .users = NX_HTTP_USERS({"a", "b"}));
    nx_http_bearer_auth(group, .tokens = NX_HTTP_LIST("t"));
    nx_http_rate_limit(group, .max_keys = 8);
    nx_http_request_id(group);
    nx_http_access_log(group);
    nx_http_trust_proxies(server, "loopback", "private", "unix");
    nx_http_health(server, "/healthz", NULL, NULL);
    nx_http_router *host = nx_http_host(server, "a.b");
    nx_http_get(host, "/", handler_b);
    (void)nx_http_host(server, "*.b");
    return server;
}

NX_TEST("sites out of memory")
{
    long failures = 0;
    for (long after = 0;; after++) {
        faults_begin(FAULTS_MEMORY, (unsigned long)after + 1);
        nx_http_server *server = server_of_all();
        nx_err err = server ? nx__server_prepare(server) : NX_ENOMEM;
        if (!faults_stop()) {
            nx_expect_ok(err);
            nx_expect_eq(scope_of(server, "", "GET", "/g/m/x")->count, 7);
            nx_http_server_free(server);
            break;
        }
        failures++;
        nx_expect_err(NX_ENOMEM, err);
        nx_http_server_free(server);
    }
    nx_expect_gt(failures, 40);
}

NX_TEST("secrets are compared")
{
    nx_expect(nx_secret_eq(nx_str("abc"), nx_str("abc")));
    nx_expect(nx_secret_eq(nx_str(""), nx_str("")));
    nx_expect(nx_secret_eq((nx_bytes){0}, nx_str("")));
    nx_expect(!nx_secret_eq(nx_str("abc"), nx_str("abd")));
    nx_expect(!nx_secret_eq(nx_str("abc"), nx_str("ab")));
    nx_expect(!nx_secret_eq(nx_str("ab"), nx_str("abc")));
    nx_expect(!nx_secret_eq(nx_str("a"), nx_str("")));
    nx_expect(!nx_secret_eq(nx_str(""), nx_str("a")));
    nx_expect(!nx_secret_eq(nx_str("aaa"), nx_str("a")));
}

/* The reference implementation's SipHash-1-3 of 0, 1, 2, ... with the key 0, 1, 2, ... */
NX_TEST("siphash vectors")
{
    unsigned char data[16];
    for (unsigned char i = 0; i < sizeof data; i++) data[i] = i;
    const uint64_t key[2] = {0x0706050403020100, 0x0f0e0d0c0b0a0908};
    nx_expect_eq(nx__siphash(key, data, 0), 0xabac0158050fc4dc);
    nx_expect_eq(nx__siphash(key, data, 1), 0xc9f49bf37d57ca93);
    nx_expect_ne(nx__siphash(key, data, 8), nx__siphash(key, data, 9));
}
