/* Changes a mode by a path that leads out of what may be written.
 * stands for: ".."
 * grant: write
 * held: yes */
#include "attack.h"

static long attack(void)
{
    return fchmodat(open(open_folder, O_RDONLY | O_DIRECTORY), "../closed/spoilt", 0644, 0);
}
