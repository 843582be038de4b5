/* nexus doctor: what the system lets a program have. */
#include "cli/doctor.h"

#include "loop/stack.h"
#include <limits.h>
#include <nexus/runtime.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

static unsigned long long number_in(const char *path, unsigned long long otherwise)
{
    char text[64], *end;
    if (!nx__doctor_read(path, text, sizeof text)) return otherwise;
    unsigned long long n = strtoull(text, &end, 10);
    return end == text ? otherwise : n;
}

static void probe_files(struct nx__doctor *d, const nx_limits *want)
{
    static const char why[] = "each connection is one; nexus run raises the soft limit by itself";
    enum { FEW = 1024 };
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0) return;
    unsigned long long soft = files.rlim_cur, hard = files.rlim_max;
    enum nx__health health = hard < FEW                    ? NX__HEALTH_PROBLEM
                             : hard < want->max_open_files ? NX__HEALTH_NOTE
                                                           : NX__HEALTH_OK;
    struct nx__finding *f =
        files.rlim_max == RLIM_INFINITY
            ? nx__doctor_add(d, NX__HEALTH_OK, "open files", why, "%llu, and as many as wanted",
                             soft)
            : nx__doctor_add(d, health, "open files", why, "%llu, at most %llu (wanted: %llu)",
                             soft, hard, (unsigned long long)want->max_open_files);
    if (f->health == NX__HEALTH_OK) return;
    if (geteuid() == 0)
        nx__doctor_fix(f, "ulimit -n %llu", (unsigned long long)want->max_open_files);
    else
        nx__doctor_fix(
            f,
            "echo \"$USER - nofile %llu\" | sudo tee /etc/security/limits.d/nexus.conf (and log in anew)",
            (unsigned long long)want->max_open_files);
}

/* How many stacks can be reserved at once, up to `want`: as the runtime reserves them, all of them
 * in one piece. */
static uint64_t stacks_that_fit(uint64_t want, uint64_t each)
{
    uint64_t least = 0, most = want;
    while (least < most) {
        uint64_t n = most - (most - least) / 2;
        void *all = n > SIZE_MAX / each ? MAP_FAILED
                                        : mmap(NULL, n * each, PROT_READ | PROT_WRITE,
                                               MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (all == MAP_FAILED) {
            most = n - 1;
            continue;
        }
        (void)munmap(all, n * each);
        least = n;
        if (n == want) break;
    }
    return least;
}

static void probe_fibers(struct nx__doctor *d, const nx_limits *want)
{
    static const char map_why[] = "without MADV_GUARD_INSTALL each fiber takes two mappings";
    static const char why[] = "their stacks are reserved, and take memory only as they are used";
    bool guards = false;
    for (size_t i = 0; i < d->count; i++)
        guards |= strcmp(d->findings[i].name, "MADV_GUARD_INSTALL") == 0 &&
                  d->findings[i].health == NX__HEALTH_OK;
    unsigned long long maps = number_in("/proc/sys/vm/max_map_count", 65530),
                       fibers = want->max_fibers;
    if (guards) {
        nx__doctor_add(d, NX__HEALTH_OK, "vm.max_map_count", map_why,
                       "%llu, and no bound for fibers", maps);
    } else {
        bool few = maps / 2 < fibers;
        struct nx__finding *f =
            nx__doctor_add(d, few ? NX__HEALTH_NOTE : NX__HEALTH_OK, "vm.max_map_count", map_why,
                           "%llu, for about %llu fibers of %llu", maps, maps / 2, fibers);
        if (few)
            nx__doctor_fix(f, "%ssysctl -w vm.max_map_count=%llu", d->sudo, fibers * 2 + 65530);
    }
    unsigned long long mode = number_in("/proc/sys/vm/overcommit_memory", 0);
    uint64_t fit = stacks_that_fit(want->max_fibers, want->stack_size + NX__STACK_GUARD);
    enum nx__health health = fit < 1000               ? NX__HEALTH_PROBLEM
                             : fit < want->max_fibers ? NX__HEALTH_NOTE
                                                      : NX__HEALTH_OK;
    struct nx__finding *f =
        nx__doctor_add(d, health, "fibers", why,
                       "stacks for %llu of %llu can be reserved (vm.overcommit_memory = %llu)",
                       (unsigned long long)fit, fibers, mode);
    struct rlimit space;
    if (health == NX__HEALTH_OK) return;
    if (mode == 2)
        nx__doctor_fix(f, "%ssysctl -w vm.overcommit_memory=0", d->sudo);
    else if (getrlimit(RLIMIT_AS, &space) == 0 && space.rlim_cur != RLIM_INFINITY)
        nx__doctor_fix(f, "ulimit -v unlimited");
}

/* ---- Control groups, version 2 and the first */

/* The group of the process below `controller` ("" for version 2), as a path under the mount. */
static bool group_of(const char *controller, char out[512])
{
    char text[4096];
    if (!nx__doctor_read("/proc/self/cgroup", text, sizeof text)) return false;
    for (char *line = text, *next; line; line = next) {
        next = strchr(line, '\n');
        if (next) *next++ = '\0';
        char *names = strchr(line, ':'), *path = names ? strchr(names + 1, ':') : NULL;
        if (!path) continue;
        *path++ = '\0';
        names++;
        bool found = !*controller && !*names;
        for (size_t len; *controller && *names && !found; names += len + (names[len] == ',')) {
            len = strcspn(names, ",");
            found = len == strlen(controller) && strncmp(names, controller, len) == 0;
        }
        if (!found) continue;
        (void)snprintf(out, 512, "%s", path);
        return true;
    }
    return false;
}

/* The least number in `file` of the group and of those above it; UINT64_MAX without a limit. Of a
 * container's group the path may be one of outside, so what is not there is passed over. */
static uint64_t group_least(const char *mount, const char *group, const char *file)
{
    char folder[512], path[1200], text[64], *end;
    uint64_t least = UINT64_MAX;
    (void)snprintf(folder, sizeof folder, "%s", group);
    for (;;) {
        (void)snprintf(path, sizeof path, "%s%s/%s", mount, folder[1] ? folder : "", file);
        if (nx__doctor_read(path, text, sizeof text)) {
            unsigned long long n = strtoull(text, &end, 10);
            if (end != text && n < least) least = n;
        }
        char *slash = strrchr(folder, '/');
        if (!slash || !folder[1]) return least;
        slash[slash == folder] = '\0';
    }
}

/* The least quota of processor time, in thousandths of a processor. */
static uint64_t group_processors(const char *mount, const char *group)
{
    char folder[512], path[1200], text[64];
    uint64_t least = UINT64_MAX;
    (void)snprintf(folder, sizeof folder, "%s", group);
    for (;;) {
        char *end;
        unsigned long long quota = 0, period = 0;
        (void)snprintf(path, sizeof path, "%s%s/cpu.max", mount, folder[1] ? folder : "");
        if (nx__doctor_read(path, text, sizeof text)) {
            quota = strtoull(text, &end, 10);
            period = end == text ? 0 : strtoull(end, NULL, 10);
        } else {
            (void)snprintf(path, sizeof path, "%s%s/cpu.cfs_quota_us", mount,
                           folder[1] ? folder : "");
            if (nx__doctor_read(path, text, sizeof text) && text[0] != '-')
                quota = strtoull(text, NULL, 10);
            (void)snprintf(path, sizeof path, "%s%s/cpu.cfs_period_us", mount,
                           folder[1] ? folder : "");
            period = number_in(path, 0);
        }
        if (quota && period && quota * 1000 / period < least) least = quota * 1000 / period;
        char *slash = strrchr(folder, '/');
        if (!slash || !folder[1]) return least;
        slash[slash == folder] = '\0';
    }
}

static void probe_memory(struct nx__doctor *d)
{
    static const char why[] = "past it the kernel ends the program";
    enum { LITTLE = 64 }; /* MiB: a compiler and an app */
    char group[512];
    uint64_t least = UINT64_MAX;
    if (group_of("", group)) least = group_least("/sys/fs/cgroup", group, "memory.max");
    if (least == UINT64_MAX && group_of("memory", group))
        least = group_least("/sys/fs/cgroup/memory", group, "memory.limit_in_bytes");
    uint64_t all = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    if (least > all) { /* the first version's "none" is a large number */
        nx__doctor_add(d, NX__HEALTH_OK, "memory", why, "%llu MiB, the machine's",
                       (unsigned long long)(all >> 20));
        return;
    }
    bool little = least >> 20 < LITTLE;
    struct nx__finding *f =
        nx__doctor_add(d, little ? NX__HEALTH_NOTE : NX__HEALTH_OK, "memory", why,
                       "%llu MiB, by the control group", (unsigned long long)(least >> 20));
    if (little)
        nx__doctor_fix(f, "docker run --memory=256m ... (or MemoryMax= of the systemd unit)");
}

static void probe_processors(struct nx__doctor *d)
{
    static const char why[] = "a server takes one unless it is told to take more";
    char group[512];
    cpu_set_t allowed;
    uint64_t least = UINT64_MAX;
    int count = sched_getaffinity(0, sizeof allowed, &allowed) == 0 ? CPU_COUNT(&allowed) : 1;
    long all = sysconf(_SC_NPROCESSORS_ONLN);
    if (group_of("", group)) least = group_processors("/sys/fs/cgroup", group);
    if (least == UINT64_MAX && group_of("cpu", group))
        least = group_processors("/sys/fs/cgroup/cpu", group);
    if (least >= (uint64_t)count * 1000) {
        nx__doctor_add(d, NX__HEALTH_OK, "processors", why, "%d of %ld", count, all);
        return;
    }
    struct nx__finding *f =
        nx__doctor_add(d, least < 1000 ? NX__HEALTH_NOTE : NX__HEALTH_OK, "processors", why,
                       "%d of %ld, but time for %.2f of them, by the control group", count, all,
                       (double)least / 1000);
    if (least < 1000)
        nx__doctor_fix(f, "docker run --cpus=1 ... (or CPUQuota=100%% of the systemd unit)");
}

void nx__doctor_limits(struct nx__doctor *d)
{
    nx_limits want = {.size = sizeof want};
    nx_limits_get(&want);
    d->group = "limits";
    probe_files(d, &want);
    probe_fibers(d, &want);
    probe_memory(d);
    probe_processors(d);
}
