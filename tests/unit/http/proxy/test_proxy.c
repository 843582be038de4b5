/* The reverse proxy: what goes through, to whom, and what becomes of failures. */
#include "http/proxy/proxy.h"
#include <nexus/fetch.h>
#include <nexus/fiber.h>
#include <nexus/net.h>
#include <nexus/runtime.h>
#include <nexus/test.h>
#include <nexus/timer.h>

/* ---- Pure parts */

NX_TEST("fields of one connection go no further")
{
    nx_expect(nx__hop_by_hop(nx_str("Connection"), nx_str("")));
    nx_expect(nx__hop_by_hop(nx_str("transfer-encoding"), nx_str("")));
    nx_expect(nx__hop_by_hop(nx_str("X-A"), nx_str("close, x-a ,x-b")));
    nx_expect(nx__hop_by_hop(nx_str("x-b"), nx_str("close, x-a ,x-b")));
    nx_expect(!nx__hop_by_hop(nx_str("x-c"), nx_str("close, x-a ,x-b")));
    nx_expect(!nx__hop_by_hop(nx_str("content-type"), nx_str("")));
}

NX_TEST("upstreams as they are named")
{
    static const struct {
        const char *text, *authority, *base;
        int port;
    } good[] = {
        {"http://a:8080", "a:8080", "", 8080},    {"http://a/", "a", "", 80},
        {"http://a/b/c/", "a", "/b/c", 80},       {"http://[::1]:1", "[::1]:1", "", 1},
        {"unix:/run/x.sock", "localhost", "", 0}, {"https://a/", "a", "", 443},
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        nx_subtest ("%s", good[i].text) {
            struct nx__upstream u;
            const char *reason = nx__upstream_parse(&u, good[i].text);
            nx_expect_eq(reason ? reason : "", "");
            nx_expect_eq(u.authority, good[i].authority);
            nx_expect_eq(u.base, good[i].base);
            nx_expect_eq(u.port, good[i].port);
            nx_expect_eq((bool)u.tls, good[i].port == 443);
            nx__upstream_free(&u);
        }
    static const char *const bad[] = {"a:8080",       "ftp://a",          "http://a?b",
                                      "http://u@a",   "http://a#b",       "unix:",
                                      "http://a:b:c", "http://a:999999/", ""};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        nx_subtest ("%s", bad[i]) {
            struct nx__upstream u;
            nx_expect(nx__upstream_parse(&u, bad[i]) != NULL);
        }
}

enum { COUNT = 4 };

static void balancer_make(struct nx__balancer *b, struct nx__upstream *items, nx_proxy_balance how)
{
    memset(items, 0, COUNT * sizeof *items);
    for (int i = 0; i < COUNT; i++) items[i].name = (char *)(uintptr_t) "u";
    *b = (struct nx__balancer){.items = items,
                               .count = COUNT,
                               .balance = how,
                               .max_fails = 2,
                               .down_for = 1000,
                               .secret = {1, 2}};
}

static ptrdiff_t pick(struct nx__balancer *b, const char *key, uint64_t tried, nx_duration now)
{
    const struct nx__upstream *u = nx__balancer_pick(b, nx_str(key), tried, now);
    return u ? u - b->items : -1;
}

NX_TEST("one after the other, past those that are down or were tried")
{
    struct nx__balancer b;
    struct nx__upstream items[COUNT];
    balancer_make(&b, items, NX_PROXY_ROUND_ROBIN);
    for (int i = 0; i < 8; i++) nx_expect_eq(pick(&b, "", 0, 0), i % COUNT);
    nx_expect_eq(pick(&b, "", 1, 0), 1);
    nx_expect_eq(pick(&b, "", 15, 0), -1);
    NX_IGNORE(nx__error_set(NX_EREFUSED, "refused"));
    nx__upstream_failed(&b, &items[2], 100);
    nx_expect_eq(pick(&b, "", 0, 100), 2);
    nx__upstream_failed(&b, &items[2], 100);
    nx_expect_eq(pick(&b, "", 0, 100), 3);
    nx_expect_eq(pick(&b, "", 11, 1099), -1);
    nx_expect_eq(pick(&b, "", 11, 1100), 2);
    nx__upstream_well(&items[2]);
    nx_expect_eq(pick(&b, "", 11, 0), 2);
    items[2].unwell = true;
    nx_expect_eq(pick(&b, "", 11, 0), -1);
}

NX_TEST("the one with the fewest, and the one of the key")
{
    struct nx__balancer b;
    struct nx__upstream items[COUNT];
    balancer_make(&b, items, NX_PROXY_LEAST);
    items[0].active = 3;
    items[1].active = 1;
    items[2].active = 2;
    items[3].active = 2;
    for (int i = 0; i < 4; i++) nx_expect_eq(pick(&b, "", 0, 0), 1);
    balancer_make(&b, items, NX_PROXY_HASH);
    int spread[COUNT] = {0}, moved = 0;
    for (int i = 0; i < 400; i++) {
        const char *key = nx_format("key %d", i);
        ptrdiff_t at = pick(&b, key, 0, 0);
        nx_expect_eq(pick(&b, key, 0, 0), at);
        spread[at]++;
        /* Where another goes down, this key stays. */
        if (pick(&b, key, (uint64_t)1 << ((at + 1) % COUNT), 0) != at) moved++;
    }
    nx_expect_eq(moved, 0);
    for (int i = 0; i < COUNT; i++) nx_expect(spread[i] > 50);
}

/* ---- Through real servers */

struct servers {
    nx_http_server *server;
    nx_fiber *fiber;
};

static nx_err serve(void *arg)
{
    return nx_http_listen(arg);
}

static const char *begin(struct servers *s, nx_http_server *server)
{
    s->server = server;
    nx_require_ok(nx_spawn(&s->fiber, serve, server));
    while (!nx_http_port(server)) nx_require_ok(nx_sleep(NX_MS(1)));
    return nx_format("http://127.0.0.1:%u", nx_http_port(server));
}

static void end(struct servers *s)
{
    nx_client_close_idle(NULL);
    nx_client_close_idle(nx__client_proxying());
    nx_http_stop(s->server);
    NX_IGNORE(nx_join(s->fiber));
    nx_http_server_free(s->server);
}

static nx_http_server *server_new(void)
{
    return nx_http_server_new(.host = "127.0.0.1", .port = NX_HTTP_ANY_PORT,
                              .drain_deadline = NX_MS(200), .max_body = NX_HTTP_NO_LIMIT);
}

/* Says what it was asked, all of it, in its answer. */
static nx_err show(nx_request *req, nx_response *res)
{
    const char *text = nx_format("%.*s %.*s?%.*s\n", NX_FMT(nx_request_method(req)),
                                 NX_FMT(nx_request_path(req)), NX_FMT(nx_request_query(req)));
    nx_bytes name, value;
    for (size_t i = 0; nx_request_header_at(req, i, &name, &value); i++)
        text = nx_format("%s%.*s: %.*s\n", text, NX_FMT(name), NX_FMT(value));
    nx_response_header(res, "x-upstream", nx_request_app(req));
    nx_response_header(res, "set-cookie", "a=1");
    nx_response_header_add(res, "set-cookie", "b=2");
    return nx_response_send(res, text);
}

static nx_err echo(nx_request *req, nx_response *res)
{
    for (;;) {
        nx_bytes piece;
        NX_TRY(nx_request_read(req, &piece));
        if (!piece.len) return NX_OK;
        NX_TRY(nx_response_write(res, piece));
    }
}

static nx_err fail_hard(nx_request *req, nx_response *res)
{
    (void)req, (void)res;
    return nx_http_error(500, "its own");
}

static nx_err cut(nx_request *req, nx_response *res)
{
    (void)req;
    NX_TRY(nx_response_write(res, nx_str("the beginning")));
    return nx_fail(NX_EFAILED, "cut off on purpose");
}

static nx_err not_modified(nx_request *req, nx_response *res)
{
    (void)req;
    nx_response_status(res, 304);
    nx_response_header(res, "etag", "\"x\"");
    return nx_response_send(res, "");
}

static const char *upstream_begin(struct servers *s, const char *name)
{
    nx_http_server *server = server_new();
    nx_http_set_app(server, (void *)(uintptr_t)name);
    nx_http_route(server, "*", "/echo", echo);
    nx_http_get(server, "/fail", fail_hard);
    nx_http_get(server, "/cut", cut);
    nx_http_get(server, "/304", not_modified);
    nx_http_route(server, "*", "/*path", show);
    return begin(s, server);
}

static const char *text_of(nx_fetched *res)
{
    nx_bytes body;
    nx_require_ok(nx_fetched_text(res, &body));
    return body.data;
}

#define HAS(text, part)                                                                            \
    do {                                                                                           \
        if (!nx_expect(strstr((text), (part)) != NULL))                                            \
            nx_test_log("no \"%s\" in:\n%s", part, text);                                          \
    } while (0)

NX_TEST("a request goes through, and says who has asked")
{
    struct servers up, front;
    const char *there = upstream_begin(&up, "one");
    nx_http_server *server = server_new();
    nx_http_proxy(server, "/api", .upstreams = NX_UPSTREAMS(there), .forwarded = true);
    nx_http_proxy(nx_http_group(server, "/v/:x"), "/deep", .upstreams = NX_UPSTREAMS(there),
                  .keep_prefix = true, .keep_host = true);
    nx_http_proxy(server, "/based", .upstreams = NX_UPSTREAMS(nx_format("%s/base/", there)));
    const char *at = begin(&front, server);
    nx_fetched *res;
    nx_require_ok(
        nx_fetch(&res, nx_format("%s/api/a%%2Fb//c?x=%%20&y", at),
                 .headers = NX_HEADERS("x-forwarded-for", "6.6.6.6", "forwarded", "for=6.6.6.6",
                                       "x-own", "kept", "proxy-authorization", "secret")));
    const char *text = text_of(res);
    HAS(text, "GET /a%2Fb//c?x=%20&y\n");
    HAS(text, nx_format("host: %s\n", there + 7));
    HAS(text, "x-own: kept\n");
    HAS(text, "x-forwarded-for: 127.0.0.1\n");
    HAS(text, nx_format("x-forwarded-host: %s\n", at + 7));
    HAS(text, "x-forwarded-proto: http\n");
    HAS(text, "via: 1.1 nexus\n");
    HAS(text, nx_format("forwarded: for=127.0.0.1;host=\"%s\";proto=http\n", at + 7));
    nx_expect(strstr(text, "6.6.6.6") == NULL && strstr(text, "secret") == NULL);
    nx_expect_eq(nx_fetched_header(res, "x-upstream"), "one");
    size_t cookies = 0;
    nx_bytes name, value;
    for (size_t i = 0; nx_fetched_header_at(res, i, &name, &value); i++)
        cookies += nx_bytes_is(name, "set-cookie");
    nx_expect_eq(cookies, (size_t)2);
    nx_expect(nx_fetched_length(res) > 0);

    nx_require_ok(nx_fetch(&res, nx_format("%s/v/7/deep/a", at)));
    HAS(text_of(res), "GET /v/7/deep/a?\n");
    HAS(text_of(res), nx_format("host: %s\n", at + 7));
    nx_require_ok(nx_fetch(&res, nx_format("%s/api", at)));
    HAS(text_of(res), "GET /?\n");
    nx_require_ok(nx_fetch(&res, nx_format("%s/based/a", at), .method = "DELETE"));
    HAS(text_of(res), "DELETE /base/a?\n");
    nx_require_ok(nx_fetch(&res, nx_format("%s/api/x", at), .method = "HEAD"));
    nx_expect_eq(nx_fetched_status(res), 200);
    nx_expect(nx_fetched_length(res) > 0);
    nx_expect_eq(text_of(res), "");
    nx_require_ok(nx_fetch(&res, nx_format("%s/api/304", at)));
    nx_expect_eq(nx_fetched_status(res), 304);
    nx_expect_eq(nx_fetched_header(res, "etag"), "\"x\"");
    nx_require_ok(nx_fetch(&res, nx_format("%s/elsewhere", at)));
    nx_expect_eq(nx_fetched_status(res), 404);
    end(&front);
    end(&up);
}

NX_TEST("bodies stream both ways, and an answer's length and trailers stay")
{
    struct servers up, front;
    const char *there = upstream_begin(&up, "one");
    nx_http_server *server = server_new();
    nx_http_proxy(server, "/", .upstreams = NX_UPSTREAMS(there));
    const char *at = nx_format("%s/echo", begin(&front, server));
    nx_fetched *res;
    nx_bytes all;
    enum { SIZE = 300000 };
    char *large = nx_alloc(SIZE);
    for (int i = 0; i < SIZE; i++) large[i] = (char)(i * 31 + i / 777);
    nx_require_ok(nx_fetch(&res, at, .body = nx_slice(large, SIZE)));
    nx_require_ok(nx_fetched_body(res, &all));
    nx_expect(nx_bytes_eq(all, nx_slice(large, SIZE)));
    nx_require_ok(nx_fetch(&res, at, .source = nx_memory_reader(nx_slice(large, SIZE))));
    nx_require_ok(nx_fetched_body(res, &all));
    nx_expect(nx_bytes_eq(all, nx_slice(large, SIZE)));
    nx_require_ok(nx_fetch(&res, at, .method = "PUT"));
    nx_expect_eq(nx_fetched_status(res), 204);
    end(&front);
    end(&up);
}

NX_TEST("requests are spread, and go past an upstream that is not there")
{
    struct servers one, two, front;
    const char *first = upstream_begin(&one, "one"), *second = upstream_begin(&two, "two");
    nx_http_server *server = server_new();
    nx_http_proxy(server, "/rr", .upstreams = NX_UPSTREAMS(first, second));
    nx_http_proxy(server, "/dead",
                  .upstreams = NX_UPSTREAMS("http://127.0.0.1:1", first, "http://127.0.0.1:2"));
    nx_http_proxy(server, "/none", .upstreams = NX_UPSTREAMS("http://127.0.0.1:1"), .max_fails = 1,
                  .down_for = NX_S(100));
    nx_http_proxy(server, "/hash", .upstreams = NX_UPSTREAMS(first, second),
                  .balance = NX_PROXY_HASH, .hash_header = "x-key");
    const char *at = begin(&front, server);
    nx_fetched *res;
    int ones = 0;
    for (int i = 0; i < 10; i++) {
        nx_require_ok(nx_fetch(&res, nx_format("%s/rr", at)));
        ones += nx_bytes_is(nx_fetched_header(res, "x-upstream"), "one");
    }
    nx_expect_eq(ones, 5);
    for (int i = 0; i < 12; i++) {
        nx_require_ok(nx_fetch(&res, nx_format("%s/dead", at), .method = i & 1 ? "POST" : "GET"));
        nx_expect_eq(nx_fetched_status(res), 200);
    }
    nx_require_ok(nx_fetch(&res, nx_format("%s/none", at)));
    nx_expect_eq(nx_fetched_status(res), 502);
    nx_expect(strstr(text_of(res), "127.0.0.1") == NULL);
    nx_require_ok(nx_fetch(&res, nx_format("%s/none", at)));
    nx_expect_eq(nx_fetched_status(res), 503);
    nx_bytes before = {0};
    for (int i = 0; i < 6; i++) {
        nx_require_ok(
            nx_fetch(&res, nx_format("%s/hash", at), .headers = NX_HEADERS("x-key", "k")));
        nx_bytes now = nx_fetched_header(res, "x-upstream");
        if (i) nx_expect(nx_bytes_eq(now, before));
        before = now;
    }
    end(&front);
    end(&one);
    end(&two);
}

/* ---- Upstreams that do as they like */

static nx_err say_bad(nx_conn *conn, void *arg)
{
    nx_bytes head;
    NX_TRY(nx_stream_read_until(nx_net_stream(conn), nx_str("\r\n\r\n"), 8192, &head));
    return nx_stream_write(nx_net_stream(conn), nx_str(arg));
}

struct odd {
    nx_listener *listener;
    const char *says;
};

static nx_err odd_run(void *arg)
{
    struct odd *o = arg;
    return nx_net_serve(o->listener, say_bad, (void *)(uintptr_t)o->says);
}

NX_TEST("what is wrong with an upstream becomes 502 or 504, or cuts the answer off")
{
    static const struct {
        const char *says;
        int status;
        nx_err then;
    } rows[] = {
        {"", 502, NX_OK},
        {"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab", 502, NX_OK},
        {"HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n", 502, NX_OK},
        {"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc", 200, NX_EPROTO},
        {"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n", 200, NX_EPROTO},
        {"HTTP/1.1 200 OK\r\nconnection: x-hop\r\nx-hop: 1\r\n\r\nto the end", 200, NX_OK},
        {"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", 502, NX_OK},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        nx_subtest ("%s", rows[i].says) {
            struct odd odd = {.says = rows[i].says};
            struct servers front;
            nx_fiber *fiber;
            nx_fetched *res;
            nx_bytes all;
            nx_require_ok(nx_net_listen(&odd.listener, "127.0.0.1:0"));
            nx_require_ok(nx_spawn(&fiber, odd_run, &odd));
            nx_http_server *server = server_new();
            nx_http_proxy(server, "/",
                          .upstreams = NX_UPSTREAMS(nx_format(
                              "http://127.0.0.1:%u", nx_listener_address(odd.listener).port)));
            const char *at = begin(&front, server);
            nx_require_ok(nx_fetch(&res, at));
            nx_expect_eq(nx_fetched_status(res), rows[i].status);
            nx_expect(!nx_fetched_header(res, "x-hop").data);
            nx_expect_eq(nx_fetched_body(res, &all), rows[i].then);
            end(&front);
            nx_listener_stop(odd.listener);
            nx_cancel(fiber);
            NX_IGNORE(nx_join(fiber));
            nx_listener_close(odd.listener);
        }
}

NX_TEST("an upstream's own errors go through")
{
    struct servers up, front;
    const char *there = upstream_begin(&up, "one");
    nx_http_server *server = server_new();
    nx_http_proxy(server, "/", .upstreams = NX_UPSTREAMS(there));
    const char *at = begin(&front, server);
    nx_fetched *res;
    nx_bytes all;
    nx_require_ok(nx_fetch(&res, nx_format("%s/fail", at)));
    nx_expect_eq(nx_fetched_status(res), 500);
    HAS(text_of(res), "its own");
    nx_require_ok(nx_fetch(&res, nx_format("%s/cut", at)));
    nx_expect_eq(nx_fetched_status(res), 200);
    nx_expect_err(NX_EPROTO, nx_fetched_body(res, &all));
    end(&front);
    end(&up);
}

static bool well = true;

static nx_err health(nx_request *req, nx_response *res)
{
    (void)req;
    nx_response_status(res, well ? 200 : 500);
    return nx_response_send(res, "");
}

NX_TEST("health checks take an upstream out, and back in")
{
    struct servers one, two, front;
    const char *first = upstream_begin(&one, "one");
    nx_http_server *second = server_new();
    well = true;
    nx_http_set_app(second, (void *)(uintptr_t) "two");
    nx_http_get(second, "/health", health);
    nx_http_get(second, "/", show);
    const char *there = begin(&two, second);
    nx_http_server *server = server_new();
    nx_http_proxy(server, "/", .upstreams = NX_UPSTREAMS(first, there), .health_path = "/health",
                  .health_every = NX_MS(20));
    const char *at = begin(&front, server);
    nx_fetched *res;
    for (int round = 0; round < 3; round++) {
        bool wanted = round != 1, met = false;
        well = wanted;
        for (int i = 0; i < 200 && !met; i++) {
            int twos = 0;
            for (int k = 0; k < 4; k++) {
                nx_require_ok(nx_fetch(&res, at));
                twos += nx_bytes_is(nx_fetched_header(res, "x-upstream"), "two");
            }
            met = wanted ? twos > 0 : twos == 0;
            nx_require_ok(nx_sleep(NX_MS(5)));
        }
        nx_expect(met);
    }
    end(&front);
    end(&one);
    end(&two);
}

static nx_err ask_some(void *arg)
{
    nx_client *client;
    NX_TRY(nx_client_new(&client, .proxy = ""));
    nx_err err = NX_OK;
    for (int i = 0; i < 20 && !err; i++) {
        nx_fetched *res;
        nx_bytes body;
        err = nx_fetch(&res, arg, .client = client, .text = "hello");
        if (!err) err = nx_fetched_body(res, &body);
        if (!err && !nx_bytes_is(body, "hello")) err = nx_fail(NX_EFAILED, "another answer");
    }
    nx_client_free(client);
    return err;
}

NX_TEST("workers proxy side by side, and end")
{
    struct servers one, two, front;
    const char *first = upstream_begin(&one, "one"), *second = upstream_begin(&two, "two");
    nx_http_server *server = nx_http_server_new(.host = "127.0.0.1", .port = NX_HTTP_ANY_PORT,
                                                .workers = 3, .drain_deadline = NX_MS(200));
    nx_http_proxy(server, "/", .upstreams = NX_UPSTREAMS(first, second, "http://127.0.0.1:1"),
                  .balance = NX_PROXY_LEAST, .health_path = "/health", .health_every = NX_MS(10));
    const char *at = nx_format("%s/echo", begin(&front, server));
    nx_scope *scope;
    nx_require_ok(nx_scope_open(&scope));
    for (int i = 0; i < 12; i++) nx_require_ok(nx_spawn(NULL, ask_some, (void *)(uintptr_t)at));
    nx_expect_ok(nx_scope_close(&scope));
    nx_require_ok(nx_sleep(NX_MS(30)));
    end(&front);
    end(&one);
    end(&two);
}

NX_TEST("mistakes come out of nx_http_listen")
{
    static const char *const fine[] = {"http://a", NULL};
    static const char *const bad[] = {"ftp://a", NULL};
    const struct {
        const char *prefix;
        nx_proxy_options o;
    } rows[] = {
        {"/a", {.size = sizeof(nx_proxy_options)}},
        {"a", {.size = sizeof(nx_proxy_options), .upstreams = fine}},
        {NULL, {.size = sizeof(nx_proxy_options), .upstreams = fine}},
        {"/a", {.size = sizeof(nx_proxy_options), .upstreams = bad}},
        {"/a", {.size = sizeof(nx_proxy_options), .upstreams = fine, .health_path = "x"}},
        {"/a",
         {.size = sizeof(nx_proxy_options), .upstreams = fine, .balance = (nx_proxy_balance)7}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        nx_http_server *server = server_new();
        nx_http_proxy_with(nx_http_server_router(server), rows[i].prefix, &rows[i].o);
        nx_expect_err(NX_EINVAL, nx_http_listen(server));
        nx_http_server_free(server);
    }
}
