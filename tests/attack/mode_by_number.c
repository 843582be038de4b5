/* Changes a file's mode by the newest call for it.
 * stands for: a call that was forgotten
 * grant: write
 * without: write
 * held: yes */
#include "attack.h"

static long attack(void)
{
    return syscall(452 /* fchmodat2 */, AT_FDCWD, closed("spoilt"), 0644, 0);
}
