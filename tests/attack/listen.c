/* Listens on a port.
 * stands for: a socket past the API
 * grant: net
 * held: yes */
#include "attack.h"

static long attack(void)
{
    struct sockaddr_in at = there();
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &(int){1}, sizeof(int));
    return bind(fd, (struct sockaddr *)&at, sizeof at);
}
