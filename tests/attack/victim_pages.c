/* Moves another process's memory.
 * stands for: migrate_pages
 * grant: all
 * held: yes */
#include "attack.h"

static long attack(void)
{
    unsigned long node = 1;
    return syscall(SYS_migrate_pages, victim, 2ul, &node, &node);
}
