/* Enters another world (needs root).
 * stands for: setns
 * grant: all
 * held: yes */
#include "attack.h"

static long attack(void)
{
    return setns(open("/proc/self/ns/uts", O_RDONLY), 0);
}
