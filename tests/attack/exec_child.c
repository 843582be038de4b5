/* Starts one in a child.
 * stands for: system, popen
 * grant: run
 * held: yes */
#include "attack.h"

static long attack(void)
{
    fflush(stdout);
    int status = system("echo in");
    if (status == 0) exit(0);
    errno = EACCES;
    return -1;
}
