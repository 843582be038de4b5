/* Serving a connection that is there already. */
#include "http/attach.h"

#include "http/files/files.h"

nx_err nx__http_attach(nx_http_server *server, int fd)
{
    if (!server) return nx__error_set(NX_ENOMEM, "cannot make the HTTP server: out of memory");
    NX_TRY(nx__server_prepare(server));
    struct nx_loop *loop = nx__loop();
    if (!server->listening) {
        server->loop = loop;
        NX_TRY(nx__static_open(server));
    }
    if (server->draining || server->loop != loop)
        return nx__error_set(NX_ESTATE, "the server is stopping, or belongs to another loop");
    server->stats.accepted++;
    server->stats.connections++;
    if (nx__h1_accept(server, fd)) return NX_OK;
    server->stats.connections--;
    return nx__error_set(NX_ENOMEM, "cannot serve the connection: out of memory");
}

void nx__http_detach(nx_http_server *server)
{
    if (server->listening || server->stats.connections) return;
    nx__timer_clear(&server->loop->timers, &server->sweep_timer);
    nx__server_release(server);
}
