/* Talks to the machine's devices (needs root).
 * stands for: iopl
 * grant: all
 * held: yes */
#include "attack.h"

static long attack(void)
{
#if defined(__x86_64__)
    return syscall(SYS_iopl, 3);
#else
    errno = ENOSYS;
    return -1;
#endif
}
