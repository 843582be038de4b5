/* By the root of the launcher, which is not sealed.
 * stands for: /proc/PID/root
 * grant: all
 * held: yes */
#include "attack.h"

static long attack(void)
{
    char path[4096];
    snprintf(path, sizeof path, "/proc/%d/root%s", (int)getppid(), closed("secret"));
    return read_it(open(path, O_RDONLY));
}
