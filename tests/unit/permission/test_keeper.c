/* Calls that a keeper makes for a child under a filter. */
#include "base/descriptors.h"
#include "permission/capabilities.h"
#include "permission/keeper.h"
#include "permission/seccomp.h"
#include <errno.h>
#include <fcntl.h>
#include <nexus/test.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <utime.h>

enum { FCHMODAT2 = 452, UNKEPT = 255 };

/* A folder with one that may be written and one that may not, each with a file and a link to the
 * other's. */
struct place {
    char folder[64];
    struct nx__permissions permissions;
};

static const char *in(const struct place *p, const char *name)
{
    static char paths[8][128];
    static int next;
    char *path = paths[next++ % 8];
    (void)snprintf(path, sizeof paths[0], "%s/%s", p->folder, name);
    return path;
}

static void file_make(const struct place *p, const char *name)
{
    int fd = open(in(p, name), O_CREAT | O_WRONLY, 0600);
    nx_require(fd >= 0);
    (void)close(fd);
}

static void place_make(struct place *p)
{
    char flag[128];
    bool taken;
    *p = (struct place){.folder = "/tmp/nexus-keeper-XXXXXX"};
    nx_require(mkdtemp(p->folder) != NULL);
    nx_require(chmod(p->folder, 0755) == 0);
    nx_require(mkdir(in(p, "own"), 0755) == 0 && mkdir(in(p, "other"), 0755) == 0 &&
               mkdir(in(p, "own/denied"), 0755) == 0);
    file_make(p, "own/a");
    file_make(p, "own/denied/a");
    file_make(p, "other/a");
    nx_require(symlink("../other/a", in(p, "own/out")) == 0);
    nx_require(symlink("../own/a", in(p, "other/back")) == 0);
    (void)snprintf(flag, sizeof flag, "--allow-write=%s/own", p->folder);
    nx_require_ok(nx__permissions_parse(&p->permissions, flag, &taken));
    (void)snprintf(flag, sizeof flag, "--deny-write=%s/own/denied", p->folder);
    nx_require_ok(nx__permissions_parse(&p->permissions, flag, &taken));
}

static void place_remove(struct place *p)
{
    static const char *const files[] = {"own/a", "own/denied/a", "other/a", "own/out",
                                        "other/back"};
    static const char *const folders[] = {"own/denied", "own", "other", ""};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) (void)unlink(in(p, files[i]));
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) (void)rmdir(in(p, folders[i]));
    nx__permissions_free(&p->permissions);
}

/* The errno of what the child does under a filter whose listener a keeper has, 0: none. */
static int kept(struct place *p, long (*run)(const struct place *))
{
    int pair[2], listener = -1, status = -1;
    nx_require(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) == 0);
    pid_t child = fork();
    if (child == 0) {
        char byte = 'x';
        const struct iovec part = {&byte, 1};
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || !nx__capabilities_drop() ||
            !nx__seccomp_hold(NX__CALLS_ASK, &listener) ||
            nx__descriptors_send(pair[1], &part, 1, &listener, 1, 0) != 1)
            _exit(UNKEPT);
        (void)close(listener);
        _exit(run(p) < 0 ? errno : 0);
    }
    (void)close(pair[1]);
    char byte;
    const struct iovec part = {&byte, 1};
    size_t count = 1;
    pid_t launcher = getpid(), keeper = -1;
    if (nx__descriptors_receive(pair[0], &part, 1, &listener, &count, NULL, 0) == 1 && count == 1) {
        keeper = fork();
        if (keeper == 0) nx__keeper_run(listener, &p->permissions, launcher);
        (void)close(listener);
    }
    (void)close(pair[0]);
    nx_expect_eq(waitpid(child, &status, 0), child);
    /* Its last caller has gone. */
    if (keeper > 0) nx_expect_eq(waitpid(keeper, NULL, 0), keeper);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static mode_t mode_of(const struct place *p, const char *name)
{
    struct stat st = {0};
    (void)stat(in(p, name), &st);
    return st.st_mode & 07777;
}

static long fails(int line)
{
    (void)dprintf(STDERR_FILENO, "line %d: %s\n", line, strerror(errno));
    return -1;
}
#define DO(...)                                                                                    \
    do                                                                                             \
        if ((__VA_ARGS__) < 0) return fails(__LINE__);                                             \
    while (0)
#define REFUSED(error, ...)                                                                        \
    do {                                                                                           \
        errno = 0;                                                                                 \
        if ((__VA_ARGS__) >= 0 || errno != (error)) return fails(__LINE__);                        \
    } while (0)

static long modes(const struct place *p)
{
    int file = open(in(p, "own/a"), O_RDONLY), folder = open(in(p, "own"), O_RDONLY | O_DIRECTORY);
    DO(chmod(in(p, "own/a"), 0640));
    DO(fchmod(file, 0644));
    DO(fchmodat(folder, "a", 0600, 0));
    DO(syscall(FCHMODAT2, folder, "a", 0604, 0));
    DO(syscall(FCHMODAT2, file, "", 0606, AT_EMPTY_PATH));
    DO(chdir(in(p, "own")));
    DO(chmod("a", 0660));
    DO(chmod(in(p, "other/back"), 0664));
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    DO(chmod(path, 0666));
    (void)snprintf(path, sizeof path, "/dev/fd/%d", file);
    DO(chmod(path, 0751));
    DO(fchmod(memfd_create("x", 0), 0700));
    return 0;
}

static long refused_modes(const struct place *p)
{
    int file = open(in(p, "other/a"), O_RDONLY),
        folder = open(in(p, "own"), O_RDONLY | O_DIRECTORY);
    REFUSED(EPERM, chmod(in(p, "other/a"), 0640));
    REFUSED(EPERM, chmod(in(p, "own/out"), 0640));
    REFUSED(EPERM, chmod(in(p, "own/denied/a"), 0640));
    REFUSED(EPERM, chmod(in(p, "own/../other/a"), 0640));
    REFUSED(EPERM, fchmod(file, 0640));
    REFUSED(EPERM, fchmodat(folder, "../other/a", 0640, 0));
    REFUSED(EPERM, chmod("/proc/self", 0640));
    REFUSED(EBADF, fchmod(1000, 0640));
    REFUSED(ENOENT, chmod(in(p, "own/missing"), 0640));
    REFUSED(ENOENT, chmod("", 0640));
    REFUSED(ENOTDIR, chmod(in(p, "own/a/b"), 0640));
    return 0;
}

static long bad_memory(const struct place *p)
{
    static char longest[8192];
    memset(longest, 'a', sizeof longest - 1);
    char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    const char *path = in(p, "own/a");
    if (page == MAP_FAILED || munmap(page + 4096, 4096) != 0) return -1;
    char *end = page + 4096 - strlen(path);
    memcpy(end, path, strlen(path)); /* without its NUL */
    REFUSED(EFAULT, syscall(SYS_fchmodat, AT_FDCWD, end, 0640));
    memcpy(end - 1, path, strlen(path) + 1);
    DO(syscall(SYS_fchmodat, AT_FDCWD, end - 1, 0640));
    REFUSED(EFAULT, syscall(SYS_fchmodat, AT_FDCWD, 8, 0640));
    REFUSED(ENAMETOOLONG, syscall(SYS_fchmodat, AT_FDCWD, longest, 0640));
    REFUSED(EFAULT, syscall(SYS_utimensat, AT_FDCWD, path, 8, 0));
    return 0;
}

static long owners(const struct place *p)
{
    int file = open(in(p, "own/a"), O_RDONLY);
    DO(chown(in(p, "own/a"), getuid(), getgid()));
    DO(lchown(in(p, "own/out"), getuid(), getgid()));
    DO(fchown(file, getuid(), getgid()));
    DO(fchownat(file, "", getuid(), getgid(), AT_EMPTY_PATH));
    REFUSED(EPERM, lchown(in(p, "other/back"), getuid(), getgid()));
    REFUSED(EPERM, chown(in(p, "own/out"), getuid(), getgid()));
    REFUSED(EPERM, fchown(open(in(p, "other/a"), O_RDONLY), getuid(), getgid()));
    return 0;
}

static bool has_time(const char *path, time_t seconds, long nanoseconds)
{
    struct stat st;
    return lstat(path, &st) == 0 && st.st_mtim.tv_sec == seconds &&
           st.st_mtim.tv_nsec == nanoseconds;
}

static long times_of(const struct place *p)
{
    const char *path = in(p, "own/a"), *link = in(p, "own/out"), *other = in(p, "other/a");
    const struct timespec spec[2] = {{1, 2}, {3, 4}}, bad[2] = {{1, 2}, {3, 2000000000}};
    const struct timeval value[2] = {{1, 2}, {5, 6}};
    const struct utimbuf buffer = {1, 7};
    int file = open(path, O_RDONLY);
    DO(utimensat(AT_FDCWD, path, spec, 0));
    if (!has_time(path, 3, 4)) return fails(__LINE__);
    DO(utimes(path, value));
    if (!has_time(path, 5, 6000)) return fails(__LINE__);
    DO(utime(path, &buffer));
    if (!has_time(path, 7, 0)) return fails(__LINE__);
    DO(futimens(file, spec));
    if (!has_time(path, 3, 4)) return fails(__LINE__);
    DO(utimensat(AT_FDCWD, path, NULL, 0));
    if (has_time(path, 3, 4)) return fails(__LINE__);
    DO(utimensat(AT_FDCWD, link, spec, AT_SYMLINK_NOFOLLOW));
    if (!has_time(link, 3, 4) || has_time(other, 3, 4)) return fails(__LINE__);
    REFUSED(EINVAL, utimensat(AT_FDCWD, path, bad, 0));
    REFUSED(EPERM, utimensat(AT_FDCWD, link, spec, 0));
    REFUSED(EPERM, utimes(other, value));
    return 0;
}

static long attributes(const struct place *p)
{
    char value[8] = "";
    int file = open(in(p, "own/a"), O_RDONLY), other = open(in(p, "other/a"), O_RDONLY);
    if (setxattr(in(p, "own/a"), "user.x", "one", 3, 0) < 0)
        return errno == EOPNOTSUPP ? 0 : fails(__LINE__); /* not on this file system */
    DO(fsetxattr(file, "user.y", "two", 3, XATTR_CREATE));
    REFUSED(EEXIST, fsetxattr(file, "user.y", "two", 3, XATTR_CREATE));
    DO(getxattr(in(p, "own/a"), "user.y", value, sizeof value));
    if (memcmp(value, "two", 3) != 0) return fails(__LINE__);
    DO(removexattr(in(p, "own/a"), "user.x"));
    DO(fremovexattr(file, "user.y"));
    REFUSED(ENODATA, fremovexattr(file, "user.y"));
    REFUSED(EPERM, setxattr(in(p, "own/out"), "user.x", "one", 3, 0));
    REFUSED(EPERM, fsetxattr(other, "user.x", "one", 3, 0));
    return 0;
}

/* Who has given up being root may not have the keeper be it. */
static long fewer_rights(const struct place *p)
{
    if (getuid() == 0 && setresuid(65534, 65534, 65534) != 0) return -1;
    if (getuid() != 65534) return 0;
    REFUSED(EPERM, chmod(in(p, "own/a"), 0777));
    return 0;
}

static void run(long (*what)(const struct place *))
{
    struct place p;
    if (!nx__seccomp_known()) nx_skip("this kernel, or memcheck, has no filters for system calls");
    place_make(&p);
    int found = kept(&p, what);
    if (found == UNKEPT)
        nx_skip("a container's filter has the only listener that there can be");
    else
        nx_expect_eq(found, 0);
    if (what == modes && found == 0) nx_expect_eq(mode_of(&p, "own/a"), 0751u);
    nx_expect_eq(mode_of(&p, "other/a"), 0600u);
    nx_expect_eq(mode_of(&p, "own/denied/a"), 0600u);
    place_remove(&p);
}

NX_TEST("modes")
{
    run(modes);
}
NX_TEST("modes outside what may be written")
{
    run(refused_modes);
}
NX_TEST("memory that is not there")
{
    run(bad_memory);
}
NX_TEST("owners")
{
    run(owners);
}
NX_TEST("times")
{
    run(times_of);
}
NX_TEST("extended attributes")
{
    run(attributes);
}
NX_TEST("fewer rights than the keeper has")
{
    run(fewer_rights);
}
