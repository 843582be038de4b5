/* Removes a folder.
 * stands for: a call that forgot the check
 * grant: write
 * held: yes */
#include "attack.h"

static long attack(void)
{
    return rmdir(closed("empty"));
}
