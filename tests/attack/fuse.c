/* Opens what serves file systems.
 * stands for: /dev/fuse
 * grant: all
 * held: yes */
#include "attack.h"

static long attack(void)
{
    return open("/dev/fuse", O_RDWR);
}
