/* Goes there first, and opens by a short name.
 * stands for: a check of the name that was given
 * grant: read
 * held: yes */
#include "attack.h"

static long attack(void)
{
    if (chdir(closed_folder) < 0) return -1;
    return read_it(open("secret", O_RDONLY));
}
