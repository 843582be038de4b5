/* Connections on their way from one generation of a program to the next. */
#include "permission/handover.h"

#include "base/descriptors.h"
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
    const struct iovec part = {&packet,
                               offsetof(struct packet, requests) + count * sizeof(uint32_t)};
    int fds[NX__HAND_BATCH];
    for (size_t i = 0; i < count; i++) {
        packet.requests[i] = connections[i].requests;
        fds[i] = connections[i].fd;
    }
    long n;
    do n = nx__descriptors_send(out, &part, 1, fds, count, MSG_DONTWAIT);
    while (n == -EINTR);
    if (n >= 0) return 0;
    return (int)(n == -ECONNREFUSED || n == -ECONNRESET ? -EPIPE : n);
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

/* What reads as an end may also be a packet without a byte. */
static bool is_over(int in)
{
    struct pollfd end = {.fd = in};
    return poll(&end, 1, 0) == 1 && (end.revents & POLLHUP);
}

int nx__hand_receive(int in, struct nx__handed *connections)
{
    struct packet packet;
    int fds[NX__HAND_BATCH];
    const struct iovec part = {&packet, sizeof packet};
    size_t count;
    long n;
    do {
        count = NX__HAND_BATCH;
        n = nx__descriptors_receive(in, &part, 1, fds, &count, NULL, MSG_DONTWAIT);
    } while (n == -EINTR);
    if (n < 0) return (int)n;
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
