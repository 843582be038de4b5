/* Changes the mode of the file that is its input.
 * stands for: a descriptor that it was started with
 * grant: write
 * held: yes */
#include "attack.h"

static long attack(void)
{
    return fchmod(0, 0644);
}
