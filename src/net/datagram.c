/* Sockets of datagrams: grants, waiting, names; the batches are in udp.c. */
#include "net/address.h"
#include "net/dial.h"
#include "net/fd.h"
#include "net/tune.h"
#include "net/udp.h"

#include "base/clock.h"
#include "base/error.h"
#include "loop/files.h"
#include "permission/connect.h"
#include "permission/listen.h"
#include "permission/permission.h"
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { UNIX_MODE = 0660, PEERS = 4096 /* a power of two */ };
#define UNIX_PAUSE NX_MS(5) /* a full receiver's queue is no event for who sends */

struct nx_udp {
    struct nx__net_fd socket;
    struct nx__udp udp;
    bool local;                /* Unix datagrams */
    nx_duration read_deadline; /* NX_FOREVER: none */
    size_t read_last;          /* bytes, which count against the loop's turn */
    struct sockaddr_un file;   /* to remove at the end, where it has a path */
    char *peer;                /* for messages, where it is connected */
    union nx__address *asked;  /* PEERS of them: who has sent to it lately, and may be answered */
    char where[];              /* "" where it is bound nowhere */
};

/* ---- Messages */

static const char *name_of(const nx_udp *u)
{
    return u->peer ? u->peer : u->where[0] ? u->where : "a UDP socket";
}

/* The message that was just recorded becomes the reason. */
static NX__COLD nx_err failed(const nx_udp *u, const char *doing, nx_err err, const char *late)
{
    char why[NX__ERROR_MESSAGE_MAX];
    int system = nx__error_last()->system;
    (void)snprintf(why, sizeof why, "%s", nx__error_last()->message);
    NX_IGNORE(nx__error_set(err, "cannot %s \"%s\": %s", doing, name_of(u),
                            err == NX_ETIMEDOUT && late ? late : why));
    nx__context()->error.system = system;
    return err;
}

static NX__COLD nx_err failed_system(const nx_udp *u, const char *doing, const nx_address *peer,
                                     int system)
{
    char text[NX__PEER_MAX];
    union nx__address address;
    if (system == EBADF)
        return nx__error_set(NX_ECLOSED, "cannot %s \"%s\": it was closed", doing, name_of(u));
    if (system == EDESTADDRREQ)
        return nx__error_set(NX_EINVAL,
                             "cannot %s \"%s\": it is not connected, and no address is given",
                             doing, name_of(u));
    if (!peer || !nx__address_private(peer, &address))
        return nx__error_system(system, "cannot %s \"%s\"", doing,
                                peer && peer->path[0] ? peer->path : name_of(u));
    nx__address_spell(&address, true, text);
    return nx__error_system(system, "cannot %s \"%s\"", doing, text);
}

/* ---- Opening */

static NX__COLD nx_err open_failed(const char *address, int system)
{
    return nx__error_system(system, "cannot open \"%s\"", address ? address : "a UDP socket");
}

static nx_err open_unix(nx_udp *u, const struct nx__target *target, const nx_udp_options *o)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    size_t len = strlen(target->path);
    bool abstract = target->path[0] == '@';
    if (len >= sizeof at.sun_path)
        return nx__error_set(NX_EINVAL,
                             "cannot open \"%.60s…\": a Unix socket's path has %zu bytes at most",
                             u->where, sizeof at.sun_path - 1);
    memcpy(at.sun_path, target->path, len + 1);
    if (abstract) at.sun_path[0] = '\0';
    NX_TRY(nx__permit(NX__PERMIT_NET, u->where));
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return open_failed(u->where, errno);
    nx__net_fd_init(&u->socket, fd);
    u->local = true;
    struct nx__tune tune = {.receive_buffer = o->receive_buffer, .send_buffer = o->send_buffer};
    size_t at_len = abstract ? offsetof(struct sockaddr_un, sun_path) + len : sizeof at;
    int error = nx__tune(fd, AF_UNIX, &tune);
    if (!error)
        error = nx__bind_unix(fd, &at, (unsigned)at_len, o->unix_mode ? o->unix_mode : UNIX_MODE);
    if (error) return open_failed(u->where, error);
    if (!abstract) u->file = at;
    return NX_OK;
}

static nx_err open_udp(nx_udp *u, const struct nx__target *target, const nx_udp_options *o)
{
    union nx__address at = {.any.sa_family = AF_UNSPEC};
    char host[NX__PEER_MAX], text[NX__PEER_MAX];
    if (target) {
        (void)snprintf(host, sizeof host, "%.*s", NX_FMT(target->host));
        const char *number = strcasecmp(host, "localhost") == 0 ? "127.0.0.1" : host;
        if (!nx__address_parse(number, target->port, &at))
            return nx__error_set(
                NX_EINVAL, "cannot open \"%s\": use an IP address or \"localhost\"", u->where);
        nx__address_spell(&at, true, text);
        NX_TRY(nx__permit(NX__PERMIT_NET, text));
    }
    struct nx__udp_how how = {.joins = o->joined,
                              .reuse = o->reuse,
                              .broadcast = o->broadcast,
                              .receive_buffer = o->receive_buffer,
                              .send_buffer = o->send_buffer};
    int error = nx__udp_open(&u->udp, &at, &how);
    if (error) return open_failed(target ? u->where : NULL, error);
    nx__net_fd_init(&u->socket, u->udp.fd);
    return NX_OK;
}

nx_err nx_udp_open_with(nx_udp **out, const char *address, const nx_udp_options *options)
{
    NX__OPTIONS(nx_udp_options, o, options);
    struct nx__target target;
    size_t len = address ? strlen(address) : 0;
    *out = NULL;
    if (address) NX_TRY(nx__target_parse(&target, address, "open"));
    nx_udp *u = calloc(1, sizeof *u + len + 1);
    if (!u) return nx__error_set(NX_ENOMEM, "cannot open a UDP socket: out of memory");
    if (len) memcpy(u->where, address, len);
    nx__net_fd_init(&u->socket, -1);
    u->read_deadline = o.read_deadline > 0 ? o.read_deadline : NX_FOREVER;
    nx_err err = address && target.path ? open_unix(u, &target, &o)
                                        : open_udp(u, address ? &target : NULL, &o);
    if (err) {
        struct nx__context why = *nx__context();
        nx_udp_close(u);
        return nx__error_take(&why, err);
    }
    *out = u;
    return NX_OK;
}

static nx_err connect_unix(nx_udp *u, const char *path)
{
    struct sockaddr_un at;
    socklen_t len;
    int handle;
    nx_err err = nx__dial_unix_address(nx_str(path), &at, &len, &handle);
    if (!err && connect(u->socket.fd, (const struct sockaddr *)&at, len) != 0)
        err = nx__error_system(errno, "cannot connect to \"unix:%s\"", path);
    if (handle >= 0) (void)close(handle);
    return err;
}

static nx_err connect_udp(nx_udp *u, const struct nx__target *target)
{
    struct nx__addresses addresses;
    char peer[NX__PEER_MAX];
    int error = EAFNOSUPPORT;
    NX_TRY(nx__dial_addresses(&addresses, target->host, target->port,
                              nx__deadline(NX__DIAL_DEADLINE), peer));
    /* A datagram socket connects at once, or there is no way. */
    for (unsigned i = 0; i < addresses.count && error; i++)
        error = nx__udp_connect(&u->udp, &addresses.items[i]);
    return error ? nx__error_system(error, "cannot connect to \"%s\"", peer) : NX_OK;
}

nx_err nx_udp_connect(nx_udp *udp, const char *address)
{
    struct nx__target target;
    NX_TRY(nx__target_parse(&target, address, "connect to"));
    if (udp->socket.fd < 0) return failed_system(udp, "connect", NULL, EBADF);
    if (!target.path != !udp->local)
        return nx__error_set(NX_EINVAL, "cannot connect to \"%s\": the socket is one of %s",
                             address, udp->local ? "Unix" : "UDP");
    char *peer = strdup(address);
    if (!peer) return nx__error_set(NX_ENOMEM, "cannot connect: out of memory");
    nx_err err = target.path ? connect_unix(udp, target.path) : connect_udp(udp, &target);
    if (err) {
        free(peer);
        return err;
    }
    free(udp->peer);
    udp->peer = peer;
    return NX_OK;
}

/* ---- Answering: who serves by a grant may answer whoever has asked, at whatever port, unless he
 * is denied */

static union nx__address *asked_place(const nx_udp *u, const union nx__address *peer)
{
    /* FNV-1a. Who makes two peers meet makes the earlier one's answer take a grant. */
    uint32_t hash = 2166136261u;
    const unsigned char *bytes = (const unsigned char *)peer;
    for (size_t i = 0; i < nx__address_len(peer); i++) hash = (hash ^ bytes[i]) * 16777619u;
    return &u->asked[(hash ^ hash >> 16) & (PEERS - 1)];
}

static void asked_note(nx_udp *u, const union nx__address *peer)
{
    if (!u->where[0] || !nx__permit_is_limited()) return;
    if (!u->asked) u->asked = calloc(PEERS, sizeof *u->asked);
    if (u->asked) *asked_place(u, peer) = *peer;
}

static nx_err may_send(const nx_udp *u, const union nx__address *peer)
{
    bool has_asked = u->asked && memcmp(asked_place(u, peer), peer, nx__address_len(peer)) == 0;
    return has_asked && !nx__permit_denies(&peer->any) ? NX_OK : nx__permit_send(&peer->any);
}

/* ---- Sending */

static nx_err send_wait(nx_udp *u)
{
    nx_err err =
        nx__net_fd_wait(&u->socket, NX__WRITABLE, u->local ? nx__deadline(UNIX_PAUSE) : NX_FOREVER);
    if (!err || (u->local && err == NX_ETIMEDOUT)) return NX_OK;
    return failed(u, "send from", err, NULL);
}

static nx_err send_unix(nx_udp *u, const nx_datagram *d)
{
    struct sockaddr_un at;
    socklen_t len = 0;
    int handle = -1;
    bool named = d->peer.kind != NX_ADDRESS_NONE;
    if (named && d->peer.kind != NX_ADDRESS_UNIX)
        return nx__error_set(NX_EINVAL, "cannot send from \"%s\": an IP address is none of Unix",
                             name_of(u));
    nx_err err = named ? nx__dial_unix_address(nx_str(d->peer.path), &at, &len, &handle) : NX_OK;
    while (!err) {
        ssize_t n = u->socket.fd < 0 ? (errno = EBADF, -1)
                                     : sendto(u->socket.fd, d->data, d->len, MSG_NOSIGNAL,
                                              named ? (const struct sockaddr *)&at : NULL, len);
        if (n >= 0) break;
        if (errno == EAGAIN)
            err = send_wait(u);
        else if (errno != EINTR)
            err = failed_system(u, named ? "send to" : "send from", named ? &d->peer : NULL,
                                errno == ENOTCONN ? EDESTADDRREQ : errno);
    }
    if (handle >= 0) (void)close(handle);
    return err;
}

static nx_err packet_make(const nx_udp *u, const nx_datagram *d, struct nx__packet *out)
{
    *out =
        (struct nx__packet){.data = d->data, .len = d->len, .segment = d->segment, .ecn = d->ecn};
    (void)nx__address_private(&d->local, &out->local);
    if (d->peer.kind == NX_ADDRESS_NONE) return NX_OK;
    if (!nx__address_private(&d->peer, &out->peer))
        return nx__error_set(NX_EINVAL, "cannot send from \"%s\": a Unix address is none of UDP",
                             name_of(u));
    return may_send(u, &out->peer);
}

/* Sends all of a batch. */
static nx_err send_batch(nx_udp *u, const nx_datagram *datagrams, struct nx__packet *packets,
                         size_t count, size_t *sent)
{
    while (*sent < count) {
        if (u->socket.fd < 0) return failed_system(u, "send from", NULL, EBADF);
        int64_t n = nx__udp_send(&u->udp, packets + *sent, count - *sent);
        if (n == -EAGAIN)
            NX_TRY(send_wait(u));
        else if (n < 0)
            return failed_system(u, datagrams[*sent].peer.kind ? "send to" : "send from",
                                 datagrams[*sent].peer.kind ? &datagrams[*sent].peer : NULL,
                                 (int)-n);
        else
            *sent += (size_t)n;
    }
    return NX_OK;
}

static nx_err send_some(nx_udp *u, const nx_datagram *datagrams, size_t count, size_t *sent)
{
    struct nx__packet packets[NX__UDP_BATCH];
    size_t bytes = 0, ready = 0;
    nx_err err = NX_OK;
    while (ready < count && ready < NX__UDP_BATCH && !err) {
        err = packet_make(u, &datagrams[ready], &packets[ready]);
        if (!err) bytes += packets[ready++].len;
    }
    if (!ready) return err;
    if (nx__file_turn(bytes))
        return failed(u, "send from", nx__error_set(NX_ECANCELED, "cancelled"), NULL);
    return send_batch(u, datagrams, packets, ready,
                      sent); /* what is wrong with the next is said then */
}

nx_err nx_udp_send_many(nx_udp *udp, const nx_datagram *datagrams, size_t count, size_t *sent)
{
    size_t done = 0;
    nx_err err = NX_OK;
    while (done < count && !err) {
        size_t some = 0;
        if (udp->local) {
            err = send_unix(udp, &datagrams[done]);
            some = !err;
        } else {
            err = send_some(udp, datagrams + done, count - done, &some);
        }
        done += some;
    }
    if (sent) *sent = done;
    return err;
}

nx_err nx_udp_send(nx_udp *udp, nx_bytes data, const nx_address *to)
{
    nx_datagram one = {.data = (char *)(uintptr_t)data.data, .len = data.len};
    if (to) one.peer = *to;
    return nx_udp_send_many(udp, &one, 1, NULL);
}

/* ---- Receiving */

/* 1, or -errno. */
static int64_t receive_unix(nx_udp *u, nx_datagram *d)
{
    struct sockaddr_storage from = {0};
    struct iovec piece = {d->data, d->len};
    struct msghdr message = {
        .msg_name = &from, .msg_namelen = sizeof from, .msg_iov = &piece, .msg_iovlen = 1};
    ssize_t n = recvmsg(u->socket.fd, &message, 0);
    if (n < 0) return -errno;
    *d = (nx_datagram){.data = d->data,
                       .len = (size_t)n,
                       .peer = nx__address_public((struct sockaddr *)&from, message.msg_namelen),
                       .cut = message.msg_flags & MSG_TRUNC};
    return 1;
}

static nx_address address_public(const union nx__address *address)
{
    if (!address->any.sa_family) return (nx_address){.kind = NX_ADDRESS_NONE};
    return nx__address_public(&address->any, nx__address_len(address));
}

static int64_t receive_udp(nx_udp *u, nx_datagram *datagrams, size_t count)
{
    struct nx__packet packets[NX__UDP_BATCH];
    if (count > NX__UDP_BATCH) count = NX__UDP_BATCH;
    for (size_t i = 0; i < count; i++)
        packets[i] = (struct nx__packet){.data = datagrams[i].data, .len = datagrams[i].len};
    int64_t n = nx__udp_receive(&u->udp, packets, count);
    for (int64_t i = 0; i < n; i++) {
        const struct nx__packet *p = &packets[i];
        datagrams[i] = (nx_datagram){.data = p->data,
                                     .len = p->len,
                                     .peer = address_public(&p->peer),
                                     .local = address_public(&p->local),
                                     .segment = p->segment,
                                     .ecn = p->ecn,
                                     .cut = p->cut};
        u->read_last += p->len;
        asked_note(u, &p->peer);
    }
    return n;
}

static nx_err receive_wait(nx_udp *u)
{
    nx_duration until =
        u->read_deadline == NX_FOREVER ? NX_FOREVER : nx__deadline(u->read_deadline);
    nx_err err = nx__net_fd_wait(&u->socket, NX__READABLE, until);
    return err ? failed(u, "receive from", err, "nothing came before the deadline") : NX_OK;
}

nx_err nx_udp_receive_many(nx_udp *udp, nx_datagram *datagrams, size_t count, size_t *got)
{
    *got = 0;
    if (nx__file_turn(udp->read_last))
        return failed(udp, "receive from", nx__error_set(NX_ECANCELED, "cancelled"), NULL);
    udp->read_last = 0;
    while (count) {
        if (udp->socket.fd < 0) return failed_system(udp, "receive from", NULL, EBADF);
        int64_t n = udp->local ? receive_unix(udp, datagrams) : receive_udp(udp, datagrams, count);
        if (n > 0) {
            *got = (size_t)n;
            break;
        }
        if (n == -EAGAIN)
            NX_TRY(receive_wait(udp));
        else if (n != -EINTR)
            return failed_system(udp, "receive from", NULL, (int)-n);
    }
    return NX_OK;
}

nx_err nx_udp_receive(nx_udp *udp, void *data, size_t len, size_t *got, nx_address *from)
{
    nx_datagram one = {.data = data, .len = len};
    size_t count;
    *got = 0;
    if (from) *from = (nx_address){.kind = NX_ADDRESS_NONE};
    NX_TRY(nx_udp_receive_many(udp, &one, 1, &count));
    *got = one.len;
    if (from) *from = one.peer;
    if (!one.cut) return NX_OK;
    return nx__error_set(NX_ETOOBIG,
                         "cannot receive from \"%s\": the datagram has more than %zu bytes",
                         name_of(udp), len);
}

/* ---- Multicast */

static nx_err membership(const nx_udp *u, const char *group, const char *interface_name, bool join)
{
    const char *doing = join ? "join" : "leave";
    union nx__address at;
    unsigned index = interface_name ? if_nametoindex(interface_name) : 0;
    if (u->local || u->socket.fd < 0 || !nx__address_parse(group, 0, &at))
        return nx__error_set(NX_EINVAL, "cannot %s \"%.60s\": %s", doing, group,
                             u->local           ? "the socket is one of Unix"
                             : u->socket.fd < 0 ? "the socket is closed"
                                                : "it is no IP address");
    if (interface_name && !index)
        return nx__error_set(NX_EINVAL, "cannot %s \"%s\": there is no interface \"%.30s\"", doing,
                             group, interface_name);
    if (join) NX_TRY(nx__permit_host("joining", group));
    struct ip_mreqn v4 = {.imr_multiaddr = at.v4.sin_addr, .imr_ifindex = (int)index};
    struct ipv6_mreq v6 = {.ipv6mr_multiaddr = at.v6.sin6_addr, .ipv6mr_interface = index};
    int result = at.any.sa_family == AF_INET
                     ? setsockopt(u->socket.fd, IPPROTO_IP,
                                  join ? IP_ADD_MEMBERSHIP : IP_DROP_MEMBERSHIP, &v4, sizeof v4)
                     : setsockopt(u->socket.fd, IPPROTO_IPV6,
                                  join ? IPV6_JOIN_GROUP : IPV6_LEAVE_GROUP, &v6, sizeof v6);
    return result == 0 ? NX_OK : nx__error_system(errno, "cannot %s \"%s\"", doing, group);
}

nx_err nx_udp_join(nx_udp *udp, const char *group, const char *interface_name)
{
    return membership(udp, group, interface_name, true);
}

nx_err nx_udp_leave(nx_udp *udp, const char *group, const char *interface_name)
{
    return membership(udp, group, interface_name, false);
}

/* ---- About it, and its end */

void nx_udp_deadline(nx_udp *udp, nx_duration read)
{
    if (read > 0) udp->read_deadline = read;
}

nx_address nx_udp_address(const nx_udp *udp)
{
    struct sockaddr_storage own;
    socklen_t len = sizeof own;
    if (udp->socket.fd < 0 || getsockname(udp->socket.fd, (struct sockaddr *)&own, &len) != 0)
        len = 0;
    return nx__address_public((const struct sockaddr *)&own, len);
}

int nx_udp_fd(const nx_udp *udp)
{
    return udp->socket.fd;
}

void nx_udp_stop(nx_udp *udp)
{
    if (udp->file.sun_path[0] && udp->socket.fd >= 0) (void)unlink(udp->file.sun_path);
    nx__net_fd_close(&udp->socket);
}

void nx_udp_close(nx_udp *udp)
{
    if (!udp) return;
    nx_udp_stop(udp);
    free(udp->peer);
    free(udp->asked);
    free(udp);
}
