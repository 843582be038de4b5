/* Starts a program.
 * stands for: a call that forgot the check
 * grant: run
 * held: yes */
#include "attack.h"

static long attack(void)
{
    execl("/bin/echo", "echo", "in", NULL);
    return -1;
}
