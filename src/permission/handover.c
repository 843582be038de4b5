/* Connections on their way from one generation of a program to the next. */
#include "permission/handover.h"

#include "base/error.h"
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MAGIC = 0x4e584844 };

struct packet {
    uint32_t magic, count;
    uint32_t requests[NX__HAND_BATCH];
};

union control {
    struct cmsghdr header;
    char space[CMSG_SPACE(NX__HAND_BATCH * sizeof(int))];
};

nx_err nx__hand_channel(int *in, int *out)
{
    int pair[2], size = NX__HAND_QUEUE;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) != 0)
        return nx__error_system(errno, "cannot make a channel for connections");
    (void)setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    *in = pair[0];
    *out = pair[1];
    return NX_OK;
}

int nx__hand_send(int out, const struct nx__handed *connections, size_t count)
{
    struct packet packet = {.magic = MAGIC, .count = (uint32_t)count};
    union control control;
    struct iovec part = {&packet, offsetof(struct packet, requests) + count * sizeof(uint32_t)};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = CMSG_SPACE(count * sizeof(int))};
    memset(&control, 0, sizeof control); /* the padding goes to the kernel too */
    control.header = (struct cmsghdr){.cmsg_level = SOL_SOCKET,
                                      .cmsg_type = SCM_RIGHTS,
                                      .cmsg_len = CMSG_LEN(count * sizeof(int))};
    for (size_t i = 0; i < count; i++) {
        packet.requests[i] = connections[i].requests;
        memcpy(CMSG_DATA(&control.header) + i * sizeof(int), &connections[i].fd, sizeof(int));
    }
    ssize_t n;
    do n = sendmsg(out, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    if (n >= 0) return 0;
    return errno == ECONNREFUSED || errno == ECONNRESET ? -EPIPE : -errno;
}

/* What the channel is for: not a listening socket, nor another channel, nor a file. */
static bool is_connection(int fd)
{
    int type = 0, listens = 1;
    socklen_t len = sizeof type;
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) != 0 || type != SOCK_STREAM) return false;
    len = sizeof listens;
    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) == 0 && !listens;
}

/* The descriptors that came, all of them. */
static size_t descriptors(struct msghdr *message, int *fds, size_t most)
{
    size_t count = 0;
    for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header;
         header = CMSG_NXTHDR(message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
        size_t n = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < n && count < most; i++)
            memcpy(&fds[count++], CMSG_DATA(header) + i * sizeof(int), sizeof(int));
    }
    return count;
}

/* What reads as an end may also be a packet without a byte. */
static bool is_over(int in)
{
    struct pollfd end = {.fd = in};
    return poll(&end, 1, 0) == 1 && (end.revents & POLLHUP);
}

int nx__hand_receive(int in, struct nx__handed *connections)
{
    struct packet packet;
    union control control;
    int fds[NX__HAND_BATCH];
    struct iovec part = {&packet, sizeof packet};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof control};
    ssize_t n;
    do n = recvmsg(in, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    if (n < 0) return -errno;
    size_t count = descriptors(&message, fds, NX__HAND_BATCH);
    if (n == 0 && !count && is_over(in)) return 0;
    bool ours =
        (size_t)n >= offsetof(struct packet, requests) && packet.magic == MAGIC &&
        packet.count <= NX__HAND_BATCH && count <= packet.count &&
        (size_t)n == offsetof(struct packet, requests) + packet.count * sizeof *packet.requests;
    int taken = 0;
    for (size_t i = 0; i < count; i++) {
        if (ours && is_connection(fds[i]))
            connections[taken++] =
                (struct nx__handed){.fd = fds[i], .requests = packet.requests[i]};
        else
            (void)close(fds[i]);
    }
    return taken ? taken : -EBADMSG;
}
