/* A service: HOST PORT [block|processes|threads]; "-" for HOST serves nothing, and says by itself
 * that it is ready. */
#include <nexus.h>
#include <stdlib.h>
#include <unistd.h>

static nx_err hello(nx_request *req, nx_response *res)
{
    (void)req;
    return nx_response_send(res, "served");
}

/* Blocks the loop for good. */
static nx_err block(nx_request *req, nx_response *res)
{
    (void)req;
    (void)res;
    for (;;) (void)pause();
}

int main(int argc, char **argv)
{
    const char *how = argc > 3 ? argv[3] : "";
    nx_notify_status("starting\nREADY=1");
    if (getenv("NOTIFY_SOCKET") || getenv("LISTEN_FDS")) return 91;
    if (!strcmp(argv[1], "-")) {
        nx_notify_ready();
        return nx_sleep(NX_FOREVER);
    }
    nx_http_server *server = nx_http_server_new(.host = argv[1], .port = (uint16_t)atoi(argv[2]),
                                                .workers = *how && *how != 'b' ? 2 : 0,
                                                .worker_processes = !strcmp(how, "processes"));
    nx_http_get(server, "/", hello);
    nx_http_get(server, "/block", block);
    nx_err err = nx_http_listen(server);
    nx_http_server_free(server);
    return err;
}
