/* Changes a file's times by its path.
 * stands for: utimensat
 * grant: write
 * held: no */
#include "attack.h"

static long attack(void)
{
    return utimensat(AT_FDCWD, closed("spoilt"), NULL, 0);
}
