/* Leads one of a pair of sockets elsewhere.
 * stands for: socketpair past a rule for socket
 * grant: net
 * held: yes */
#include "attack.h"

static long attack(void)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    int pair[2];
    strcpy(to.sun_path, opened("mailbox"));
    if (socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) < 0) return -1;
    return sendto(pair[0], "x", 1, 0, (struct sockaddr *)&to, sizeof to);
}
