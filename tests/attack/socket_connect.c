/* Connects to the file of a Unix socket, in a folder that is granted.
 * stands for: CVE-2026-21636
 * grant: net
 * held: yes */
#include "attack.h"

static long attack(void)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    strcpy(to.sun_path, opened("giver"));
    return connect(fd, (struct sockaddr *)&to, sizeof to);
}
