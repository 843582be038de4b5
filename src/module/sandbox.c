/* One run of a compiler, sealed: Landlock for files and TCP, limits on time and size, an
 * environment of its own. */
#include "module/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    CPU_SECONDS = 120,
    WALL_SECONDS = 120,
    FILE_MOST = 256 << 20, /* bytes of one output */
};

/* From linux/landlock.h, which older systems lack in part. */
struct ruleset {
    uint64_t fs, net, scoped;
};
struct __attribute__((packed)) path_rule {
    uint64_t access;
    int32_t fd;
};
enum {
    EXECUTE = 1 << 0,
    WRITE_FILE = 1 << 1,
    READ_FILE = 1 << 2,
    READ_DIR = 1 << 3,
    FS_ABI1 = (1 << 13) - 1,
    REFER = 1 << 13,
    TRUNCATE = 1 << 14,
    IOCTL_DEV = 1 << 15,
    NET_BIND_CONNECT = 3,
    SCOPED_ALL = 3,
    READ_DIRS = READ_FILE | READ_DIR,
    RULE_PATH = 1,
};

static int landlock_abi(void)
{
    return (int)syscall(SYS_landlock_create_ruleset, NULL, 0, 1u);
}

bool nx__tool_sealed(void)
{
    return landlock_abi() > 0;
}

/* Grants; a path that is not there grants nothing. */
static void allow(int rules, const char *path, uint64_t access)
{
    int fd = open(path, O_PATH | O_CLOEXEC);
    if (fd < 0) return;
    struct stat st;
    if (fstat(fd, &st) == 0 && !S_ISDIR(st.st_mode))
        access &= EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE;
    struct path_rule rule = {.access = access, .fd = fd};
    (void)syscall(SYS_landlock_add_rule, rules, RULE_PATH, &rule, 0u);
    (void)close(fd);
}

/* In the child. False when the kernel has Landlock and yet refuses; without it the compiler runs
 * unsealed, which the docs say. */
static bool seal(const struct nx__tool_run *run)
{
    static const char *const toolchain[] = {"/usr", "/lib",  "/lib32", "/lib64",    "/libx32",
                                            "/bin", "/sbin", "/opt",   "/nix/store"};
    static const char *const files[] = {"/etc/ld.so.cache", "/etc/alternatives", "/dev/urandom",
                                        "/dev/zero"};
    int abi = landlock_abi();
    if (abi < 1) return true;
    uint64_t all = FS_ABI1 | (abi >= 2 ? REFER : 0u) | (abi >= 3 ? TRUNCATE : 0u) |
                   (abi >= 5 ? IOCTL_DEV : 0u);
    struct ruleset ruleset = {
        .fs = all, .net = abi >= 4 ? NET_BIND_CONNECT : 0, .scoped = abi >= 6 ? SCOPED_ALL : 0};
    size_t size = abi >= 6 ? sizeof ruleset : abi >= 4 ? 2 * sizeof(uint64_t) : sizeof(uint64_t);
    int rules = (int)syscall(SYS_landlock_create_ruleset, &ruleset, size, 0u);
    if (rules < 0) return false;
    for (size_t i = 0; i < sizeof toolchain / sizeof *toolchain; i++)
        allow(rules, toolchain[i], READ_DIRS | EXECUTE);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) allow(rules, files[i], READ_DIRS);
    allow(rules, "/dev/null", READ_FILE | WRITE_FILE);
    for (const char **path = run->readable; *path; path++) allow(rules, *path, READ_DIRS | EXECUTE);
    allow(rules, run->staging, all);
    bool sealed = syscall(SYS_landlock_restrict_self, rules, 0u) == 0;
    (void)close(rules);
    return sealed;
}

static void limit(int what, rlim_t most)
{
    struct rlimit r = {most, most};
    (void)setrlimit((__rlimit_resource_t)what, &r);
}

static void child(const struct nx__tool_run *run)
{
    char tmp[4200], home[4200], cache[4200], zig[4200];
    (void)snprintf(tmp, sizeof tmp, "TMPDIR=%s", run->staging);
    (void)snprintf(home, sizeof home, "HOME=%s", run->staging);
    (void)snprintf(cache, sizeof cache, "ZIG_GLOBAL_CACHE_DIR=%s/zig", run->staging);
    (void)snprintf(zig, sizeof zig, "ZIG_LOCAL_CACHE_DIR=%s/zig-local", run->staging);
    char path[] = "PATH=/usr/local/bin:/usr/bin:/bin", locale[] = "LC_ALL=C.UTF-8";
    char *environment[] = {path, locale, tmp, home, cache, zig, NULL};
    (void)setpgid(0, 0);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    sigset_t none;
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    limit(RLIMIT_CPU, CPU_SECONDS);
    limit(RLIMIT_FSIZE, FILE_MOST);
    limit(RLIMIT_CORE, 0);
    int null = open("/dev/null", O_RDONLY);
    int out = run->listing ? open(run->listing, O_WRONLY | O_CREAT | O_TRUNC, 0600) : run->output;
    if (null < 0 || out < 0 || dup2(null, 0) < 0 || dup2(out, 1) < 0 || dup2(run->output, 2) < 0) {
        (void)dprintf(run->output, "cannot run %s: %s\n", run->argv[0], nx__errno_text(errno));
        _exit(126);
    }
    (void)syscall(SYS_close_range, 3u, ~0u, 0u);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || !seal(run)) {
        (void)dprintf(2, "cannot seal the compiler: %s\n", nx__errno_text(errno));
        _exit(126);
    }
    (void)execve(run->argv[0], run->argv, environment);
    (void)dprintf(2, "cannot run %s: %s\n", run->argv[0], nx__errno_text(errno));
    _exit(127);
}

nx_err nx__tool_run(const struct nx__tool_run *run, int *status)
{
    pid_t pid = fork();
    if (pid < 0) return nx__error_system(errno, "cannot start the compiler");
    if (pid == 0) child(run);
    int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (pidfd >= 0) {
        struct pollfd wait = {.fd = pidfd, .events = POLLIN};
        int n;
        while ((n = poll(&wait, 1, WALL_SECONDS * 1000)) < 0 && errno == EINTR) {}
        if (n == 0) (void)kill(-pid, SIGKILL);
        (void)close(pidfd);
    }
    while (waitpid(pid, status, 0) < 0)
        if (errno != EINTR) return nx__error_system(errno, "cannot wait for the compiler");
    (void)kill(-pid, SIGKILL); /* whatever it has left behind */
    return NX_OK;
}
