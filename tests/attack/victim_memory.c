/* Reads another process's memory.
 * stands for: /proc/PID/mem
 * grant: all
 * held: yes */
#include "attack.h"

static long attack(void)
{
    char path[64], byte;
    unsigned long address = 0;
    snprintf(path, sizeof path, "/proc/%d/maps", victim);
    FILE *maps = fopen(path, "r");
    if (!maps || fscanf(maps, "%lx", &address) != 1) return -1;
    fclose(maps);
    snprintf(path, sizeof path, "/proc/%d/mem", victim);
    int fd = open(path, O_RDONLY);
    return fd < 0 ? -1 : pread(fd, &byte, 1, (off_t)address);
}
