/* Sends a datagram by IPv6 to an IPv4 address.
 * stands for: UDP past the rules for TCP
 * grant: net
 * without: net
 * held: yes */
#include "attack.h"

static long attack(void)
{
    struct sockaddr_in6 to = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
    inet_pton(AF_INET6, "::ffff:127.0.0.1", &to.sin6_addr);
    return sendto(socket(AF_INET6, SOCK_DGRAM, 0), "x", 1, 0, (struct sockaddr *)&to, sizeof to);
}
