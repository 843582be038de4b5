/* One run of a compiler, sealed: Landlock for files and TCP, limits on time and size, an
 * environment of its own. */
#include "module/internal.h"

#include "base/clock.h"
#include "module/job.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
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

/* What the child needs and must not make: another thread may have had a lock, of malloc's or of
 * stdio's, when the process was copied, and nobody is left there to give it back. */
struct plan {
    const struct nx__tool_run *run;
    char tmp[NX__JOB_PATH + 16], home[NX__JOB_PATH + 16], cache[NX__JOB_PATH + 32],
        local[NX__JOB_PATH + 32];
    char *environment[7];
};

static void plan_make(struct plan *plan, const struct nx__tool_run *run)
{
    static char path[] = "PATH=/usr/local/bin:/usr/bin:/bin", locale[] = "LC_ALL=C.UTF-8";
    plan->run = run;
    (void)snprintf(plan->tmp, sizeof plan->tmp, "TMPDIR=%s", run->staging);
    (void)snprintf(plan->home, sizeof plan->home, "HOME=%s", run->staging);
    (void)snprintf(plan->cache, sizeof plan->cache, "ZIG_GLOBAL_CACHE_DIR=%s/zig", run->staging);
    (void)snprintf(plan->local, sizeof plan->local, "ZIG_LOCAL_CACHE_DIR=%s/zig-local",
                   run->staging);
    char *const environment[] = {path,        locale,      plan->tmp, plan->home,
                                 plan->cache, plan->local, NULL};
    memcpy(plan->environment, environment, sizeof environment);
}

/* In the child: says why it can't go on, by system calls alone, and ends. */
static _Noreturn void give_up(int to, int code, const char *what, const char *name)
{
    const char *const parts[] = {what, name, ": ", nx__errno_text(errno), "\n"};
    enum { COUNT = sizeof parts / sizeof *parts };
    struct iovec pieces[COUNT];
    for (size_t i = 0; i < COUNT; i++)
        pieces[i] = (struct iovec){(void *)(uintptr_t)parts[i], strlen(parts[i])};
    /* Without a reader there is nobody left to tell. */
    _exit(writev(to, pieces, COUNT) < 0 ? 126 : code);
}

static _Noreturn void child(const struct plan *plan)
{
    const struct nx__tool_run *run = plan->run;
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
    if (null < 0 || out < 0 || dup2(null, 0) < 0 || dup2(out, 1) < 0 || dup2(run->output, 2) < 0)
        give_up(run->output, 126, "cannot run ", run->argv[0]);
    (void)syscall(SYS_close_range, 3u, ~0u, 0u);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || !seal(run))
        give_up(2, 126, "cannot seal the compiler", "");
    (void)execve(run->argv[0], run->argv, plan->environment);
    give_up(2, 127, "cannot run ", run->argv[0]);
}

static int64_t milliseconds(void)
{
    return nx__clock_monotonic() / NX_MS(1);
}

/* Waits until the child has ended or its time is up; whatever there is no handle for, or no
 * waiting by it, is looked at again and again. 1, 0 when its time is up, or -errno. */
static int wait_end(pid_t pid, int64_t until, int *status)
{
    enum { LOOK = 10 /* ms */ };
    int pidfd = (int)syscall(SYS_pidfd_open, pid, 0), result = 0;
    for (;;) {
        pid_t ended = waitpid(pid, status, WNOHANG);
        if (ended < 0 && errno != EINTR) result = -errno;
        if (ended > 0) result = 1;
        int64_t left = until - milliseconds();
        if (result || left <= 0) break;
        struct pollfd wait = {.fd = pidfd, .events = POLLIN};
        if (pidfd < 0 || (poll(&wait, 1, (int)left) < 0 && errno != EINTR))
            (void)nanosleep(&(struct timespec){.tv_nsec = LOOK * 1000000}, NULL);
    }
    if (pidfd >= 0) (void)close(pidfd);
    return result;
}

nx_err nx__tool_run(const struct nx__tool_run *run, int *status)
{
    struct plan plan;
    plan_make(&plan, run);
    pid_t pid = fork();
    if (pid < 0) return nx__error_system(errno, "cannot start the compiler");
    if (pid == 0) child(&plan);
    (void)setpgid(pid, pid); /* whoever of the two comes first */
    int seconds = run->seconds ? run->seconds : WALL_SECONDS;
    int result = wait_end(pid, milliseconds() + (int64_t)seconds * 1000, status);
    if (result == 0) {
        if (kill(-pid, SIGKILL) != 0) (void)kill(pid, SIGKILL);
        pid_t ended;
        do ended = waitpid(pid, status, 0);
        while (ended < 0 && errno == EINTR);
        if (ended < 0) result = -errno;
    }
    if (result < 0) return nx__error_system(-result, "cannot wait for the compiler");
    (void)kill(-pid, SIGKILL); /* whatever it has left behind */
    return NX_OK;
}
