/* WebSockets some of whose allocations and system calls fail, on either side: connections fail, the
 * server goes on, and nothing stays behind. */
#include "faults.h"

#include "loop/loop.h"
#include <errno.h>
#include <nexus/fiber.h>
#include <nexus/test.h>
#include <nexus/timer.h>
#include <nexus/websocket.h>
#include <stdio.h>
#include <string.h>

enum { LONG = 40000 };

static nx_http_server *server;
static nx_topic *topic;
static char text[LONG + 1];

/* ---- The server */

static nx_err loop(nx_request *req, nx_response *res)
{
    nx_ws *ws;
    nx_ws_message message;
    NX_TRY(nx_ws_accept(req, res, &ws, .compress = NX_WS_CONTEXT, .protocols = "a, b"));
    while (nx_ws_receive(ws, &message) == NX_OK) NX_TRY(nx_ws_send_message(ws, &message));
    return NX_OK;
}

static nx_err enter(nx_ws *ws)
{
    return nx_ws_subscribe(ws, topic, .recent = 1);
}

static nx_err say(nx_ws *ws, const nx_ws_message *message)
{
    (void)ws;
    return nx_topic_send(topic, .bytes = message->data);
}

static nx_err callbacks(nx_request *req, nx_response *res)
{
    return nx_ws_serve(req, res, .compress = NX_WS_FRESH, .open = enter, .message = say);
}

static nx_err serve(void *arg)
{
    return nx_http_listen(arg);
}

static void begin(void)
{
    nx_fiber *fiber;
    memset(text, 'x', LONG);
    topic = nx_topic_new(.replay = NX_TOPIC_NO_REPLAY);
    server = nx_http_server_new(.host = "127.0.0.1", .port = NX_HTTP_ANY_PORT);
    nx_http_get(server, "/loop", loop);
    nx_http_get(server, "/callbacks", callbacks);
    nx_require_ok(nx_spawn(&fiber, serve, server));
    while (!nx_http_port(server)) nx_require_ok(nx_sleep(NX_MS(1)));
}

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
}

/* ---- The client */

static nx_err echo(nx_ws *ws, nx_bytes wanted)
{
    nx_ws_message message;
    NX_TRY(nx_ws_send_text(ws, wanted));
    NX_TRY(nx_ws_receive(ws, &message));
    if (!nx_bytes_eq(message.data, wanted)) return nx_fail(NX_ECLOSED, "another message came back");
    return NX_OK;
}

static nx_err talk(nx_ws *ws)
{
    nx_ws_message message;
    NX_TRY(echo(ws, nx_str("hello")));
    NX_TRY(echo(ws, nx_slice(text, LONG)));
    NX_TRY(nx_ws_ping(ws, nx_str("?")));
    nx_ws_close(ws, 1000, "done");
    if (nx_ws_receive(ws, &message) != NX_ECLOSED || nx_ws_close_code(ws) != 1000)
        return nx_fail(NX_ECLOSED, "it was not closed in order");
    return NX_OK;
}

static nx_err over(const char *path, nx_ws_compress compress, nx_http_version version)
{
    nx_ws *ws = NULL;
    char url[64];
    (void)snprintf(url, sizeof url, "ws://127.0.0.1:%u%s", nx_http_port(server), path);
    nx_err err =
        nx_ws_connect(&ws, url, .compress = compress, .protocols = "b", .heartbeat = NX_FOREVER,
                      .close_deadline = NX_S(2), .version = version);
    if (!err) err = talk(ws);
    nx_ws_free(ws);
    settle();
    return err ? nx_fail(err == NX_ENOMEM ? err : NX_ECLOSED, "a connection that failed") : NX_OK;
}

static nx_err by_loop(void)
{
    return over("/loop", NX_WS_CONTEXT, NX_HTTP_1);
}

static nx_err by_callbacks(void)
{
    return over("/callbacks", NX_WS_FRESH, NX_HTTP_1);
}

static nx_err by_stream(void)
{
    return over("/loop", NX_WS_FRESH, NX_HTTP_2);
}

static const struct faults_scenario talking[] = {
    {.name = "loop", .run = by_loop, .after = faults_again, .instead = NX_ECLOSED},
    {.name = "callbacks", .run = by_callbacks, .after = faults_again, .instead = NX_ECLOSED},
    {.name = "stream", .run = by_stream, .after = faults_again, .instead = NX_ECLOSED}};
enum { COUNT = sizeof talking / sizeof *talking };

NX_TEST("one allocation fails", .deadline = NX_S(60))
{
    begin();
    faults_run(FAULTS_MEMORY, talking, COUNT);
    end();
}

NX_TEST("memory runs out", .deadline = NX_S(60))
{
    begin();
    faults_run(FAULTS_NO_MEMORY, talking, COUNT);
    end();
}

NX_TEST("system calls fail", .deadline = NX_S(60))
{
    static const int all[] = {EIO, EINTR, EMFILE, ECONNRESET};
    begin();
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) faults_run(all[i], talking, COUNT);
    end();
}
