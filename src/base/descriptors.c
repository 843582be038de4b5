/* Descriptors that go along with bytes over a Unix socket. */
#include "base/descriptors.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

union control {
    struct cmsghdr header;
    char space[CMSG_SPACE(NX__DESCRIPTORS_MOST * sizeof(int))];
};

/* Neither call changes what the parts are. */
static struct msghdr of(const struct iovec *parts, size_t count)
{
    return (struct msghdr){.msg_iov = (struct iovec *)(void *)(__UINTPTR_TYPE__)parts,
                           .msg_iovlen = count};
}

long nx__descriptors_send(int socket, const struct iovec *parts, size_t part_count, const int *fds,
                          size_t count, int flags)
{
    struct msghdr message = of(parts, part_count);
    union control control;
    if (count > NX__DESCRIPTORS_MOST) return -EINVAL;
    if (count) {
        message.msg_control = &control;
        message.msg_controllen = CMSG_SPACE(count * sizeof(int));
        memset(&control, 0, message.msg_controllen); /* the padding goes to the kernel too */
        control.header = (struct cmsghdr){.cmsg_level = SOL_SOCKET,
                                          .cmsg_type = SCM_RIGHTS,
                                          .cmsg_len = CMSG_LEN(count * sizeof(int))};
        memcpy(CMSG_DATA(&control.header), fds, count * sizeof(int));
    }
    ssize_t n = sendmsg(socket, &message, flags | MSG_NOSIGNAL);
    return n < 0 ? -(long)errno : n;
}

/* All that came; the kernel puts no more than there is room for. */
static size_t take(struct msghdr *message, int *fds, size_t most)
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

long nx__descriptors_receive(int socket, const struct iovec *parts, size_t part_count, int *fds,
                             size_t *count, bool *cut, int flags)
{
    struct msghdr message = of(parts, part_count);
    union control control;
    size_t most = *count < NX__DESCRIPTORS_MOST ? *count : NX__DESCRIPTORS_MOST;
    if (most) {
        message.msg_control = &control;
        /* The exact length: with its padding there would be room for one more. */
        message.msg_controllen = CMSG_LEN(most * sizeof(int));
    }
    ssize_t n = recvmsg(socket, &message, flags | MSG_CMSG_CLOEXEC);
    *count = n < 0 || !most ? 0 : take(&message, fds, most);
    if (cut) *cut = n >= 0 && (message.msg_flags & MSG_CTRUNC);
    return n < 0 ? -(long)errno : n;
}

void nx__descriptors_close(const int *fds, size_t count)
{
    while (count) (void)close(fds[--count]);
}
