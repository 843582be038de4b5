/* Opens what names the program that gets every crash.
 * stands for: CVE-2019-5736 and the like, core_pattern
 * grant: all
 * held: yes */
#include "attack.h"

static long attack(void)
{
    return open("/proc/sys/kernel/core_pattern", O_WRONLY);
}
