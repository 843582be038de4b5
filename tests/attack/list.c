/* Lists the folder.
 * stands for: directory listing
 * grant: read
 * held: yes */
#include "attack.h"

static long attack(void)
{
    char entries[1024];
    int fd = open(closed_folder, O_RDONLY | O_DIRECTORY);
    return fd < 0 ? -1 : syscall(SYS_getdents64, fd, entries, sizeof entries);
}
