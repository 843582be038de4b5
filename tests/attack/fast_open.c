/* Connects by sending.
 * stands for: MSG_FASTOPEN
 * grant: net
 * held: no */
#include "attack.h"

static long attack(void)
{
    struct sockaddr_in to = there();
    return sendto(socket(AF_INET, SOCK_STREAM, 0), "x", 1, MSG_FASTOPEN | MSG_NOSIGNAL,
                  (struct sockaddr *)&to, sizeof to);
}
