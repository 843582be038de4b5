/* Moves the closed folder's file into the granted one.
 * stands for: moving what may not be read to where it may
 * grant: read write
 * held: yes */
#include "attack.h"

static long attack(void)
{
    if (rename(closed("secret"), opened("moved")) < 0) return -1;
    long result = read_it(open(opened("moved"), O_RDONLY));
    rename(opened("moved"), closed("secret"));
    return result;
}
