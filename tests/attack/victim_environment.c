/* Reads another process's environment.
 * stands for: /proc/PID/environ
 * grant: all
 * held: yes */
#include "attack.h"

static long attack(void)
{
    char path[64], text[64];
    snprintf(path, sizeof path, "/proc/%d/environ", victim);
    int fd = open(path, O_RDONLY);
    return fd < 0 ? -1 : read(fd, text, sizeof text);
}
