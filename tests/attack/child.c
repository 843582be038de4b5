/* From a child of its own.
 * stands for: a seal that children do not inherit
 * grant: read
 * held: yes */
#include "attack.h"

static long attack(void)
{
    int status;
    pid_t child = fork();
    if (child == 0) _exit(read_it(open(closed("secret"), O_RDONLY)) < 0 ? errno : 0);
    if (waitpid(child, &status, 0) < 0) return -1;
    errno = WEXITSTATUS(status);
    return errno ? -1 : 0;
}
