/* Has the kernel write its memory where it may not.
 * stands for: core dumps, CVE-2022-30594
 * grant: write
 * held: yes */
#include "attack.h"
#include <sys/resource.h>

static long attack(void)
{
    struct rlimit most = {RLIM_INFINITY, RLIM_INFINITY};
    struct stat st;
    pid_t child = fork();
    if (child == 0) {
        signal(SIGABRT, SIG_DFL);
        if (chdir(closed_folder) < 0 || setrlimit(RLIMIT_CORE, &most) < 0) _exit(1);
        abort();
    }
    waitpid(child, NULL, 0);
    char named[64];
    snprintf(named, sizeof named, "core.%d", child);
    if (stat(closed("core"), &st) == 0 || stat(closed(named), &st) == 0) return 0;
    errno = EACCES;
    return -1;
}
