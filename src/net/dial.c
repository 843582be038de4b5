/* Connecting: names into addresses, grants, and whichever address answers first. */
#include "net/dial.h"

#include "base/clock.h"
#include "dns/dns.h"
#include "loop/loop.h"
#include "net/race.h"
#include "permission/connect.h"
#include "permission/network.h"
#include "permission/rules.h"
#include <errno.h>
#include <fcntl.h>
#include <nexus/timer.h>
#include <stdio.h>
#include <unistd.h>

static nx_duration absolute(nx_duration span)
{
    return span == NX_FOREVER ? NX_FOREVER : nx__deadline(span > 0 ? span : NX__DIAL_DEADLINE);
}

static nx_bytes without_brackets(nx_bytes host)
{
    bool has = host.len > 2 && host.data[0] == '[' && host.data[host.len - 1] == ']';
    return has ? nx_slice(host.data + 1, host.len - 2) : host;
}

/* ---- TCP */

/* Drops what is denied, whatever name has led there. */
static nx_err addresses_filter(struct nx__addresses *addresses, const char *peer)
{
    char text[NX__PEER_MAX];
    unsigned kept = 0;
    if (!addresses->count)
        return nx__error_set(NX_ENONAME, "cannot connect to \"%s\": the name has no address", peer);
    for (unsigned i = 0; i < addresses->count; i++)
        if (!nx__permit_denies(&addresses->items[i].any))
            addresses->items[kept++] = addresses->items[i];
    addresses->count = kept;
    if (kept) return NX_OK;
    nx__address_spell(&addresses->items[0], true, text);
    return nx__permit_denied(peer, text);
}

nx_err nx__dial_addresses(struct nx__addresses *out, nx_bytes host, uint16_t port,
                          nx_duration deadline, char peer[NX__PEER_MAX])
{
    struct nx__endpoint endpoint;
    out->count = 0;
    host = without_brackets(host);
    if (host.len > NX__HOST_NAME_MAX)
        return nx__error_set(NX_EINVAL, "cannot connect: the name of the host is too long");
    bool v6 = host.len && memchr(host.data, ':', host.len);
    int n =
        snprintf(peer, NX__PEER_MAX, v6 ? "[%.*s]:%u" : "%.*s:%u", NX_FMT(host), (unsigned)port);
    if (!host.len || memchr(host.data, '\0', host.len) ||
        nx__endpoint_parse(peer, (size_t)n, &endpoint) || endpoint.kind == NX__HOST_UNIX) {
        char clean[NX__QUOTED];
        return nx__error_set(NX_EINVAL, "cannot connect to \"%s\": it is no address and no name",
                             nx__quoted(clean, host));
    }
    NX_TRY(nx__permit_connect(peer));
    if (nx__address_parse(endpoint.text, port, &out->items[0]))
        out->count = 1;
    else
        NX_TRY(nx__dns_addresses(out, endpoint.text, port, AF_UNSPEC, NULL, deadline));
    return addresses_filter(out, peer);
}

nx_err nx__dial_prepared(int *fd, nx_bytes host, uint16_t port, nx_duration deadline,
                         const struct nx__race_prepare *prepare)
{
    struct nx__addresses addresses;
    char peer[NX__PEER_MAX];
    *fd = -1;
    deadline = absolute(deadline);
    NX_TRY(nx__dial_addresses(&addresses, host, port, deadline, peer));
    return nx__race(fd, &addresses, peer, deadline, prepare);
}

nx_err nx__dial(int *fd, nx_bytes host, uint16_t port, nx_duration deadline)
{
    return nx__dial_prepared(fd, host, port, deadline, NULL);
}

/* ---- Unix */

/* A path is opened, and what was opened is asked about and connected to: a link that changes
 * meanwhile changes nothing. `*handle` is the caller's to close. */
static nx_err file_hold(const char *path, const char *peer, struct sockaddr_un *out, int *handle)
{
    char self[32], real[NX__PATH_MAX];
    *handle = open(path, O_PATH | O_CLOEXEC);
    if (*handle < 0) return nx__error_system(errno, "cannot connect to \"%s\"", peer);
    (void)snprintf(self, sizeof self, "/proc/self/fd/%d", *handle);
    (void)snprintf(out->sun_path, sizeof out->sun_path, "%s", self);
    if (!nx__permissions_sealed()) return NX_OK;
    memcpy(real, "unix:", 5);
    ssize_t n = readlink(self, real + 5, sizeof real - 6);
    if (n < 0) return nx__error_system(errno, "cannot connect to \"%s\"", peer);
    real[5 + n] = '\0';
    return nx__permit_connect(real);
}

/* A Unix socket connects at once, or says EAGAIN where the backlog is full and nothing tells when
 * it is not. */
static nx_err unix_connect(int fd, const struct sockaddr_un *address, socklen_t len,
                           nx_duration deadline, nx_bytes path)
{
    enum { FULL_PAUSE_MS = 10 };
    while (connect(fd, (const struct sockaddr *)address, len) != 0) {
        if (errno != EAGAIN)
            return nx__error_system(errno, "cannot connect to \"unix:%.*s\"", NX_FMT(path));
        if (nx__clock_monotonic() >= deadline)
            return nx__error_set(NX_ETIMEDOUT,
                                 "cannot connect to \"unix:%.*s\": its listener takes no more",
                                 NX_FMT(path));
        NX_TRY(nx_sleep(NX_MS(FULL_PAUSE_MS)));
    }
    return NX_OK;
}

nx_err nx__dial_unix_address(nx_bytes path, struct sockaddr_un *out, socklen_t *len, int *handle)
{
    char peer[NX__PATH_MAX];
    *out = (struct sockaddr_un){.sun_family = AF_UNIX};
    *len = sizeof *out;
    *handle = -1;
    int n = snprintf(peer, sizeof peer, "unix:%.*s", NX_FMT(path));
    bool abstract = path.len && path.data[0] == '@';
    if (!path.len || n >= (int)sizeof peer || memchr(path.data, '\0', path.len) ||
        (abstract && (path.len < 2 || path.len > sizeof out->sun_path)))
        return nx__error_set(
            NX_EINVAL, "cannot connect to a Unix socket: \"%.100s\" is no path or @name", peer);
    NX_TRY(nx__permit_connect(peer));
    if (!abstract) return file_hold(peer + 5, peer, out, handle);
    memcpy(out->sun_path + 1, path.data + 1, path.len - 1);
    *len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + path.len);
    return NX_OK;
}

nx_err nx__dial_unix(int *fd, nx_bytes path, int type, nx_duration deadline)
{
    struct sockaddr_un address;
    socklen_t len;
    int handle;
    *fd = -1;
    deadline = absolute(deadline);
    nx_err err = nx__dial_unix_address(path, &address, &len, &handle);
    int s = -1;
    if (!err) s = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (!err && s < 0)
        err = nx__error_system(errno, "cannot connect to \"unix:%.*s\"", NX_FMT(path));
    if (!err) err = unix_connect(s, &address, len, deadline, path);
    if (handle >= 0) (void)close(handle);
    if (err && s >= 0) (void)close(s);
    if (!err) *fd = s;
    return err;
}
