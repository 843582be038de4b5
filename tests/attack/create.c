/* Makes a file.
 * stands for: a call that forgot the check
 * grant: write
 * held: yes */
#include "attack.h"

static long attack(void)
{
    return open(closed("made"), O_WRONLY | O_CREAT, 0600);
}
