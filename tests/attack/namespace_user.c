/* Becomes root of a world of its own.
 * stands for: CVE-2022-0185
 * grant: all
 * held: yes */
#include "attack.h"

static long attack(void)
{
    return unshare(CLONE_NEWUSER);
}
