/* Connects to a port.
 * stands for: a socket past the API
 * grant: net
 * held: yes */
#include "attack.h"

static long attack(void)
{
    struct sockaddr_in to = there();
    return connect(socket(AF_INET, SOCK_STREAM, 0), (struct sockaddr *)&to, sizeof to);
}
