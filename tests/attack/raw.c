/* Reads and writes packets of IP (needs root).
 * stands for: raw sockets
 * grant: net
 * held: yes */
#include "attack.h"

static long attack(void)
{
    return socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
}
