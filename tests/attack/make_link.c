/* Makes a link where it may not write.
 * stands for: a call that forgot the check
 * grant: write
 * held: yes */
#include "attack.h"

static long attack(void)
{
    return symlink("/etc/passwd", closed("link"));
}
