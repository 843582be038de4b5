/* HTTP/3, a client and a server, while allocations and system calls fail: a request comes through or
 * says why it has not, and the next one does. */
#include "faults.h"

#include "http/client/client.h"
#include "loop/loop.h"
#include "loop/uring.h"
#include "tls/issue.h"
#include <errno.h>
#include <nexus/fetch.h>
#include <nexus/fiber.h>
#include <nexus/http.h>
#include <nexus/test.h>
#include <nexus/timer.h>

static struct nx__buffer cert, key;
static nx_http_server *server;
static const char *origin;

static nx_err echo(nx_request *req, nx_response *res)
{
    for (nx_bytes piece;;) {
        NX_TRY(nx_request_read(req, &piece));
        if (!piece.len) break;
        NX_TRY(nx_response_write(res, piece));
    }
    nx_response_trailer(res, "x-end", "yes");
    return NX_OK;
}

static nx_err hello(nx_request *req, nx_response *res)
{
    (void)req;
    return nx_response_send(res, "hello");
}

static nx_err serve(void *arg)
{
    return nx_http_listen(arg);
}

static void begin(void)
{
    static const char *const names[] = {"127.0.0.1"};
    nx_fiber *fiber;
    nx__uring_refused = true; /* so that functions are called */
    nx_require_ok(nx__tls_issue(
        &(struct nx__tls_issue){.common = "localhost", .names = names, .count = 1, .days = 2},
        &cert, &key));
    server = nx_http_server_new(.host = "127.0.0.1", .port = NX_HTTP_ANY_PORT, .cert = cert.data,
                                .key = key.data, .h3 = true, .idle_deadline = NX_MS(500),
                                .head_deadline = NX_MS(500), .write_deadline = NX_MS(500));
    nx_http_get(server, "/", hello);
    nx_http_post(server, "/echo", echo);
    nx_require_ok(nx_spawn(&fiber, serve, server));
    while (!nx_http_port(server)) nx_require_ok(nx_sleep(NX_MS(1)));
    origin = nx_format("https://127.0.0.1:%u", nx_http_port(server));
}

/* No connection is left at the server. */
static void settle(void)
{
    nx_http_stats stats = {.size = sizeof stats};
    do {
        if (nx_sleep(NX_US(100))) NX_IGNORE(nx_yield()); /* which needs no memory */
        nx_http_stats_get(server, &stats);
    } while (stats.connections);
}

static void end(void)
{
    nx_http_stop(server);
    settle();
    nx__buffer_free(&cert);
    nx__buffer_free(&key);
}

static nx_err ask_all(nx_client *client)
{
    nx_fetched *res;
    nx_bytes body;
    NX_TRY(nx_fetch(&res, nx_format("%s/", origin), .client = client, .http = NX_FETCH_HTTP_3));
    NX_TRY(nx_fetched_body(res, &body));
    if (!nx_bytes_is(body, "hello")) return nx_fail(NX_ECLOSED, "not what was sent");
    NX_TRY(nx_fetch(&res, nx_format("%s/echo", origin), .client = client, .http = NX_FETCH_HTTP_3,
                    .source = nx_memory_reader(nx_str("streamed")), .idle_deadline = NX_S(2),
                    .head_deadline = NX_S(2)));
    NX_TRY(nx_fetched_body(res, &body));
    if (nx_fetched_status(res) != 200) return nx_fail(NX_ECLOSED, "not the right status");
    return nx_bytes_is(body, "streamed") ? NX_OK : nx_fail(NX_ECLOSED, "not what was sent");
}

/* A client of its own, so that each round makes its connection; sessions are not kept, which would
 * be blocks that stay. */
static nx_err ask(void)
{
    nx_scope *scope;
    nx_client *client = NULL;
    NX_TRY(nx_scope_open(&scope));
    nx_err err = nx_client_new(&client, .insecure = true, .proxy = "");
    if (!err) {
        client->tls.no_resumption = true;
        err = ask_all(client);
    }
    nx_err closed = nx_scope_close(&scope);
    nx_client_free(client);
    settle();
    if (!err) err = closed;
    return err ? nx_fail(err == NX_ENOMEM ? err : NX_ECLOSED, "it has failed") : NX_OK;
}

/* Nothing fails here, so that it is served as ever. */
static void again(const struct faults_scenario *scenario, nx_err err, const char *failed)
{
    (void)err, (void)failed;
    nx_expect_ok(scenario->run());
}

static const struct faults_scenario scenario = {
    .name = "requests", .run = ask, .after = again, .instead = NX_ECLOSED};

NX_TEST("one allocation fails", .deadline = NX_S(250))
{
    begin();
    faults_run(FAULTS_MEMORY, &scenario, 1);
    end();
}

NX_TEST("memory runs out", .deadline = NX_S(250))
{
    begin();
    faults_run(FAULTS_NO_MEMORY, &scenario, 1);
    end();
}

NX_TEST("system calls fail", .deadline = NX_S(250))
{
    static const int all[] = {EIO, EMFILE, ECONNREFUSED};
    begin();
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) faults_run(all[i], &scenario, 1);
    end();
}
