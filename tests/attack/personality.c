/* Switches off what makes addresses hard to guess.
 * stands for: personality
 * grant: all
 * held: yes */
#include "attack.h"
#include <sys/personality.h>

static long attack(void)
{
    return personality(ADDR_NO_RANDOMIZE | READ_IMPLIES_EXEC);
}
