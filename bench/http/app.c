/* The server of the HTTP rows: GET / answers JSON that is built for each request; the port is the
 * argument. */
#include <nexus/http.h>
#include <stdio.h>
#include <stdlib.h>

static nx_err root(nx_request *req, nx_response *res)
{
    (void)req;
    return nx_response_json(res, nx_obj("message", "Hello from Nexus!"));
}

int main(int argc, char **argv)
{
    long port = argc == 2 ? strtol(argv[1], NULL, 10) : 0;
    if (port < 1 || port > 65534) {
        fprintf(stderr, "usage: app.c PORT\n");
        return NX_EUSAGE;
    }
    nx_http_server *server = nx_http_server_new(.port = (uint16_t)port);
    nx_http_route(server, "GET", "/", root);
    nx_err err = nx_http_listen(server);
    if (err) fprintf(stderr, "%s\n", nx_error_last()->message);
    return err;
}
