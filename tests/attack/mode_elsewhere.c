/* Changes the mode of a file outside what may be written.
 * stands for: chmod
 * grant: write
 * held: yes */
#include "attack.h"

static long attack(void)
{
    return chmod(closed("spoilt"), 0644);
}
