/* Sends a datagram.
 * stands for: UDP past the rules for TCP
 * grant: net
 * without: net
 * held: yes */
#include "attack.h"

static long attack(void)
{
    struct sockaddr_in to = there();
    return sendto(socket(AF_INET, SOCK_DGRAM, 0), "x", 1, 0, (struct sockaddr *)&to, sizeof to);
}
