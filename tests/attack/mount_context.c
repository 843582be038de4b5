/* Makes a file system step by step (needs root).
 * stands for: CVE-2022-0185, fsopen
 * grant: all
 * held: yes */
#include "attack.h"

static long attack(void)
{
    return syscall(SYS_fsopen, "tmpfs", 0);
}
