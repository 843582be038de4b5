/* Echoes, for websocket_test.py, which plays Autobahn's cases against it: as a server in both
 * forms, and as a client that connects again and again until it is no longer answered. */
#include <nexus/websocket.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 32 << 20 };

static nx_err loop(nx_request *req, nx_response *res)
{
    nx_ws *ws;
    nx_ws_message message;
    NX_TRY(nx_ws_accept(req, res, &ws, .compress = NX_WS_CONTEXT, .compress_min = 1,
                        .max_message = MOST));
    while (nx_ws_receive(ws, &message) == NX_OK) NX_TRY(nx_ws_send_message(ws, &message));
    return NX_OK;
}

static nx_err echo(nx_ws *ws, const nx_ws_message *message)
{
    return nx_ws_send_message(ws, message);
}

static nx_err callbacks(nx_request *req, nx_response *res)
{
    return nx_ws_serve(req, res, .compress = NX_WS_FRESH, .compress_min = 1, .max_message = MOST,
                       .message = echo);
}

static nx_err client(const char *url, nx_ws_compress compress)
{
    for (;;) {
        NX_AUTO(nx_ws) *ws = NULL;
        nx_ws_message message;
        nx_err err =
            nx_ws_connect(&ws, url, .compress = compress, .compress_min = 1, .max_message = MOST);
        if (err == NX_EREFUSED || err == NX_ERESET || err == NX_EPROTO) return NX_OK;
        NX_TRY(err);
        while (nx_ws_receive(ws, &message) == NX_OK) NX_TRY(nx_ws_send_message(ws, &message));
    }
}

int main(int argc, char **argv)
{
    if (argc > 2)
        return client(argv[1], strcmp(argv[2], "context") == 0 ? NX_WS_CONTEXT
                               : strcmp(argv[2], "fresh") == 0 ? NX_WS_FRESH
                                                               : (nx_ws_compress)0);
    nx_http_server *server =
        nx_http_server_new(.port = argc > 1 ? (uint16_t)strtoul(argv[1], NULL, 10) : 3000);
    nx_http_get(server, "/loop", loop);
    nx_http_get(server, "/callbacks", callbacks);
    nx_err err = nx_http_listen(server);
    nx_http_server_free(server);
    return err;
}
