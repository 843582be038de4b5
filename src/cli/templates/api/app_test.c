/* The whole API, without a port: nexus test */
#include "./app.c" /* its handlers are static, and its main is not called here */

#include <nexus/test.h>

typedef struct api {
    notes notes;
    nx_http_server *server;
} api;

static nx_err api_setup(api *a)
{
    a->server = notes_server(&a->notes);
    return a->server ? NX_OK : NX_ENOMEM;
}

static void api_teardown(api *a)
{
    nx_http_server_free(a->server);
    notes_free(&a->notes);
}

NX_FIXTURE(api, api_setup, api_teardown);

static nx_test_answer ask(api *a, const char *method, const char *path, const char *body)
{
    nx_test_answer r = {0};
    nx_require_ok(nx_test_request(a->server, &r, .method = method, .path = path, .body = body,
                                  .headers = nx_headers("content-type", "application/json")));
    return r;
}

NX_TEST_WITH(api, a, "a note is made, shown, changed and dropped")
{
    nx_test_answer r = ask(a, "POST", "/notes", "{\"title\":\"milk\"}");
    nx_expect_eq(r.status, 201);
    nx_expect_eq(nx_test_answer_header(&r, "location"), "/notes/1");
    nx_expect_eq(r.body, "{\"id\":1,\"title\":\"milk\",\"text\":\"\"}");

    r = ask(a, "PUT", "/notes/1", "{\"title\":\"tea\",\"text\":\"green\"}");
    nx_expect_eq(r.status, 200);
    r = ask(a, "GET", "/notes", NULL);
    nx_expect_eq(r.body, "[{\"id\":1,\"title\":\"tea\",\"text\":\"green\"}]");

    nx_expect_eq(ask(a, "DELETE", "/notes/1", NULL).status, 204);
    nx_expect_eq(ask(a, "GET", "/notes/1", NULL).status, 404);
}

NX_TEST_WITH(api, a, "what is wrong is answered with a reason")
{
    static const struct {
        const char *method, *path, *body;
        int status;
        const char *reason;
    } rows[] = {
        {"POST", "/notes", "{\"title\":", 400, "line 1"},
        {"POST", "/notes", "{\"text\":\"x\"}", 400, "title"},
        {"POST", "/notes", "{\"title\":7}", 400, "title"},
        {"POST", "/notes", "{\"title\":\"\"}", 400, "1 to 80 bytes"},
        {"PUT", "/notes/1", "{\"title\":\"x\"}", 404, "no such note"},
        {"GET", "/notes/1x", NULL, 404, "no such note"},
        {"PATCH", "/notes", NULL, 405, ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        nx_subtest ("%s %s, row %zu", rows[i].method, rows[i].path, i) {
            nx_test_answer r = ask(a, rows[i].method, rows[i].path, rows[i].body);
            nx_expect_eq(r.status, rows[i].status);
            nx_expect_contains(r.body, rows[i].reason);
        }
    nx_expect_eq(a->notes.count, 0);
}
