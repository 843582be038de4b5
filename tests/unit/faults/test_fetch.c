/* The client, a server and a reverse proxy while allocations and system calls fail: a request comes
 * through or says why it has not, and the next one does. */
#include "faults.h"

#include "http/client/client.h"
#include "loop/loop.h"
#include "loop/uring.h"
#include <errno.h>
#include <nexus/fetch.h>
#include <nexus/fiber.h>
#include <nexus/fs.h>
#include <nexus/http.h>
#include <nexus/proxy.h>
#include <nexus/test.h>
#include <nexus/timer.h>

static nx_http_server *server, *front; /* which passes on to the other */
static const char *origin, *front_origin;

static nx_err echo(nx_request *req, nx_response *res)
{
    nx_bytes body;
    NX_TRY(nx_request_body(req, &body));
    nx_response_header(res, "set-cookie", "a=1");
    return nx_response_send_bytes(res, body);
}

static nx_err go(nx_request *req, nx_response *res)
{
    (void)req;
    return nx_response_redirect(res, 307, "/echo");
}

static nx_err large(nx_request *req, nx_response *res)
{
    (void)req;
    nx_response_header(res, "etag", "\"v\"");
    for (int i = 0; i < 10; i++) NX_TRY(nx_response_write(res, nx_str("piece by piece ")));
    return nx_response_end(res);
}

static nx_err serve(void *arg)
{
    return nx_http_listen(arg);
}

static const char *listen_on(nx_http_server *which)
{
    nx_fiber *fiber;
    nx_require_ok(nx_spawn(&fiber, serve, which));
    while (!nx_http_port(which)) nx_require_ok(nx_sleep(NX_MS(1)));
    return nx_format("http://127.0.0.1:%u", nx_http_port(which));
}

static void begin(void)
{
    nx__uring_refused = true; /* so that functions are called */
    server = nx_http_server_new(.host = "127.0.0.1", .port = NX_HTTP_ANY_PORT);
    nx_http_post(server, "/echo", echo);
    nx_http_post(server, "/go", go);
    nx_http_get(server, "/large", large);
    nx_http_compress(server, .min = 1);
    origin = listen_on(server);
    front = nx_http_server_new(.host = "127.0.0.1", .port = NX_HTTP_ANY_PORT);
    nx_http_proxy(front, "/", .upstreams = NX_UPSTREAMS(origin), .max_fails = UINT32_MAX);
    front_origin = listen_on(front);
}

/* No connection is left, on either side. */
static void settle(void)
{
    nx_http_stats stats = {.size = sizeof stats}, passing = {.size = sizeof passing};
    nx_client *own = nx__client_own(), *proxying = nx__client_proxying();
    do {
        if (own) nx_client_close_idle(own);
        if (proxying) nx_client_close_idle(proxying);
        if (nx_sleep(NX_US(100))) NX_IGNORE(nx_yield()); /* which needs no memory */
        nx_http_stats_get(server, &stats);
        nx_http_stats_get(front, &passing);
    } while (stats.connections || passing.connections);
}

static void end(void)
{
    nx_http_stop(front);
    nx_http_stop(server);
    settle();
}

static nx_err same(nx_fetched *res, const char *wanted)
{
    nx_bytes body;
    NX_TRY(nx_fetched_body(res, &body));
    if (nx_fetched_status(res) != 200)
        return nx_fail(NX_ECLOSED, "status %d", nx_fetched_status(res));
    return nx_bytes_is(body, wanted) ? NX_OK : nx_fail(NX_ECLOSED, "not what was sent");
}

static nx_err outcome(nx_err err)
{
    settle();
    return err ? nx_fail(err == NX_ENOMEM ? err : NX_ECLOSED, "it has failed") : NX_OK;
}

static nx_err ask_all(void)
{
    nx_fetched *res;
    NX_AUTO(nx_cookie_jar) *jar = NULL;
    NX_AUTO(nx_client) *client = NULL;
    NX_TRY(nx_cookie_jar_new(&jar));
    NX_TRY(nx_client_new(&client, .cookies = jar, .proxy = "", .keep_alive = NX_S(5)));
    nx_err err = nx_fetch(&res, nx_format("%s/go", origin), .text = "hello", .client = client);
    if (!err) err = same(res, "hello");
    if (!err)
        err = nx_fetch(&res, nx_format("%s/echo", origin), .client = client,
                       .source = nx_memory_reader(nx_str("streamed")));
    if (!err) err = same(res, "streamed");
    if (!err) err = nx_fetch(&res, nx_format("%s/large", origin), .client = client);
    nx_bytes piece = nx_str("x");
    while (!err && piece.len) err = nx_fetched_read(res, &piece);
    return err;
}

static nx_err ask(void)
{
    nx_scope *scope;
    NX_TRY(nx_scope_open(&scope));
    nx_err err = ask_all(), closed = nx_scope_close(&scope);
    return outcome(err ? err : closed);
}

static nx_err pass_all(void)
{
    nx_fetched *res;
    NX_AUTO(nx_client) *client = NULL;
    NX_TRY(nx_client_new(&client, .proxy = "", .keep_alive = NX_S(5)));
    nx_err err = nx_fetch(&res, nx_format("%s/echo", front_origin), .client = client,
                          .source = nx_memory_reader(nx_str("streamed")));
    if (!err) err = same(res, "streamed");
    if (!err) err = nx_fetch(&res, nx_format("%s/large", front_origin), .client = client);
    nx_bytes piece = nx_str("x");
    while (!err && piece.len) err = nx_fetched_read(res, &piece);
    return err;
}

static nx_err pass(void)
{
    nx_scope *scope;
    NX_TRY(nx_scope_open(&scope));
    nx_err err = pass_all(), closed = nx_scope_close(&scope);
    return outcome(err ? err : closed);
}

static nx_err download(void)
{
    nx_scope *scope;
    NX_TRY(nx_scope_open(&scope));
    const char *path = nx_format("%s/file", nx_test_dir());
    nx_err err = path ? nx_download(nx_format("%s/large", origin), path, .resumes = 1) : NX_ENOMEM;
    nx_err closed = nx_scope_close(&scope);
    return outcome(err ? err : closed);
}

static const struct faults_scenario scenarios[] = {
    {.name = "requests", .run = ask, .after = faults_again, .instead = NX_ECLOSED},
    {.name = "through a proxy", .run = pass, .after = faults_again, .instead = NX_ECLOSED},
    {.name = "a download", .run = download, .after = faults_again, .instead = NX_ECLOSED},
};
enum { SCENARIOS = sizeof scenarios / sizeof *scenarios };

NX_TEST("one allocation fails", .deadline = NX_S(100))
{
    begin();
    faults_run(FAULTS_MEMORY, scenarios, SCENARIOS);
    end();
}

NX_TEST("memory runs out", .deadline = NX_S(100))
{
    begin();
    faults_run(FAULTS_NO_MEMORY, scenarios, SCENARIOS);
    end();
}

NX_TEST("system calls fail", .deadline = NX_S(100))
{
    static const int all[] = {EIO, EMFILE, ECONNRESET};
    begin();
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) faults_run(all[i], scenarios, SCENARIOS);
    end();
}
