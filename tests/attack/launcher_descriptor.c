/* Opens again what the launcher has open.
 * stands for: CVE-2024-34346
 * grant: all
 * held: yes */
#include "attack.h"

static long attack(void)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/fd/0", getppid());
    return read_it(open(path, O_RDONLY));
}
