/* Takes another process's descriptors by its limits.
 * stands for: prlimit64
 * grant: all
 * held: yes */
#include "attack.h"
#include <sys/resource.h>

static long attack(void)
{
    struct rlimit limit;
    if (prlimit(victim, RLIMIT_NOFILE, NULL, &limit) < 0) return -1;
    return prlimit(victim, RLIMIT_NOFILE, &limit, NULL);
}
