/* Makes a socket of the kernel's cryptography.
 * stands for: AF_ALG as a way into the kernel
 * grant: all
 * held: yes */
#include "attack.h"

static long attack(void)
{
    return socket(AF_ALG, SOCK_SEQPACKET, 0);
}
