/* Reads the launcher's variables.
 * stands for: /proc/PID/environ
 * grant: all
 * held: yes */
#include "attack.h"

static long attack(void)
{
    char path[64], byte;
    snprintf(path, sizeof path, "/proc/%d/environ", getppid());
    return read(open(path, O_RDONLY), &byte, 1) == 1 ? 0 : -1;
}
