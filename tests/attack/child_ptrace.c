/* Traces a child of its own, to change its calls after they were looked at.
 * stands for: ptrace past a filter
 * grant: all
 * held: yes */
#include "attack.h"

static long attack(void)
{
    pid_t child = fork();
    if (child == 0) _exit(ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0 ? errno : 0);
    int status;
    waitpid(child, &status, 0);
    errno = WEXITSTATUS(status);
    return errno ? -1 : 0;
}
