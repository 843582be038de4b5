/* Makes the file of a Unix socket.
 * stands for: CVE-2026-21636
 * grant: write net
 * held: yes */
#include "attack.h"

static long attack(void)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    if (chdir(closed_folder) < 0) return -1;
    strcpy(at.sun_path, "socket");
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    return fd < 0 ? -1 : bind(fd, (struct sockaddr *)&at, sizeof at);
}
