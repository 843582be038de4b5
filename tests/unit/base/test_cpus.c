/* How many CPUs a process may use, by made-up control groups and by its affinity. */
#include "base/cpus.h"

#include <nexus/test.h>
#include <sched.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *root;

static void put(const char *folder, const char *file, const char *text)
{
    char path[512];
    (void)snprintf(path, sizeof path, "%s%s", root, folder);
    for (char *slash = path + strlen(root); *slash && (slash = strchr(slash + 1, '/'));) {
        *slash = '\0';
        (void)mkdir(path, 0700);
        *slash = '/';
    }
    (void)mkdir(path, 0700);
    (void)snprintf(path, sizeof path, "%s%s/%s", root, folder, file);
    FILE *f = fopen(path, "w");
    nx_require(f != NULL);
    (void)fputs(text, f);
    (void)fclose(f);
}

NX_TEST("version 2: the least limit up to the root, rounded up")
{
    root = nx_test_dir();
    put("/a/b", "cpu.max", "max 100000\n");
    nx_expect_eq(nx__cpus_quota("0::/a/b\n", root), 0u);
    put("/a", "cpu.max", "250000 100000\n");
    nx_expect_eq(nx__cpus_quota("0::/a/b\n", root), 3u);
    put("/a/b", "cpu.max", "150000 100000\n");
    nx_expect_eq(nx__cpus_quota("0::/a/b\n", root), 2u);
    put("/a/b", "cpu.max", "1000 100000\n");
    nx_expect_eq(nx__cpus_quota("0::/a/b", root), 1u);
    nx_expect_eq(nx__cpus_quota("0::/elsewhere\n", root), 0u);
    put("", "cpu.max", "400000 100000\n"); /* a container sees its own group as the root */
    nx_expect_eq(nx__cpus_quota("0::/\n", root), 4u);
    nx_expect_eq(nx__cpus_quota("0::/elsewhere\n", root), 4u);
}

NX_TEST("version 1, and both at once")
{
    root = nx_test_dir();
    static const char groups[] = "12:cpuset:/x\n4:cpu,cpuacct:/x/y\n1:name=systemd:/x\n0::/z\n";
    put("/cpu/x/y", "cpu.cfs_quota_us", "-1\n");
    put("/cpu/x/y", "cpu.cfs_period_us", "100000\n");
    nx_expect_eq(nx__cpus_quota(groups, root), 0u);
    put("/cpu/x", "cpu.cfs_quota_us", "500000\n");
    put("/cpu/x", "cpu.cfs_period_us", "100000\n");
    nx_expect_eq(nx__cpus_quota(groups, root), 5u);
    put("/unified/z", "cpu.max", "300000 100000\n");
    nx_expect_eq(nx__cpus_quota(groups, root), 3u);
    nx_expect_eq(nx__cpus_quota("4:cpuset,cpux:/x\n", root), 0u);
}

NX_TEST("what is no such file sets no limit")
{
    root = nx_test_dir();
    static const char *const texts[] = {"",    "max",       "1",         "x y",
                                        "1 0", "-5 100000", "100000 -1", "9223372036854775807 1"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        put("", "cpu.max", texts[i]);
        nx_expect_eq(nx__cpus_quota("0::/\n", root), 0u);
    }
    static const char *const groups[] = {"", "\n", ":", "0:", "::", "a:b", "\n\n0:\n", "0::"};
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++)
        nx_expect_eq(nx__cpus_quota(groups[i], root), 0u);
    char path[8192];
    memset(path, 'p', sizeof path - 1);
    memcpy(path, "0::/", 4);
    path[sizeof path - 1] = '\0';
    nx_expect_eq(nx__cpus_quota(path, root), 0u);
}

NX_TEST("the affinity counts")
{
    cpu_set_t before, one;
    nx_require(sched_getaffinity(0, sizeof before, &before) == 0);
    nx_expect_ge(nx__cpus(), 1u);
    nx_expect_le(nx__cpus(), (unsigned)CPU_COUNT(&before));
    size_t first = 0;
    while (!CPU_ISSET(first, &before)) first++;
    CPU_ZERO(&one);
    CPU_SET(first, &one);
    nx_require(sched_setaffinity(0, sizeof one, &one) == 0);
    nx_expect_eq(nx__cpus(), 1u);
    nx_expect(sched_setaffinity(0, sizeof before, &before) == 0);
}
