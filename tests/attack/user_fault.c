/* Stops the kernel in the middle of a copy.
 * stands for: userfaultfd, as in CVE-2021-22555
 * grant: all
 * held: yes */
#include "attack.h"

static long attack(void)
{
    return syscall(SYS_userfaultfd, O_CLOEXEC);
}
