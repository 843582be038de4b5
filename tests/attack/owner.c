/* Gives a file to somebody.
 * stands for: chown
 * grant: write
 * without: write
 * held: yes */
#include "attack.h"

static long attack(void)
{
    return chown(closed("spoilt"), getuid(), getgid());
}
