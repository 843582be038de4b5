/* Asks for a file's size.
 * stands for: stat
 * grant: read
 * held: no */
#include "attack.h"

static long attack(void)
{
    struct stat st;
    return stat(closed("secret"), &st);
}
