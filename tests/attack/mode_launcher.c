/* Changes the mode of a file by a name for what its launcher has open.
 * stands for: CVE-2024-34346
 * grant: all
 * held: yes */
#include "attack.h"

static long attack(void)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/fd/0", getppid());
    return chmod(path, 0644);
}
