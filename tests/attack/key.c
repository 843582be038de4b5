/* Leaves a key in the kernel.
 * stands for: CVE-2016-0728
 * grant: all
 * held: yes */
#include "attack.h"

static long attack(void)
{
    return syscall(SYS_add_key, "user", "nexus-attack", "x", 1, -1 /* the thread's */);
}
