/* Makes a socket by the calls of x32.
 * stands for: x32 past a filter
 * grant: all
 * held: yes */
#include "attack.h"

static long attack(void)
{
    return syscall(0x40000000 | SYS_socket, AF_INET, SOCK_RAW, IPPROTO_ICMP);
}
