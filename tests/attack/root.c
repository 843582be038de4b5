/* Takes another folder for the root (needs root).
 * stands for: chroot
 * grant: all
 * held: yes */
#include "attack.h"

static long attack(void)
{
    return chroot(open_folder);
}
