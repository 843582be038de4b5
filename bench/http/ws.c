/* The server of the WebSocket rows: echoes by callbacks and in a loop, and a topic. */
#include <nexus/websocket.h>
#include <stdlib.h>

static nx_topic *topic;

static nx_err echo(nx_ws *ws, const nx_ws_message *message)
{
    return nx_ws_send_message(ws, message);
}

static nx_err callbacks(nx_request *req, nx_response *res)
{
    return nx_ws_serve(req, res, .message = echo);
}

static nx_err loop(nx_request *req, nx_response *res)
{
    nx_ws *ws;
    nx_ws_message message;
    NX_TRY(nx_ws_accept(req, res, &ws));
    while (nx_ws_receive(ws, &message) == NX_OK) NX_TRY(nx_ws_send_message(ws, &message));
    return NX_OK;
}

static nx_err enter(nx_ws *ws)
{
    return nx_ws_subscribe(ws, topic);
}

static nx_err say(nx_ws *ws, const nx_ws_message *message)
{
    (void)ws;
    return nx_topic_send(topic, .bytes = message->data);
}

static nx_err publish(nx_request *req, nx_response *res)
{
    return nx_ws_serve(req, res, .open = enter, .message = say);
}

static nx_err plain(nx_request *req, nx_response *res)
{
    (void)req;
    return nx_response_send(res, "hello");
}

int main(int argc, char **argv)
{
    nx_http_server *server =
        nx_http_server_new(.port = argc > 1 ? (uint16_t)strtoul(argv[1], NULL, 10) : 3000);
    topic = nx_topic_new();
    nx_http_get(server, "/", plain);
    nx_http_get(server, "/callbacks", callbacks);
    nx_http_get(server, "/loop", loop);
    nx_http_get(server, "/publish", publish);
    nx_err err = nx_http_listen(server);
    nx_http_server_free(server);
    nx_topic_free(topic);
    return err;
}
