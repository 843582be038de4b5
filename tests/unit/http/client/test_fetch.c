/* Requests of the client: against a server of ours, and against a peer that says what it is told
 * to. */
#include "../../net/net_test.h"
#include "codec/codec.h"
#include "fetch_peer.h"
#include "loop/loop.h"
#include <nexus/fs.h>
#include <nexus/text.h>
#include <nexus/timer.h>
#include <stdlib.h>

NX_TEST("bodies are read in pieces, decoded, or as they come; and connections are used again")
{
    const char *at = nx_format("%s/pieces", server_begin());
    nx_fetched *res;
    size_t len = 0, count = 0;
    nx_bytes piece;
    nx_require_ok(nx_fetch(&res, at));
    nx_expect_eq(header(res, "content-encoding"), "zstd");
    for (;;) {
        nx_require_ok(nx_fetched_read(res, &piece));
        if (!piece.len) break;
        len += piece.len;
        count++;
    }
    nx_expect_eq(len, (size_t)41000);
    nx_expect(count > 0);
    nx_expect_eq(nx_fetched_trailer(res, "x-sum"), "41000");
    nx_expect_err(NX_ESTATE, nx_fetched_body(res, &piece));

    nx_require_ok(nx_fetch(&res, at, .headers = NX_HEADERS("accept-encoding", "br")));
    nx_expect_eq(header(res, "content-encoding"), "br");
    nx_expect(strlen(body(res)) < 4100);
    static const char *const codings[] = {"gzip", "br", "zstd"};
    for (int i = 0; i < 3; i++) {
        nx_require_ok(nx_fetch(&res, at, .headers = NX_HEADERS("accept-encoding", codings[i])));
        nx_expect_eq(header(res, "content-encoding"), codings[i]);
    }
    nx_require_ok(nx_fetch(&res, at, .raw = true));
    nx_expect_eq(header(res, "content-encoding"), "(none)");
    nx_bytes all;
    NX_AUTO(nx_stream) *stream = nx_fetched_stream(res);
    nx_require_ok(nx_stream_read_all(stream, 1 << 20, &all));
    nx_expect_eq(all.len, (size_t)41000);
    nx_fetched_close(res);
    nx_expect_err(NX_ESTATE, nx_fetched_read(res, &piece));

    nx_http_stats before = {.size = sizeof before}, after = before;
    nx_http_stats_get(server_get(), &before);
    for (int i = 0; i < 50; i++) {
        nx_scope *scope;
        nx_require_ok(nx_scope_open(&scope));
        nx_require_ok(nx_fetch(&res, at));
        nx_require_ok(nx_fetched_body(res, &all));
        nx_expect_eq(all.len, (size_t)41000);
        nx_expect_ok(nx_scope_close(&scope));
    }
    nx_http_stats_get(server_get(), &after);
    nx_expect(after.accepted - before.accepted <= 1);
    server_end();
}

NX_TEST("HTTP/2 without TLS, where it is known to be spoken")
{
    const char *at = nx_format("%s/echo", server_begin());
    nx_fetched *res;
    nx_http_stats before = {.size = sizeof before}, after = before;
    nx_http_stats_get(server_get(), &before);
    for (int i = 0; i < 20; i++) {
        nx_require_ok(nx_fetch(&res, at, .text = "over frames", .version = NX_HTTP_2));
        nx_expect_eq(nx_fetched_protocol(res), "HTTP/2");
        nx_expect_eq(body(res), "over frames");
    }
    nx_http_stats_get(server_get(), &after);
    nx_expect_eq(after.accepted - before.accepted, (uint64_t)1);
    /* Its connections are its own. */
    nx_require_ok(nx_fetch(&res, at, .text = "over lines"));
    nx_expect_eq(nx_fetched_protocol(res), "HTTP/1.1");
    nx_require_ok(nx_fetch(&res, at, .text = "over lines", .version = NX_HTTP_1));
    nx_expect_eq(nx_fetched_protocol(res), "HTTP/1.1");
    nx_expect_err(NX_EINVAL, nx_fetch(&res, at, .version = (nx_http_version)77));
    server_end();

    struct peer p = {0};
    peer_begin(&p, ANSWERS("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"));
    nx_expect_err(NX_EPROTO, nx_fetch(&res, peer_url(&p, "/"), .version = NX_HTTP_2));
    nx_expect(strstr(nx_error_last()->message, "speaks HTTP/1.1, not HTTP/2") != NULL);
    nx_expect_eq(p.connections, (size_t)1);
    peer_end(&p);
}

NX_TEST("redirects are followed as they should be")
{
    const char *host = server_begin();
    nx_fetched *res;
    nx_require_ok(nx_fetch(&res, nx_format("%s/go?to=/echo%%3Fa%%3D1", host)));
    nx_expect_eq(nx_fetched_redirects(res), 1u);
    nx_expect_eq(nx_fetched_url(res), nx_format("%s/echo?a=1", host));
    nx_expect_eq(header(res, "x-query"), "a=1");
    static const struct {
        int status;
        const char *method, *then, *body;
    } rows[] = {{301, "POST", "GET", ""}, {302, "POST", "GET", ""},    {303, "POST", "GET", ""},
                {303, "PUT", "GET", ""},  {301, "PUT", "PUT", "x"},    {307, "POST", "POST", "x"},
                {308, "PUT", "PUT", "x"}, {302, "PATCH", "PATCH", "x"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        nx_require_ok(nx_fetch(&res, nx_format("%s/go?to=/echo&status=%d", host, rows[i].status),
                               .method = rows[i].method, .text = "x"));
        nx_expect_eq(header(res, "x-method"), rows[i].then);
        nx_expect_eq(body(res), rows[i].body);
        nx_expect_eq(header(res, "x-type"), *rows[i].body ? "text/plain; charset=utf-8" : "");
    }
    nx_require_ok(
        nx_fetch(&res, nx_format("%s/go?to=/echo", host), .redirects = NX_FETCH_NO_REDIRECTS));
    nx_expect_eq(nx_fetched_status(res), 302);
    nx_expect_eq(header(res, "location"), "/echo");
    nx_expect_err(NX_ELIMIT,
                  nx_fetch(&res, nx_format("%s/go?to=/go%%3Fto%%3D/echo", host), .redirects = 1));
    nx_expect_err(NX_EINVAL, nx_fetch(&res, nx_format("%s/go?to=ftp://x/", host)));
    nx_expect_err(NX_ESTATE, nx_fetch(&res, nx_format("%s/go?to=/echo&status=307", host),
                                      .source = nx_memory_reader(nx_str("x"))));
    server_end();
}

NX_TEST("what is secret stays with the origin that it was for")
{
    const char *host = server_begin();
    struct peer other = {0};
    peer_begin(&other, ANSWERS("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"));
    const char *secret[] = {"authorization", "Bearer x", "cookie", "a=b", "x-other", "y", NULL};
    nx_fetched *res;
    nx_require_ok(nx_fetch(&res, nx_format("%s/go?to=/echo", host), .headers = secret));
    nx_expect_eq(header(res, "x-authorization"), "Bearer x");
    nx_expect_eq(header(res, "x-cookie"), "a=b");
    nx_require_ok(
        nx_fetch(&res, nx_format("%s/go?to=%s", host, peer_url(&other, "/")), .headers = secret));
    nx_expect(strstr(other.asked, "Bearer") == NULL && strstr(other.asked, "cookie") == NULL);
    nx_expect(strstr(other.asked, "x-other: y\r\n") != NULL);
    /* Those of a URL are for its origin too, and are not shown. */
    const char *named = nx_format("http://us%%65r:pass@%s/echo", host + 7);
    nx_require_ok(nx_fetch(&res, named));
    nx_expect_eq(header(res, "x-authorization"), "Basic dXNlcjpwYXNz");
    nx_expect_eq(nx_fetched_url(res), nx_format("%s/echo", host));
    peer_end(&other);
    server_end();
}

NX_TEST("a client with a jar keeps cookies, also those of a redirect")
{
    const char *host = server_begin();
    NX_AUTO(nx_cookie_jar) *jar = NULL;
    nx_client *client;
    nx_fetched *res;
    nx_require_ok(nx_cookie_jar_new(&jar));
    nx_require_ok(nx_client_new(&client, .cookies = jar));
    nx_require_ok(nx_fetch(&res, nx_format("%s/go?to=/echo", host), .client = client));
    nx_expect_eq(header(res, "x-cookie"), "seen=1");
    nx_require_ok(nx_fetch(&res, nx_format("%s/echo", host), .client = client,
                           .headers = NX_HEADERS("cookie", "own=1")));
    nx_expect_eq(header(res, "x-cookie"), "own=1");
    nx_client_free(client);
    server_end();
}

NX_TEST("deadlines and cancelling")
{
    const char *at = nx_format("%s/slow", server_begin());
    nx_fetched *res;
    nx_expect_err(NX_ETIMEDOUT, nx_fetch(&res, at, .deadline = NX_MS(300)));
    nx_expect(strstr(nx_error_last()->message, "(deadline)") != NULL);
    nx_expect_err(NX_ETIMEDOUT, nx_fetch(&res, at, .head_deadline = NX_MS(300)));
    nx_expect(strstr(nx_error_last()->message, "(head_deadline)") != NULL);
    nx_scope *scope;
    nx_require_ok(nx_scope_open(&scope, .deadline = NX_MS(30)));
    nx_expect_err(NX_ECANCELED, nx_fetch(&res, at));
    nx_expect_err(NX_ETIMEDOUT, nx_scope_close(&scope));
    server_end();

    struct peer drip = {.pause = NX_MS(20)};
    peer_begin(&drip, ANSWERS("HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n0123456789",
                              "HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n0123456789"));
    nx_expect_err(NX_ETIMEDOUT, nx_fetch(&res, peer_url(&drip, "/"), .deadline = NX_MS(200)));
    peer_end(&drip);
}

NX_TEST("answers that are cut off, lie, or are no HTTP")
{
    static const struct {
        const char *answer;
        nx_err at_head, at_body;
        const char *why;
    } rows[] = {
        {"", NX_ERESET, NX_OK, "without an answer"},
        {"HTTP/1.1 200 OK\r\ncontent-le", NX_ERESET, NX_OK, "amid its answer"},
        {"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc", NX_OK, NX_EPROTO, "amid the answer's"},
        {"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nabc", NX_OK, NX_EPROTO,
         "amid the answer's"},
        {"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nabcdeX", NX_OK, NX_EPROTO,
         "chunk longer than its size"},
        {"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n-1\r\n", NX_OK, NX_EPROTO,
         "bad chunk size"},
        {"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\nContent-Length: 5\r\n\r\n",
         NX_OK, NX_EPROTO, "may not be a trailer"},
        {"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab", NX_EPROTO, NX_OK,
         "more than one Content-Length"},
        {"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
         NX_EPROTO, NX_OK, "both"},
        {"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n", NX_EPROTO,
         NX_OK, "nobody has asked"},
        {"SSH-2.0-OpenSSH_9\r\n", NX_EPROTO, NX_OK, "no HTTP"},
        {"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 5\r\n\r\nabcde", NX_OK,
         NX_EPROTO, "not what its content-encoding says"},
        {"HTTP/1.1 200 OK\r\ncontent-encoding: compress\r\ncontent-length: 5\r\n\r\nabcde", NX_OK,
         NX_ENOTSUP, "is not known"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        nx_subtest ("%s", rows[i].answer) {
            struct peer p = {0};
            nx_fetched *res;
            nx_bytes all;
            peer_begin(&p, ANSWERS(rows[i].answer, rows[i].answer));
            nx_err err = nx_fetch(&res, peer_url(&p, "/"));
            nx_expect_eq(err, rows[i].at_head);
            if (!err) {
                nx_expect_eq(nx_fetched_body(res, &all), rows[i].at_body);
                nx_expect_err(NX_ESTATE, nx_fetched_body(res, &all));
                nx_expect_eq(nx_fetched_status(res), 200);
            }
            if (!strstr(nx_error_last()->message, rows[i].why) && err)
                nx_test_log("%s", nx_error_last()->message);
            if (err) nx_expect(strstr(nx_error_last()->message, rows[i].why) != NULL);
            peer_end(&p);
        }
}

NX_TEST("answers that are odd, and right")
{
    static const struct {
        const char *answer, *method;
        int status;
        const char *body;
    } rows[] = {
        {"HTTP/1.0 200 OK\r\n\r\nuntil the end", "GET", 200, "until the end"},
        {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n"
         "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
         "GET", 200, "ok"},
        {"HTTP/1.1 204 No Content\r\ncontent-length: 5\r\n\r\nabcde", "GET", 204, ""},
        {"HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n", "GET", 304, ""},
        {"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n", "HEAD", 200, ""},
        {"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\na: b\r\n\r\n",
         "GET", 200, "abc"},
        {"HTTP/1.1 599 Odd\r\ncontent-length: 1\r\n\r\nx and more", "GET", 599, "x"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        nx_subtest ("%s", rows[i].answer) {
            for (int drips = 0; drips < 2; drips++) {
                struct peer p = {.pause = drips ? NX_US(10) : 0};
                nx_fetched *res;
                peer_begin(&p, ANSWERS(rows[i].answer));
                nx_require_ok(nx_fetch(&res, peer_url(&p, "/"), .method = rows[i].method));
                nx_expect_eq(nx_fetched_status(res), rows[i].status);
                nx_expect_eq(body(res), rows[i].body);
                nx_fetched_close(res);
                peer_end(&p);
            }
        }
}

NX_TEST("what is larger than it may be")
{
    struct peer p = {0};
    nx_fetched *res;
    nx_bytes all;
    char *huge = nx_alloc(80000);
    memcpy(huge, "HTTP/1.1 200 OK\r\nx: ", 20);
    memset(huge + 20, 'a', 79900);
    memcpy(huge + 79920, "\r\n\r\n", 5);
    peer_begin(&p, ANSWERS(huge, "HTTP/1.1 200 OK\r\nx: 012345678901234567890\r\n\r\n",
                           "HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\n01234567890",
                           "HTTP/1.1 200 OK\r\n\r\n01234567890",
                           "HTTP/1.1 200 OK\r\ncontent-length: 999999999999\r\n\r\nx"));
    nx_expect_err(NX_EPROTO, nx_fetch(&res, peer_url(&p, "/")));
    nx_expect_err(NX_EPROTO, nx_fetch(&res, peer_url(&p, "/"), .max_head = 40));
    for (int i = 0; i < 2; i++) {
        nx_require_ok(nx_fetch(&res, peer_url(&p, "/"), .max_body = 10));
        nx_expect_err(NX_ETOOBIG, nx_fetched_body(res, &all));
    }
    nx_require_ok(nx_fetch(&res, peer_url(&p, "/")));
    nx_expect_err(NX_ETOOBIG, nx_fetched_body(res, &all));
    peer_end(&p);
}

static nx_err bomb(nx_request *req, nx_response *res)
{
    (void)req;
    nx_bytes packed;
    nx_stream *zeros = nx_memory_reader(nx_slice(nx_alloc_zero(1, 32 << 20), 32 << 20));
    NX_TRY(nx_pipe(zeros, nx_gzip(), nx_memory_writer(&packed, 1 << 20)));
    nx_response_header(res, "content-encoding", "gzip");
    return nx_response_send_bytes(res, packed);
}

NX_TEST("a body that grows without end is cut short")
{
    const char *host = server_begin();
    nx_http_server *bombs = nx_http_server_new(.host = "127.0.0.1", .port = NX_HTTP_ANY_PORT);
    nx_fiber *fiber;
    nx_fetched *res;
    nx_bytes piece, all;
    size_t len = 0;
    nx_err err;
    (void)host;
    nx_http_get(bombs, "/", bomb);
    nx_require_ok(nx_spawn(&fiber, server_listen, bombs));
    while (!nx_http_port(bombs)) nx_require_ok(nx_sleep(NX_MS(1)));
    const char *at = nx_format("http://127.0.0.1:%u/", nx_http_port(bombs));
    nx_require_ok(nx_fetch(&res, at));
    while ((err = nx_fetched_read(res, &piece)) == NX_OK && piece.len) len += piece.len;
    nx_expect_eq(err, NX_ETOOBIG);
    nx_expect(len < 8 << 20);
    nx_require_ok(nx_fetch(&res, at, .max_ratio = UINT32_MAX, .max_body = 1 << 20));
    nx_expect_err(NX_ETOOBIG, nx_fetched_body(res, &all));
    nx_client_close_idle(NULL);
    nx_http_stop(bombs);
    nx_expect_ok(nx_join(fiber));
    nx_http_server_free(bombs);
    server_end();
}

NX_TEST("a connection that the peer has closed meanwhile is made anew")
{
    struct peer p = {0};
    nx_fetched *res;
    const char *ok = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
    peer_begin(&p, ANSWERS(ok, ok, ok, ok));
    for (int i = 0; i < 2; i++) {
        nx_require_ok(nx_fetch(&res, peer_url(&p, "/")));
        nx_expect_eq(body(res), "ok");
        nx_require_ok(nx_sleep(NX_MS(5)));
    }
    nx_require_ok(nx_fetch(&res, peer_url(&p, "/"), .method = "POST", .text = ""));
    nx_expect_eq(body(res), "ok");
    nx_expect_eq(p.connections, (size_t)3);
    peer_end(&p);
}

NX_TEST("what comes behind an answer is no answer to the next request")
{
    struct peer p = {.keeps = true};
    nx_fetched *res;
    peer_begin(&p, ANSWERS("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n"
                           "content-length: 4\r\n\r\nevil",
                           "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ngood"));
    nx_require_ok(nx_fetch(&res, peer_url(&p, "/")));
    nx_expect_eq(body(res), "ok");
    nx_require_ok(nx_fetch(&res, peer_url(&p, "/")));
    nx_expect_eq(body(res), "good");
    nx_expect_eq(p.connections, (size_t)2);
    peer_end(&p);
}

NX_TEST("it is tried again where that is of use, and not more often than asked")
{
    struct peer p = {0};
    nx_fetched *res;
    const char *busy = "HTTP/1.1 503 Busy\r\ncontent-length: 0\r\nretry-after: 0\r\n\r\n";
    const char *ok = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
    peer_begin(&p, ANSWERS(busy, "", ok, busy, busy, ok, busy,
                           "HTTP/1.1 503 Busy\r\ncontent-length: 0\r\nretry-after: 100\r\n\r\n"));
    nx_require_ok(nx_fetch(&res, peer_url(&p, "/"), .retries = 3, .retry_delay = NX_MS(1)));
    nx_expect_eq(body(res), "ok");
    nx_expect_eq(p.next, (size_t)3);
    nx_require_ok(nx_fetch(&res, peer_url(&p, "/"), .retries = 1));
    nx_expect_eq(nx_fetched_status(res), 503);
    nx_require_ok(nx_fetch(&res, peer_url(&p, "/")));
    nx_expect_eq(nx_fetched_status(res), 200);
    nx_require_ok(nx_fetch(&res, peer_url(&p, "/"), .text = "x", .retries = 5));
    nx_expect_eq(nx_fetched_status(res), 503); /* a POST may not be repeated */
    nx_require_ok(nx_fetch(&res, peer_url(&p, "/"), .retries = 5));
    nx_expect_eq(nx_fetched_status(res), 503); /* nobody waits for so long */
    peer_end(&p);
}

static nx_err get_one(void *arg)
{
    nx_fetched *res;
    nx_bytes all;
    NX_TRY(nx_fetch(&res, arg));
    NX_TRY(nx_fetched_body(res, &all));
    return all.len == 41000 ? NX_OK : nx_fail(NX_EFAILED, "%zu bytes", all.len);
}

struct limited {
    nx_client *client;
    const char *url;
};

static nx_err get_limited(void *arg)
{
    const struct limited *l = arg;
    nx_fetched *res;
    nx_bytes all;
    NX_TRY(nx_fetch(&res, l->url, .client = l->client));
    return nx_fetched_body(res, &all);
}

NX_TEST("many at once share connections, and wait for them")
{
    const char *at = nx_format("%s/pieces", server_begin());
    nx_scope *scope;
    nx_require_ok(nx_scope_open(&scope));
    for (int i = 0; i < 200; i++) nx_require_ok(nx_spawn(NULL, get_one, (void *)(uintptr_t)at));
    nx_expect_ok(nx_scope_close(&scope));
    nx_http_stats stats = {.size = sizeof stats};
    nx_http_stats_get(server_get(), &stats);
    nx_expect(stats.accepted <= 64);

    struct limited l = {.url = at};
    nx_require_ok(nx_client_new(&l.client, .max_per_host = 2, .keep_alive = NX_MS(30)));
    uint64_t before = stats.accepted;
    nx_require_ok(nx_scope_open(&scope));
    for (int i = 0; i < 50; i++) nx_require_ok(nx_spawn(NULL, get_limited, &l));
    nx_expect_ok(nx_scope_close(&scope));
    nx_http_stats_get(server_get(), &stats);
    nx_expect_eq(stats.accepted - before, (uint64_t)2);
    /* Idle ones are closed by themselves. */
    nx_client_close_idle(NULL);
    for (int i = 0; i < 500 && stats.connections; i++) {
        nx_require_ok(nx_sleep(NX_MS(5)));
        nx_http_stats_get(server_get(), &stats);
    }
    nx_expect_eq(stats.connections, (uint64_t)0);
    /* Who waits is told when his time is over. */
    nx_fetched *first, *second, *third;
    nx_require_ok(nx_fetch(&first, at, .client = l.client));
    nx_require_ok(nx_fetch(&second, at, .client = l.client));
    nx_expect_err(NX_ETIMEDOUT, nx_fetch(&third, at, .client = l.client, .deadline = NX_MS(20)));
    nx_fetched_close(first);
    nx_expect_ok(nx_fetch(&third, at, .client = l.client));
    nx_fetched_close(second);
    nx_fetched_close(third);
    nx_client_free(l.client);
    server_end();
}

NX_TEST("a proxy is asked for what is not in no_proxy")
{
    struct peer p = {.keeps = true};
    const char *ok = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
    nx_client *client;
    nx_fetched *res;
    peer_begin(&p, ANSWERS(ok, ok, ok));
    const char *proxy =
        nx_format("http://me:secret@127.0.0.1:%u", nx_listener_address(p.listener).port);
    nx_require_ok(nx_client_new(&client, .proxy = proxy, .no_proxy = "direct.example"));
    nx_require_ok(nx_fetch(&res, "http://far.example:81/path?q", .client = client));
    nx_expect_eq(body(res), "ok");
    nx_expect(nx_text_starts(nx_str(p.asked), nx_str("GET http://far.example:81/path?q HTTP/1.1\r\n"
                                                     "host: far.example:81\r\n")));
    nx_expect(strstr(p.asked, "proxy-authorization: Basic bWU6c2VjcmV0\r\n") != NULL);
    /* It goes where the URL says, which is what was granted. */
    nx_require_ok(nx_fetch(&res, "http://far.example/", .client = client,
                           .headers = NX_HEADERS("host", "near.example")));
    nx_expect_eq(body(res), "ok");
    nx_expect(nx_text_starts(nx_str(p.asked),
                             nx_str("GET http://far.example/ HTTP/1.1\r\nhost: far.example\r\n")));
    nx_client_free(client);
    nx_expect_err(NX_EINVAL, nx_client_new(&client, .proxy = "socks5://x:1"));
    peer_end(&p);
}

NX_TEST("grants: the host, where a redirect leads, and through a proxy")
{
    struct peer p = {0};
    nx_fetched *res;
    peer_begin(&p, ANSWERS("HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:9/\r\n"
                           "content-length: 0\r\n\r\n"));
    const char *url = peer_url(&p, "/");
    const char *proxy = nx_format("127.0.0.1:%u", nx_listener_address(p.listener).port);
    struct nx__permissions permissions;
    nx_client *client;
    grants_begin(&permissions, (const char *const[]){nx_format("--allow-net=%s", proxy), NULL});
    nx_expect_err(NX_EPERM, nx_fetch(&res, url));
    nx_expect(strstr(nx_error_last()->message, "--allow-net=127.0.0.1:9") != NULL);
    nx_expect_eq(p.next, (size_t)1);
    nx_require_ok(nx_client_new(&client, .proxy = proxy));
    nx_expect_err(NX_EPERM, nx_fetch(&res, "http://far.example/", .client = client));
    nx_expect(strstr(nx_error_last()->message, "--allow-net=far.example:80") != NULL);
    nx_client_free(client);
    grants_end(&permissions);
    peer_end(&p);
}

NX_TEST("what can't be asked")
{
    nx_fetched *res;
    nx_expect_err(NX_EINVAL, nx_fetch(&res, "/relative"));
    nx_expect_err(NX_EINVAL, nx_fetch(&res, "ftp://a/"));
    nx_expect_err(NX_EINVAL, nx_fetch(&res, "http://a/", .method = "A B"));
    nx_expect_err(NX_EINVAL, nx_fetch(&res, "http://a/", .method = "CONNECT"));
    nx_expect_err(NX_EINVAL, nx_fetch(&res, "http://a/", .method = "GET", .text = "x"));
    nx_expect_err(NX_EINVAL, nx_fetch(&res, "http://a/", .text = "x", .body = nx_str("y")));
    nx_expect_err(NX_EINVAL, nx_fetch(&res, "http://a/", .headers = NX_HEADERS("a b", "c")));
    nx_expect_err(NX_EINVAL, nx_fetch(&res, "http://a/", .headers = NX_HEADERS("a", "b\r\nc: d")));
    nx_expect_err(NX_EINVAL, nx_fetch(&res, "http://a/", .headers = NX_HEADERS("a")));
    nx_expect_err(NX_EINVAL,
                  nx_fetch(&res, "http://a/", .headers = NX_HEADERS("content-length", "1")));
    nx_expect_err(NX_EINVAL, nx_fetch(&res, "http://a/", .headers = NX_HEADERS("host", "")));
    nx_expect_err(NX_EINVAL, nx_fetch(&res, "http://a/", .headers = NX_HEADERS("host", "b/c ")));
    nx_expect_err(NX_EINVAL, nx_fetch(&res, "http://a/", .text = "x", .type = "a\r\nb"));
    nx_expect_err(NX_EREFUSED, nx_fetch(&res, "http://127.0.0.1:1/"));
}

NX_TEST("a Unix socket is asked, whatever the host")
{
    const char *path = nx_format("%s/web.sock", nx_test_dir());
    nx_http_server *unix_server = nx_http_server_new(.host = nx_format("unix:%s", path));
    nx_fiber *fiber;
    nx_fetched *res;
    nx_http_route(unix_server, "*", "/echo", server_echo);
    nx_require_ok(nx_spawn(&fiber, server_listen, unix_server));
    nx_err err = NX_ENOENT;
    for (int i = 0; i < 500 && err; i++) {
        nx_require_ok(nx_sleep(NX_MS(2)));
        err = nx_fetch(&res, "http://any.example/echo", .unix_socket = path, .text = "x");
    }
    nx_require_ok(err);
    nx_expect_eq(body(res), "x");
    nx_client_close_idle(NULL);
    nx_http_stop(unix_server);
    nx_expect_ok(nx_join(fiber));
    nx_http_server_free(unix_server);
}
