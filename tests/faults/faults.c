/* Failures on request: what the linker puts in the place of libc's functions (ld's --wrap). */
#include "faults.h"

#include "base/compiler.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <liburing.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

enum kind { NOTHING, MEMORY, CALLS, MOVES };

static struct {
    _Atomic enum kind kind;
    atomic_long left; /* 1: the next one fails */
    atomic_int what;
    _Atomic(const char *) failed;
    atomic_long blocks;
} faults;

void faults_begin(int what, unsigned long nth)
{
    atomic_store(&faults.failed, NULL);
    atomic_store(&faults.what, what);
    atomic_store(&faults.left, (long)nth);
    atomic_store(&faults.kind, what < 0 ? MEMORY : what == FAULTS_SHORT ? MOVES : CALLS);
}

const char *faults_stop(void)
{
    atomic_store(&faults.kind, NOTHING);
    return atomic_load(&faults.failed);
}

bool faults_next(struct faults_rounds *rounds)
{
    if (rounds->nth && !faults_stop()) return false;
    faults_begin(rounds->what, ++rounds->nth);
    return true;
}

long faults_blocks(void)
{
    return atomic_load(&faults.blocks);
}

/* In what must not fail. */
static _Thread_local unsigned spared;

/* Does this one fail? */
static bool fails(enum kind kind, const char *name)
{
    if (spared || atomic_load(&faults.kind) != kind) return false;
    int what = atomic_load(&faults.what);
    long left = atomic_fetch_sub(&faults.left, 1);
    if (left != 1 && !(left < 1 && what == FAULTS_NO_MEMORY)) return false;
    atomic_store(&faults.failed, name);
    if (kind != MOVES) errno = what < 0 ? ENOMEM : what;
    return true;
}

/* ---- Memory */

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__real_reallocarray(void *old, size_t count, size_t size);
char *__real_strdup(const char *text);
char *__real_strndup(const char *text, size_t len);
void __real_free(void *block);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__wrap_reallocarray(void *old, size_t count, size_t size);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t len);
void __wrap_free(void *block);

static void *counted(void *block)
{
    if (block) atomic_fetch_add(&faults.blocks, 1);
    return block;
}

void *__wrap_malloc(size_t size)
{
    return fails(MEMORY, "malloc") ? NULL : counted(__real_malloc(size));
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails(MEMORY, "calloc") ? NULL : counted(__real_calloc(count, size));
}

void *__wrap_realloc(void *old, size_t size)
{
    if (fails(MEMORY, "realloc")) return NULL;
    return old ? __real_realloc(old, size) : counted(__real_realloc(old, size));
}

void *__wrap_reallocarray(void *old, size_t count, size_t size)
{
    if (fails(MEMORY, "reallocarray")) return NULL;
    void *block = __real_reallocarray(old, count, size);
    return old ? block : counted(block);
}

char *__wrap_strdup(const char *text)
{
    return fails(MEMORY, "strdup") ? NULL : counted(__real_strdup(text));
}

char *__wrap_strndup(const char *text, size_t len)
{
    return fails(MEMORY, "strndup") ? NULL : counted(__real_strndup(text, len));
}

void __wrap_free(void *block)
{
    if (block) atomic_fetch_sub(&faults.blocks, 1);
    __real_free(block);
}

void __real_CRYPTO_free_ex_data(void *class, void *owner, void *data);
void __wrap_CRYPTO_free_ex_data(void *class, void *owner, void *data);

/* AWS-LC needs memory to free this, and leaks where there is none. */
void __wrap_CRYPTO_free_ex_data(void *class, void *owner, void *data)
{
    spared++;
    __real_CRYPTO_free_ex_data(class, owner, data);
    spared--;
}

/* ---- System calls: TYPE NAME(PARAMETERS), called with ARGUMENTS, BAD where it fails */

#define CALL(type, bad, name, parameters, arguments)                                               \
    type __real_##name parameters;                                                                 \
    type __wrap_##name parameters;                                                                 \
    type __wrap_##name parameters                                                                  \
    {                                                                                              \
        return fails(CALLS, #name) ? (bad) : __real_##name arguments;                              \
    }
#define INT(name, parameters, arguments) CALL(int, -1, name, parameters, arguments)

INT(accept4, (int fd, struct sockaddr *from, socklen_t *len, int flags), (fd, from, len, flags))
INT(access, (const char *path, int mode), (path, mode))
INT(bind, (int fd, const struct sockaddr *to, socklen_t len), (fd, to, len))
INT(chmod, (const char *path, mode_t mode), (path, mode))
INT(connect, (int fd, const struct sockaddr *to, socklen_t len), (fd, to, len))
INT(epoll_create1, (int flags), (flags))
INT(eventfd, (unsigned value, int flags), (value, flags))
INT(fallocate, (int fd, int mode, off_t offset, off_t len), (fd, mode, offset, len))
INT(fchmod, (int fd, mode_t mode), (fd, mode))
INT(fchmodat, (int at, const char *path, mode_t mode, int flags), (at, path, mode, flags))
INT(fchownat, (int at, const char *path, uid_t user, gid_t group, int flags),
    (at, path, user, group, flags))
INT(fdatasync, (int fd), (fd))
CALL(DIR *, NULL, fdopendir, (int fd), (fd))
INT(flock, (int fd, int operation), (fd, operation))
CALL(FILE *, NULL, fopen, (const char *path, const char *mode), (path, mode))
INT(fstat, (int fd, struct stat *out), (fd, out))
INT(fstatat, (int at, const char *path, struct stat *out, int flags), (at, path, out, flags))
INT(fstatfs, (int fd, struct statfs *out), (fd, out))
INT(fstatvfs, (int fd, struct statvfs *out), (fd, out))
INT(fsync, (int fd), (fd))
INT(ftruncate, (int fd, off_t size), (fd, size))
INT(futimens, (int fd, const struct timespec times[2]), (fd, times))
CALL(char *, NULL, getcwd, (char *path, size_t size), (path, size))
INT(getifaddrs, (struct ifaddrs * *out), (out))
INT(getloadavg, (double *out, int count), (out, count))
INT(getpeername, (int fd, struct sockaddr *out, socklen_t *len), (fd, out, len))
CALL(ssize_t, -1, getrandom, (void *data, size_t len, unsigned flags), (data, len, flags))
INT(getsockname, (int fd, struct sockaddr *out, socklen_t *len), (fd, out, len))
INT(getsockopt, (int fd, int level, int name, void *value, socklen_t *len),
    (fd, level, name, value, len))
CALL(ssize_t, -1, getxattr, (const char *path, const char *name, void *value, size_t size),
     (path, name, value, size))
INT(grantpt, (int fd), (fd))
INT(inotify_add_watch, (int fd, const char *path, uint32_t mask), (fd, path, mask))
INT(inotify_init1, (int flags), (flags))
INT(linkat, (int at, const char *path, int to_at, const char *to, int flags),
    (at, path, to_at, to, flags))
INT(listen, (int fd, int backlog), (fd, backlog))
CALL(ssize_t, -1, listxattr, (const char *path, char *list, size_t size), (path, list, size))
CALL(off_t, -1, lseek, (int fd, off_t offset, int from), (fd, offset, from))
INT(lstat, (const char *path, struct stat *out), (path, out))
INT(memfd_create, (const char *name, unsigned flags), (name, flags))
INT(mkdir, (const char *path, mode_t mode), (path, mode))
INT(mkdirat, (int at, const char *path, mode_t mode), (at, path, mode))
CALL(char *, NULL, mkdtemp, (char *path), (path))
INT(mknodat, (int at, const char *path, mode_t mode, dev_t device), (at, path, mode, device))
CALL(void *, MAP_FAILED, mmap, (void *data, size_t len, int prot, int flags, int fd, off_t offset),
     (data, len, prot, flags, fd, offset))
INT(mprotect, (void *data, size_t len, int prot), (data, len, prot))
INT(msync, (void *data, size_t len, int flags), (data, len, flags))
CALL(DIR *, NULL, opendir, (const char *path), (path))
INT(pipe2, (int ends[2], int flags), (ends, flags))
INT(poll, (struct pollfd * fds, nfds_t count, int timeout), (fds, count, timeout))
INT(posix_openpt, (int flags), (flags))
CALL(int, errno, pthread_create,
     (pthread_t * thread, const pthread_attr_t *attr, void *(*body)(void *), void *arg),
     (thread, attr, body, arg))
CALL(struct dirent *, NULL, readdir, (DIR * directory), (directory))
CALL(ssize_t, -1, readlink, (const char *path, char *text, size_t size), (path, text, size))
CALL(ssize_t, -1, readlinkat, (int at, const char *path, char *text, size_t size),
     (at, path, text, size))
INT(rename, (const char *path, const char *to), (path, to))
INT(renameat, (int at, const char *path, int to_at, const char *to), (at, path, to_at, to))
INT(sched_getaffinity, (pid_t pid, size_t size, cpu_set_t *set), (pid, size, set))
INT(setsockopt, (int fd, int level, int name, const void *value, socklen_t len),
    (fd, level, name, value, len))
INT(setxattr, (const char *path, const char *name, const void *value, size_t size, int flags),
    (path, name, value, size, flags))
INT(shutdown, (int fd, int how), (fd, how))
INT(socket, (int domain, int type, int protocol), (domain, type, protocol))
INT(socketpair, (int domain, int type, int protocol, int ends[2]), (domain, type, protocol, ends))
INT(stat, (const char *path, struct stat *out), (path, out))
INT(statx, (int at, const char *path, int flags, unsigned mask, struct statx *out),
    (at, path, flags, mask, out))
INT(symlinkat, (const char *target, int at, const char *path), (target, at, path))
INT(timer_create, (clockid_t clock, struct sigevent *event, timer_t *out), (clock, event, out))
INT(uname, (struct utsname * out), (out))
INT(unlink, (const char *path), (path))
INT(unlinkat, (int at, const char *path, int flags), (at, path, flags))
INT(unlockpt, (int fd), (fd))
INT(utimensat, (int at, const char *path, const struct timespec times[2], int flags),
    (at, path, times, flags))

int __real_epoll_ctl(int fd, int op, int at, struct epoll_event *event);
int __wrap_epoll_ctl(int fd, int op, int at, struct epoll_event *event);

/* What is watched can always be left: the kernel needs nothing for it. */
int __wrap_epoll_ctl(int fd, int op, int at, struct epoll_event *event)
{
    if (op != EPOLL_CTL_DEL && fails(CALLS, "epoll_ctl")) return -1;
    return __real_epoll_ctl(fd, op, at, event);
}

int __real_close(int fd);
int __wrap_close(int fd);

int __wrap_close(int fd)
{
    bool failed = fails(CALLS, "close");
    int error = errno, result = __real_close(fd);
    if (!failed) return result;
    errno = error;
    return -1;
}

/* ---- Moving bytes: an error, or half of them */

static size_t half(size_t len)
{
    return len > 1 ? len / 2 : len;
}

/* What wakes a loop, and what tells the result of a test, is left alone. */
static bool is_needed(int fd)
{
    char link[32], target[32];
    int type = 0;
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t len = __real_readlink(link, target, sizeof target);
    if (len >= 20 && memcmp(target, "anon_inode:[eventfd]", 20) == 0) return true;
    return __real_getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &(socklen_t){sizeof type}) == 0 &&
           type == SOCK_SEQPACKET;
}

/* How a call that moves bytes through a descriptor ends. */
enum end { WHOLE, HALF, FAILED };

static enum end moves(int fd, const char *name)
{
    int error = errno;
    enum kind kind = atomic_load(&faults.kind);
    bool needed = (kind == CALLS || kind == MOVES) && is_needed(fd);
    errno = error;
    if (needed) return WHOLE;
    return fails(CALLS, name) ? FAILED : fails(MOVES, name) ? HALF : WHOLE;
}

/* ---- Those that take what they are given */

/* Calls REAL with the one argument behind LAST, or as many as there could be. */
#define ONE_MORE(type, last)                                                                       \
    va_list list;                                                                                  \
    va_start(list, last);                                                                          \
    type more = va_arg(list, type);                                                                \
    va_end(list)

int __real_open(const char *path, int flags, ...);
int __real_openat(int at, const char *path, int flags, ...);
int __real_fcntl(int fd, int command, ...);
int __real_ioctl(int fd, unsigned long request, ...);
long __real_syscall(long number, ...);
int __wrap_open(const char *path, int flags, ...);
int __wrap_openat(int at, const char *path, int flags, ...);
int __wrap_fcntl(int fd, int command, ...);
int __wrap_ioctl(int fd, unsigned long request, ...);
long __wrap_syscall(long number, ...);

int __wrap_open(const char *path, int flags, ...)
{
    ONE_MORE(unsigned, flags);
    return fails(CALLS, "open") ? -1 : __real_open(path, flags, more);
}

int __wrap_openat(int at, const char *path, int flags, ...)
{
    ONE_MORE(unsigned, flags);
    return fails(CALLS, "openat") ? -1 : __real_openat(at, path, flags, more);
}

int __wrap_fcntl(int fd, int command, ...)
{
    ONE_MORE(long, command);
    return fails(CALLS, "fcntl") ? -1 : __real_fcntl(fd, command, more);
}

int __wrap_ioctl(int fd, unsigned long request, ...)
{
    ONE_MORE(long, request);
    return fails(CALLS, "ioctl") ? -1 : __real_ioctl(fd, request, more);
}

/* It hands on as many arguments as there could be, of which fewer may have been given. */
NX__READS_ANYTHING long __wrap_syscall(long number, ...)
{
    long more[6];
    va_list list;
    va_start(list, number);
    for (int i = 0; i < 6; i++) more[i] = va_arg(list, long);
    va_end(list);
    if (number == SYS_recvfrom || number == SYS_sendto) {
        enum end end = moves((int)more[0], number == SYS_sendto ? "send" : "recv");
        if (end == FAILED) return -1;
        if (end == HALF) more[2] = (long)half((size_t)more[2]);
    }
    const char *name = number == SYS_openat2             ? "openat2"
                       : number == SYS_getdents64        ? "getdents64"
                       : number == SYS_pidfd_open        ? "pidfd_open"
                       : number == SYS_pidfd_send_signal ? "pidfd_send_signal"
                       : number == SYS_renameat2         ? "renameat2"
                                                         : NULL;
    if (name && fails(CALLS, name)) return -1;
    return __real_syscall(number, more[0], more[1], more[2], more[3], more[4], more[5]);
}

/* ---- Those that move bytes */

#define MOVE(name, parameters, arguments, shortened)                                               \
    ssize_t __real_##name parameters;                                                              \
    ssize_t __wrap_##name parameters;                                                              \
    ssize_t __wrap_##name parameters                                                               \
    {                                                                                              \
        enum end end = moves(fd, #name);                                                           \
        if (end == FAILED) return -1;                                                              \
        return end == HALF ? __real_##name shortened : __real_##name arguments;                    \
    }

/* The first of some pieces, by half. */
#define FIRST(pieces) &(struct iovec){(pieces)->iov_base, half((pieces)->iov_len)}, 1

MOVE(read, (int fd, void *data, size_t len), (fd, data, len), (fd, data, half(len)))
MOVE(write, (int fd, const void *data, size_t len), (fd, data, len), (fd, data, half(len)))
MOVE(recv, (int fd, void *data, size_t len, int flags), (fd, data, len, flags),
     (fd, data, half(len), flags))
MOVE(send, (int fd, const void *data, size_t len, int flags), (fd, data, len, flags),
     (fd, data, half(len), flags))
MOVE(sendfile, (int to, int fd, off_t *at, size_t len), (to, fd, at, len), (to, fd, at, half(len)))
MOVE(splice, (int fd, off_t *at, int to, off_t *to_at, size_t len, unsigned flags),
     (fd, at, to, to_at, len, flags), (fd, at, to, to_at, half(len), flags))
MOVE(pread, (int fd, void *data, size_t len, off_t offset), (fd, data, len, offset),
     (fd, data, half(len), offset))
MOVE(pwrite, (int fd, const void *data, size_t len, off_t offset), (fd, data, len, offset),
     (fd, data, half(len), offset))
MOVE(readv, (int fd, const struct iovec *pieces, int count), (fd, pieces, count),
     (fd, FIRST(pieces)))
MOVE(writev, (int fd, const struct iovec *pieces, int count), (fd, pieces, count),
     (fd, FIRST(pieces)))
MOVE(preadv, (int fd, const struct iovec *pieces, int count, off_t offset),
     (fd, pieces, count, offset), (fd, FIRST(pieces), offset))
MOVE(pwritev, (int fd, const struct iovec *pieces, int count, off_t offset),
     (fd, pieces, count, offset), (fd, FIRST(pieces), offset))
MOVE(preadv2, (int fd, const struct iovec *pieces, int count, off_t offset, int flags),
     (fd, pieces, count, offset, flags), (fd, FIRST(pieces), offset, flags))
MOVE(copy_file_range, (int fd, off_t *at, int to, off_t *to_at, size_t len, unsigned flags),
     (fd, at, to, to_at, len, flags), (fd, at, to, to_at, half(len), flags))

ssize_t __real_sendmsg(int fd, const struct msghdr *message, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags);

ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags)
{
    enum end end = moves(fd, "sendmsg");
    if (end == FAILED) return -1;
    if (end == WHOLE || !message->msg_iovlen) return __real_sendmsg(fd, message, flags);
    struct iovec first = {message->msg_iov->iov_base, half(message->msg_iov->iov_len)};
    struct msghdr shorter = *message;
    shorter.msg_iov = &first;
    shorter.msg_iovlen = 1;
    return __real_sendmsg(fd, &shorter, flags);
}

/* Of several messages half are moved. */
int __real_sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags);
int __wrap_sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags);
int __real_recvmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags,
                    struct timespec *most);
int __wrap_recvmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags,
                    struct timespec *most);

int __wrap_sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags)
{
    enum end end = moves(fd, "sendmmsg");
    if (end == FAILED) return -1;
    return __real_sendmmsg(fd, messages, end == HALF ? (unsigned)half(count) : count, flags);
}

int __wrap_recvmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags,
                    struct timespec *most)
{
    enum end end = moves(fd, "recvmmsg");
    if (end == FAILED) return -1;
    return __real_recvmmsg(fd, messages, end == HALF ? (unsigned)half(count) : count, flags, most);
}

/* ---- Rings */

int __real_io_uring_queue_init(unsigned entries, struct io_uring *ring, unsigned flags);
int __wrap_io_uring_queue_init(unsigned entries, struct io_uring *ring, unsigned flags);
int __real_io_uring_submit(struct io_uring *ring);
int __wrap_io_uring_submit(struct io_uring *ring);

int __wrap_io_uring_queue_init(unsigned entries, struct io_uring *ring, unsigned flags)
{
    if (fails(CALLS, "io_uring_queue_init")) return -errno;
    return __real_io_uring_queue_init(entries, ring, flags);
}

/* In the place of an operation one that does nothing, and ends like this. */
static void ends_with(struct io_uring_sqe *sqe, int result)
{
    enum { INJECT_RESULT = 1 /* IORING_NOP_INJECT_RESULT, which older headers lack */ };
    uint64_t data = sqe->user_data;
    io_uring_prep_nop(sqe);
    sqe->rw_flags = INJECT_RESULT;
    sqe->len = (unsigned)result;
    sqe->user_data = data;
}

int __wrap_io_uring_submit(struct io_uring *ring)
{
    struct io_uring_sqe *sqe = &ring->sq.sqes[(ring->sq.sqe_tail - 1) & ring->sq.ring_mask];
    struct iovec first;
    bool asked = sqe->opcode != IORING_OP_NOP && sqe->opcode != IORING_OP_ASYNC_CANCEL;
    if (asked && fails(CALLS, "io_uring_submit")) return -errno;
    if (asked && fails(CALLS, "an operation of a ring")) ends_with(sqe, -errno);
    bool moved = sqe->opcode == IORING_OP_READV || sqe->opcode == IORING_OP_WRITEV;
    if (moved && fails(MOVES, "an operation of a ring")) {
        const struct iovec *pieces = (const struct iovec *)(uintptr_t)sqe->addr;
        first = (struct iovec){pieces->iov_base, half(pieces->iov_len)};
        sqe->addr = (uintptr_t)&first; /* the kernel has read it when the call returns */
        sqe->len = 1;
    }
    return __real_io_uring_submit(ring);
}

bool faults_ring(void)
{
    struct io_uring ring;
    struct io_uring_cqe *cqe;
    if (__real_io_uring_queue_init(1, &ring, 0) != 0) return false;
    ends_with(io_uring_get_sqe(&ring), -EXDEV);
    bool can = __real_io_uring_submit(&ring) == 1 && io_uring_wait_cqe(&ring, &cqe) == 0 &&
               cqe->res == -EXDEV;
    io_uring_queue_exit(&ring);
    return can;
}

/* ---- Descriptors */

int faults_descriptors(void)
{
    int count = 0;
    for (int fd = 0; fd < 1024; fd++)
        if (__real_fcntl(fd, F_GETFD, 0L) >= 0) count++;
    return count;
}
