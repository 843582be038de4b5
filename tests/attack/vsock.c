/* Talks to the machine that this one is a guest of.
 * stands for: CVE-2024-50264
 * grant: all
 * held: yes */
#include "attack.h"

static long attack(void)
{
    return socket(AF_VSOCK, SOCK_STREAM, 0);
}
