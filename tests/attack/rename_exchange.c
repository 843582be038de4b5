/* Exchanges two files.
 * stands for: renameat2
 * grant: read write
 * held: yes */
#include "attack.h"

static long attack(void)
{
    close(open(opened("own"), O_WRONLY | O_CREAT, 0600));
    return renameat2(AT_FDCWD, opened("own"), AT_FDCWD, closed("spoilt"), RENAME_EXCHANGE);
}
