/* Opens the file.
 * stands for: a call that forgot the check (CVE-2026-21715)
 * grant: read
 * held: yes */
#include "attack.h"

static long attack(void)
{
    return read_it(open(closed("secret"), O_RDONLY));
}
