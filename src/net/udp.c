/* Datagrams by the batch. */
#include "net/udp.h"

#include <errno.h>
#include <netinet/udp.h>
#include <sys/uio.h>
#include <unistd.h>

/* What newer headers have. */
#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

enum { ECN_BITS = 3 };

/* Room for what comes beside a datagram: the address it came to, its ECN bits, the segments. */
struct control {
    _Alignas(struct cmsghdr) char space[CMSG_SPACE(sizeof(struct in6_pktinfo)) +
                                        CMSG_SPACE(sizeof(struct in_pktinfo)) +
                                        3 * CMSG_SPACE(sizeof(int))];
};

/* ---- Opening */

static int set(int fd, int level, int option, int value)
{
    return setsockopt(fd, level, option, &value, sizeof value) == 0 ? 0 : errno;
}

static int bytes(uint32_t n)
{
    return n > INT32_MAX / 2 ? INT32_MAX / 2 : (int)n;
}

/* An IPv6 socket hears of its IPv4 peers by the options of IPv4. */
static int tell_all(int fd, bool v6)
{
    int error = 0;
    if (v6) {
        error = set(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
        if (!error) error = set(fd, IPPROTO_IPV6, IPV6_RECVTCLASS, 1);
    }
    if (!error) error = set(fd, IPPROTO_IP, IP_PKTINFO, 1);
    if (!error) error = set(fd, IPPROTO_IP, IP_RECVTOS, 1);
    return error;
}

static int prepare(int fd, bool v6, const struct nx__udp_how *how)
{
    int error = tell_all(fd, v6);
    if (!error && how->reuse) error = set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (!error && how->reuse) error = set(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    if (!error && how->broadcast) error = set(fd, SOL_SOCKET, SO_BROADCAST, 1);
    if (!error && how->receive_buffer)
        error = set(fd, SOL_SOCKET, SO_RCVBUF, bytes(how->receive_buffer));
    if (!error && how->send_buffer) error = set(fd, SOL_SOCKET, SO_SNDBUF, bytes(how->send_buffer));
    /* A kernel without it gives each by itself. */
    if (!error && how->joins) (void)set(fd, IPPROTO_UDP, UDP_GRO, 1);
    return error;
}

static bool splits(int fd)
{
    int value;
    socklen_t len = sizeof value;
    return getsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &value, &len) == 0;
}

int nx__udp_open(struct nx__udp *u, const union nx__address *at, const struct nx__udp_how *how)
{
    int family = at->any.sa_family;
    bool any = family == AF_UNSPEC;
    *u = (struct nx__udp){.fd = -1};
    int fd = socket(any ? AF_INET6 : family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    u->v6 = any || family == AF_INET6;
    if (fd < 0 && any && errno == EAFNOSUPPORT) { /* a machine without IPv6 */
        fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        u->v6 = false;
    }
    if (fd < 0) return errno;
    /* Whatever the machine's default: "[::]" is every address. */
    int error = u->v6 ? set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0) : 0;
    if (!error) error = prepare(fd, u->v6, how);
    if (!error && !any && bind(fd, &at->any, nx__address_len(at)) != 0) error = errno;
    if (error) {
        (void)close(fd);
        return error;
    }
    u->fd = fd;
    u->splits = splits(fd);
    return 0;
}

/* ---- Addresses: an IPv6 socket has IPv4 peers by mapped ones */

static socklen_t address_for(const struct nx__udp *u, const union nx__address *address,
                             union nx__address *out)
{
    *out = *address;
    if (u->v6 && address->any.sa_family == AF_INET) {
        *out =
            (union nx__address){.v6 = {.sin6_family = AF_INET6, .sin6_port = address->v4.sin_port}};
        memset(out->v6.sin6_addr.s6_addr + 10, 0xff, 2);
        memcpy(out->v6.sin6_addr.s6_addr + 12, &address->v4.sin_addr, 4);
    }
    return nx__address_len(out);
}

static void address_unmap(union nx__address *address)
{
    if (address->any.sa_family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&address->v6.sin6_addr)) return;
    union nx__address v4 = {.v4 = {.sin_family = AF_INET, .sin_port = address->v6.sin6_port}};
    memcpy(&v4.v4.sin_addr, address->v6.sin6_addr.s6_addr + 12, 4);
    *address = v4;
}

int nx__udp_connect(struct nx__udp *u, const union nx__address *peer)
{
    union nx__address to;
    if (!u->v6 && peer->any.sa_family == AF_INET6) return EAFNOSUPPORT;
    socklen_t len = address_for(u, peer, &to);
    return connect(u->fd, &to.any, len) == 0 ? 0 : errno;
}

int nx__udp_local(const struct nx__udp *u, union nx__address *out)
{
    socklen_t len = sizeof *out;
    *out = (union nx__address){0};
    if (getsockname(u->fd, &out->any, &len) != 0) return errno;
    address_unmap(out);
    return 0;
}

/* ---- Sending */

struct batch {
    struct mmsghdr messages[NX__UDP_BATCH];
    struct iovec pieces[NX__UDP_BATCH];
    union nx__address addresses[NX__UDP_BATCH];
    struct control controls[NX__UDP_BATCH];
    struct nx__packet *packets[NX__UDP_BATCH]; /* each message's */
    unsigned count;
};

static void control_add(struct msghdr *message, int level, int type, const void *data, size_t len)
{
    struct cmsghdr *header =
        (struct cmsghdr *)(void *)((char *)message->msg_control + message->msg_controllen);
    memset(header, 0, CMSG_SPACE(len)); /* its gaps go to the kernel, too */
    header->cmsg_level = level;
    header->cmsg_type = type;
    header->cmsg_len = CMSG_LEN(len);
    memcpy(CMSG_DATA(header), data, len);
    message->msg_controllen += CMSG_SPACE(len);
}

static void control_from(struct msghdr *message, const union nx__address *local)
{
    if (local->any.sa_family == AF_INET) {
        /* An IPv6 socket takes this one for a mapped peer, too. */
        struct in_pktinfo info = {.ipi_spec_dst = local->v4.sin_addr};
        control_add(message, IPPROTO_IP, IP_PKTINFO, &info, sizeof info);
    } else if (local->any.sa_family == AF_INET6) {
        struct in6_pktinfo info = {.ipi6_addr = local->v6.sin6_addr,
                                   .ipi6_ifindex = local->v6.sin6_scope_id};
        control_add(message, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof info);
    }
}

static void control_ecn(struct msghdr *message, const struct nx__udp *u, const struct nx__packet *p)
{
    int ecn = p->ecn & ECN_BITS;
    if (!ecn) return;
    int family = p->peer.any.sa_family;
    /* Of a connected peer the family is the socket's, or a mapped one's: both are told. */
    if (family != AF_INET && u->v6)
        control_add(message, IPPROTO_IPV6, IPV6_TCLASS, &ecn, sizeof ecn);
    if (family != AF_INET6) control_add(message, IPPROTO_IP, IP_TOS, &ecn, sizeof ecn);
}

/* One datagram of a packet, or all of it for the kernel to take apart. */
static void batch_add(struct batch *b, const struct nx__udp *u, struct nx__packet *p, size_t at,
                      size_t len, bool split)
{
    unsigned i = b->count++;
    struct msghdr *message = &b->messages[i].msg_hdr;
    b->packets[i] = p;
    b->pieces[i] = (struct iovec){p->data + at, len};
    *message =
        (struct msghdr){.msg_iov = &b->pieces[i], .msg_iovlen = 1, .msg_control = &b->controls[i]};
    if (p->peer.any.sa_family) {
        message->msg_namelen = address_for(u, &p->peer, &b->addresses[i]);
        message->msg_name = &b->addresses[i];
    }
    control_from(message, &p->local);
    control_ecn(message, u, p);
    if (split) control_add(message, IPPROTO_UDP, UDP_SEGMENT, &p->segment, sizeof p->segment);
    if (!message->msg_controllen) message->msg_control = NULL;
}

/* Puts as much of the packet as there is room for, from where it is sent to. */
static void batch_fill(struct batch *b, const struct nx__udp *u, struct nx__packet *p)
{
    size_t at = p->sent, whole = p->len - at;
    if (!p->segment || p->segment >= whole) {
        batch_add(b, u, p, at, whole, false);
    } else if (u->splits) {
        batch_add(b, u, p, at, whole, true);
    } else {
        while (at < p->len && b->count < NX__UDP_BATCH) {
            size_t len = p->len - at < p->segment ? p->len - at : p->segment;
            batch_add(b, u, p, at, len, false);
            at += len;
        }
    }
}

/* Packets that the messages which have gone complete. */
static size_t batch_sent(struct batch *b, unsigned messages)
{
    size_t whole = 0;
    for (unsigned i = 0; i < messages; i++) {
        struct nx__packet *p = b->packets[i];
        p->sent += b->pieces[i].iov_len;
        whole += p->sent == p->len;
    }
    return whole;
}

/* The kernel, or the device, does not take packets apart. */
static bool refuses_splitting(const struct nx__udp *u, const struct batch *b, int error)
{
    const struct nx__packet *p = b->packets[0];
    return u->splits && p->segment && p->segment < b->pieces[0].iov_len &&
           (error == EIO || error == ENOPROTOOPT || error == EOPNOTSUPP);
}

/* 0, or the errno that it fails with. */
static int impossible(const struct nx__udp *u, const struct nx__packet *p)
{
    size_t segments = p->segment ? (p->len + p->segment - 1) / p->segment : 1;
    if (p->len > NX__UDP_PACKET_MAX || segments > NX__UDP_SEGMENTS_MAX) return EMSGSIZE;
    return !u->v6 && p->peer.any.sa_family == AF_INET6 ? EAFNOSUPPORT : 0;
}

int64_t nx__udp_send(struct nx__udp *u, struct nx__packet *packets, size_t count)
{
    struct batch b;
    size_t done = 0;
    while (done < count) {
        b.count = 0;
        int error = 0;
        for (size_t i = done; i < count && b.count < NX__UDP_BATCH && !error; i++) {
            error = impossible(u, &packets[i]);
            if (!error) batch_fill(&b, u, &packets[i]);
        }
        if (!b.count) return done ? (int64_t)done : -error;
        int n = sendmmsg(u->fd, b.messages, b.count, MSG_NOSIGNAL);
        if (n >= 0) {
            done += batch_sent(&b, (unsigned)n);
        } else if (refuses_splitting(u, &b, errno)) {
            u->splits = false;
        } else if (errno != EINTR) {
            return done ? (int64_t)done : -errno;
        }
    }
    return (int64_t)done;
}

/* ---- Receiving */

static void control_read(struct msghdr *message, struct nx__packet *p)
{
    for (struct cmsghdr *h = CMSG_FIRSTHDR(message); h; h = CMSG_NXTHDR(message, h)) {
        struct in6_pktinfo info6;
        struct in_pktinfo info;
        int value;
        if (h->cmsg_level == IPPROTO_IPV6 && h->cmsg_type == IPV6_PKTINFO) {
            memcpy(&info6, CMSG_DATA(h), sizeof info6);
            bool link = IN6_IS_ADDR_LINKLOCAL(&info6.ipi6_addr);
            p->local.v6 = (struct sockaddr_in6){.sin6_family = AF_INET6,
                                                .sin6_addr = info6.ipi6_addr,
                                                .sin6_scope_id = link ? info6.ipi6_ifindex : 0};
            address_unmap(&p->local);
        } else if (h->cmsg_level == IPPROTO_IP && h->cmsg_type == IP_PKTINFO) {
            memcpy(&info, CMSG_DATA(h), sizeof info);
            p->local.v4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr = info.ipi_addr};
        } else if (h->cmsg_level == IPPROTO_IPV6 && h->cmsg_type == IPV6_TCLASS) {
            memcpy(&value, CMSG_DATA(h), sizeof value);
            p->ecn = value & ECN_BITS;
        } else if (h->cmsg_level == IPPROTO_IP && h->cmsg_type == IP_TOS) {
            p->ecn = *CMSG_DATA(h) & ECN_BITS;
        } else if (h->cmsg_level == IPPROTO_UDP && h->cmsg_type == UDP_GRO) {
            memcpy(&value, CMSG_DATA(h), sizeof value);
            p->segment = value > 0 && (size_t)value < p->len ? (uint16_t)value : 0;
        }
    }
}

int64_t nx__udp_receive(struct nx__udp *u, struct nx__packet *packets, size_t count)
{
    struct mmsghdr messages[NX__UDP_BATCH];
    struct iovec pieces[NX__UDP_BATCH];
    struct control controls[NX__UDP_BATCH];
    unsigned most = count < NX__UDP_BATCH ? (unsigned)count : NX__UDP_BATCH;
    for (unsigned i = 0; i < most; i++) {
        struct nx__packet *p = &packets[i];
        pieces[i] = (struct iovec){p->data, p->len};
        p->peer = p->local = (union nx__address){0};
        messages[i].msg_hdr = (struct msghdr){.msg_name = &p->peer,
                                              .msg_namelen = sizeof p->peer,
                                              .msg_iov = &pieces[i],
                                              .msg_iovlen = 1,
                                              .msg_control = &controls[i],
                                              .msg_controllen = sizeof controls[i]};
    }
    int n;
    do n = recvmmsg(u->fd, messages, most, MSG_DONTWAIT, NULL);
    while (n < 0 && errno == EINTR);
    if (n < 0) return -errno;
    for (int i = 0; i < n; i++) {
        struct nx__packet *p = &packets[i];
        p->len = messages[i].msg_len; /* of what there was room for */
        p->cut = messages[i].msg_hdr.msg_flags & MSG_TRUNC;
        p->segment = 0;
        p->ecn = 0;
        control_read(&messages[i].msg_hdr, p);
        address_unmap(&p->peer);
    }
    return n;
}
