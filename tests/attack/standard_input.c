/* Opens its standard input again, for writing.
 * stands for: /dev/fd, CVE-2024-34346
 * grant: write
 * held: yes */
#include "attack.h"

static long attack(void)
{
    return open("/dev/stdin", O_WRONLY);
}
