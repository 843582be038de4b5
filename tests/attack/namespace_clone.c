/* Starts a child as root of a world of its own.
 * stands for: CVE-2022-0185
 * grant: all
 * held: yes */
#include "attack.h"

static long attack(void)
{
    pid_t child = (pid_t)syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0);
    if (child == 0) _exit(0);
    return child < 0 ? -1 : waitpid(child, NULL, 0);
}
