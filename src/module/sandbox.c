/* One run of a compiler, sealed: Landlock for files and TCP, limits on time and size, an
 * environment of its own. */
#include "module/internal.h"

#include "base/clock.h"
#include "module/job.h"
#include "permission/landlock.h"

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

bool nx__tool_sealed(void)
{
    return nx__landlock_version() > 0;
}

/* In the child. False when the kernel has Landlock and yet refuses; without it the compiler runs
 * unsealed, which the docs say. */
static bool seal(const struct nx__tool_run *run)
{
    static const char *const toolchain[] = {"/usr", "/lib",  "/lib32", "/lib64",    "/libx32",
                                            "/bin", "/sbin", "/opt",   "/nix/store"};
    static const char *const files[] = {"/etc/ld.so.cache", "/etc/alternatives", "/dev/urandom",
                                        "/dev/zero"};
    struct nx__landlock landlock = {.files = NX__FILES_ALL,
                                    .ports = NX__PORTS_BIND | NX__PORTS_CONNECT,
                                    .scopes = NX__SCOPE_ABSTRACT | NX__SCOPE_SIGNALS};
    if (!nx__landlock_version()) return true;
    if (!nx__landlock_begin(&landlock)) return false;
    for (size_t i = 0; i < sizeof toolchain / sizeof *toolchain; i++)
        nx__landlock_allow(&landlock, toolchain[i], NX__FILES_READ | NX__FILES_EXECUTE);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        nx__landlock_allow(&landlock, files[i], NX__FILES_READ);
    nx__landlock_allow(&landlock, "/dev/null", NX__FILES_READ | NX__FILES_WRITE);
    for (const char **path = run->readable; *path; path++)
        nx__landlock_allow(&landlock, *path, NX__FILES_READ | NX__FILES_EXECUTE);
    nx__landlock_allow(&landlock, run->staging,
                       NX__FILES_READ | NX__FILES_WRITE | NX__FILES_EXECUTE);
    return nx__landlock_hold(&landlock);
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
