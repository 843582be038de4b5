/* nexus doctor: what the kernel offers, each by a call that uses it. */
#include "cli/doctor.h"

#include "base/error.h"
#include "loop/uring.h"
#include "permission/hold.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Whether a seccomp filter is on us, such as a container's: then it may be what refuses a call. */
static bool is_filtered(void)
{
    return prctl(PR_GET_SECCOMP, 0, 0, 0, 0) == SECCOMP_MODE_FILTER;
}

static void probe_uring(struct nx__doctor *d)
{
    static const char why[] = "it serves files; without it a few threads do";
    char text[32] = "";
    int result = nx__uring_probe();
    if (result == 0) {
        nx__doctor_add(d, NX__HEALTH_OK, "io_uring", why, "allowed");
        return;
    }
    bool read = nx__doctor_read("/proc/sys/kernel/io_uring_disabled", text, sizeof text);
    if (result == -ENOSYS && !is_filtered()) {
        nx__doctor_add(d, NX__HEALTH_NOTE, "io_uring", why, "this kernel has none");
    } else if (result == -EOPNOTSUPP) {
        nx__doctor_add(d, NX__HEALTH_NOTE, "io_uring", why,
                       "this kernel's can't open, read and rename files");
    } else if (read && text[0] != '0') {
        struct nx__finding *f =
            nx__doctor_add(d, NX__HEALTH_NOTE, "io_uring", why,
                           "refused by the sysctl kernel.io_uring_disabled = %.20s", text);
        nx__doctor_fix(f, "%ssysctl -w kernel.io_uring_disabled=0", d->sudo);
    } else if (is_filtered()) {
        struct nx__finding *f = nx__doctor_add(
            d, NX__HEALTH_NOTE, "io_uring", why,
            "refused by a seccomp filter, as containers have: %s", nx__errno_text(-result));
        nx__doctor_fix(
            f,
            "docker run --security-opt seccomp=profile.json ... (a profile with io_uring_setup, io_uring_enter, io_uring_register)");
    } else {
        nx__doctor_add(d, NX__HEALTH_NOTE, "io_uring", why, "refused: %s", nx__errno_text(-result));
    }
}

static void probe_epoll(struct nx__doctor *d)
{
    static const char why[] = "timers fire within microseconds; without it within a millisecond";
    struct epoll_event event;
    const struct timespec now = {0};
    int fd = epoll_create1(EPOLL_CLOEXEC);
    long n = fd < 0 ? -1 : syscall(SYS_epoll_pwait2, fd, &event, 1, &now, NULL, 0);
    int error = errno;
    if (fd >= 0) (void)close(fd);
    if (n >= 0)
        nx__doctor_add(d, NX__HEALTH_OK, "epoll_pwait2", why, "allowed");
    else
        nx__doctor_add(d, NX__HEALTH_NOTE, "epoll_pwait2", why, "%s: %s",
                       is_filtered() && error == EPERM ? "refused by a seccomp filter" : "refused",
                       nx__errno_text(error));
}

static void probe_guard(struct nx__doctor *d)
{
    static const char why[] = "fibers' stacks are guarded without a mapping for each";
    enum { INSTALL = 102, PAGE = 65536 };
    void *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    bool has = page != MAP_FAILED && madvise(page, PAGE, INSTALL) == 0;
    if (page != MAP_FAILED) (void)munmap(page, PAGE);
    nx__doctor_add(d, has ? NX__HEALTH_OK : NX__HEALTH_NOTE, "MADV_GUARD_INSTALL", why,
                   has ? "allowed" : "not in this kernel (Linux 6.13 has it): by mprotect");
}

static void probe_landlock(struct nx__doctor *d)
{
    static const char why[] =
        "it holds the compiler to the project's files, and programs to what they are granted";
    enum { VERSION_FLAG = 1 };
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, VERSION_FLAG);
    int error = errno;
    char modules[200] = "";
    if (abi > 0) {
        nx__doctor_add(d, NX__HEALTH_OK, "Landlock", why,
                       abi >= 4 ? "version %ld" : "version %ld: files alone, not the network", abi);
    } else if (error == EOPNOTSUPP) {
        /* It is in the kernel, and was not chosen at its start. */
        bool read = nx__doctor_read("/sys/kernel/security/lsm", modules, sizeof modules);
        struct nx__finding *f =
            nx__doctor_add(d, NX__HEALTH_NOTE, "Landlock", why,
                           "in this kernel, but not among the security modules that it began with; "
                           "with it on the kernel's command line, and after a restart, it is");
        if (access("/etc/default/grub", F_OK) == 0 && access("/usr/sbin/update-grub", X_OK) == 0)
            nx__doctor_fix(
                f,
                "%ssed -i 's/^GRUB_CMDLINE_LINUX=\"/&lsm=landlock,%.80s /' /etc/default/grub && %supdate-grub",
                d->sudo, read ? modules : "yama", d->sudo);
    } else if (error == ENOSYS && !is_filtered()) {
        nx__doctor_add(
            d, NX__HEALTH_NOTE, "Landlock", why,
            "not in this kernel: the compiler runs unsealed, and grants are held by the API alone");
    } else {
        nx__doctor_add(
            d, NX__HEALTH_NOTE, "Landlock", why,
            "refused by a seccomp filter: the compiler runs unsealed, and grants are held by the API alone");
    }
}

static void probe_seccomp(struct nx__doctor *d)
{
    static const char why[] =
        "a filter holds programs to the system calls that their grants are for";
    const uint32_t notify = SECCOMP_RET_USER_NOTIF;
    int mode = prctl(PR_GET_SECCOMP, 0, 0, 0, 0);
    bool asks = syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &notify) == 0;
    if (mode < 0)
        nx__doctor_add(d, NX__HEALTH_NOTE, "seccomp", why, "not in this kernel");
    else
        nx__doctor_add(d, asks ? NX__HEALTH_OK : NX__HEALTH_NOTE, "seccomp", why, "%s%s",
                       asks ? "allowed, and can ask another process" : "can't ask another process",
                       mode == SECCOMP_MODE_FILTER ? "; one is on us already" : "");
}

/* What the two of them come to. */
static void probe_grants(struct nx__doctor *d)
{
    static const char why[] =
        "what the kernel holds, native code can't pass by; --permissions=strict insists on it";
    enum { PORTS = 4, SIGNALS = 6 };
    struct nx__hold_kernel kernel = nx__hold_kernel();
    bool all = kernel.landlock >= SIGNALS && kernel.filter;
    if (all)
        nx__doctor_add(d, NX__HEALTH_OK, "grants", why,
                       "held: files, programs, TCP ports, other sockets, signals, system calls");
    else
        nx__doctor_add(d, NX__HEALTH_NOTE, "grants", why, "held by the API alone:%s%s%s%s",
                       kernel.landlock ? "" : " files, programs,",
                       kernel.landlock >= PORTS ? "" : " TCP ports,",
                       kernel.landlock >= SIGNALS ? "" : " signals to other processes",
                       kernel.filter ? "" : ", other sockets, system calls");
}

/* In a child, since it changes the process. */
static void probe_namespaces(struct nx__doctor *d)
{
    static const char why[] = "a folder inside an allowed one can be hidden only by them";
    char text[32];
    pid_t pid = fork();
    if (pid == 0) _exit(unshare(CLONE_NEWUSER) == 0 ? 0 : errno & 0x7f);
    int status = 0;
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR) {}
    int error = pid < 0 ? EAGAIN : WIFEXITED(status) ? WEXITSTATUS(status) : EPERM;
    if (!error) {
        nx__doctor_add(d, NX__HEALTH_OK, "user namespaces", why, "allowed");
        return;
    }
    static const struct {
        const char *file, *sysctl, *value;
        char refuses;
    } knobs[] = {
        {"/proc/sys/kernel/unprivileged_userns_clone", "kernel.unprivileged_userns_clone", "1",
         '0'},
        {"/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
         "kernel.apparmor_restrict_unprivileged_userns", "0", '1'},
        {"/proc/sys/user/max_user_namespaces", "user.max_user_namespaces", "15000", '0'},
    };
    for (size_t i = 0; i < sizeof knobs / sizeof *knobs; i++) {
        if (!nx__doctor_read(knobs[i].file, text, sizeof text) || text[0] != knobs[i].refuses ||
            text[1])
            continue;
        struct nx__finding *f =
            nx__doctor_add(d, NX__HEALTH_NOTE, "user namespaces", why,
                           "refused by the sysctl %s = %s", knobs[i].sysctl, text);
        nx__doctor_fix(f, "%ssysctl -w %s=%s", d->sudo, knobs[i].sysctl, knobs[i].value);
        return;
    }
    nx__doctor_add(d, NX__HEALTH_NOTE, "user namespaces", why, "refused%s: %s",
                   is_filtered() ? " by a seccomp filter, as containers have" : "",
                   nx__errno_text(error));
}

/* One call that is there or not. */
static void probe_call(struct nx__doctor *d, const char *name, const char *why, bool works,
                       enum nx__health without)
{
    int error = errno;
    if (works)
        nx__doctor_add(d, NX__HEALTH_OK, name, why, "allowed");
    else
        nx__doctor_add(d, without, name, why, "refused%s: %s",
                       is_filtered() ? " by a seccomp filter" : "", nx__errno_text(error));
}

static void probe_calls(struct nx__doctor *d)
{
    struct {
        uint64_t flags, mode, resolve;
    } how = {.flags = O_PATH | O_CLOEXEC, .resolve = 0x08 /* RESOLVE_BENEATH */};
    int fd = (int)syscall(SYS_openat2, AT_FDCWD, ".", &how, sizeof how);
    probe_call(d, "openat2", "paths that come from outside can be held below a folder", fd >= 0,
               NX__HEALTH_NOTE);
    if (fd >= 0) (void)close(fd);

    fd = memfd_create("nexus-doctor", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    void *page = MAP_FAILED;
    if (fd >= 0 && ftruncate(fd, 4096) == 0)
        page = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
    probe_call(d, "memfd_create",
               "compilers' words go there, and programs where the cache can't be written",
               page != MAP_FAILED, NX__HEALTH_PROBLEM);
    if (page != MAP_FAILED) (void)munmap(page, 4096);
    if (fd >= 0) (void)close(fd);

    fd = (int)syscall(SYS_pidfd_open, getpid(), 0);
    probe_call(d, "pidfd_open", "a compiler that hangs is ended after two minutes", fd >= 0,
               NX__HEALTH_NOTE);
    if (fd >= 0) (void)close(fd);

    /* The highest there can be is nobody's. */
    probe_call(d, "close_range", "a program starts without descriptors of others, at no cost",
               syscall(SYS_close_range, INT32_MAX, INT32_MAX, 0) == 0, NX__HEALTH_NOTE);
}

/* The clock is read some times for each request. */
static void probe_clock(struct nx__doctor *d)
{
    static const char why[] = "each request reads it several times";
    enum { READS = 20000, SLOW = 200 /* ns */ };
    static const char current[] =
        "/sys/devices/system/clocksource/clocksource0/current_clocksource";
    char source[64] = "unknown", available[128] = "";
    struct timespec a, b, t;
    (void)nx__doctor_read(current, source, sizeof source);
    (void)nx__doctor_read("/sys/devices/system/clocksource/clocksource0/available_clocksource",
                          available, sizeof available);
    (void)clock_gettime(CLOCK_MONOTONIC, &a);
    for (int i = 0; i < READS; i++) (void)clock_gettime(CLOCK_MONOTONIC, &t);
    (void)clock_gettime(CLOCK_MONOTONIC, &b);
    double ns = ((double)(b.tv_sec - a.tv_sec) * 1e9 + (double)(b.tv_nsec - a.tv_nsec)) / READS;
    bool slow = ns > SLOW;
    struct nx__finding *f = nx__doctor_add(d, slow ? NX__HEALTH_NOTE : NX__HEALTH_OK, "clock", why,
                                           "%s, %.0f ns a reading", source, ns);
    if (slow && strstr(available, "tsc") && strcmp(source, "tsc") != 0)
        nx__doctor_fix(f, "echo tsc | %stee %s", d->sudo, current);
}

void nx__doctor_kernel(struct nx__doctor *d)
{
    struct utsname system;
    d->group = "kernel";
    if (uname(&system) == 0)
        nx__doctor_add(d, NX__HEALTH_OK, "version", "what is below depends on it",
                       "%.40s %.80s %.40s", system.sysname, system.release, system.machine);
    probe_uring(d);
    probe_epoll(d);
    probe_guard(d);
    probe_landlock(d);
    probe_seccomp(d);
    probe_grants(d);
    probe_namespaces(d);
    probe_calls(d);
    probe_clock(d);
}
