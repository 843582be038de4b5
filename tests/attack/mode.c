/* Changes a file's mode by its path.
 * stands for: chmod
 * grant: write
 * without: write
 * held: yes */
#include "attack.h"

static long attack(void)
{
    return chmod(closed("spoilt"), 0644);
}
