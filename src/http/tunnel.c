/* Tunnels: what all drivers have in common. */
#include "http/tunnel.h"

#include "http/coding/coding.h"

nx_err nx__tunnel_open(nx_response *res, struct nx__tunnel *tunnel, const char *protocol)
{
    NX_TRY(nx__response_ready(res));
    if (res->req->server->coding) res->req->server->coding->end(res->req);
    const struct nx__http_driver *driver = res->req->driver;
    if (!driver->tunnel)
        return nx_http_error(501, "%.*s can't change to %s here",
                             NX_FMT(driver->protocol(res->req)), protocol);
    return driver->tunnel(res, tunnel, protocol);
}

nx_bytes nx__tunnel_asked(const nx_request *req)
{
    return req->driver->tunnel_asked ? req->driver->tunnel_asked(req) : (nx_bytes){0};
}
