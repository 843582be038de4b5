/* Empties a file by its path.
 * stands for: truncate past a check of open
 * grant: write
 * held: yes */
#include "attack.h"

static long attack(void)
{
    return truncate(closed("spoilt"), 0);
}
