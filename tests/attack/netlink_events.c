/* Listens to the kernel's events.
 * stands for: netlink beside routes
 * grant: all
 * held: yes */
#include "attack.h"

static long attack(void)
{
    struct {
        unsigned short family, pad;
        unsigned id, groups;
    } at = {.family = AF_NETLINK, .groups = 1};
    int fd = socket(AF_NETLINK, SOCK_DGRAM, 15 /* NETLINK_KOBJECT_UEVENT */);
    return fd < 0 ? -1 : bind(fd, (struct sockaddr *)&at, sizeof at);
}
