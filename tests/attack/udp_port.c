/* Sends a datagram, with a grant of another port.
 * stands for: UDP past the rules for TCP
 * grant: net
 * held: no */
#include "attack.h"

static long attack(void)
{
    struct sockaddr_in to = there();
    return sendto(socket(AF_INET, SOCK_DGRAM, 0), "x", 1, 0, (struct sockaddr *)&to, sizeof to);
}
