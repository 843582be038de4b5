/* Pages and redirects: what the builders let through. */
#include <nexus/test.h>

NX_TEST("text is harmless in a page")
{
    nx_expect_eq(nx_html_escape(nx_str("")), "");
    nx_expect_eq(nx_html_escape((nx_bytes){NULL, 0}), "");
    nx_expect_eq(nx_html_escape(nx_str("plain \xc3\xa4 text")), "plain \xc3\xa4 text");
    nx_expect_eq(nx_html_escape(nx_str("<a href=\"x\" id='y'>&amp;</a>")),
                 "&lt;a href=&quot;x&quot; id=&#39;y&#39;&gt;&amp;amp;&lt;/a&gt;");
    nx_expect_eq(nx_html_escape(nx_slice("a\0b", 3)), "a\xef\xbf\xbd"
                                                      "b");
}

static nx_err page(nx_request *req, nx_response *res)
{
    return nx_response_html(res, nx_format("<p>%s", nx_html_escape(nx_request_param(req, "text"))));
}

/* GET /go/STATUS?LOCATION */
static nx_err go(nx_request *req, nx_response *res)
{
    int status = 0;
    nx_bytes to = nx_request_query(req), digits = nx_request_param(req, "status");
    for (size_t i = 0; i < digits.len; i++) status = status * 10 + (digits.data[i] - '0');
    return nx_response_redirect(res, status, nx_copy(to));
}

static nx_err twice(nx_request *req, nx_response *res)
{
    (void)req;
    NX_TRY(nx_response_redirect(res, 303, "/a"));
    nx_expect_err(NX_ESTATE, nx_response_redirect(res, 303, "/b"));
    nx_expect_err(NX_ESTATE, nx_response_html(res, "b"));
    return NX_OK;
}

static nx_err bad(nx_request *req, nx_response *res)
{
    (void)req;
    static const char *const locations[] = {
        NULL, "", "/a\r\nset-cookie: b", "/a b", "/\xc3\xa4", "/\x7f", "\t"};
    for (size_t i = 0; i < sizeof locations / sizeof *locations; i++)
        nx_expect_err(NX_EINVAL, nx_response_redirect(res, 302, locations[i]));
    static const int statuses[] = {200, 300, 304, 305, 306, 309, 404};
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++)
        nx_expect_err(NX_EINVAL, nx_response_redirect(res, statuses[i], "/"));
    return nx_response_send(res, "still open");
}

static nx_http_server *server_new(void)
{
    nx_http_server *server = nx_http_server_new();
    nx_http_get(server, "/page/*text", page);
    nx_http_get(server, "/go/:status", go);
    nx_http_get(server, "/twice", twice);
    nx_http_get(server, "/bad", bad);
    return server;
}

static nx_test_answer get(nx_http_server *server, const char *path)
{
    nx_test_answer r = {0};
    nx_require_ok(nx_test_request(server, &r, .path = path));
    return r;
}

NX_TEST("a page is HTML, a redirect says where to and has no body")
{
    nx_http_server *server = server_new();
    nx_test_answer r = get(server, "/page/%3Cb%3E");
    nx_expect_eq(r.status, 200);
    nx_expect_eq(nx_test_answer_header(&r, "content-type"), "text/html; charset=utf-8");
    nx_expect_eq(r.body, "<p>&lt;b&gt;");
    static const int statuses[] = {301, 302, 303, 307, 308};
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
        r = get(server, nx_format("/go/%d?https://example.com/?a=%%C3%%A4", statuses[i]));
        nx_expect_eq(r.status, statuses[i]);
        nx_expect_eq(nx_test_answer_header(&r, "location"), "https://example.com/?a=%C3%A4");
        nx_expect_eq(r.body, "");
    }
    nx_http_server_free(server);
}

NX_TEST("what can be no redirect is refused, and the answer is still to be given")
{
    nx_http_server *server = server_new();
    nx_expect_eq(get(server, "/bad").body, "still open");
    nx_expect_eq(get(server, "/bad").status, 200);
    nx_test_answer r = get(server, "/twice");
    nx_expect_eq(r.status, 303);
    nx_expect_eq(nx_test_answer_header(&r, "location"), "/a");
    nx_expect_eq(get(server, "/go/304?/").status, 500);
    nx_http_server_free(server);
}
