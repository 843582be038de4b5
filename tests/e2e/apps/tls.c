/* TLS without HTTP, for tests/e2e/tls_test.py:
 *   connect ADDRESS [--ca=FILE] [--name=NAME] [--cert=FILE --key=FILE] [--protocols=LIST] [--twice]
 *           [--insecure] [--1.3]: says what the handshake has come to, then sends a line and prints
 *           what comes until the end
 *   serve PORT CERT KEY: sends back what comes */
#include <nexus.h>
#include <stdio.h>
#include <string.h>

static const char *option(int argc, char **argv, const char *name)
{
    size_t len = strlen(name);
    for (int i = 1; i < argc; i++)
        if (strncmp(argv[i], name, len) == 0) return argv[i] + len;
    return NULL;
}

static nx_err connect_once(int argc, char **argv)
{
    NX_AUTO(nx_tls) *tls = NULL;
    nx_bytes all;
    NX_TRY(nx_tls_connect(
        &tls, argv[2], .ca = option(argc, argv, "--ca="), .name = option(argc, argv, "--name="),
        .cert = option(argc, argv, "--cert="), .key = option(argc, argv, "--key="),
        .protocols = option(argc, argv, "--protocols="), .deadline = NX_S(5),
        .least = option(argc, argv, "--1.3") ? NX_TLS_1_3 : NX_TLS_1_2, .read_deadline = NX_S(10),
        .insecure = option(argc, argv, "--insecure") != NULL));
    const nx_tls_info *info = nx_tls_info_of(tls);
    nx_println("version=%s protocol=%s resumed=%d subject=%s group=%s",
               info->version == NX_TLS_1_3 ? "1.3" : "1.2", info->protocol, info->resumed,
               info->peer_subject, info->group);
    NX_TRY(nx_stream_write(nx_tls_stream(tls), nx_str("hello\n")));
    NX_TRY(nx_stream_read_all(nx_tls_stream(tls), 1 << 20, &all));
    nx_println("got %zu bytes: %.*s", all.len, NX_FMT(all));
    return NX_OK;
}

static nx_err echo(nx_conn *conn, void *server)
{
    NX_AUTO(nx_tls) *tls = NULL;
    nx_stream *source, *sink;
    NX_TRY(nx_tls_accept(&tls, conn, server));
    NX_TRY(nx_stream_split(nx_tls_stream(tls), &source, &sink));
    return nx_pipe(source, sink);
}

static nx_err serve(char **argv)
{
    NX_AUTO(nx_tls_server) *server = NULL;
    NX_AUTO(nx_listener) *listener = NULL;
    char address[64];
    (void)snprintf(address, sizeof address, "127.0.0.1:%s", argv[2]);
    NX_TRY(nx_tls_server_new(&server, .cert = argv[3], .key = argv[4]));
    NX_TRY(nx_net_listen(&listener, address));
    return nx_net_serve(listener, echo, server);
}

int main(int argc, char **argv)
{
    nx_err err = NX_OK;
    if (argc > 4 && strcmp(argv[1], "serve") == 0) {
        err = serve(argv);
    } else {
        err = connect_once(argc, argv);
        if (!err && option(argc, argv, "--twice")) err = connect_once(argc, argv);
    }
    if (err) nx_println("%s: %s", nx_err_name(err), nx_error_last()->message);
    return err;
}
