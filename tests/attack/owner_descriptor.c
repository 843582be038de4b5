/* Gives a file to somebody by a descriptor that is open for reading.
 * stands for: CVE-2024-36137
 * grant: open
 * without: write
 * held: yes */
#include "attack.h"

static long attack(void)
{
    return fchown(open(open_folder, O_RDONLY | O_DIRECTORY), getuid(), getgid());
}
