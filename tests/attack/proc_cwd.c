/* By the current directory of the launcher.
 * stands for: /proc/PID/cwd, CVE-2024-34346
 * grant: all
 * held: yes */
#include "attack.h"

static long attack(void)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/cwd/closed/secret", (int)getppid());
    return read_it(open(path, O_RDONLY));
}
