/* Puts another folder over one that it may read (needs root).
 * stands for: mount
 * grant: all
 * held: yes */
#include "attack.h"
#include <sys/mount.h>

static long attack(void)
{
    if (mount(closed_folder, open_folder, NULL, MS_BIND, NULL) < 0) return -1;
    long result = read_it(open(opened("secret"), O_RDONLY));
    umount2(open_folder, MNT_DETACH);
    return result;
}
