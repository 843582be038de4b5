/* HTTPS: app.c [PORT] [CERTIFICATE KEY]. Says what the connection has come to. Who has a
 * certificate of one of the authorities in CLIENT_CA is greeted by name.
 *
 *     nexus cert
 *     nexus run --allow-net=127.0.0.1:3443 --allow-read=. app.c
 *     curl --cacert ~/.local/share/nexus/authority.crt https://localhost:3443/
 */
#include <nexus/http.h>
#include <stdio.h>
#include <stdlib.h>

static nx_err hello(nx_request *req, nx_response *res)
{
    const nx_tls_info *tls = nx_request_tls(req);
    if (!tls) return NX_ENOMEM;
    return nx_response_json(res,
                            nx_obj("version", tls->version == NX_TLS_1_3 ? "TLS 1.3" : "TLS 1.2",
                                   "cipher", tls->cipher, "group", tls->group, "name", tls->name,
                                   "resumed", (bool)tls->resumed, "you", tls->peer_subject));
}

int main(int argc, char **argv)
{
    const char *cert = argc > 2 ? argv[2] : "localhost.crt",
               *key = argc > 3 ? argv[3] : "localhost.key";
    long port = argc > 1 ? strtol(argv[1], NULL, 10) : 3443;
    if (port < 1 || port > 65534) {
        fprintf(stderr, "usage: app.c [PORT] [CERTIFICATE KEY [CLIENT_CA]]\n");
        return NX_EUSAGE;
    }
    NX_AUTO(nx_http_server) *server = nx_http_server_new(.port = (uint16_t)port);
    nx_http_tls(server, .cert = cert, .key = key, .client_ca = argc > 4 ? argv[4] : NULL,
                .client_optional = true);
    nx_http_route(server, "GET", "/", hello);
    nx_err err = nx_http_listen(server);
    if (err) fprintf(stderr, "%s\n", nx_error_last()->message);
    return err;
}
