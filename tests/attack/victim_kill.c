/* Ends another process.
 * stands for: signals to processes outside
 * grant: all
 * held: yes */
#include "attack.h"

static long attack(void)
{
    return kill(victim, SIGURG);
}
