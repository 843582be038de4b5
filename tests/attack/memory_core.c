/* Reads the kernel's memory.
 * stands for: /proc/kcore
 * grant: all
 * held: yes */
#include "attack.h"

static long attack(void)
{
    return open("/proc/kcore", O_RDONLY);
}
