/* Writes into the kernel's log.
 * stands for: /dev/kmsg
 * grant: all
 * held: yes */
#include "attack.h"

static long attack(void)
{
    return open("/dev/kmsg", O_WRONLY);
}
