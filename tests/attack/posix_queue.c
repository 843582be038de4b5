/* Sends messages by a name that others know.
 * stands for: POSIX message queues
 * grant: all
 * held: yes */
#include "attack.h"
#include <mqueue.h>

static long attack(void)
{
    mqd_t queue = mq_open("/nexus-attack", O_CREAT | O_RDWR, 0600, NULL);
    return queue < 0 ? -1 : mq_unlink("/nexus-attack");
}
