/* Reads every packet of the machine (needs root).
 * stands for: CVE-2017-7308, CVE-2020-14386
 * grant: all
 * held: yes */
#include "attack.h"

static long attack(void)
{
    return socket(AF_PACKET, SOCK_RAW, 0);
}
