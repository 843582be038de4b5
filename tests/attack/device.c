/* Makes a device of its own, of the disk that the folder is on (needs root).
 * stands for: mknod of a block device
 * grant: all
 * held: yes */
#include "attack.h"

static long attack(void)
{
    struct stat st;
    const char *device = opened("device");
    if (stat("/", &st) < 0 || mknod(device, S_IFBLK | 0600, st.st_dev) < 0) return -1;
    return unlink(device);
}
