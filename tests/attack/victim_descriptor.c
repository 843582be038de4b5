/* Takes a descriptor out of another process.
 * stands for: pidfd_getfd
 * grant: all
 * held: yes */
#include "attack.h"

static long attack(void)
{
    int pidfd = (int)syscall(SYS_pidfd_open, victim, 0);
    return pidfd < 0 ? -1 : syscall(SYS_pidfd_getfd, pidfd, 0, 0);
}
