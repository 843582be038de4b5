/* Makes a socket from a second thread.
 * stands for: a seal that binds one thread alone
 * grant: net
 * held: yes */
#include "attack.h"

static long result;
static int error;

static void *make(void *arg)
{
    result = socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
    error = errno;
    return arg;
}

static long attack(void)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, make, NULL)) return -1;
    pthread_join(thread, NULL);
    errno = error;
    return result;
}
