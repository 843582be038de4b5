/* Writes an extended attribute.
 * stands for: setxattr
 * grant: write
 * without: write
 * held: yes */
#include "attack.h"
#include <sys/xattr.h>

static long attack(void)
{
    return setxattr(closed("spoilt"), "user.nexus", "x", 1, 0);
}
