/* Watches a folder outside what may be read.
 * stands for: inotify, which no rule for files sees
 * grant: read
 * held: no */
#include "attack.h"
#include <sys/inotify.h>

static long attack(void)
{
    return inotify_add_watch(inotify_init1(0), closed_folder, IN_ALL_EVENTS);
}
