/* Asks for the connections of others.
 * stands for: netlink beside routes
 * grant: all
 * held: yes */
#include "attack.h"

static long attack(void)
{
    return socket(AF_NETLINK, SOCK_DGRAM, 4 /* NETLINK_SOCK_DIAG */);
}
