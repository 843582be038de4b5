/* The same by a handle.
 * stands for: signals to processes outside
 * grant: all
 * held: yes */
#include "attack.h"

static long attack(void)
{
    int pidfd = (int)syscall(SYS_pidfd_open, victim, 0);
    return pidfd < 0 ? -1 : syscall(SYS_pidfd_send_signal, pidfd, SIGURG, NULL, 0);
}
