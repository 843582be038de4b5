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
    nx_tls_connect_options tls = {.size = sizeof tls};
    const char *say = NULL, *end = NULL;
    int times = 1;
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "fresh") == 0) o.compress = NX_WS_FRESH;
        if (strcmp(argv[i], "context") == 0) o.compress = NX_WS_CONTEXT;
        if (strncmp(argv[i], "bits=", 5) == 0) o.window_bits = (uint32_t)atoi(argv[i] + 5);
        if (strncmp(argv[i], "protocols=", 10) == 0) o.protocols = argv[i] + 10;
        if (strncmp(argv[i], "headers=", 8) == 0) o.headers = argv[i] + 8;
        if (strncmp(argv[i], "version=", 8) == 0) o.version = (nx_http_version)atoi(argv[i] + 8);
        if (strncmp(argv[i], "times=", 6) == 0) times = atoi(argv[i] + 6);
        if (strcmp(argv[i], "compress-all") == 0) o.compress_min = 1;
        if (strncmp(argv[i], "ca=", 3) == 0) tls.ca = argv[i] + 3;
        if (strncmp(argv[i], "leave-at=", 9) == 0) end = argv[i] + 9;
        if (strncmp(argv[i], "say=", 4) == 0) say = argv[i] + 4;
        if (strcmp(argv[i], "impatient") == 0) o.deadline = NX_MS(300);
    }
    o.tls = &tls;
    for (int i = 0; i < times; i++) {
        nx_err err = nx_ws_connect_with(&ws, argv[1], &o);
        if (err) {
            printf("%s: %s\n", nx_err_name(err), nx_error_last()->message);
            return err;
        }
        if (say) { /* long enough for several records of TLS, then a word that closes */
            char *text = nx_alloc(100000);
            memset(text, 'x', 100000);
            NX_TRY(nx_ws_send_bytes(ws, nx_slice(text, 100000)));
            NX_TRY(nx_ws_receive(ws, &message));
            if (!nx_bytes_eq(message.data, nx_slice(text, 100000))) return 1;
            NX_TRY(nx_ws_send(ws, say));
        }
        while ((err = nx_ws_receive(ws, &message)) == NX_OK) {
            if (message.text && nx_bytes_is(message.data, "!close")) {
                nx_ws_close(ws, 4002, "so be it");
                continue;
            }
            if (message.text && nx_bytes_is(message.data, "!leave")) break;
            if (end && message.text && nx_bytes_is(message.data, end)) break;
            if (end) continue;
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
