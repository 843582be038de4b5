/* A second name of the file inside the granted folder.
 * stands for: CVE-2021-41641
 * grant: read write
 * held: yes */
#include "attack.h"

static long attack(void)
{
    unlink(opened("name"));
    if (link(closed("secret"), opened("name")) < 0) return -1;
    return read_it(open(opened("name"), O_RDONLY));
}
