/* Changes a file's owner by its path.
 * stands for: chown
 * grant: write
 * held: no */
#include "attack.h"

static long attack(void)
{
    return chown(closed("spoilt"), geteuid(), getegid());
}
