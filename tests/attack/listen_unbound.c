/* Listens on a port that it has not asked for.
 * stands for: listen without bind, which no rule for ports sees
 * grant: net
 * without: net
 * held: yes */
#include "attack.h"

static long attack(void)
{
    return listen(socket(AF_INET, SOCK_STREAM, 0), 1);
}
