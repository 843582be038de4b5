/* Reads the machine's memory.
 * stands for: /dev/mem
 * grant: all
 * held: yes */
#include "attack.h"

static long attack(void)
{
    return open("/dev/mem", O_RDONLY);
}
