/* Shares memory by a number that others know.
 * stands for: System V shared memory
 * grant: all
 * held: yes */
#include "attack.h"
#include <sys/shm.h>

static long attack(void)
{
    int id = shmget(0x4e58, 4096, IPC_CREAT | 0600);
    return id < 0 ? -1 : shmctl(id, IPC_RMID, NULL);
}
