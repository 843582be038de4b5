/* A link inside the granted folder points outside.
 * stands for: CVE-2021-41641, CVE-2025-55130
 * grant: read
 * held: yes */
#include "attack.h"

static long attack(void)
{
    unlink(opened("link"));
    if (symlink(closed("secret"), opened("link")) < 0) return -1;
    return read_it(open(opened("link"), O_RDONLY));
}
