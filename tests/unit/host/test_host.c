/* Facts about the machine, the user and the process, held against what the system says. */
#include "host/host.h"
#include <nexus/env.h>
#include <nexus/fs.h>
#include <nexus/test.h>
#include <pwd.h>
#include <stdlib.h>
#include <sys/utsname.h>
#include <unistd.h>

NX_TEST("the machine")
{
    nx_host host = {.size = sizeof host};
    struct utsname names;
    nx_require_ok(nx_host_get(&host));
    nx_require_eq(uname(&names), 0);
    nx_expect_eq(host.name, names.nodename);
    nx_expect_eq(host.kernel, "Linux");
    nx_expect_eq(host.release, names.release);
    nx_expect_eq(host.architecture, names.machine);
    nx_expect_gt(host.cpus, 0);
    nx_expect_gt(host.memory, 16 << 20);
    nx_expect_gt(host.memory_available, 0);
    nx_expect_le(host.memory_available, host.memory);
    nx_expect_eq(host.page_size, getpagesize());
    nx_expect_gt(host.uptime, 0);
    nx_expect_ge(host.load[0], 0.0);
    if (access("/etc/os-release", R_OK) == 0) {
        nx_expect_ne(host.system, "");
        nx_expect_ne(host.title, "");
    }
}

NX_TEST("a program that knows less of a structure gets no more")
{
    nx_host host = {.size = offsetof(nx_host, release)};
    nx_require_ok(nx_host_get(&host));
    nx_expect_eq(host.kernel, "Linux");
    nx_expect_eq(host.release, NULL);
    nx_expect_eq(host.size, offsetof(nx_host, release));
}

static void put(const char *folder, const char *name, const char *text)
{
    nx_require_ok(nx_fs_mkdir(folder, .parents = true));
    nx_require_ok(nx_fs_write_file(nx_format("%s/%s", folder, name), nx_str(text)));
}

NX_TEST("control groups of both versions leave so much memory")
{
    const char *root = nx_test_dir();
    put(nx_format("%s/a/b", root), "memory.max", "max\n");
    put(nx_format("%s/a/b", root), "memory.current", "1000\n");
    struct nx__memory_left left = nx__memory_left("0::/a/b\n", root);
    nx_expect_eq(left.total, UINT64_MAX);
    nx_expect_eq(left.available, UINT64_MAX);

    put(nx_format("%s/a", root), "memory.max", "100000\n");
    put(nx_format("%s/a", root), "memory.current", "60000\n");
    put(nx_format("%s/a", root), "memory.stat", "anon 1\nactive_file 7\ninactive_file 20000\n");
    left = nx__memory_left("0::/a/b\n", root);
    nx_expect_eq(left.total, 100000);
    nx_expect_eq(left.available, 60000);

    put(nx_format("%s/a/b", root), "memory.max", "500\n"); /* less than it has in use already */
    left = nx__memory_left("0::/a/b\n", root);
    nx_expect_eq(left.total, 500);
    nx_expect_eq(left.available, 0);

    const char *first = nx_format("%s/memory/x", root);
    put(first, "memory.limit_in_bytes", "9223372036854771712\n");
    left = nx__memory_left("5:cpu,memory:/x\n", root);
    nx_expect_eq(left.total, UINT64_MAX);
    put(first, "memory.limit_in_bytes", "8000\n");
    put(first, "memory.usage_in_bytes", "5000\n");
    put(first, "memory.stat", "inactive_file 1\ntotal_inactive_file 1000\n");
    left = nx__memory_left("5:cpu,memory:/x\n", root);
    nx_expect_eq(left.total, 8000);
    nx_expect_eq(left.available, 4000);
    nx_expect_eq(nx__memory_left("5:memory2:/x\n", root).total, UINT64_MAX);
}

NX_TEST("the network")
{
    nx_interface *all;
    size_t count;
    bool home = false;
    nx_require_ok(nx_host_interfaces(&all, &count));
    nx_require_gt(count, 0);
    for (size_t i = 0; i < count; i++) {
        nx_test_log("%s %s", all[i].name, all[i].mac);
        nx_expect_gt(all[i].index, 0);
        for (size_t k = 0; k < all[i].address_count; k++)
            if (strcmp(all[i].addresses[k].address, "127.0.0.1") == 0)
                home =
                    all[i].loopback && all[i].addresses[k].prefix == 8 && !all[i].addresses[k].v6;
    }
    nx_expect(home);
}

NX_TEST("the user")
{
    nx_user user = {.size = sizeof user};
    const struct passwd *own = getpwuid(geteuid());
    nx_require_ok(nx_user_get(&user));
    nx_expect_eq(user.uid, geteuid());
    nx_expect_eq(user.gid, getegid());
    if (!own) nx_skip("a user without a name");
    nx_expect_eq(user.name, own->pw_name);
    nx_expect_eq(user.home, own->pw_dir);
    nx_expect_eq(user.shell, own->pw_shell);
}

NX_TEST("lines of passwd, good and bad")
{
    static const char text[] = "root:x:0:0:root:/root:/bin/sh\n"
                               "+nis\n"
                               "bad:x:12x:1::/bad:/bad\n"
                               ":x:77:1::/noname:/bin/sh\n"
                               "ada:x:77:77:Ada, of London:/home/ada:\n"
                               "short:x:78";
    nx_user user = {0};
    nx_expect_ok(nx__passwd_find(text, 77, &user));
    nx_expect_eq(user.name, "ada");
    nx_expect_eq(user.home, "/home/ada");
    nx_expect_eq(user.shell, "");
    user = (nx_user){0};
    nx_expect_ok(nx__passwd_find(text, 78, &user));
    nx_expect_eq(user.name, "short");
    nx_expect_eq(user.home, "");
    user = (nx_user){0};
    nx_expect_ok(nx__passwd_find(text, 12, &user));
    nx_expect_eq(user.name, NULL);
}

NX_TEST("directories of the user")
{
    static const struct {
        nx_dir dir;
        const char *variable, *value, *app, *path;
    } rows[] = {
        {NX_DIR_CONFIG, "XDG_CONFIG_HOME", NULL, NULL, "/home/ada/.config"},
        {NX_DIR_CONFIG, "XDG_CONFIG_HOME", "/etc/ada", "notes", "/etc/ada/notes"},
        {NX_DIR_CACHE, "XDG_CACHE_HOME", "relative", "notes", "/home/ada/.cache/notes"},
        {NX_DIR_DATA, "XDG_DATA_HOME", "", NULL, "/home/ada/.local/share"},
        {NX_DIR_STATE, "XDG_STATE_HOME", NULL, "n", "/home/ada/.local/state/n"},
        {NX_DIR_RUNTIME, "XDG_RUNTIME_DIR", "/run/user/7", NULL, "/run/user/7"},
        {NX_DIR_HOME, "HOME", "/home/ada", NULL, "/home/ada"},
        {NX_DIR_TEMP, "TMPDIR", NULL, NULL, "/tmp"},
        {NX_DIR_TEMP, "TMPDIR", "/var/tmp", "x", "/var/tmp/x"},
    };
    (void)setenv("HOME", "/home/ada", 1);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        nx_subtest ("%s", rows[i].path) {
            const char *path;
            if (rows[i].value)
                (void)setenv(rows[i].variable, rows[i].value, 1);
            else
                (void)unsetenv(rows[i].variable);
            nx_require_ok(nx_user_dir(rows[i].dir, rows[i].app, &path));
            nx_expect_eq(path, rows[i].path);
        }
    const char *path;
    (void)unsetenv("XDG_RUNTIME_DIR");
    nx_expect_err(NX_ENOENT, nx_user_dir(NX_DIR_RUNTIME, NULL, &path));
    nx_expect_contains(nx_error_last()->message, "XDG_RUNTIME_DIR is not set");
    nx_expect_err(NX_EINVAL, nx_user_dir((nx_dir)99, NULL, &path));
    nx_expect_err(NX_EINVAL, nx_user_dir(NX_DIR_HOME, "../x", &path));
    nx_expect_err(NX_EINVAL, nx_user_dir(NX_DIR_HOME, "..", &path));
    nx_expect_err(NX_EINVAL, nx_user_dir(NX_DIR_HOME, "", &path));
    (void)unsetenv("HOME"); /* then what /etc/passwd has */
    nx_user user = {.size = sizeof user};
    nx_require_ok(nx_user_get(&user));
    if (user.home[0] != '/') nx_skip("a user without a home");
    nx_expect_ok(nx_user_dir(NX_DIR_HOME, NULL, &path));
    nx_expect_eq(path, user.home);
}

NX_TEST("the process")
{
    nx_self self = {.size = sizeof self}, later = {.size = sizeof later};
    char path[4096];
    nx_require_ok(nx_self_get(&self));
    nx_expect_eq(self.pid, getpid());
    nx_expect_eq(self.ppid, getppid());
    nx_expect(realpath("/proc/self/exe", path));
    nx_expect_eq(self.executable, path);
    nx_expect_eq(self.program, path);
    nx_expect_gt(self.memory, 100000);
    nx_expect_ge(self.memory_peak + (4 << 20), self.memory); /* counted less often */
    nx_expect_gt(self.uptime, -1);
    do nx_require_ok(nx_self_get(&later));
    while (later.cpu_user + later.cpu_system <= self.cpu_user + self.cpu_system);
    nx_expect_ge(later.uptime, self.uptime);
    nx_expect_lt(later.uptime, NX_S(600));
}
