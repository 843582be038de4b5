/* What the HTTP/1.1 conformance table is run against: it answers every method and path with 200,
 * and /status/N with N. argv[1] is the port. */
#include <nexus/http.h>
#include <stdio.h>
#include <stdlib.h>

static nx_err answer(nx_request *req, nx_response *res)
{
    nx_bytes body, code = nx_request_param(req, "code");
    NX_TRY(nx_request_body(req, &body));
    if (code.data) nx_response_status(res, (int)strtol(code.data, NULL, 10));
    return nx_response_send(res, nx_format("%.*s %.*s %zu\n", NX_FMT(nx_request_method(req)),
                                           NX_FMT(nx_request_path(req)), body.len));
}

int main(int argc, char **argv)
{
    NX_AUTO(nx_http_server) *server =
        nx_http_server_new(.port = (uint16_t)strtol(argc > 1 ? argv[1] : "3000", NULL, 10));
    nx_http_route(server, "*", "/*path", answer);
    nx_http_route(server, "*", "/status/:code", answer);
    nx_err err = nx_http_listen(server);
    if (err) fprintf(stderr, "http1.c: %s\n", nx_error_last()->message);
    return err;
}
