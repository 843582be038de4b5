/* Starts a program that has no file.
 * stands for: memfd_create and execveat
 * grant: run
 * held: yes */
#include "attack.h"

static long attack(void)
{
    char *const argv[] = {"echo", "in", NULL}, *const none[] = {NULL};
    char bytes[65536];
    int from = open("/bin/echo", O_RDONLY), to = memfd_create("x", 0);
    for (ssize_t n; from >= 0 && (n = read(from, bytes, sizeof bytes)) > 0;)
        if (write(to, bytes, (size_t)n) != n) return -1;
    syscall(SYS_execveat, to, "", argv, none, AT_EMPTY_PATH);
    return -1;
}
