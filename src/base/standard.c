/* Standard descriptors that are closed at a program's start. */
#include "base/standard.h"

#include <fcntl.h>
#include <nexus/base.h>
#include <poll.h>
#include <unistd.h>

void nx__standard_open(void)
{
    struct pollfd fds[3] = {{.fd = 0}, {.fd = 1}, {.fd = 2}};
    if (poll(fds, 3, 0) <= 0) return;
    /* The lowest first, since that is what open takes. */
    for (int i = 0; i < 3; i++)
        if ((fds[i].revents & POLLNVAL) && open("/dev/null", O_RDWR) < 0) _exit(NX_EFAILED);
}
