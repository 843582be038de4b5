/* Changes a mode by a path that another thread rewrites.
 * stands for: races between check and use
 * grant: write
 * held: yes */
#include "attack.h"

static volatile int done;
static char to_own[4096], to_other[4096];

static void *swap(void *path)
{
    while (!done) {
        strcpy(path, to_other);
        strcpy(path, to_own);
    }
    return path;
}

static long attack(void)
{
    struct stat before, after;
    if (stat(closed("spoilt"), &before) < 0) return -1;
    mode_t wanted = (before.st_mode & 07777) ^ 0100;
    static char path[4096];
    pthread_t thread;
    if (close(open(opened("spoilt"), O_CREAT | O_WRONLY, 0600)) < 0) return -1;
    strcpy(path, opened("spoilt"));
    strcpy(to_own, opened("spoilt"));
    strcpy(to_other, closed("spoilt"));
    if (pthread_create(&thread, NULL, swap, path)) return -1;
    for (int i = 0; i < 2000; i++) chmod(path, wanted);
    done = 1;
    pthread_join(thread, NULL);
    if (stat(closed("spoilt"), &after) < 0) return -1;
    errno = EACCES;
    return (after.st_mode & 07777) == wanted ? 0 : -1;
}
