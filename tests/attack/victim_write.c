/* Writes into another process's memory.
 * stands for: process_vm_writev
 * grant: all
 * held: yes */
#include "attack.h"

static void *victim_stack(void)
{
    char path[64], line[512];
    uintptr_t start = 0;
    snprintf(path, sizeof path, "/proc/%d/maps", victim);
    FILE *maps = fopen(path, "r");
    while (maps && fgets(line, sizeof line, maps))
        if (strstr(line, "[stack]")) start = strtoull(strchr(line, '-') + 1, NULL, 16) - 8;
    return (void *)start;
}

static long attack(void)
{
    char byte = 0;
    struct iovec own = {&byte, 1}, theirs = {victim_stack(), 1};
    if (process_vm_readv(victim, &own, 1, &theirs, 1, 0) != 1) return -1;
    return process_vm_writev(victim, &own, 1, &theirs, 1, 0);
}
