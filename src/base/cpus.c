/* How many CPUs the process may use. */
#include "base/cpus.h"

#include "base/cgroup.h"
#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdlib.h>

enum {
    MASK_FIRST = 1024, /* CPUs; doubled until the kernel's mask fits */
    MASK_MOST = 1 << 20,
};

static unsigned affinity(void)
{
    for (size_t cpus = MASK_FIRST; cpus <= MASK_MOST; cpus *= 2) {
        cpu_set_t *set = CPU_ALLOC(cpus);
        if (!set) return 0;
        size_t size = CPU_ALLOC_SIZE(cpus);
        bool known = sched_getaffinity(0, size, set) == 0;
        bool small = !known && errno == EINVAL;
        int count = known ? CPU_COUNT_S(size, set) : 0;
        CPU_FREE(set);
        if (!small) return (unsigned)count;
    }
    return 0;
}

/* ---- Control groups */

/* The CPUs of a quota and its period, rounded up; 0 for none. */
static unsigned cpus_of(long long quota, long long period)
{
    if (quota <= 0 || period <= 0) return 0;
    long long cpus = quota / period + (quota % period != 0);
    return cpus > INT_MAX ? 0 : (unsigned)cpus;
}

/* Of one group, whose files are in the folder `path`; 0 for none. */
static unsigned limit_of(const char *path, bool first_version)
{
    char text[64], *end;
    if (first_version) {
        if (!nx__text_read(path, "cpu.cfs_quota_us", text, sizeof text)) return 0;
        long long quota = strtoll(text, NULL, 10);
        if (!nx__text_read(path, "cpu.cfs_period_us", text, sizeof text)) return 0;
        return cpus_of(quota, strtoll(text, NULL, 10));
    }
    if (!nx__text_read(path, "cpu.max", text, sizeof text)) return 0;
    long long quota = strtoll(text, &end, 10); /* "max": 0 */
    return cpus_of(quota, strtoll(end, NULL, 10));
}

static void least_note(const char *folder, bool first_version, void *arg)
{
    unsigned *least = arg, limit = limit_of(folder, first_version);
    if (limit && (!*least || limit < *least)) *least = limit;
}

unsigned nx__cpus_quota(const char *groups, const char *root)
{
    unsigned least = 0;
    nx__cgroup_walk(groups, root, "cpu", least_note, &least);
    return least;
}

unsigned nx__cpus(void)
{
    char groups[NX__CGROUP_TEXT];
    unsigned cpus = affinity(), quota = 0;
    if (nx__text_read("/proc/self", "cgroup", groups, sizeof groups))
        quota = nx__cpus_quota(groups, "/sys/fs/cgroup");
    if (quota && quota < cpus) cpus = quota;
    return cpus ? cpus : 1;
}
