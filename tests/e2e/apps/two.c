/* Two servers on one loop: DELETE on the first stops it, the second goes on. argv: their ports. */
#include <nexus.h>
#include <stdio.h>
#include <stdlib.h>

static nx_err hello(nx_request *req, nx_response *res)
{
    (void)req;
    return nx_response_send(res, "hello");
}

static nx_err stop(nx_request *req, nx_response *res)
{
    nx_http_stop(nx_request_app(req));
    return nx_response_send(res, "stopping");
}

static nx_err listen_on(void *arg)
{
    return nx_http_listen(arg);
}

int main(int argc, char **argv)
{
    nx_http_server *servers[2];
    nx_fiber *fibers[2];
    if (argc < 3) return NX_EUSAGE;
    for (int i = 0; i < 2; i++) {
        servers[i] = nx_http_server_new(.port = (uint16_t)strtol(argv[i + 1], NULL, 10));
        nx_http_set_app(servers[i], servers[i]);
        nx_http_route(servers[i], "GET", "/", hello);
        nx_http_route(servers[i], "DELETE", "/", stop);
        NX_TRY(nx_spawn(&fibers[i], listen_on, servers[i], .name = "listen"));
    }
    for (int i = 0; i < 2; i++) {
        nx_err err = nx_join(fibers[i]);
        nx_http_server_free(servers[i]);
        if (err) return err;
    }
    return NX_OK;
}
