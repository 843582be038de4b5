/* Opens what restarts the machine.
 * stands for: /proc/sysrq-trigger
 * grant: all
 * held: yes */
#include "attack.h"

static long attack(void)
{
    return open("/proc/sysrq-trigger", O_WRONLY);
}
