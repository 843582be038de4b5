/* Connects by sending several messages.
 * stands for: MSG_FASTOPEN
 * grant: net
 * held: yes */
#include "attack.h"

static long attack(void)
{
    struct sockaddr_in to = there();
    struct iovec piece = {"x", 1};
    struct mmsghdr message = {
        .msg_hdr = {.msg_name = &to, .msg_namelen = sizeof to, .msg_iov = &piece, .msg_iovlen = 1}};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    return sendmmsg(fd, &message, 1, MSG_FASTOPEN | MSG_NOSIGNAL);
}
