/* Up out of the granted folder and down again.
 * stands for: path traversal
 * grant: read
 * held: yes */
#include "attack.h"

static long attack(void)
{
    return read_it(open(opened("../closed/secret"), O_RDONLY));
}
