/* Changes the mode of what a link leads to, which another thread swaps.
 * stands for: races between check and use
 * grant: write
 * held: yes */
#include "attack.h"

static volatile int done;

static void *swap(void *arg)
{
    char own[4096], other[4096], link[4096], aside[4096];
    strcpy(own, opened("own"));
    strcpy(other, closed("spoilt"));
    strcpy(link, opened("link"));
    strcpy(aside, opened("aside"));
    for (int i = 0; !done; i++)
        if (symlink(i % 2 ? own : other, aside) < 0 || rename(aside, link) < 0) break;
    return arg;
}

static long attack(void)
{
    struct stat before, after;
    if (stat(closed("spoilt"), &before) < 0) return -1;
    mode_t wanted = (before.st_mode & 07777) ^ 0100;
    pthread_t thread;
    if (close(open(opened("own"), O_CREAT | O_WRONLY, 0600)) < 0 ||
        symlink(opened("own"), opened("link")) < 0 || pthread_create(&thread, NULL, swap, NULL))
        return -1;
    for (int i = 0; i < 2000; i++) chmod(opened("link"), wanted);
    done = 1;
    pthread_join(thread, NULL);
    if (stat(closed("spoilt"), &after) < 0) return -1;
    errno = EACCES;
    return (after.st_mode & 07777) == wanted ? 0 : -1;
}
