/* Makes a socket of SCTP.
 * stands for: protocols beside TCP
 * grant: net
 * held: yes */
#include "attack.h"

static long attack(void)
{
    return socket(AF_INET, SOCK_STREAM, IPPROTO_SCTP);
}
