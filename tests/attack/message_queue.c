/* Sends messages by a number that others know.
 * stands for: System V message queues
 * grant: all
 * held: yes */
#include "attack.h"
#include <sys/msg.h>

static long attack(void)
{
    int id = msgget(0x4e58, IPC_CREAT | 0600);
    return id < 0 ? -1 : msgctl(id, IPC_RMID, NULL);
}
