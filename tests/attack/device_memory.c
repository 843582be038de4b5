/* Makes a device of the machine's memory (needs root).
 * stands for: mknod of a character device
 * grant: all
 * held: yes */
#include "attack.h"
#include <sys/sysmacros.h>

static long attack(void)
{
    const char *device = opened("memory");
    if (mknod(device, S_IFCHR | 0600, makedev(1, 1)) < 0) return -1;
    return unlink(device);
}
