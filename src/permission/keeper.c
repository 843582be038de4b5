/* Calls that are made for a program, in a process of their own. */
#include "permission/keeper.h"

#include "base/compiler.h"
#include "permission/capabilities.h"
#include "permission/connect.h"
#include "permission/keeper_ask.h"
#include "permission/keeper_names.h"
#include "permission/paths.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <utime.h>

/* ---- What the calls are */

enum act { MODE, OWNER, TIMES, ATTRIBUTE, NO_ATTRIBUTE };
enum times { TIMESPECS, TIMEVALS, SECONDS };

/* Which argument is what; NONE: it has no such. */
enum { NONE = -1, FCHMODAT2 = 452 };

struct call {
    int number;
    enum act act;
    int8_t fd;    /* the file, or the directory that a path begins at */
    int8_t path;  /* NONE: `fd` is the file */
    int8_t value; /* the first of what is set */
    int8_t flags;
    bool no_follow;
    enum times times;
};

static const struct call calls[] = {
    {.number = __NR_fchmod, .act = MODE, .fd = 0, .path = NONE, .value = 1, .flags = NONE},
    {.number = __NR_fchmodat, .act = MODE, .fd = 0, .path = 1, .value = 2, .flags = NONE},
    {.number = FCHMODAT2, .act = MODE, .fd = 0, .path = 1, .value = 2, .flags = 3},
    {.number = __NR_fchown, .act = OWNER, .fd = 0, .path = NONE, .value = 1, .flags = NONE},
    {.number = __NR_fchownat, .act = OWNER, .fd = 0, .path = 1, .value = 2, .flags = 4},
    {.number = __NR_utimensat, .act = TIMES, .fd = 0, .path = 1, .value = 2, .flags = 3},
    {.number = __NR_setxattr, .act = ATTRIBUTE, .fd = NONE, .path = 0, .value = 1, .flags = NONE},
    {.number = __NR_fsetxattr, .act = ATTRIBUTE, .fd = 0, .path = NONE, .value = 1, .flags = NONE},
    {.number = __NR_removexattr,
     .act = NO_ATTRIBUTE,
     .fd = NONE,
     .path = 0,
     .value = 1,
     .flags = NONE},
    {.number = __NR_fremovexattr,
     .act = NO_ATTRIBUTE,
     .fd = 0,
     .path = NONE,
     .value = 1,
     .flags = NONE},
#ifdef __NR_chmod
    {.number = __NR_chmod, .act = MODE, .fd = NONE, .path = 0, .value = 1, .flags = NONE},
    {.number = __NR_chown, .act = OWNER, .fd = NONE, .path = 0, .value = 1, .flags = NONE},
    {.number = __NR_lchown,
     .act = OWNER,
     .fd = NONE,
     .path = 0,
     .value = 1,
     .flags = NONE,
     .no_follow = true},
    {.number = __NR_utime,
     .act = TIMES,
     .fd = NONE,
     .path = 0,
     .value = 1,
     .flags = NONE,
     .times = SECONDS},
    {.number = __NR_utimes,
     .act = TIMES,
     .fd = NONE,
     .path = 0,
     .value = 1,
     .flags = NONE,
     .times = TIMEVALS},
    {.number = __NR_futimesat,
     .act = TIMES,
     .fd = 0,
     .path = 1,
     .value = 2,
     .flags = NONE,
     .times = TIMEVALS},
#endif
};

static const struct call *call_of(int number)
{
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        if (calls[i].number == number) return &calls[i];
    return NULL; /* the attributes of a link itself, which has none for users */
}

/* ---- Who calls */

int nx__keeper_read(pid_t caller, uint64_t at, void *out, size_t least, size_t most)
{
    struct iovec own = {out, most}, theirs = {(void *)(uintptr_t)at, most};
    ssize_t n = process_vm_readv(caller, &own, 1, &theirs, 1, 0);
    if (n < 0 && errno != EFAULT) return -EPERM;
    return n < 0 || (size_t)n < least ? -EFAULT : (int)n;
}

/* A page at a time: what lies behind the text may be none of its memory. */
static int text_read(pid_t caller, uint64_t at, char *out, size_t size)
{
    enum { PIECE = 4096 };
    for (size_t len = 0; len < size;) {
        size_t most = PIECE - (at + len) % PIECE;
        if (most > size - len) most = size - len;
        int n = nx__keeper_read(caller, at + len, out + len, 1, most);
        if (n < 0) return n;
        if (memchr(out + len, '\0', (size_t)n)) return 0;
        len += (size_t)n;
    }
    return -ENAMETOOLONG;
}

/* The lines of /proc/PID/status that say what it may. */
static bool rights_of(pid_t pid, char *out, size_t size)
{
    char path[64], line[256];
    size_t len = 0;
    (void)snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    FILE *f = fopen(path, "re");
    if (!f) return false;
    while (fgets(line, sizeof line, f)) {
        bool says = strncmp(line, "Uid:", 4) == 0 || strncmp(line, "Gid:", 4) == 0 ||
                    strncmp(line, "Groups:", 7) == 0 || strncmp(line, "CapEff:", 7) == 0;
        size_t n = strlen(line);
        if (!says || len + n >= size) continue;
        memcpy(out + len, line, n + 1);
        len += n;
    }
    (void)fclose(f);
    return len > 0;
}

/* It may have given up rights that this process still has. */
static bool is_equal(pid_t caller)
{
    char own[2048], theirs[2048];
    return rights_of(getpid(), own, sizeof own) && rights_of(caller, theirs, sizeof theirs) &&
           strcmp(own, theirs) == 0;
}

/* ---- The file */

/* What the path begins at, as this process may open it. */
static int place_open(pid_t caller, int fd)
{
    char path[64];
    if (fd == AT_FDCWD)
        (void)snprintf(path, sizeof path, "/proc/%d/cwd", (int)caller);
    else
        (void)snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)caller, fd);
    int place = open(path, O_PATH | O_CLOEXEC);
    return place < 0 && errno == ENOENT ? -EBADF : place < 0 ? -errno : place;
}

/* With what own_names puts before it. */
enum { NAME_SIZE = NX__PATH_MAX + sizeof "/proc/-2147483648/fd/" };

/* Names of the caller's own would be this process's. */
static void own_names(pid_t caller, char path[NAME_SIZE])
{
    static const struct {
        const char *name, *stands_for;
    } names[] = {
        {"/proc/self/", ""}, {"/proc/thread-self/", ""}, {"/dev/fd/", "fd/"}, {NULL, NULL}};
    char rest[NX__PATH_MAX];
    for (size_t i = 0; names[i].name; i++) {
        size_t len = strlen(names[i].name);
        if (strncmp(path, names[i].name, len) != 0) continue;
        (void)snprintf(rest, sizeof rest, "%s", path + len);
        (void)snprintf(path, NAME_SIZE, "/proc/%d/%s%s", (int)caller, names[i].stands_for, rest);
        return;
    }
}

static int path_open(pid_t caller, const struct call *call, const uint64_t *args)
{
    char path[NAME_SIZE];
    uint64_t flags = call->flags == NONE ? 0 : args[call->flags];
    bool no_follow = call->no_follow || (flags & AT_SYMLINK_NOFOLLOW);
    int fd = call->fd == NONE ? AT_FDCWD : (int)args[call->fd];
    if (call->act == TIMES && !args[call->path] && call->fd != NONE) return place_open(caller, fd);
    int error = text_read(caller, args[call->path], path, NX__PATH_MAX);
    if (error) return error;
    if (!*path) return flags & AT_EMPTY_PATH ? place_open(caller, fd) : -ENOENT;
    own_names(caller, path);
    int place = *path == '/' ? AT_FDCWD : place_open(caller, fd);
    if (place < 0 && place != AT_FDCWD) return place;
    int file = openat(place, path, O_PATH | O_CLOEXEC | (no_follow ? O_NOFOLLOW : 0));
    if (file < 0) file = -errno;
    if (place >= 0) (void)close(place);
    return file;
}

/* By the name that the file has now, links gone. One without any has been made in memory. */
static bool may_write(const struct nx__permissions *permissions, int file)
{
    char handle[32], name[NX__PATH_MAX];
    (void)snprintf(handle, sizeof handle, "/proc/self/fd/%d", file);
    ssize_t len = readlink(handle, name, sizeof name);
    if (len <= 0 || (size_t)len >= sizeof name) return false;
    name[len] = '\0';
    struct stat st;
    if (strncmp(name, "/memfd:", 7) == 0 && fstat(file, &st) == 0 && st.st_nlink == 0) return true;
    return *name == '/' &&
           nx__permissions_path_verdict(permissions, NX__PERMIT_WRITE, name) == NX__GRANTED;
}

/* ---- What is done with it */

static int plain(int result)
{
    return result < 0 ? -errno : 0;
}

static int times_set(pid_t caller, const struct call *call, uint64_t at, int file,
                     const char *handle)
{
    struct timespec times[2] = {{.tv_nsec = UTIME_NOW}, {.tv_nsec = UTIME_NOW}};
    struct timeval values[2];
    struct utimbuf seconds;
    int n = 0;
    if (at && call->times == TIMESPECS) {
        n = nx__keeper_read(caller, at, times, sizeof times, sizeof times);
    } else if (at && call->times == TIMEVALS) {
        n = nx__keeper_read(caller, at, values, sizeof values, sizeof values);
        for (int i = 0; i < 2 && n >= 0; i++) {
            if (values[i].tv_usec < 0 || values[i].tv_usec >= 1000000) return -EINVAL;
            times[i] = (struct timespec){values[i].tv_sec, values[i].tv_usec * 1000};
        }
    } else if (at) {
        n = nx__keeper_read(caller, at, &seconds, sizeof seconds, sizeof seconds);
        if (n >= 0) times[0] = (struct timespec){.tv_sec = seconds.actime};
        if (n >= 0) times[1] = (struct timespec){.tv_sec = seconds.modtime};
    }
    if (n < 0) return n;
    /* A link itself has no other way; it is newer than Linux 5.7. */
    int result = plain(utimensat(file, "", times, AT_EMPTY_PATH));
    return result == -EINVAL ? plain(utimensat(AT_FDCWD, handle, times, 0)) : result;
}

static int attribute_set(pid_t caller, const struct call *call, const uint64_t *args,
                         const char *handle)
{
    enum { NAME_MOST = 256, VALUE_MOST = 65536 };
    static char value[VALUE_MOST];
    char name[NAME_MOST];
    int error = text_read(caller, args[call->value], name, sizeof name);
    if (error) return error == -ENAMETOOLONG ? -ERANGE : error;
    if (call->act == NO_ATTRIBUTE) return plain(removexattr(handle, name));
    uint64_t size = args[call->value + 2];
    if (size > VALUE_MOST) return -E2BIG;
    int n = size ? nx__keeper_read(caller, args[call->value + 1], value, size, size) : 0;
    return n < 0 ? n : plain(setxattr(handle, name, value, size, (int)args[call->value + 3]));
}

static int act(pid_t caller, const struct call *call, const uint64_t *args, int file)
{
    char handle[32];
    struct stat st;
    (void)snprintf(handle, sizeof handle, "/proc/self/fd/%d", file);
    if (call->act == OWNER)
        return plain(fchownat(file, "", (uid_t)args[call->value], (gid_t)args[call->value + 1],
                              AT_EMPTY_PATH));
    if (call->act == TIMES) return times_set(caller, call, args[call->value], file, handle);
    /* The handle of a link would be followed from here on. */
    if (fstat(file, &st) != 0 || S_ISLNK(st.st_mode)) return -EOPNOTSUPP;
    if (call->act == MODE) return plain(chmod(handle, (mode_t)args[call->value] & 07777));
    return attribute_set(caller, call, args, handle);
}

/* ---- Connections */

/* The process that a thread is of. */
static pid_t process_of(pid_t thread)
{
    char path[64], line[256];
    int process = -1;
    (void)snprintf(path, sizeof path, "/proc/%d/status", (int)thread);
    FILE *f = fopen(path, "re");
    if (!f) return -1;
    while (process < 0 && fgets(line, sizeof line, f)) (void)sscanf(line, "Tgid: %d", &process);
    (void)fclose(f);
    return process;
}

/* The same socket as the caller's, or -errno. */
static int socket_take(pid_t caller, int number)
{
    int process = (int)syscall(SYS_pidfd_open, process_of(caller), 0);
    if (process < 0) return -EPERM;
    int fd = (int)syscall(SYS_pidfd_getfd, process, number, 0);
    if (fd < 0) fd = errno == EBADF ? -EBADF : -EPERM;
    (void)close(process);
    return fd;
}

static bool is_tcp(int fd)
{
    static const int options[] = {SO_TYPE, SO_PROTOCOL}, wanted[] = {SOCK_STREAM, IPPROTO_TCP};
    for (int i = 0; i < 2; i++) {
        int value = 0;
        socklen_t len = sizeof value;
        if (getsockopt(fd, SOL_SOCKET, options[i], &value, &len) != 0 || value != wanted[i])
            return false;
    }
    return true;
}

/* ---- One after the other */

/* The kernel's may be longer than those that this was built with. */
union request {
    struct seccomp_notif notif;
    char room[512];
};
union answer {
    struct seccomp_notif_resp response;
    char room[512];
};

bool nx__keeper_is_waited_for(const struct nx__keeper *k, uint64_t id)
{
    return ioctl(k->listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &id) == 0;
}

void nx__keeper_answer(const struct nx__keeper *k, uint64_t id, int error, int value)
{
    union answer answer = {.room = {0}};
    answer.response.id = id;
    answer.response.error = error;
    answer.response.val = value;
    (void)ioctl(k->listener, SECCOMP_IOCTL_NOTIF_SEND, &answer.response);
}

static int serve_change(const struct nx__keeper *k, const struct seccomp_notif *asked,
                        const struct call *call)
{
    const uint64_t *args = (const uint64_t *)asked->data.args;
    pid_t caller = (pid_t)asked->pid;
    int file = call->path == NONE ? place_open(caller, (int)args[call->fd])
                                  : path_open(caller, call, args);
    if (file < 0) return file;
    int result = -EPERM;
    if (nx__keeper_is_waited_for(k, asked->id) && may_write(k->permissions, file))
        result = act(caller, call, args, file);
    (void)close(file);
    return result;
}

/* One that waits for its peer does so in a process of its own, which answers for it. */
static int connect_for(const struct nx__keeper *k, uint64_t id, int fd,
                       const struct sockaddr_storage *address, socklen_t len)
{
    const struct sockaddr *to = (const struct sockaddr *)(const void *)address;
    int flags = fcntl(fd, F_GETFL);
    if (flags >= 0 && (flags & O_NONBLOCK)) return plain(connect(fd, to, len));
    pid_t pid = fork();
    if (pid < 0) return -EAGAIN;
    if (pid > 0) return NX__KEEPER_ANSWERED;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    nx__keeper_answer(k, id, plain(connect(fd, to, len)), 0);
    _exit(0);
}

static int serve_connect(const struct nx__keeper *k, const struct seccomp_notif *asked)
{
    struct sockaddr_storage address = {0};
    pid_t caller = (pid_t)asked->pid;
    uint64_t len = asked->data.args[2];
    if (len < sizeof(sa_family_t) || len > sizeof address) return -EINVAL;
    int n = nx__keeper_read(caller, asked->data.args[1], &address, len, len);
    if (n < 0) return n;
    const struct sockaddr *to = (const struct sockaddr *)(const void *)&address;
    bool granted = nx__address_verdict(k->permissions, to) == NX__GRANTED;
    int fd = granted ? socket_take(caller, (int)asked->data.args[0]) : -EPERM;
    if (fd < 0) return fd;
    int result = -EPERM;
    if (nx__keeper_is_waited_for(k, asked->id) && is_tcp(fd))
        result = connect_for(k, asked->id, fd, &address, (socklen_t)len);
    (void)close(fd);
    return result;
}

/* One permission less. So many are kept one by one; with more, all of the kind is denied. */
static int serve_revoke(struct nx__keeper *k, const struct seccomp_notif *asked)
{
    enum { REVOKED_MOST = 1024 };
    static struct nx__keeper_revoked revoked;
    static unsigned count;
    int n = nx__keeper_read((pid_t)asked->pid, asked->data.args[1], &revoked, sizeof revoked,
                            sizeof revoked);
    if (n < 0) return n;
    const struct nx__permission_key key = {
        .kind = (enum nx__permit_kind)revoked.kind, .use = (enum nx__use)revoked.use, .deny = true};
    size_t len = strnlen(revoked.text, sizeof revoked.text);
    if (revoked.kind >= NX__PERMIT_KINDS || !revoked.use || (revoked.use & ~(uint32_t)NX__USE_ANY))
        return -EINVAL;
    if (!len || count++ >= REVOKED_MOST ||
        nx__permissions_add(k->permissions, &key, revoked.text, len))
        nx__permissions_add_all(k->permissions, &key);
    return 0;
}

static int serve_ask(struct nx__keeper *k, const struct seccomp_notif *asked)
{
    switch (asked->data.args[0]) {
    case NX__KEEPER_REVOKE: return serve_revoke(k, asked);
    case NX__KEEPER_RESOLVE:
        return nx__keeper_names_ask(k, asked->id, (pid_t)asked->pid, asked->data.args[1]);
    default: return -EPERM;
    }
}

static int serve(struct nx__keeper *k, const struct seccomp_notif *asked)
{
    const struct call *call = call_of(asked->data.nr);
    if (!is_equal((pid_t)asked->pid)) return -EPERM;
    if (asked->data.nr == __NR_connect) return serve_connect(k, asked);
    if (asked->data.nr == __NR_quotactl) return serve_ask(k, asked);
    return call ? serve_change(k, asked, call) : -EPERM;
}

static bool fits(void)
{
    struct seccomp_notif_sizes sizes;
    return syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &sizes) == 0 &&
           sizes.seccomp_notif <= sizeof(union request) &&
           sizes.seccomp_notif_resp <= sizeof(union answer);
}

/* Of what the launcher has open it needs none: sockets of its would stay open as long as this. */
static bool alone(struct nx__keeper *k)
{
    enum { PLACE = 3 };
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(null, 2) < 0) return false;
    if (k->listener != PLACE && dup3(k->listener, PLACE, O_CLOEXEC) < 0) return false;
    k->listener = PLACE;
    return syscall(SYS_close_range, PLACE + 1, ~0u, 0) == 0;
}

/* What ends a program from its terminal ends it, and then this. Nobody waits for processes of this
 * one. */
static void signals_ignore(void)
{
    static const int ignored[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGCHLD};
    for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++) (void)signal(ignored[i], SIG_IGN);
}

_Noreturn void nx__keeper_run(int listener, struct nx__permissions *permissions, pid_t launcher)
{
    struct nx__keeper k = {.listener = listener, .permissions = permissions};
    (void)prctl(PR_SET_NAME, "nexus keeper");
    signals_ignore();
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != launcher || !fits() || !alone(&k) ||
        !nx__capabilities_drop()) /* as its program has */
        _exit(1);
    for (;;) {
        union request asked = {.room = {0}};
        struct pollfd ready[1 + NX__KEEPER_LOOKUPS] = {{.fd = k.listener, .events = POLLIN}};
        size_t lookups = nx__keeper_names_poll(&k, ready + 1);
        if (poll(ready, 1 + lookups, -1) < 0 && errno != EINTR) _exit(1);
        if (ready->revents & (POLLHUP | POLLERR | POLLNVAL)) _exit(0); /* they have ended */
        nx__keeper_names_turn(&k, ready + 1, lookups);
        if (!(ready->revents & POLLIN)) continue;
        /* Who has asked may have been killed meanwhile (ENOENT). */
        if (ioctl(k.listener, SECCOMP_IOCTL_NOTIF_RECV, &asked.notif) != 0) {
            if (errno == ENOTTY || errno == EINVAL) _exit(1); /* it is no listener */
            continue;
        }
        int error = serve(&k, &asked.notif);
        if (error != NX__KEEPER_ANSWERED) nx__keeper_answer(&k, asked.notif.id, error, 0);
    }
}
