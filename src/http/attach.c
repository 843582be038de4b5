/* Serving a connection that is there already. */
#include "http/attach.h"

#include "http/files/files.h"
#include "http/io.h"

nx_err nx__http_attach(nx_http_server *server, int fd)
{
    if (!server) return nx__error_set(NX_ENOMEM, "cannot make the HTTP server: out of memory");
    NX_TRY(nx__server_prepare(server));
    struct nx_loop *loop = nx__loop();
    if (!server->listening) {
        server->loop = loop;
        NX_TRY(nx__static_open(server));
        NX_TRY(nx__worker_begin(server));
    }
    if (server->draining || server->loop != loop)
        return nx__error_set(NX_ESTATE, "the server is stopping, or belongs to another loop");
    nx__count(&server->stats.accepted, 1);
    nx__count(&server->stats.connections, 1);
    if (nx__h1_accept(server, (struct nx__http_io){.fd = fd}, NULL)) return NX_OK;
    nx__count(&server->stats.connections, -1);
    return nx__error_set(NX_ENOMEM, "cannot serve the connection: out of memory");
}

void nx__http_detach(nx_http_server *server)
{
    if (server->listening || server->stats.connections) return;
    nx__timer_clear(&server->loop->timers, &server->sweep_timer);
    nx__static_close(server);
    nx__server_release(server);
}
