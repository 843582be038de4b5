/* Takes another process over by ptrace.
 * stands for: ptrace
 * grant: all
 * held: yes */
#include "attack.h"

static long attack(void)
{
    return ptrace(PTRACE_SEIZE, victim, NULL, NULL);
}
