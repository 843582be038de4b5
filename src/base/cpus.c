/* How many CPUs the process may use. */
#include "base/cpus.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    MASK_FIRST = 1024, /* CPUs; doubled until the kernel's mask fits */
    MASK_MOST = 1 << 20,
    GROUPS_MOST = 4096, /* bytes of /proc/self/cgroup */
};

/* The start of the file as a string; false where it can't be read. */
static bool read_text(const char *folder, const char *file, char *out, size_t size)
{
    char path[PATH_MAX];
    int length = snprintf(path, sizeof path, "%s/%s", folder, file);
    if (length < 0 || (size_t)length >= sizeof path) return false;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    ssize_t n;
    do n = read(fd, out, size - 1);
    while (n < 0 && errno == EINTR);
    (void)close(fd);
    out[n > 0 ? n : 0] = '\0';
    return n > 0;
}

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
        if (!read_text(path, "cpu.cfs_quota_us", text, sizeof text)) return 0;
        long long quota = strtoll(text, NULL, 10);
        if (!read_text(path, "cpu.cfs_period_us", text, sizeof text)) return 0;
        return cpus_of(quota, strtoll(text, NULL, 10));
    }
    if (!read_text(path, "cpu.max", text, sizeof text)) return 0;
    long long quota = strtoll(text, &end, 10); /* "max": 0 */
    return cpus_of(quota, strtoll(end, NULL, 10));
}

/* The least limit of the group and those above it; 0 for none. */
static unsigned least_of(const char *root, const char *mount, const char *group, size_t len,
                         bool first_version)
{
    char path[PATH_MAX];
    int n = snprintf(path, sizeof path, "%s%s", root, mount);
    if (n < 0 || (size_t)n + len >= sizeof path) return 0;
    size_t base = (size_t)n, at = base + len;
    memcpy(path + base, group, len);
    unsigned least = 0;
    for (;;) {
        path[at] = '\0';
        unsigned limit = limit_of(path, first_version);
        if (limit && (!least || limit < least)) least = limit;
        if (at == base) return least;
        do at--;
        while (at > base && path[at] != '/');
    }
}

/* Is "cpu" among the controllers, which commas separate? */
static bool has_cpu(const char *names, size_t len)
{
    while (len) {
        const char *comma = memchr(names, ',', len);
        size_t n = comma ? (size_t)(comma - names) : len;
        if (n == 3 && memcmp(names, "cpu", 3) == 0) return true;
        n += comma != NULL;
        names += n;
        len -= n;
    }
    return false;
}

unsigned nx__cpus_quota(const char *groups, const char *root)
{
    unsigned least = 0;
    for (const char *line = groups; *line;) {
        size_t len = strcspn(line, "\n");
        const char *names = memchr(line, ':', len);
        const char *group = names ? memchr(names + 1, ':', len - (size_t)(names + 1 - line)) : NULL;
        if (group) {
            size_t names_len = (size_t)(group - names - 1);
            size_t group_len = len - (size_t)(group + 1 - line);
            /* With both versions the second one is mounted at "unified". */
            unsigned limits[2] = {0, 0};
            if (!names_len) {
                limits[0] = least_of(root, "", group + 1, group_len, false);
                limits[1] = least_of(root, "/unified", group + 1, group_len, false);
            } else if (has_cpu(names + 1, names_len)) {
                limits[0] = least_of(root, "/cpu", group + 1, group_len, true);
            }
            for (int i = 0; i < 2; i++)
                if (limits[i] && (!least || limits[i] < least)) least = limits[i];
        }
        line += len + (line[len] == '\n');
    }
    return least;
}

unsigned nx__cpus(void)
{
    char groups[GROUPS_MOST];
    unsigned cpus = affinity(), quota = 0;
    if (read_text("/proc/self", "cgroup", groups, sizeof groups))
        quota = nx__cpus_quota(groups, "/sys/fs/cgroup");
    if (quota && quota < cpus) cpus = quota;
    return cpus ? cpus : 1;
}
