/* Opens what makes disks of files.
 * stands for: /dev/loop-control
 * grant: all
 * held: yes */
#include "attack.h"

static long attack(void)
{
    return open("/dev/loop-control", O_RDWR);
}
