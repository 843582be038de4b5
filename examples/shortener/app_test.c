/* The whole app over HTTP, without a port: nexus test */
#include "./app.c" /* its handlers are static, and its main is not called here */

#include <nexus/test.h>

typedef struct site {
    app app;
    nx_http_server *server;
} site;

static nx_err site_setup(site *s)
{
    static const options o = {.host = "127.0.0.1", .token = "s3cret", .rate = 5};
    NX_TRY(store_open(&s->app.store, nx_format("%s/links.log", nx_test_dir()), now()));
    s->server = shortener(&s->app, &o);
    return NX_OK;
}

static void site_teardown(site *s)
{
    nx_http_server_free(s->server);
    store_close(s->app.store);
}

NX_FIXTURE(site, site_setup, site_teardown);

static nx_test_answer ask(site *s, const char *method, const char *path)
{
    nx_test_answer r = {0};
    nx_require_ok(
        nx_test_request(s->server, &r, .method = method, .path = path,
                        .headers = nx_headers("host", "sho.rt", "authorization", "Bearer s3cret",
                                              "accept", "application/json")));
    return r;
}

static nx_test_answer create_link(site *s, nx_value wish)
{
    nx_test_answer r = {0};
    nx_require_ok(nx_test_request(s->server, &r, .path = "/api/links", .json = wish,
                                  .headers = nx_headers("host", "sho.rt")));
    return r;
}

static nx_test_answer send_form(site *s, const char *fields)
{
    nx_test_answer r = {0};
    nx_require_ok(nx_test_request(s->server, &r, .path = "/", .body = fields,
                                  .headers = nx_headers("host", "sho.rt", "content-type",
                                                        "application/x-www-form-urlencoded")));
    return r;
}

NX_TEST_WITH(site, s, "a link is made, followed, counted, listed and removed")
{
    nx_test_answer r = create_link(s, nx_obj("url", "https://example.com/a?b", "alias", "my-link"));
    nx_expect_eq(r.status, 201);
    nx_expect_eq(nx_test_answer_header(&r, "location"), "/api/links/my-link");
    nx_expect_contains(r.body, "\"short\":\"http://sho.rt/my-link\"");
    nx_expect_contains(r.body, "\"hits\":0");

    r = ask(s, "GET", "/my-link");
    nx_expect_eq(r.status, 302);
    nx_expect_eq(nx_test_answer_header(&r, "location"), "https://example.com/a?b");
    nx_expect_eq(nx_test_answer_header(&r, "cache-control"), "private, no-store");
    nx_expect_eq(ask(s, "HEAD", "/my-link").status, 302); /* does not count */

    r = ask(s, "GET", "/api/links/my-link");
    nx_expect_eq(r.status, 200);
    nx_expect_contains(r.body, "\"hits\":1");
    r = ask(s, "GET", "/api/links");
    nx_expect_contains(r.body, "\"code\":\"my-link\"");
    nx_expect_contains(r.body, "\"next\":null,\"total\":1");

    nx_expect_eq(ask(s, "DELETE", "/api/links/my-link").status, 204);
    nx_expect_eq(ask(s, "GET", "/my-link").status, 404);
    nx_expect_eq(ask(s, "DELETE", "/api/links/my-link").status, 404);
}

NX_TEST_WITH(site, s, "the form makes one too, and shows it")
{
    nx_test_answer r = ask(s, "GET", "/");
    nx_expect_eq(r.status, 200);
    nx_expect_eq(nx_test_answer_header(&r, "content-type"), "text/html; charset=utf-8");
    nx_expect_contains(nx_test_answer_header(&r, "content-security-policy"), "default-src 'none'");

    r = send_form(s, "url=https%3A%2F%2Fexample.com%2F%3Fa%3D%22%26b&alias=mine&expires_in=");
    nx_expect_eq(r.status, 303);
    nx_expect_eq(nx_test_answer_header(&r, "location"), "/mine+");
    r = ask(s, "GET", "/mine+");
    nx_expect_eq(r.status, 200);
    nx_expect_contains(r.body, "https://example.com/?a=%22&amp;b");
    nx_expect_contains(r.body, "0 ×");
}

NX_TEST_WITH(site, s, "a mistake in the form shows the form again, with what was typed")
{
    nx_test_answer r = send_form(s, "url=javascript%3A%22%3E%3Cscript%3E&alias=%3Cb%3E");
    nx_expect_eq(r.status, 422);
    nx_expect_contains(r.body, "a URL begins with http:// or https://");
    nx_expect_contains(r.body, "value=\"javascript:&quot;&gt;&lt;script&gt;\"");
    nx_expect_contains(r.body, "value=\"&lt;b&gt;\"");
    r = send_form(s, "url=https%3A%2F%2Fexample.com&expires_in=soon");
    nx_expect_eq(r.status, 400);
}

NX_TEST_WITH(site, s, "wishes that can't be granted are answered with a reason")
{
    const struct {
        nx_value wish;
        int status;
        const char *reason;
    } rows[] = {
        {nx_obj("url", "ftp://example.com"), 422, "http://"},
        {nx_obj("url", "https://sho.rt/abc"), 422, "leads back"},
        {nx_obj("url", "https://a\r\nb"), 422, "line breaks"},
        {nx_obj("url", "https://a", "alias", "a/b"), 422, "3 to 32 letters"},
        {nx_obj("url", "https://a", "alias", "api"), 409, "taken"},
        {nx_obj("url", "https://a", "expires_in", -1), 422, "expires_in"},
        {nx_obj("url", "https://a", "expires_in", 1e17), 422, "expires_in"},
        {nx_obj("url", "https://a", "expires_in", "soon"), 400, "expires_in"},
        {nx_obj("url", 7), 400, "url"},
        {nx_obj("alias", "abc"), 400, "url"},
        {nx_arr(), 400, "url"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        nx_subtest ("row %zu", i) {
            nx_http_server_free(s->server); /* a new one, with a new bucket */
            s->server = shortener(&s->app, &(options){.token = "s3cret", .rate = 5});
            nx_test_answer r = create_link(s, rows[i].wish);
            nx_expect_eq(r.status, rows[i].status);
            nx_expect_contains(r.body, rows[i].reason);
        }
    nx_expect_eq(store_count(s->app.store), 0);
}

NX_TEST_WITH(site, s, "a code is given once")
{
    nx_expect_eq(create_link(s, nx_obj("url", "https://a", "alias", "abc")).status, 201);
    nx_test_answer r = create_link(s, nx_obj("url", "https://b", "alias", "abc"));
    nx_expect_eq(r.status, 409);
    nx_expect_contains(r.body, "\\\"abc\\\" is taken");
}

NX_TEST_WITH(site, s, "a link ends when it is to")
{
    nx_test_answer r =
        create_link(s, nx_obj("url", "https://a", "alias", "brief", "expires_in", 1));
    nx_expect_eq(r.status, 201);
    nx_expect_eq(ask(s, "GET", "/brief").status, 302);
    nx_require_ok(nx_sleep(NX_MS(2000)));
    nx_expect_eq(ask(s, "GET", "/brief").status, 404);
    nx_expect_eq(ask(s, "GET", "/api/links/brief").status, 404);
    nx_expect_eq(create_link(s, nx_obj("url", "https://b", "alias", "brief")).status, 201);
}

NX_TEST_WITH(site, s, "the list comes in pages")
{
    for (int i = 0; i < 5; i++)
        nx_require_eq(
            create_link(s, nx_obj("url", "https://a", "alias", nx_format("link%d", i))).status,
            201);
    nx_test_answer r = ask(s, "GET", "/api/links?limit=3");
    nx_expect_contains(r.body, "\"next\":\"link2\",\"total\":5");
    r = ask(s, "GET", "/api/links?limit=3&after=link2");
    nx_expect_contains(r.body, "\"code\":\"link1\"");
    nx_expect_contains(r.body, "\"next\":null");
    nx_expect_eq(ask(s, "GET", "/api/links?limit=0").status, 422);
    nx_expect_eq(ask(s, "GET", "/api/links?limit=x").status, 400);
    nx_expect_eq(ask(s, "GET", "/api/links?after=none").status, 422);
}

NX_TEST_WITH(site, s, "without the token nothing is listed or removed")
{
    static const char *const rows[][2] = {
        {"GET", "/api/links"}, {"GET", "/api/links/abc"}, {"DELETE", "/api/links/abc"}};
    for (size_t i = 0; i < 3; i++)
        nx_subtest ("%s %s", rows[i][0], rows[i][1]) {
            nx_test_answer r;
            nx_require_ok(nx_test_request(s->server, &r, .method = rows[i][0], .path = rows[i][1],
                                          .headers = nx_headers("authorization", "Bearer s3cre")));
            nx_expect_eq(r.status, 401);
        }
}

NX_TEST_WITH(site, s, "who makes too many has to wait; following goes on")
{
    for (int i = 0; i < 5; i++)
        nx_expect_eq(
            create_link(s, nx_obj("url", "https://a", "alias", nx_format("r-%d", i))).status, 201);
    nx_test_answer r = create_link(s, nx_obj("url", "https://a"));
    nx_expect_eq(r.status, 429);
    nx_expect(nx_test_answer_header(&r, "retry-after").len > 0);
    nx_expect_eq(send_form(s, "url=https%3A%2F%2Fa").status, 429);
    nx_expect_eq(ask(s, "GET", "/r-0").status, 302);
}

NX_TEST_WITH(site, s, "it is well")
{
    nx_expect_eq(ask(s, "GET", "/healthz").status, 200);
    nx_expect_eq(ask(s, "GET", "/readyz").status, 200);
}
