/* By the root that /proc shows.
 * stands for: /proc/PID/root
 * grant: read
 * held: yes */
#include "attack.h"

static long attack(void)
{
    char path[4096];
    snprintf(path, sizeof path, "/proc/self/root%s", closed("secret"));
    return read_it(open(path, O_RDONLY));
}
