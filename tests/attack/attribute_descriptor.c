/* Writes an extended attribute by a descriptor that is open for reading.
 * stands for: CVE-2025-61786
 * grant: open
 * without: write
 * held: yes */
#include "attack.h"
#include <sys/xattr.h>

static long attack(void)
{
    return fsetxattr(open(open_folder, O_RDONLY | O_DIRECTORY), "user.nexus", "x", 1, 0);
}
