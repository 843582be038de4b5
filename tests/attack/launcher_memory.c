/* Opens the launcher's memory to write.
 * stands for: /proc/PID/mem
 * grant: all
 * held: yes */
#include "attack.h"

static long attack(void)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/mem", getppid());
    return open(path, O_RDWR);
}
