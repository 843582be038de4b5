/* Exchanges the root (needs root).
 * stands for: pivot_root
 * grant: all
 * held: yes */
#include "attack.h"
#include <sys/mount.h>

static long attack(void)
{
    pid_t child = fork();
    if (child == 0) {
        if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
            mount(open_folder, open_folder, NULL, MS_BIND, NULL) < 0 || chdir(open_folder) < 0)
            _exit(errno);
        _exit(syscall(SYS_pivot_root, ".", ".") < 0 ? errno : 0);
    }
    int status;
    waitpid(child, &status, 0);
    errno = WEXITSTATUS(status);
    return errno ? -1 : 0;
}
