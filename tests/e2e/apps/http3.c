/* What HTTP/3 is tried with. Arguments: port, certificate, key, and options: "retry", "early",
 * "qlog=DIRECTORY", "workers=N", "handler-ms=N". */
#include <nexus.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static nx_topic *topic;
static nx_http_server *server;
static int posts; /* by one worker */

static nx_err root(nx_request *req, nx_response *res)
{
    (void)req;
    return nx_response_json(res, nx_obj("message", "Hello"));
}

static nx_err about(nx_request *req, nx_response *res)
{
    char count[24];
    (void)snprintf(count, sizeof count, "%zu", nx_request_header_count(req));
    nx_response_header(res, "X-Count", count);
    return nx_response_json(res, nx_obj("cookie", nx_request_header(req, "cookie"), "host",
                                        nx_request_host(req), "peer", nx_request_peer(req), "path",
                                        nx_request_path(req), "query", nx_request_query(req)));
}

static nx_err echo(nx_request *req, nx_response *res)
{
    nx_bytes body;
    NX_TRY(nx_request_body(req, &body));
    posts++;
    return nx_response_send_bytes(res, body);
}

static nx_err through(nx_request *req, nx_response *res)
{
    for (nx_bytes chunk;;) {
        NX_TRY(nx_request_read(req, &chunk));
        if (!chunk.len) break;
        NX_TRY(nx_response_write(res, chunk));
    }
    char text[32];
    nx_bytes sum = nx_request_trailer(req, "x-sum");
    (void)snprintf(text, sizeof text, "%.*s", (int)(sum.len < 31 ? sum.len : 31),
                   sum.data ? sum.data : "");
    nx_response_trailer(res, "X-Sum", sum.len ? text : "none");
    return NX_OK;
}

static nx_err held(nx_request *req, nx_response *res)
{
    nx_bytes body;
    NX_TRY(nx_sleep(NX_S(3))); /* the peer is held back meanwhile */
    NX_TRY(nx_request_body(req, &body));
    return nx_response_json(res, nx_obj("length", (int64_t)body.len));
}

static nx_err big(nx_request *req, nx_response *res)
{
    size_t len = (size_t)nx_request_query_int(req, "n", 1000000);
    char *bytes = nx_alloc(len);
    if (!bytes) return NX_ENOMEM;
    for (size_t i = 0; i < len; i++) bytes[i] = (char)(i * 7 + i / 251);
    return nx_response_send_bytes(res, nx_slice(bytes, len));
}

static nx_err slow(nx_request *req, nx_response *res)
{
    NX_TRY(nx_sleep(NX_MS(nx_request_query_int(req, "ms", 300))));
    return nx_response_send(res, "slow");
}

static nx_err hints(nx_request *req, nx_response *res)
{
    (void)req;
    NX_TRY(nx_response_early_hint(res, "</style.css>; rel=preload; as=style"));
    NX_TRY(nx_sleep(NX_MS(20)));
    return nx_response_send(res, "page");
}

static nx_err fails(nx_request *req, nx_response *res)
{
    (void)req;
    NX_TRY(nx_response_write(res, nx_str("a part")));
    return nx_fail(NX_EFAILED, "in the middle");
}

static nx_err events(nx_request *req, nx_response *res)
{
    (void)req;
    for (int i = 0; i < 3; i++) {
        NX_TRY(nx_response_event(res, .data = "tick"));
        NX_TRY(nx_sleep(NX_MS(20)));
    }
    return NX_OK;
}

static nx_err subscribe(nx_request *req, nx_response *res)
{
    (void)req;
    return nx_response_subscribe(res, topic);
}

/* Its handler goes on for a while, as a stream of events already. */
static nx_err subscribe_late(nx_request *req, nx_response *res)
{
    (void)req;
    NX_TRY(nx_response_subscribe(res, topic));
    return nx_sleep(NX_MS(300));
}

static nx_err publish(nx_request *req, nx_response *res)
{
    (void)req;
    NX_TRY(nx_topic_send(topic, .data = "news"));
    return nx_response_send(res, "sent");
}

static nx_err socket_echo(nx_ws *ws, const nx_ws_message *message)
{
    if (nx_bytes_is(message->data, "!close")) nx_ws_close(ws, 4001, "as you wish");
    return nx_bytes_is(message->data, "!close") ? NX_OK : nx_ws_send_message(ws, message);
}

static nx_err socket_served(nx_request *req, nx_response *res)
{
    return nx_ws_serve(req, res, .message = socket_echo, .max_message = 1 << 20);
}

static nx_err socket_loop(nx_request *req, nx_response *res)
{
    nx_ws *ws;
    nx_ws_message message;
    NX_TRY(nx_ws_accept(req, res, &ws, .max_message = 1 << 20));
    while (nx_ws_receive(ws, &message) == NX_OK) NX_TRY(socket_echo(ws, &message));
    return NX_OK;
}

static nx_err stats(nx_request *req, nx_response *res)
{
    nx_http_stats s = {.size = sizeof s};
    (void)req;
    nx_http_stats_get(server, &s);
    return nx_response_json(res, nx_obj("requests", (int64_t)s.requests, "connections",
                                        (int64_t)s.connections, "timed_out", (int64_t)s.timed_out,
                                        "streams", (int64_t)s.streams, "tunnels",
                                        (int64_t)s.tunnels, "posts", posts));
}

int main(int argc, char **argv)
{
    nx_http_server_options options = {.size = sizeof options,
                                      .port = (uint16_t)atoi(argv[1]),
                                      .cert = argv[2],
                                      .key = argv[3],
                                      .h3 = true,
                                      .max_body = 8 << 20,
                                      .head_deadline = NX_S(2),
                                      .write_deadline = NX_S(3)};
    const char *files = NULL;
    for (int i = 4; i < argc; i++) {
        if (strcmp(argv[i], "retry") == 0) options.h3_retry = true;
        if (strcmp(argv[i], "early") == 0) options.h3_early = true;
        if (strncmp(argv[i], "qlog=", 5) == 0) options.h3_qlog = argv[i] + 5;
        if (strncmp(argv[i], "workers=", 8) == 0) options.workers = (uint32_t)atoi(argv[i] + 8);
        if (strncmp(argv[i], "head-ms=", 8) == 0) options.head_deadline = NX_MS(atoi(argv[i] + 8));
        if (strncmp(argv[i], "write-ms=", 9) == 0)
            options.write_deadline = NX_MS(atoi(argv[i] + 9));
        if (strncmp(argv[i], "drain-ms=", 9) == 0)
            options.drain_deadline = NX_MS(atoi(argv[i] + 9));
        if (strncmp(argv[i], "handler-ms=", 11) == 0)
            options.handler_deadline = NX_MS(atoi(argv[i] + 11));
        if (strncmp(argv[i], "files=", 6) == 0) files = argv[i] + 6;
        if (strncmp(argv[i], "connections=", 12) == 0)
            options.max_connections = (uint32_t)atoi(argv[i] + 12);
    }
    topic = nx_topic_new();
    server = nx_http_server_new_with(&options);
    nx_http_get(server, "/", root);
    nx_http_get(server, "/about", about);
    nx_http_post(server, "/echo", echo);
    nx_http_post(server, "/through", through);
    nx_http_post(server, "/held", held);
    nx_http_get(server, "/big", big);
    nx_http_get(server, "/slow", slow);
    nx_http_get(server, "/fails", fails);
    nx_http_get(server, "/hints", hints);
    nx_http_get(server, "/events", events);
    nx_http_get(server, "/subscribe", subscribe);
    nx_http_get(server, "/subscribe-late", subscribe_late);
    nx_http_get(server, "/publish", publish);
    nx_http_get(server, "/stats", stats);
    nx_http_get(server, "/served", socket_served);
    nx_http_get(server, "/loop", socket_loop);
    if (files) nx_http_static(server, "/files", files);
    nx_err err = nx_http_listen(server);
    nx_http_server_free(server);
    nx_topic_free(topic);
    return err;
}
