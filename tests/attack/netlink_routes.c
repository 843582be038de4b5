/* Asks for this machine's addresses.
 * stands for: facts on the network
 * grant: net
 * without: net
 * held: yes */
#include "attack.h"

static long attack(void)
{
    return socket(AF_NETLINK, SOCK_RAW, 0);
}
