/* Changes the path between a check and the call.
 * stands for: races between check and use
 * grant: read
 * held: yes */
#include "attack.h"

static volatile int done;

static void *swap(void *path)
{
    while (!done) {
        strcpy(path, closed("secret"));
        sched_yield();
        strcpy(path, opened("."));
        sched_yield();
    }
    return NULL;
}

static long attack(void)
{
    static char path[4096];
    pthread_t thread;
    const char *const paths[] = {opened("."), closed("secret")};
    strcpy(path, paths[0]);
    if (pthread_create(&thread, NULL, swap, path)) return -1;
    long result = -1;
    int error = EACCES;
    for (int i = 0; i < 20000 && result < 0; i++) {
        int fd = open(path, O_RDONLY);
        result = fd < 0 ? -1 : read_it(fd);
        if (fd < 0 && errno != ENOENT) error = errno;
        if (fd >= 0) close(fd);
    }
    done = 1;
    pthread_join(thread, NULL);
    errno = error;
    return result;
}
