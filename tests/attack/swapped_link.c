/* One thread swaps a file for a link while another opens it.
 * stands for: a race between check and use
 * grant: read
 * held: yes */
#include "attack.h"

static volatile int over;

static void *swap(void *arg)
{
    while (!over) {
        unlink(opened("swapped"));
        close(open(opened("swapped"), O_WRONLY | O_CREAT, 0600));
        unlink(opened("swapped"));
        if (symlink(closed("secret"), opened("swapped")) < 0) return arg;
        sched_yield();
    }
    return arg;
}

static long attack(void)
{
    pthread_t swapper;
    if (pthread_create(&swapper, NULL, swap, NULL)) return -1;
    long result = -1;
    int error = ENOENT;
    for (int i = 0; i < 100000 && result < 0; i++) {
        result = read_it(open(opened("swapped"), O_RDONLY));
        if (result < 0 && errno != ENOENT && errno != ENODATA) error = errno;
    }
    over = 1;
    pthread_join(swapper, NULL);
    errno = error;
    return result;
}
