/* Stops others by a number that they know.
 * stands for: System V semaphores
 * grant: all
 * held: yes */
#include "attack.h"
#include <sys/sem.h>

static long attack(void)
{
    int id = semget(0x4e58, 1, IPC_CREAT | 0600);
    return id < 0 ? -1 : semctl(id, 0, IPC_RMID);
}
