/* Reads and writes packets of IPv6 (needs root).
 * stands for: raw sockets
 * grant: net
 * held: yes */
#include "attack.h"

static long attack(void)
{
    return socket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6);
}
