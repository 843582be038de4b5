/* Types into the user's terminal, for the shell to read.
 * stands for: CVE-2016-2568, CVE-2017-5226, TIOCSTI
 * grant: all
 * input: terminal
 * held: yes */
#include "attack.h"
#include <sys/ioctl.h>

static long attack(void)
{
    return ioctl(0, TIOCSTI, " ");
}
