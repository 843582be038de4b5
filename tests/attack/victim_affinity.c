/* Moves another process to one processor.
 * stands for: sched_setaffinity
 * grant: all
 * held: no */
#include "attack.h"

static long attack(void)
{
    cpu_set_t set;
    if (sched_getaffinity(victim, sizeof set, &set) < 0) return -1;
    return sched_setaffinity(victim, sizeof set, &set);
}
