/* Starts a program that has no file, by the path of its descriptor.
 * stands for: memfd_create and /proc/self/fd
 * grant: run
 * held: yes */
#include "attack.h"

static long attack(void)
{
    char *const argv[] = {"x", NULL}, *const none[] = {NULL};
    char path[64];
    int fd = memfd_create("x", 0); /* a script, which no rule for programs sees */
    dprintf(fd, "#!/bin/echo in\n");
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int out[2];
    if (pipe(out) < 0) return -1;
    pid_t child = fork();
    if (child == 0) {
        dup2(out[1], 1);
        execve(path, argv, none);
        _exit(errno);
    }
    int status;
    close(out[1]);
    char said[3] = "";
    ssize_t n = read(out[0], said, 2);
    waitpid(child, &status, 0);
    errno = WEXITSTATUS(status);
    return n == 2 && strcmp(said, "in") == 0 ? 0 : -1;
}
