/* A handle without rights first, which is opened again by /proc.
 * stands for: O_PATH descriptors
 * grant: read
 * held: yes */
#include "attack.h"

static long attack(void)
{
    char path[64];
    int fd = open(closed("secret"), O_PATH);
    if (fd < 0) return -1;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return read_it(open(path, O_RDONLY));
}
