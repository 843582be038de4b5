/* Changes times by a descriptor that is open for reading.
 * stands for: CVE-2025-55132
 * grant: open
 * without: write
 * held: yes */
#include "attack.h"

static long attack(void)
{
    return futimens(open(open_folder, O_RDONLY | O_DIRECTORY), NULL);
}
