/* Gets its own view of the file system (needs root).
 * stands for: unshare
 * grant: all
 * held: yes */
#include "attack.h"

static long attack(void)
{
    return unshare(CLONE_NEWNS);
}
