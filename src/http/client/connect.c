/* A new connection: to the host, or through a proxy. */
#include "http/client/pool.h"

#include "base/clock.h"
#include "net/dial.h"
#include "permission/connect.h"
#include <stdio.h>

static nx_duration span_until(nx_duration deadline)
{
    if (deadline == NX_FOREVER) return NX_FOREVER;
    nx_duration left = deadline - nx__clock_monotonic();
    return left > 0 ? left : 1;
}

/* Who asks a proxy for a host talks to that host: it takes a grant as without one. */
static nx_err permit(const struct nx__way *way)
{
    char peer[NX__PEER_MAX];
    bool v6 = memchr(way->host.data, ':', way->host.len) != NULL;
    int n = snprintf(peer, sizeof peer, v6 ? "[%.*s]:%u" : "%.*s:%u", NX_FMT(way->host), way->port);
    if (n >= (int)sizeof peer) return nx__error_set(NX_EINVAL, "the name of the host is too long");
    return nx__permit_connect(peer);
}

static nx_err dial(int *fd, const struct nx__way *way, nx_duration deadline)
{
    nx_duration span = span_until(deadline);
    if (way->unix_path.len) return nx__dial_unix(fd, way->unix_path, SOCK_STREAM, span);
    if (!way->proxy_host.len) return nx__dial(fd, way->host, way->port, span);
    NX_TRY(permit(way));
    return nx__dial(fd, way->proxy_host, way->proxy_port, span);
}

nx_err nx__client_connect(struct nx__client_conn **out, const struct nx__way *way,
                          nx_duration deadline)
{
    int fd;
    struct nx__wire *wire;
    *out = NULL;
    if (way->tls)
        return nx__error_set(NX_ENOTSUP, "this build of Nexus has no TLS: https: can't be fetched");
    NX_TRY(dial(&fd, way, deadline));
    NX_TRY(nx__wire_socket(&wire, fd));
    return nx__client_h1(out, wire);
}
