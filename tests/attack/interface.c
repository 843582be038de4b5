/* Sets up the network (needs root).
 * stands for: rights of root that no grant is for
 * grant: all
 * held: yes */
#include "attack.h"
#include <net/if.h>
#include <sys/ioctl.h>

static long attack(void)
{
    struct ifreq about = {.ifr_name = "lo"};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (ioctl(fd, SIOCGIFFLAGS, &about) < 0) return -1;
    return ioctl(fd, SIOCSIFFLAGS, &about);
}
