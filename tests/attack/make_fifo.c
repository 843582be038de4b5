/* Makes a pipe with a name.
 * stands for: mknod
 * grant: write
 * held: yes */
#include "attack.h"

static long attack(void)
{
    return mkfifo(closed("pipe"), 0600);
}
