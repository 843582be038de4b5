/* HTTP/2, both ends of it, while allocations and system calls fail: requests come through or say
 * why they have not, others on the connection or the next ones do, and nothing is left. */
#include "faults.h"

#include "http/client/client.h"
#include "loop/loop.h"
#include "loop/uring.h"
#include <errno.h>
#include <nexus/events.h>
#include <nexus/fetch.h>
#include <nexus/fiber.h>
#include <nexus/http.h>
#include <nexus/test.h>
#include <nexus/timer.h>

static nx_http_server *server;
static const char *origin;

static nx_err echo(nx_request *req, nx_response *res)
{
    nx_bytes body;
    NX_TRY(nx_request_body(req, &body));
    NX_TRY(nx_response_early_hint(res, "</style.css>; rel=preload"));
    return nx_response_send_bytes(res, body);
}

/* Says back what it hears, as it hears it. */
static nx_err talk(nx_request *req, nx_response *res)
{
    nx_bytes piece;
    do {
        NX_TRY(nx_request_read(req, &piece));
        if (piece.len) NX_TRY(nx_response_write(res, piece));
    } while (piece.len);
    nx_response_trailer(res, "x-end", "yes");
    return nx_response_end(res);
}

static nx_err ticks(nx_request *req, nx_response *res)
{
    (void)req;
    for (;;) {
        NX_TRY(nx_response_event(res, .data = "tick"));
        NX_TRY(nx_sleep(NX_MS(1)));
    }
}

static nx_err serve(void *arg)
{
    return nx_http_listen(arg);
}

static void begin(void)
{
    nx_fiber *fiber;
    nx__uring_refused = true; /* so that functions are called */
    server = nx_http_server_new(.host = "127.0.0.1", .port = NX_HTTP_ANY_PORT);
    nx_http_post(server, "/echo", echo);
    nx_http_post(server, "/talk", talk);
    nx_http_get(server, "/ticks", ticks);
    nx_require_ok(nx_spawn(&fiber, serve, server));
    while (!nx_http_port(server)) nx_require_ok(nx_sleep(NX_MS(1)));
    origin = nx_format("http://127.0.0.1:%u", nx_http_port(server));
}

/* No connection is left, on either side. */
static void settle(void)
{
    nx_http_stats stats = {.size = sizeof stats};
    nx_client *own = nx__client_own();
    do {
        if (own) nx_client_close_idle(own);
        if (nx_sleep(NX_US(100))) NX_IGNORE(nx_yield()); /* which needs no memory */
        nx_http_stats_get(server, &stats);
    } while (stats.connections);
}

static void end(void)
{
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

static nx_err ask_all(void)
{
    nx_fetched *res;
    NX_TRY(nx_fetch(&res, nx_format("%s/echo", origin), .text = "hello", .version = NX_HTTP_2));
    NX_TRY(same(res, "hello"));
    NX_TRY(nx_fetch(&res, nx_format("%s/talk", origin), .version = NX_HTTP_2,
                    .source = nx_memory_reader(nx_str("streamed"))));
    NX_TRY(same(res, "streamed"));
    if (!nx_bytes_is(nx_fetched_trailer(res, "x-end"), "yes"))
        return nx_fail(NX_ECLOSED, "no trailer came");
    /* One that is given up in the middle. */
    nx_bytes piece;
    NX_TRY(nx_fetch(&res, nx_format("%s/ticks", origin), .version = NX_HTTP_2));
    nx_err err = nx_fetched_read(res, &piece);
    nx_fetched_close(res);
    return err;
}

static nx_err outcome(nx_err err)
{
    settle();
    return err ? nx_fail(err == NX_ENOMEM ? err : NX_ECLOSED, "it has failed") : NX_OK;
}

static nx_err in_scope(nx_err (*fn)(void))
{
    nx_scope *scope;
    NX_TRY(nx_scope_open(&scope, .deadline = NX_S(20)));
    nx_err err = fn(), closed = nx_scope_close(&scope);
    return outcome(err ? err : closed);
}

static nx_err requests(void)
{
    return in_scope(ask_all);
}

static const struct faults_scenario scenarios[] = {
    {.name = "requests", .run = requests, .after = faults_again, .instead = NX_ECLOSED},
};
enum { SCENARIOS = sizeof scenarios / sizeof *scenarios };

NX_TEST("one allocation fails", .deadline = NX_S(60))
{
    begin();
    faults_run(FAULTS_MEMORY, scenarios, SCENARIOS);
    end();
}

NX_TEST("memory runs out", .deadline = NX_S(60))
{
    begin();
    faults_run(FAULTS_NO_MEMORY, scenarios, SCENARIOS);
    end();
}

NX_TEST("system calls fail", .deadline = NX_S(60))
{
    static const int all[] = {EIO, EMFILE, ECONNRESET};
    begin();
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) faults_run(all[i], scenarios, SCENARIOS);
    end();
}
