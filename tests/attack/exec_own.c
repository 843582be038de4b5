/* Starts a program that it has written itself.
 * stands for: a shell of its own
 * grant: run
 * held: yes */
#include "attack.h"

static long attack(void)
{
    char text[] = "#!/bin/sh\necho in\n";
    int fd = open(opened("script"), O_WRONLY | O_CREAT | O_TRUNC, 0700);
    if (fd < 0 || write(fd, text, sizeof text - 1) < 0) return -1;
    close(fd);
    execl(opened("script"), "script", NULL);
    return -1;
}
