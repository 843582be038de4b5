/* Starts a child as root of a world of its own, by a call whose flags no filter sees.
 * stands for: clone3 past a filter
 * grant: all
 * held: yes */
#include "attack.h"

static long attack(void)
{
    struct {
        uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls;
    } how = {.flags = CLONE_NEWUSER, .exit_signal = SIGCHLD};
    pid_t child = (pid_t)syscall(SYS_clone3, &how, sizeof how);
    if (child == 0) _exit(0);
    return child < 0 ? -1 : waitpid(child, NULL, 0);
}
