/* Terminals for programs. */
#include "process/process.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

int64_t nx__terminal_resize(int fd, unsigned short rows, unsigned short columns)
{
    struct winsize size = {.ws_row = rows, .ws_col = columns};
    return ioctl(fd, TIOCSWINSZ, &size) == 0 ? 0 : -errno;
}

int64_t nx__terminal_open(unsigned short rows, unsigned short columns, int *ours, int *theirs)
{
    int64_t result = 0;
    *theirs = -1;
    *ours = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
    if (*ours < 0) return -errno;
    if (grantpt(*ours) != 0 || unlockpt(*ours) != 0) result = -errno;
    if (result == 0) result = nx__terminal_resize(*ours, rows, columns);
    /* Not by its name: /dev/pts may be another container's. */
    if (result == 0) {
        *theirs = ioctl(*ours, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
        if (*theirs < 0) result = -errno;
    }
    if (result < 0) {
        (void)close(*ours);
        *ours = -1;
    }
    return result;
}

size_t nx__terminal_end(int fd, bool in_line, char bytes[2])
{
    struct termios settings;
    /* A program that reads keys gets no end but the terminal's own. */
    if (tcgetattr(fd, &settings) != 0 || !(settings.c_lflag & ICANON)) return 0;
    /* Within a line the first hands over what is there of it. */
    bytes[0] = bytes[1] = (char)settings.c_cc[VEOF];
    return in_line ? 2 : 1;
}
