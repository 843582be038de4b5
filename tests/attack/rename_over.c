/* Puts its own file over another.
 * stands for: rename past a check of open
 * grant: write
 * held: yes */
#include "attack.h"

static long attack(void)
{
    close(open(opened("own"), O_WRONLY | O_CREAT, 0600));
    return rename(opened("own"), closed("spoilt"));
}
