/* The server of the TLS rows: GET / answers JSON, /protocol what is spoken, and files are below
 * /files; PORT CERT KEY FOLDER, and h3 for HTTP/3 too. */
#include <nexus/http.h>
#include <nexus/static.h>
#include <stdio.h>
#include <stdlib.h>

static nx_err root(nx_request *req, nx_response *res)
{
    (void)req;
    return nx_response_json(res, nx_obj("message", "Hello from Nexus!"));
}

/* What was agreed on (ALPN). */
static nx_err protocol(nx_request *req, nx_response *res)
{
    return nx_response_send(res, nx_request_tls(req)->protocol);
}

int main(int argc, char **argv)
{
    long port = argc > 4 ? strtol(argv[1], NULL, 10) : 0;
    if (port < 1 || port > 65534) {
        fprintf(stderr, "usage: tls.c PORT CERT KEY FOLDER [h3]\n");
        return NX_EUSAGE;
    }
    nx_http_server *server =
        nx_http_server_new(.port = (uint16_t)port, .cert = argv[2], .key = argv[3], .h3 = argc > 5);
    nx_http_route(server, "GET", "/", root);
    nx_http_route(server, "GET", "/protocol", protocol);
    nx_http_static(server, "/files", argv[4]);
    nx_err err = nx_http_listen(server);
    if (err) fprintf(stderr, "%s\n", nx_error_last()->message);
    return err;
}
