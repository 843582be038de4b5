/* WebSockets of both forms, for ws_test.py and the conformance suite. */
#include "several.h"
#include <nexus/log.h>
#include <nexus/timer.h>
#include <nexus/websocket.h>
#include <stdio.h>
#include <stdlib.h>

/* Echoes; a few texts ask for something else. */
static nx_err answer(nx_ws *ws, const nx_ws_message *m)
{
    if (m->text && nx_bytes_is(m->data, "!close")) {
        nx_ws_close(ws, 4001, "as you wish");
        return NX_OK;
    }
    if (m->text && nx_bytes_is(m->data, "!sleep")) {
        NX_TRY(nx_ws_send(ws, "before"));
        NX_TRY(nx_sleep(NX_MS(200)));
        return nx_ws_send(ws, "after");
    }
    if (m->text && nx_bytes_is(m->data, "!nap")) {
        NX_TRY(nx_ws_send(ws, "before"));
        return nx_sleep(NX_S(600));
    }
    if (m->text && nx_bytes_is(m->data, "!fail")) return nx_fail(NX_EFAILED, "as you wish");
    if (m->text && nx_bytes_is(m->data, "!json"))
        return nx_ws_send_json(ws, nx_obj("protocol", nx_ws_protocol(ws), "n", 3));
    if (m->text && nx_bytes_is(m->data, "!ping")) return nx_ws_ping(ws, nx_str("there?"));
    if (m->text && nx_bytes_is(m->data, "!many")) {
        nx_bytes block = nx_slice(nx_alloc_zero(1, 100000), 100000);
        for (int i = 0; i < 200; i++) NX_TRY(nx_ws_send_bytes(ws, block));
        return nx_ws_send(ws, "done");
    }
    return nx_ws_send_message(ws, m);
}

static nx_err loop(nx_request *req, nx_response *res)
{
    nx_ws *ws;
    nx_ws_message message;
    NX_TRY(nx_ws_accept(req, res, &ws, .protocols = "two, one", .compress = NX_WS_CONTEXT,
                        .max_message = (size_t)16 << 20, .close_deadline = NX_S(1)));
    nx_err err;
    while ((err = nx_ws_receive(ws, &message)) == NX_OK) NX_TRY(answer(ws, &message));
    printf("loop over: %s, %u %.*s\n", nx_err_name(err), nx_ws_close_code(ws),
           NX_FMT(nx_ws_close_reason(ws)));
    return NX_OK;
}

static void left(nx_ws *ws)
{
    printf("callbacks over: %u %.*s\n", nx_ws_close_code(ws), NX_FMT(nx_ws_close_reason(ws)));
}

static nx_err callbacks(nx_request *req, nx_response *res)
{
    return nx_ws_serve(req, res, .protocols = "two, one", .compress = NX_WS_FRESH,
                       .max_message = (size_t)16 << 20, .message = answer, .close = left);
}

static nx_err greet(nx_ws *ws)
{
    return nx_ws_send(ws, "hello");
}

/* One message, and out. */
static nx_err once(nx_request *req, nx_response *res)
{
    nx_ws *ws;
    nx_ws_message message;
    NX_TRY(nx_ws_accept(req, res, &ws));
    NX_TRY(nx_ws_receive(ws, &message));
    return nx_ws_send_message(ws, &message);
}

static nx_err strict(nx_request *req, nx_response *res)
{
    return nx_ws_serve(req, res, .origins = "https://a.example, https://*.b.example", .open = greet,
                       .message = answer, .max_message = 1000);
}

static nx_err impatient(nx_request *req, nx_response *res)
{
    return nx_ws_serve(req, res, .heartbeat = NX_MS(200), .message = answer, .close = left);
}

static nx_err idle(nx_request *req, nx_response *res)
{
    return nx_ws_serve(req, res, .idle_deadline = NX_MS(300), .close_deadline = NX_MS(300),
                       .message = answer, .close = left);
}

static nx_err many(nx_ws *ws, const nx_ws_message *m)
{
    nx_bytes block = nx_slice(nx_alloc_zero(1, 100000), 100000);
    int sent = 0;
    for (; sent < 500; sent++) NX_TRY(nx_ws_send_bytes(ws, block));
    return nx_ws_send_message(ws, m);
}

static nx_err drops(nx_request *req, nx_response *res)
{
    return nx_ws_serve(req, res, .slow = NX_WS_DROP, .max_queue = 200000, .message = many);
}

static nx_err cuts(nx_request *req, nx_response *res)
{
    return nx_ws_serve(req, res, .slow = NX_WS_CUT, .max_queue = 200000, .message = many,
                       .close = left);
}

/* Listens to both topics; what it says goes to the first, "!off" leaves it. */
static nx_topic *room, *other;

static nx_err join(nx_ws *ws)
{
    NX_TRY(nx_ws_subscribe(ws, room, .recent = 2));
    NX_TRY(nx_ws_subscribe(ws, other));
    nx_err again = nx_ws_subscribe(ws, room);
    return again == NX_ESTATE ? nx_ws_send(ws, "joined") : NX_EFAILED;
}

static nx_err say(nx_ws *ws, const nx_ws_message *m)
{
    if (nx_bytes_is(m->data, "!off")) {
        nx_ws_unsubscribe(ws, room);
        return nx_ws_send(ws, "off");
    }
    if (nx_bytes_is(m->data, "!many")) {
        nx_bytes block = nx_slice(nx_alloc_zero(1, 50000), 50000);
        for (int i = 0; i < 4; i++) NX_TRY(nx_topic_send(room, .bytes = block, .binary = true));
        return nx_ws_send(ws, "sent");
    }
    if (!m->text) return nx_topic_send(room, .bytes = m->data, .binary = true);
    return nx_topic_send(room, .bytes = m->data, .event = "said");
}

static nx_err chat(nx_request *req, nx_response *res)
{
    return nx_ws_serve(req, res, .compress = NX_WS_FRESH, .open = join, .message = say,
                       .close = left);
}

static nx_err chat_context(nx_request *req, nx_response *res)
{
    return nx_ws_serve(req, res, .compress = NX_WS_CONTEXT, .slow = NX_WS_DROP, .open = join,
                       .message = say);
}

static nx_err events(nx_request *req, nx_response *res)
{
    (void)req;
    return nx_response_subscribe(res, room);
}

static nx_err post(nx_request *req, nx_response *res)
{
    nx_bytes body;
    NX_TRY(nx_request_body(req, &body));
    NX_TRY(nx_topic_send(other, .bytes = body));
    return nx_response_send(res, "");
}

static nx_err stats(nx_request *req, nx_response *res)
{
    nx_http_stats s = {.size = sizeof s};
    nx_http_stats_get(nx_request_app(req), &s);
    return nx_response_json(res, nx_obj("connections", s.connections, "tunnels", s.tunnels));
}

int main(int argc, char **argv)
{
    uint16_t port = argc > 1 ? (uint16_t)strtoul(argv[1], NULL, 10) : 3000;
    setvbuf(stdout, NULL, _IOLBF, 0);
    nx_http_server *server =
        nx_http_server_new(.port = port, .workers = several(), .drain_deadline = NX_S(3),
                           .cert = argc > 3 ? argv[2] : NULL, .key = argc > 3 ? argv[3] : NULL,
                           .h3 = argc > 3);
    nx_http_set_app(server, server);
    nx_http_get(server, "/loop", loop);
    nx_http_get(server, "/callbacks", callbacks);
    nx_http_get(server, "/once", once);
    nx_http_get(server, "/strict", strict);
    nx_http_get(server, "/impatient", impatient);
    nx_http_get(server, "/idle", idle);
    nx_http_get(server, "/drops", drops);
    nx_http_get(server, "/cuts", cuts);
    nx_http_get(server, "/stats", stats);
    nx_http_get(server, "/chat", chat);
    nx_http_get(server, "/chat/context", chat_context);
    nx_http_get(server, "/events", events);
    nx_http_post(server, "/post", post);
    room = nx_topic_new();
    other = nx_topic_new();
    nx_err err = nx_http_listen(server);
    if (err) fprintf(stderr, "%s\n", nx_error_last()->message);
    nx_http_server_free(server);
    nx_topic_free(room);
    nx_topic_free(other);
    return err;
}
