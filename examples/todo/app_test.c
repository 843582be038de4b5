/* The whole app over HTTP, without a port: nexus test */
#include "./app.c" /* its handlers are static, and its main is not called here */

#include <nexus/test.h>

typedef struct app {
    store store;
    nx_http_server *server;
} app;

static nx_err app_setup(app *a)
{
    NX_TRY(store_open(&a->store, nx_format("%s/todo.txt", nx_test_dir())));
    a->server = todo_server(&a->store);
    return NX_OK;
}

static void app_teardown(app *a)
{
    nx_http_server_free(a->server);
    store_close(&a->store);
}

NX_FIXTURE(app, app_setup, app_teardown);

NX_TEST_WITH(app, a, "a todo is added, shown, marked and dropped")
{
    nx_test_answer r;
    nx_require_ok(nx_test_request(a->server, &r, .path = "/todos", .body = "buy milk"));
    nx_expect_eq(r.status, 201);
    nx_expect_eq(nx_test_answer_header(&r, "location"), "/todos/1");
    nx_expect_eq(r.body, "{\"id\":1,\"text\":\"buy milk\",\"done\":false}");

    nx_require_ok(
        nx_test_request(a->server, &r, .method = "PUT", .path = "/todos/1", .body = "done"));
    nx_expect_contains(r.body, "\"done\":true");
    nx_require_ok(nx_test_request(a->server, &r, .path = "/todos"));
    nx_expect_eq(r.body, "[{\"id\":1,\"text\":\"buy milk\",\"done\":true}]");

    nx_require_ok(nx_test_request(a->server, &r, .method = "DELETE", .path = "/todos/1"));
    nx_expect_eq(r.status, 204);
    nx_require_ok(nx_test_request(a->server, &r, .path = "/todos/1"));
    nx_expect_eq(r.status, 404);
}

NX_TEST_WITH(app, a, "bad requests are answered with a reason")
{
    static const struct {
        const char *method, *path, *body;
        int status;
    } rows[] = {
        {"POST", "/todos", "", 400},    {"POST", "/todos", "two\nlines", 400},
        {"GET", "/todos/7", NULL, 404}, {"PUT", "/todos/x", "done", 404},
        {"PATCH", "/todos", NULL, 405},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        nx_subtest ("%s %s", rows[i].method, rows[i].path) {
            nx_test_answer r;
            nx_require_ok(nx_test_request(a->server, &r, .method = rows[i].method,
                                          .path = rows[i].path, .body = rows[i].body));
            nx_expect_eq(r.status, rows[i].status);
        }
}
