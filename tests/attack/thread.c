/* From a second thread.
 * stands for: a seal that binds one thread alone
 * grant: read
 * held: yes */
#include "attack.h"

static long result;
static int error;

static void *look(void *arg)
{
    result = read_it(open(closed("secret"), O_RDONLY));
    error = errno;
    return arg;
}

static long attack(void)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, look, NULL)) return -1;
    pthread_join(thread, NULL);
    errno = error;
    return result;
}
