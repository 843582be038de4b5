/* A descriptor's signals go to another process.
 * stands for: F_SETOWN
 * grant: all
 * held: yes */
#include "attack.h"

static long attack(void)
{
    int pair[2], pidfd = (int)syscall(SYS_pidfd_open, victim, 0);
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0 || fcntl(pair[0], F_SETOWN, victim) < 0)
        return -1;
    if (fcntl(pair[0], F_SETSIG, SIGUSR1) < 0 || fcntl(pair[0], F_SETFL, O_ASYNC) < 0 ||
        write(pair[1], "x", 1) != 1)
        return -1;
    /* It ends by this one. */
    struct pollfd end = {.fd = pidfd, .events = POLLIN};
    if (poll(&end, 1, 1000) == 1) return 0;
    errno = EPERM;
    return -1;
}
