/* Changes a mode by a descriptor that is open for reading.
 * stands for: CVE-2025-61786, CVE-2024-36137
 * grant: open
 * without: write
 * held: yes */
#include "attack.h"

static long attack(void)
{
    return fchmod(open(open_folder, O_RDONLY | O_DIRECTORY), 0755);
}
