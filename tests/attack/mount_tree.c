/* Takes a file system's tree apart (needs root).
 * stands for: open_tree
 * grant: all
 * held: yes */
#include "attack.h"

static long attack(void)
{
    return syscall(SYS_open_tree, AT_FDCWD, closed_folder, 1 /* OPEN_TREE_CLONE */);
}
