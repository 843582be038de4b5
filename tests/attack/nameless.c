/* A file without a name gets one there.
 * stands for: O_TMPFILE and linkat
 * grant: write
 * held: yes */
#include "attack.h"

static long attack(void)
{
    char path[64];
    int fd = open(open_folder, O_RDWR | O_TMPFILE, 0600);
    if (fd < 0) return -1;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return linkat(AT_FDCWD, path, AT_FDCWD, closed("made"), AT_SYMLINK_FOLLOW);
}
