/* HTTP/3, both ends of it, while allocations and system calls fail: a server starts or says why it
 * has not, requests come through or say the same, the next ones do, and nothing is left. */
#include "faults.h"
#include "valgrind.h"

#include "http/client/client.h"
#include "loop/loop.h"
#include "loop/uring.h"
#include "tls/issue.h"
#include <errno.h>
#include <nexus/events.h>
#include <nexus/fetch.h>
#include <nexus/fiber.h>
#include <nexus/http.h>
#include <nexus/test.h>
#include <nexus/timer.h>
#include <nexus/websocket.h>
#include <stdio.h>

#define DEADLINE NX_S(5) /* of all that a missing block may hold up */

static struct nx__buffer cert, key;
static nx_http_server *server;
static const char *origin;
static nx_err (*asks)(void);
static nx_duration patience; /* of the client, which the server may have no memory to answer */

/* ---- The server: of a round, so that at its end nothing of its connections is left, which those
 * that have closed else are for a while (RFC 9000 10.2) */

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

static nx_err echo(nx_request *req, nx_response *res)
{
    nx_bytes body;
    NX_TRY(nx_request_body(req, &body));
    NX_TRY(nx_response_early_hint(res, "</style.css>; rel=preload"));
    return nx_response_send_bytes(res, body);
}

static nx_err chat(nx_request *req, nx_response *res)
{
    nx_ws *ws;
    nx_ws_message message;
    NX_TRY(nx_ws_accept(req, res, &ws, .close_deadline = DEADLINE));
    while (nx_ws_receive(ws, &message) == NX_OK) NX_TRY(nx_ws_send_message(ws, &message));
    return NX_OK;
}

static nx_err ticks(nx_request *req, nx_response *res)
{
    (void)req;
    for (;;) {
        NX_TRY(nx_response_event(res, .data = "tick"));
        NX_TRY(nx_sleep(NX_MS(1)));
    }
}

struct serving {
    bool over;
    nx_err err;
};

static nx_err serve(void *arg)
{
    struct serving *serving = arg;
    serving->err = nx_http_listen(server);
    serving->over = true;
    return serving->err;
}

static void pause_briefly(void)
{
    if (nx_sleep(NX_US(100))) NX_IGNORE(nx_yield()); /* which needs no memory */
}

/* ---- The client */

static nx_err same(nx_fetched *res, const char *wanted)
{
    nx_bytes body;
    NX_TRY(nx_fetched_body(res, &body));
    if (nx_fetched_status(res) != 200)
        return nx_fail(NX_ECLOSED, "status %d", nx_fetched_status(res));
    return nx_bytes_is(body, wanted) ? NX_OK : nx_fail(NX_ECLOSED, "not what was sent");
}

static nx_err ask_all(nx_client *client)
{
    nx_fetched *res;
    NX_TRY(nx_fetch(&res, nx_format("%s/echo", origin), .client = client, .version = NX_HTTP_3,
                    .text = "hello", .connect_deadline = patience, .head_deadline = patience,
                    .idle_deadline = patience));
    NX_TRY(same(res, "hello"));
    NX_TRY(nx_fetch(&res, nx_format("%s/talk", origin), .client = client, .version = NX_HTTP_3,
                    .source = nx_memory_reader(nx_str("streamed")), .head_deadline = patience,
                    .idle_deadline = patience));
    NX_TRY(same(res, "streamed"));
    if (!nx_bytes_is(nx_fetched_trailer(res, "x-end"), "yes"))
        return nx_fail(NX_ECLOSED, "no trailer came");
    /* One that is given up in the middle. */
    nx_bytes piece;
    NX_TRY(nx_fetch(&res, nx_format("%s/ticks", origin), .client = client, .version = NX_HTTP_3,
                    .head_deadline = NX_S(2), .idle_deadline = NX_S(2)));
    nx_err err = nx_fetched_read(res, &piece);
    nx_fetched_close(res);
    return err;
}

static nx_err chat_with(nx_ws *ws)
{
    nx_ws_message message;
    NX_TRY(nx_ws_send(ws, "hello"));
    NX_TRY(nx_ws_receive(ws, &message));
    return nx_bytes_is(message.data, "hello") ? NX_OK : nx_fail(NX_ECLOSED, "not what was sent");
}

static nx_err talk_all(void)
{
    const nx_tls_connect_options tls = {
        .size = sizeof tls, .insecure = true, .no_resumption = true};
    nx_ws *ws;
    NX_TRY(nx_ws_connect(&ws, nx_format("wss://127.0.0.1:%u/chat", nx_http_port(server)),
                         .version = NX_HTTP_3, .tls = &tls, .deadline = patience,
                         .heartbeat = NX_FOREVER));
    nx_err err = chat_with(ws);
    nx_ws_free(ws);
    return err;
}

/* Sessions are not kept, which would be blocks that stay. */
static nx_err ask(void)
{
    nx_client *client = NULL;
    NX_TRY(nx_client_new(&client, .insecure = true, .proxy = ""));
    client->tls.no_resumption = true;
    nx_err err = ask_all(client);
    nx_client_free(client);
    return err;
}

static nx_err ask_apart(void)
{
    nx_scope *scope;
    NX_TRY(nx_scope_open(&scope, .deadline = NX_S(20)));
    nx_err err = asks(), closed = nx_scope_close(&scope);
    return err ? err : closed;
}

/* ---- A round */

static nx_err in_scope(void)
{
    struct serving serving = {.over = false};
    nx_fiber *fiber;
    NX_TRY(nx_spawn(&fiber, serve, &serving));
    while (!serving.over && !nx_http_port(server)) pause_briefly();
    origin = nx_format("https://127.0.0.1:%u", nx_http_port(server));
    nx_err err = serving.over ? NX_OK : ask_apart();
    while (!serving.over) {
        nx_http_stop(server);
        pause_briefly();
    }
    return serving.err ? serving.err : err;
}

static nx_err requests(void)
{
    nx_scope *scope;
    server = nx_http_server_new(.host = "127.0.0.1", .port = NX_HTTP_ANY_PORT, .cert = cert.data,
                                .key = key.data, .h3 = true, .idle_deadline = DEADLINE,
                                .head_deadline = DEADLINE, .write_deadline = DEADLINE);
    if (!server) return nx_fail(NX_ENOMEM, "there is no server");
    nx_http_post(server, "/echo", echo);
    nx_http_post(server, "/talk", talk);
    nx_http_get(server, "/ticks", ticks);
    nx_http_get(server, "/chat", chat);
    nx_err err = nx_scope_open(&scope);
    if (!err) {
        err = in_scope();
        nx_err closed = nx_scope_close(&scope);
        if (!err) err = closed;
    }
    nx_http_server_free(server);
    if (!err) return NX_OK;
    char why[NX__ERROR_MESSAGE_MAX];
    (void)snprintf(why, sizeof why, "%s", nx_error_last()->message);
    return nx_fail(err == NX_ENOMEM ? err : NX_ECLOSED, "%s", why);
}

static struct faults_scenario scenario = {
    .name = "requests", .run = requests, .after = faults_again, .instead = NX_ECLOSED};

/* A handshake takes valgrind a second, and there are hundreds of rounds. */
static unsigned long coarser(void)
{
    return under_valgrind() ? 13 : 1;
}

static void begin(nx_err (*what)(void))
{
    static const char *const names[] = {"127.0.0.1"};
    asks = what;
    scenario.step = coarser();
    patience = NX_S(10);
    nx__uring_refused = true; /* so that functions are called */
    nx_require_ok(nx__tls_issue(
        &(struct nx__tls_issue){.common = "localhost", .names = names, .count = 1, .days = 2},
        &cert, &key));
}

static void end(void)
{
    nx__buffer_free(&cert);
    nx__buffer_free(&key);
}

/* Not for each: what the server can't answer for is waited for. */
static void some_rounds(int what, unsigned long step, nx_duration waits)
{
    const char *failed = "";
    nx_require_ok(requests()); /* what is made at first use is there */
    for (unsigned long nth = 1; failed; nth += step * coarser()) {
        patience = waits;
        faults_begin(what, nth);
        nx_err err = requests();
        failed = faults_stop();
        nx_expect(failed ? err == NX_OK || err == NX_ENOMEM || err == NX_ECLOSED : !err);
        patience = NX_S(10);
        nx_require_ok(requests());
    }
}

NX_TEST("one allocation fails", .deadline = NX_S(1000))
{
    begin(ask);
    faults_run(FAULTS_MEMORY, &scenario, 1);
    end();
}

NX_TEST("memory runs out", .deadline = NX_S(1000))
{
    begin(ask);
    some_rounds(FAULTS_NO_MEMORY, 29, NX_MS(500));
    end();
}

NX_TEST("system calls fail", .deadline = NX_S(1000))
{
    static const int all[] = {EIO, EMFILE, ECONNREFUSED};
    begin(ask);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) faults_run(all[i], &scenario, 1);
    end();
}

NX_TEST("a WebSocket's allocations fail", .deadline = NX_S(1000))
{
    begin(talk_all);
    some_rounds(FAULTS_MEMORY, 5, NX_S(10));
    end();
}

NX_TEST("a WebSocket's system calls fail", .deadline = NX_S(1000))
{
    begin(talk_all);
    some_rounds(EIO, 1, NX_S(10));
    end();
}
