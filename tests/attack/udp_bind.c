/* Receives datagrams on a port.
 * stands for: UDP past the rules for TCP
 * grant: net
 * without: net
 * held: yes */
#include "attack.h"

static long attack(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET};
    return bind(socket(AF_INET, SOCK_DGRAM, 0), (struct sockaddr *)&at, sizeof at);
}
