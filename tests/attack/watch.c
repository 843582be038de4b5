/* Watches what is done in a folder.
 * stands for: inotify, which no rule for files sees
 * grant: read
 * without: read
 * held: yes */
#include "attack.h"
#include <sys/inotify.h>

static long attack(void)
{
    return inotify_add_watch(inotify_init1(0), closed_folder, IN_ALL_EVENTS);
}
