/* Connects by multipath TCP, which ends at a plain TCP port.
 * stands for: protocols beside TCP
 * grant: net
 * held: no */
#include "attack.h"

static long attack(void)
{
    struct sockaddr_in to = there();
    return connect(socket(AF_INET, SOCK_STREAM, 262), (struct sockaddr *)&to, sizeof to);
}
