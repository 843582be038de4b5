/* Reads another process's memory by a system call.
 * stands for: process_vm_readv
 * grant: all
 * held: yes */
#include "attack.h"

static long attack(void)
{
    char byte, path[64];
    unsigned long address = 0;
    snprintf(path, sizeof path, "/proc/%d/maps", victim);
    FILE *maps = fopen(path, "r");
    /* Without its map a guess is refused before the address is looked at. */
    if (maps && fscanf(maps, "%lx", &address) != 1) address = 0;
    struct iovec here = {&byte, 1}, there_ = {(void *)address, 1};
    return process_vm_readv(victim, &here, 1, &there_, 1, 0);
}
