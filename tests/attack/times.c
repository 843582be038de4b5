/* Changes a file's times.
 * stands for: utimensat
 * grant: write
 * without: write
 * held: yes */
#include "attack.h"

static long attack(void)
{
    return utimensat(AT_FDCWD, closed("spoilt"), NULL, 0);
}
