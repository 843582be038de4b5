/* Reads the launcher's memory.
 * stands for: process_vm_readv
 * grant: all
 * held: yes */
#include "attack.h"

/* The launcher is the program that this process was forked from. */
static uintptr_t base(void)
{
    char line[512];
    FILE *maps = fopen("/proc/self/maps", "r");
    return maps && fgets(line, sizeof line, maps) ? strtoull(line, NULL, 16) : 0;
}

static long attack(void)
{
    char bytes[4];
    struct iovec own = {bytes, sizeof bytes}, theirs = {(void *)(uintptr_t)base(), sizeof bytes};
    return process_vm_readv(getppid(), &own, 1, &theirs, 1, 0);
}
