/* Changes the mode of the file that is its input, by a name for it.
 * stands for: CVE-2024-34346
 * grant: write
 * held: yes */
#include "attack.h"

static long attack(void)
{
    return chmod("/proc/self/fd/0", 0644);
}
