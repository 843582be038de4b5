/* Watches a whole file system (needs root).
 * stands for: fanotify
 * grant: all
 * held: yes */
#include "attack.h"
#include <sys/fanotify.h>

static long attack(void)
{
    int fd = fanotify_init(FAN_CLASS_NOTIF, O_RDONLY);
    return fd < 0 ? -1
                  : fanotify_mark(fd, FAN_MARK_ADD, FAN_OPEN | FAN_EVENT_ON_CHILD, AT_FDCWD,
                                  closed_folder);
}
