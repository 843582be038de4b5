/* A WebSocket client for ws_client_test.py and the conformance suite: echoes what it gets until the
 * server closes. Arguments: URL, and words that choose options. */
#include <nexus/websocket.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv)
{
    NX_AUTO(nx_ws) *ws = NULL;
    nx_ws_message message;
    nx_ws_options o = {.size = sizeof o, .max_message = (size_t)32 << 20};
    int times = 1;
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "fresh") == 0) o.compress = NX_WS_FRESH;
        if (strcmp(argv[i], "context") == 0) o.compress = NX_WS_CONTEXT;
        if (strncmp(argv[i], "bits=", 5) == 0) o.window_bits = (uint32_t)atoi(argv[i] + 5);
        if (strncmp(argv[i], "protocols=", 10) == 0) o.protocols = argv[i] + 10;
        if (strncmp(argv[i], "headers=", 8) == 0) o.headers = argv[i] + 8;
        if (strncmp(argv[i], "times=", 6) == 0) times = atoi(argv[i] + 6);
        if (strcmp(argv[i], "compress-all") == 0) o.compress_min = 1;
        if (strcmp(argv[i], "impatient") == 0) o.deadline = NX_MS(300);
    }
    for (int i = 0; i < times; i++) {
        nx_err err = nx_ws_connect_with(&ws, argv[1], &o);
        if (err) {
            printf("%s: %s\n", nx_err_name(err), nx_error_last()->message);
            return err;
        }
        while ((err = nx_ws_receive(ws, &message)) == NX_OK) {
            if (message.text && nx_bytes_is(message.data, "!close")) {
                nx_ws_close(ws, 4002, "so be it");
                continue;
            }
            if (message.text && nx_bytes_is(message.data, "!leave")) break;
            if (nx_ws_send_message(ws, &message)) break;
        }
        if (times == 1)
            printf("%s %u %.*s [%s]\n", nx_err_name(err), nx_ws_close_code(ws),
                   NX_FMT(nx_ws_close_reason(ws)), nx_ws_protocol(ws));
        nx_ws_free(ws);
        ws = NULL;
    }
    return 0;
}
