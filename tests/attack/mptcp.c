/* Connects by multipath TCP, which ends at a plain TCP port.
 * stands for: protocols beside TCP
 * grant: net
 * held: yes */
#include "attack.h"

static long attack(void)
{
    struct sockaddr_in to = there();
    int fd = socket(AF_INET, SOCK_STREAM, 262);
    return fd < 0 ? -1 : connect(fd, (struct sockaddr *)&to, sizeof to);
}
