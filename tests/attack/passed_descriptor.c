/* Has an accomplice outside pass an open file.
 * stands for: SCM_RIGHTS
 * grant: net
 * held: yes */
#include "attack.h"

static long attack(void)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    char byte, control[CMSG_SPACE(sizeof(int))];
    struct iovec piece = {&byte, 1};
    struct msghdr message = {.msg_iov = &piece,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = sizeof control};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0), passed = -1;
    strcpy(to.sun_path, opened("giver"));
    if (connect(fd, (struct sockaddr *)&to, sizeof to) < 0 || recvmsg(fd, &message, 0) < 0)
        return -1;
    if (CMSG_FIRSTHDR(&message)) memcpy(&passed, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof passed);
    return read_it(passed);
}
