/* A server with TLS for tests/e2e/tls_test.py: PORT CERT KEY [OTHER_CERT OTHER_KEY]
 * [--client-ca=FILE]
 * [--optional] [--least=1.3] [--key-log=FILE] [--handshake-ms=N] [--workers=N] */
#include <nexus.h>
#include <stdlib.h>
#include <string.h>

static nx_err hello(nx_request *req, nx_response *res)
{
    const nx_tls_info *tls = nx_request_tls(req);
    if (!tls) return nx_response_send(res, "plain");
    return nx_response_json(
        res, nx_obj("version", tls->version == NX_TLS_1_3 ? "1.3" : "1.2", "cipher", tls->cipher,
                    "group", tls->group, "protocol", tls->protocol, "name", tls->name, "subject",
                    tls->peer_subject, "sha256", tls->peer_sha256, "resumed", (bool)tls->resumed,
                    "scheme", nx_request_scheme(req), "http", "1.1"));
}

static nx_err echo(nx_request *req, nx_response *res)
{
    nx_bytes body;
    NX_TRY(nx_request_body(req, &body));
    return nx_response_send_bytes(res, body);
}

static nx_err pieces(nx_request *req, nx_response *res)
{
    static char block[40000];
    (void)req;
    memset(block, 'x', sizeof block);
    for (int i = 0; i < 100; i++) NX_TRY(nx_response_write(res, nx_slice(block, sizeof block)));
    return nx_response_end(res);
}

static nx_err upload(nx_request *req, nx_response *res)
{
    uint64_t sum = 0, count = 0;
    for (;;) {
        nx_bytes piece;
        NX_TRY(nx_request_read(req, &piece));
        if (!piece.len) break;
        for (size_t i = 0; i < piece.len; i++) sum += (unsigned char)piece.data[i];
        count += piece.len;
    }
    return nx_response_json(res, nx_obj("bytes", (int64_t)count, "sum", (int64_t)sum));
}

static nx_err ticks(nx_request *req, nx_response *res)
{
    (void)req;
    for (int i = 0; i < 3; i++) {
        NX_TRY(nx_response_event(res, .data = "tick"));
        NX_TRY(nx_sleep(NX_MS(20)));
    }
    return nx_response_end(res);
}

static nx_err reload(nx_request *req, nx_response *res)
{
    NX_TRY(nx_http_tls_reload(nx_request_app(req)));
    return nx_response_send(res, "read again");
}

static const char *option(int argc, char **argv, const char *name)
{
    size_t len = strlen(name);
    for (int i = 1; i < argc; i++)
        if (strncmp(argv[i], name, len) == 0) return argv[i] + len;
    return NULL;
}

int main(int argc, char **argv)
{
    const char *ms = option(argc, argv, "--handshake-ms="), *least = option(argc, argv, "--least="),
               *workers = option(argc, argv, "--workers="), *files = option(argc, argv, "--files=");
    nx_http_server *server =
        nx_http_server_new(.port = (uint16_t)atoi(argv[1]), .max_body = 64 << 20,
                           .handshake_deadline = ms ? NX_MS(atoi(ms)) : 0,
                           .workers = workers ? (uint32_t)atoi(workers) : 1);
    nx_http_tls(
        server, .cert = argv[2], .key = argv[3], .client_ca = option(argc, argv, "--client-ca="),
        .client_optional = option(argc, argv, "--optional") != NULL,
        .least = least ? NX_TLS_1_3 : NX_TLS_1_2, .key_log = option(argc, argv, "--key-log="));
    if (argc > 5 && argv[4][0] != '-') nx_http_tls(server, .cert = argv[4], .key = argv[5]);
    nx_http_set_app(server, server);
    nx_http_get(server, "/", hello);
    nx_http_post(server, "/echo", echo);
    nx_http_post(server, "/upload", upload);
    nx_http_get(server, "/pieces", pieces);
    nx_http_get(server, "/ticks", ticks);
    nx_http_post(server, "/reload", reload);
    if (files) nx_http_static(server, "/files", files);
    nx_err err = nx_http_listen(server);
    if (err) nx_eprintln("%s", nx_error_last()->message);
    nx_http_server_free(server);
    return err;
}
