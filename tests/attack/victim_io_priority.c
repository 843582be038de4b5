/* Slows another process's disk down.
 * stands for: ioprio_set
 * grant: all
 * held: yes */
#include "attack.h"

static long attack(void)
{
    return syscall(SYS_ioprio_set, 1, victim, 3 << 13);
}
