/* What is denied inside what is allowed is covered. */
#include "permission/hide.h"

#include "base/error.h"
#include "permission/rules.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- What */

static bool lies_in(const struct nx__rules *allow, const char *path)
{
    if (allow->any) return true;
    for (const struct nx__rule *rule = nx__rules_first(allow); rule; rule = rule->next)
        if (nx__path_beneath(path, rule->text) && strcmp(path, rule->text) != 0) return true;
    return false;
}

static bool is_covered(const struct nx__permissions *p, enum nx__permit_kind kind,
                       const struct nx__rule *denied)
{
    return !p->deny[kind].any && lies_in(&p->allow[kind], denied->text) &&
           access(denied->text, F_OK) == 0;
}

bool nx__hide_wanted(const struct nx__permissions *p)
{
    static const enum nx__permit_kind kinds[] = {NX__PERMIT_READ, NX__PERMIT_WRITE};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        for (const struct nx__rule *rule = nx__rules_first(&p->deny[kinds[i]]); rule;
             rule = rule->next)
            if (is_covered(p, kinds[i], rule)) return true;
    return false;
}

/* ---- A world of its own */

static bool map_write(const char *path, unsigned id)
{
    char text[64];
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    int n = snprintf(text, sizeof text, "%u %u 1\n", id, id);
    bool done = fd >= 0 && write(fd, text, (size_t)n) == n;
    if (fd >= 0) (void)close(fd);
    return done;
}

static bool groups_deny(void)
{
    int fd = open("/proc/self/setgroups", O_WRONLY | O_CLOEXEC);
    bool done = fd >= 0 && write(fd, "deny", 4) == 4;
    if (fd >= 0) (void)close(fd);
    return done;
}

/* Under the same numbers as before, and as the root of nothing else. */
static bool users_unshare(void)
{
    unsigned uid = geteuid(), gid = getegid();
    return unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0 && groups_deny() &&
           map_write("/proc/self/uid_map", uid) && map_write("/proc/self/gid_map", gid);
}

static bool rights_drop(void)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[2] = {{0}};
    return syscall(SYS_capset, &head, none) == 0;
}

/* `*users`: with users of its own. */
static bool world_enter(bool any_way, bool *users)
{
    *users = false;
    if (unshare(CLONE_NEWNS) != 0) {
        if (!any_way || !users_unshare()) return false;
        *users = true;
    }
    return mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
}

bool nx__hide_can(void)
{
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        bool users;
        _exit(world_enter(true, &users) ? 0 : 1);
    }
    return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

/* ---- Covers */

/* What is mounted has more of these by a mount above it that nobody here may take off. */
static unsigned long kept_flags(const char *path)
{
    struct statvfs at;
    if (statvfs(path, &at) != 0) return 0;
    unsigned long flags = 0;
    if (at.f_flag & ST_NOSUID) flags |= MS_NOSUID;
    if (at.f_flag & ST_NODEV) flags |= MS_NODEV;
    if (at.f_flag & ST_NOEXEC) flags |= MS_NOEXEC;
    if (at.f_flag & ST_NOATIME) flags |= MS_NOATIME;
    if (at.f_flag & ST_NODIRATIME) flags |= MS_NODIRATIME;
    if (at.f_flag & ST_RELATIME) flags |= MS_RELATIME;
    return flags;
}

static bool remount(const char *path, unsigned long more)
{
    return mount(NULL, path, NULL, MS_REMOUNT | MS_BIND | more | kept_flags(path), NULL) == 0;
}

/* A directory is covered by an empty one, another file by a device that nobody can open there. */
static bool cover_unreadable(const char *path)
{
    enum { NOTHING = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC };
    struct stat st;
    if (lstat(path, &st) != 0) return errno == ENOENT; /* below one that is covered already */
    if (S_ISDIR(st.st_mode)) return mount("none", path, "tmpfs", NOTHING, "mode=0555,size=4k") == 0;
    return mount("/dev/null", path, NULL, MS_BIND, NULL) == 0 && remount(path, NOTHING);
}

static bool cover_unwritable(const char *path)
{
    struct stat st;
    if (lstat(path, &st) != 0) return errno == ENOENT;
    return mount(path, path, NULL, MS_BIND | MS_REC, NULL) == 0 && remount(path, MS_RDONLY);
}

static bool cover(const struct nx__permissions *p, enum nx__permit_kind kind,
                  bool (*how)(const char *path))
{
    for (const struct nx__rule *rule = nx__rules_first(&p->deny[kind]); rule; rule = rule->next)
        if (is_covered(p, kind, rule) && !how(rule->text)) return false;
    return true;
}

/* A directory that is open leads past the covers. */
static bool directories_leave(void)
{
    char here[NX__PATH_MAX];
    struct stat st;
    if (!getcwd(here, sizeof here) || chdir(here) != 0) {
        if (chdir("/") != 0) return false;
    }
    for (int fd = 0; fd < 3; fd++) {
        if (fstat(fd, &st) != 0 || !S_ISDIR(st.st_mode)) continue;
        int null = open("/dev/null", O_RDWR | O_CLOEXEC);
        if (null < 0 || dup2(null, fd) < 0) return false;
        (void)close(null);
    }
    return true;
}

nx_err nx__hide(const struct nx__permissions *p, bool any_way)
{
    bool users;
    pid_t parent = getppid();
    if (!nx__hide_wanted(p)) return NX_OK;
    if (!world_enter(any_way, &users))
        return any_way ? nx__error_system(errno, "cannot cover what is denied to the program")
                       : NX_OK;
    /* What may not be written first: what covers the rest is not to be bound once more. */
    if (!cover(p, NX__PERMIT_WRITE, cover_unwritable) ||
        !cover(p, NX__PERMIT_READ, cover_unreadable) || !directories_leave())
        return nx__error_system(errno, "cannot cover what is denied to the program");
    if (!users) return NX_OK;
    /* The change of rights has undone what ties it to its launcher, and lets nobody look in. */
    if (!rights_drop() || prctl(PR_SET_DUMPABLE, 1) != 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 ||
        getppid() != parent)
        return nx__error_set(NX_ESTATE, "cannot cover what is denied to the program");
    return NX_OK;
}
