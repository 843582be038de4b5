/* Reads the kernel's log (needs root).
 * stands for: syslog
 * grant: all
 * held: yes */
#include "attack.h"

static long attack(void)
{
    char text[16];
    return syscall(SYS_syslog, 3, text, sizeof text);
}
