/* Connects by sending.
 * stands for: MSG_FASTOPEN
 * grant: net
 * held: yes */
#include "attack.h"

static long attack(void)
{
    struct sockaddr_in to = there();
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    return sendto(fd, "x", 1, MSG_FASTOPEN | MSG_NOSIGNAL, (struct sockaddr *)&to, sizeof to);
}
