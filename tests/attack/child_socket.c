/* Makes a socket from a child.
 * stands for: a seal that binds one process alone
 * grant: net
 * held: yes */
#include "attack.h"

static long attack(void)
{
    pid_t child = fork();
    if (child == 0) _exit(socket(AF_INET, SOCK_RAW, IPPROTO_ICMP) < 0 ? errno : 0);
    int status;
    waitpid(child, &status, 0);
    errno = WEXITSTATUS(status);
    return errno ? -1 : 0;
}
