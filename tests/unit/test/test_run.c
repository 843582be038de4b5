/* The life of a test, from inside. */
#include <errno.h>
#include <nexus.h>
#include <nexus/test.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static int state; /* each test has a process of its own, so it begins with 0 in each */

NX_TEST("statics are fresh: one")
{
    nx_expect_eq(state++, 0);
}

NX_TEST("statics are fresh: two")
{
    nx_expect_eq(state++, 0);
}

static void count(void *arg)
{
    ++*(int *)arg;
}

NX_TEST("subtests have scopes of their own")
{
    int calls = 0;
    for (int i = 0; i < 3; i++)
        nx_subtest ("%d", i) {
            nx_require_ok(nx_defer(count, &calls));
            nx_expect_eq(calls, i);
            if (i == 1) continue;
            if (i == 2) break;
        }
    nx_expect_eq(calls, 3);
}

NX_TEST("a subtest that is skipped does not end the test")
{
    volatile int after = 0;
    nx_subtest ("skipped") {
        nx_subtest ("inner") nx_skip("as an example");
        after++;
        nx_skip("too");
    }
    nx_expect_eq(after, 1);
}

static void helper(int *calls)
{
    nx_subtest ("left by a return") {
        nx_require_ok(nx_defer(count, calls));
        return;
    }
}

NX_TEST("a return closes the subtests of its function")
{
    int calls = 0;
    helper(&calls);
    nx_expect_eq(calls, 1);
    nx_expect_eq(nx_test_name(), "a return closes the subtests of its function");
    nx_subtest ("next")
        nx_expect_eq(nx_test_name(), "a return closes the subtests of its function/next");
}

static nx_err add(void *arg)
{
    NX_TRY(nx_sleep(NX_MS(1)));
    nx_expect(true);
    ++*(int *)arg;
    return NX_OK;
}

NX_TEST("a scope waits for its fibers")
{
    int done = 0;
    nx_subtest ("three fibers") {
        for (int i = 0; i < 3; i++) nx_require_ok(nx_spawn(NULL, add, &done));
    }
    nx_expect_eq(done, 3);
}

NX_TEST("the folder is there, empty, and the test's own")
{
    const char *dir = nx_test_dir();
    struct stat st;
    nx_require_eq(stat(dir, &st), 0);
    nx_expect(S_ISDIR(st.st_mode));
    nx_expect_eq(st.st_mode & 0777, 0700);
    nx_expect_eq(rmdir(dir), 0); /* empty */
    nx_expect_eq(nx_test_dir(), dir);
}

typedef struct fixture {
    int n;
    char *text;
} fixture;

static nx_err setup(fixture *f)
{
    nx_expect_eq(f->n, 0);
    f->n = 1;
    f->text = nx_format("%d", 5);
    return f->text ? NX_OK : NX_ENOMEM;
}

static void teardown(fixture *f)
{
    nx_expect_eq(f->text, "5"); /* memory of the setup lasts until after this */
    nx_expect_eq(f->n, 2);
}

NX_FIXTURE(fixture, setup, teardown);

NX_TEST_WITH(fixture, f, "a fixture is set up and torn down")
{
    nx_expect_eq(f->n++, 1);
}

static nx_err hello(nx_request *req, nx_response *res)
{
    NX_TRY(nx_sleep(NX_MS(1)));
    nx_bytes peer = nx_request_peer(req);
    return nx_response_send(res, nx_format("%.*s", NX_FMT(peer)));
}

static nx_err ask(void *server)
{
    nx_test_answer answer;
    NX_TRY(nx_test_request(server, &answer, .path = "/"));
    nx_expect_eq(answer.status, 200);
    nx_expect_eq(answer.body, "unix");
    return NX_OK;
}

NX_TEST("requests of several fibers at once")
{
    NX_AUTO(nx_http_server) *server = nx_http_server_new();
    nx_http_route(server, "GET", "/", hello);
    nx_fiber *fibers[20];
    for (int i = 0; i < 20; i++) nx_require_ok(nx_spawn(&fibers[i], ask, server));
    for (int i = 0; i < 20; i++) nx_expect_ok(nx_join(fibers[i]));
}

NX_BENCH("nothing")
{
    while (nx_bench_loop(b)) {}
}
