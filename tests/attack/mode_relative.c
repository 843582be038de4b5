/* Changes a mode by a path from the folder that it is in.
 * stands for: chmod
 * grant: write
 * held: yes */
#include "attack.h"

static long attack(void)
{
    if (chdir(closed_folder) < 0) return -1;
    return chmod("spoilt", 0644);
}
