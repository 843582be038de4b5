/* Makes a control group, whose end may start a program.
 * stands for: CVE-2022-0492
 * grant: all
 * held: yes */
#include "attack.h"

static long attack(void)
{
    static const char *const places[] = {"/sys/fs/cgroup/nexus-attack",
                                         "/sys/fs/cgroup/unified/nexus-attack",
                                         "/sys/fs/cgroup/pids/nexus-attack"};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        if (mkdir(places[i], 0700) == 0) return rmdir(places[i]);
    return -1;
}
