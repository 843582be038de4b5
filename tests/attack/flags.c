/* Changes a file system's flags of a file that is open for reading.
 * stands for: FS_IOC_SETFLAGS
 * grant: all
 * without: write
 * held: yes */
#include "attack.h"
#include <sys/ioctl.h>

static long attack(void)
{
    int flags, fd = open(open_folder, O_RDONLY | O_DIRECTORY);
    if (ioctl(fd, _IOR('f', 1, long), &flags) < 0) return -1;
    return ioctl(fd, _IOW('f', 2, long), &flags);
}
