/* Sets the clock (needs root).
 * stands for: adjtimex
 * grant: all
 * held: yes */
#include "attack.h"
#include <sys/timex.h>

static long attack(void)
{
    struct timex now = {0};
    if (adjtimex(&now) < 0) return -1;
    struct timex same = {.modes = ADJ_TICK, .tick = now.tick};
    return adjtimex(&same);
}
