/* Makes memory that other processes may share.
 * stands for: /dev/shm
 * grant: all
 * held: yes */
#include "attack.h"

static long attack(void)
{
    int fd = shm_open("/nexus-attack", O_CREAT | O_RDWR, 0600);
    if (fd < 0) return -1;
    return shm_unlink("/nexus-attack");
}
