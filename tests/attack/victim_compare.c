/* Compares another process's memory with its own.
 * stands for: kcmp
 * grant: all
 * held: yes */
#include "attack.h"

static long attack(void)
{
    return syscall(SYS_kcmp, getpid(), victim, 1, 0, 0);
}
