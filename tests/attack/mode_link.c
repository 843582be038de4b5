/* Changes the mode of what a link leads to.
 * stands for: CVE-2021-41641
 * grant: write
 * held: yes */
#include "attack.h"

static long attack(void)
{
    if (symlink(closed("spoilt"), opened("link")) < 0) return -1;
    return chmod(opened("link"), 0644);
}
