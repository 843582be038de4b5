/* Slows another process down.
 * stands for: setpriority
 * grant: all
 * held: yes */
#include "attack.h"
#include <sys/resource.h>

static long attack(void)
{
    return setpriority(PRIO_PROCESS, (id_t)victim, 5);
}
