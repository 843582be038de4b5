/* Starts a program by a handle.
 * stands for: execveat
 * grant: run
 * held: yes */
#include "attack.h"

static long attack(void)
{
    char *const argv[] = {"echo", "in", NULL}, *const none[] = {NULL};
    int fd = open("/bin/echo", O_PATH);
    syscall(SYS_execveat, fd, "", argv, none, AT_EMPTY_PATH);
    return -1;
}
