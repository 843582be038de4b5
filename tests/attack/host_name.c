/* Renames the machine (needs root).
 * stands for: sethostname
 * grant: all
 * held: yes */
#include "attack.h"

static long attack(void)
{
    char name[256];
    if (gethostname(name, sizeof name) < 0) return -1;
    return sethostname(name, strlen(name));
}
