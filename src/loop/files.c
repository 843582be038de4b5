/* File operations: one description of each, two ways to have it done. */
#include "loop/files.h"

#include "loop/threads.h"
#include "loop/uring.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

static atomic_bool no_openat2;

static int64_t plain(int64_t result)
{
    return result < 0 ? -errno : result;
}

int64_t nx__file_open_no_links(int at, const char *path, int flags, mode_t mode)
{
    char component[NAME_MAX + 1];
    int64_t fd = at;
    if (*path == '/') {
        fd = plain(open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
        while (*path == '/') path++;
    }
    while (fd >= 0 || fd == AT_FDCWD) {
        size_t len = strcspn(path, "/"), slashes = strspn(path + len, "/");
        bool last = path[len + slashes] == '\0';
        int64_t next = len > NAME_MAX ? -ENAMETOOLONG : -EXDEV;
        if (len <= NAME_MAX && !(len == 2 && memcmp(path, "..", 2) == 0)) {
            memcpy(component, path, len);
            component[len] = '\0';
            next =
                plain(openat((int)fd, len ? component : ".",
                             O_CLOEXEC | O_NOFOLLOW | (last ? flags : O_PATH | O_DIRECTORY), mode));
        }
        if (fd != at) (void)close((int)fd);
        if (last || next < 0) return next;
        fd = next;
        path += len + slashes;
    }
    return fd;
}

int64_t nx__file_open_blocking(int at, const char *path, const struct open_how *how)
{
    if (!atomic_load_explicit(&no_openat2, memory_order_relaxed)) {
        int64_t fd;
        do {
            fd = plain(syscall(SYS_openat2, at, path, how, sizeof *how));
            /* Of a walk that a rename has disturbed. */
        } while (fd == -EINTR || (fd == -EAGAIN && how->resolve & RESOLVE_BENEATH &&
                                  !(how->resolve & RESOLVE_CACHED)));
        if (fd != -ENOSYS) return fd;
        atomic_store_explicit(&no_openat2, true, memory_order_relaxed);
    }
    if (how->resolve & RESOLVE_NO_SYMLINKS)
        return nx__file_open_no_links(at, path, (int)how->flags, (mode_t)how->mode);
    if (how->resolve) return -ENOSYS;
    return plain(openat(at, path, (int)how->flags, (mode_t)how->mode));
}

static int64_t move_pieces(const struct nx__file *file, bool write)
{
    const struct iovec *pieces = file->pieces;
    int64_t n;
    for (;;) {
        if (file->offset != NX__FILE_POSITION)
            n = write ? pwritev(file->fd, pieces, file->count, (off_t)file->offset)
                      : preadv(file->fd, pieces, file->count, (off_t)file->offset);
        else
            n = write ? writev(file->fd, pieces, file->count)
                      : readv(file->fd, pieces, file->count);
        if (n >= 0 || (errno != EAGAIN && errno != EINTR)) return plain(n);
        /* Not blocking by itself, and here it may. */
        struct pollfd wait = {.fd = file->fd, .events = write ? POLLOUT : POLLIN};
        if (errno == EAGAIN) (void)poll(&wait, 1, -1);
    }
}

static int64_t file_run(struct nx__job *job)
{
    struct nx__file *file = nx__container_of(job, struct nx__file, job);
    switch (file->kind) {
    case NX__FILE_OPEN: return nx__file_open_blocking(file->fd, file->path, file->how);
    case NX__FILE_STAT:
        return plain(statx(file->fd, file->path, (int)file->flags, NX__FILE_STATX_MASK, file->out));
    case NX__FILE_READ: return move_pieces(file, false);
    case NX__FILE_WRITE: return move_pieces(file, true);
    case NX__FILE_SYNC: return plain(file->flags ? fdatasync(file->fd) : fsync(file->fd));
    case NX__FILE_RENAME:
        return plain(
            syscall(SYS_renameat2, file->fd, file->path, file->fd2, file->path2, file->flags));
    case NX__FILE_REMOVE: return plain(unlinkat(file->fd, file->path, (int)file->flags));
    case NX__FILE_MKDIR: return plain(mkdirat(file->fd, file->path, file->mode));
    case NX__FILE_CALL: return file->call(file->out);
    }
    return -EINVAL;
}

/* Hands it to the ring or the pool: 0, or -errno. */
static int64_t submit(struct nx__file *file)
{
    struct nx_loop *loop = nx__loop();
    file->job.op.kind = NX__WAIT_FILE;
    if (nx__fiber_canceled(loop->running)) return -ECANCELED;
    if (file->kind != NX__FILE_CALL && nx__uring_ready(loop)) {
        file->job.op.cancel = nx__uring_cancel;
        if (nx__uring_submit(file)) return 0;
    }
    file->job.run = file_run;
    file->job.op.cancel = nx__job_cancel;
    nx_err err = nx__job_submit(&file->job);
    if (err) return err == NX_ENOMEM ? -ENOMEM : err == NX_ELIMIT ? -ELIMIT_OPERATIONS : -EAGAIN;
    return 0;
}

/* Only a ring says -EINTR: of what it was asked to give up, or what a signal to a thread of its own
 * has come across. What may be done twice is done again. */
static int64_t perform(struct nx__file *file)
{
    bool again = file->kind == NX__FILE_OPEN || file->kind == NX__FILE_STAT ||
                 file->kind == NX__FILE_READ || file->kind == NX__FILE_WRITE ||
                 file->kind == NX__FILE_SYNC;
    for (;;) {
        int64_t result = submit(file);
        if (result == 0) result = nx__op_wait(&file->job.op);
        if (result != -EINTR || !again) return result;
        file->job = (struct nx__job){0};
    }
}

int64_t nx__file_write_begin(struct nx__file *file, int fd, const struct iovec *piece,
                             uint64_t offset)
{
    *file = (struct nx__file){
        .kind = NX__FILE_WRITE, .fd = fd, .pieces = piece, .count = 1, .offset = offset};
    return submit(file);
}

int64_t nx__file_call_begin(struct nx__file *file, int64_t (*run)(void *arg), void *arg)
{
    *file = (struct nx__file){.kind = NX__FILE_CALL, .call = run, .out = arg};
    return submit(file);
}

int64_t nx__file_end(struct nx__file *file, bool cancelable)
{
    return cancelable ? nx__op_wait(&file->job.op) : nx__op_wait_uncanceled(&file->job.op);
}

const char *nx__files_backend(void)
{
    return nx__uring_ready(nx__loop()) ? "io_uring" : "threads";
}

void nx__files_free(struct nx_loop *loop)
{
    nx__uring_free(loop);
}

int64_t nx__file_turn(size_t bytes)
{
    enum { TURN = 512 * 1024 }; /* some 50 us */
    static NX__THREAD_LOCAL size_t spent;
    struct nx_loop *loop = nx__loop();
    if (nx__fiber_canceled(loop->running)) return -ECANCELED;
    spent += bytes;
    if (spent < TURN) return 0;
    spent = 0;
    loop->budget = 0; /* not to another fiber, before descriptors and timers are looked at */
    return nx_yield() == NX_OK ? 0 : -ECANCELED;
}

int64_t nx__file_open_now(int at, const char *path, const struct open_how *how)
{
    struct open_how now = *how;
    if (atomic_load_explicit(&no_openat2, memory_order_relaxed) ||
        how->flags & (O_CREAT | O_TRUNC) || !(how->flags & (O_NONBLOCK | O_PATH)))
        return -EAGAIN;
    now.flags |= O_CLOEXEC;
    now.resolve |= RESOLVE_CACHED;
    int64_t fd = nx__file_open_blocking(at, path, &now);
    return fd == -EINVAL || fd == -ENOSYS ? -EAGAIN : fd; /* a kernel before RESOLVE_CACHED */
}

int64_t nx__file_read_now(int fd, const struct iovec *pieces, int count, uint64_t offset)
{
    return plain(preadv2(fd, pieces, count, (off_t)offset, RWF_NOWAIT));
}

int64_t nx__file_open(int at, const char *path, const struct open_how *how)
{
    struct open_how with = *how;
    with.flags |= O_CLOEXEC;
    struct nx__file file = {.kind = NX__FILE_OPEN, .fd = at, .path = path, .how = &with};
    return perform(&file);
}

int64_t nx__file_stat(int at, const char *path, int flags, struct statx *out)
{
    struct nx__file file = {
        .kind = NX__FILE_STAT, .fd = at, .path = path, .flags = (unsigned)flags, .out = out};
    return perform(&file);
}

int64_t nx__file_readv(int fd, const struct iovec *pieces, int count, uint64_t offset)
{
    struct nx__file file = {
        .kind = NX__FILE_READ, .fd = fd, .pieces = pieces, .count = count, .offset = offset};
    return perform(&file);
}

int64_t nx__file_writev(int fd, const struct iovec *pieces, int count, uint64_t offset)
{
    struct nx__file file = {
        .kind = NX__FILE_WRITE, .fd = fd, .pieces = pieces, .count = count, .offset = offset};
    return perform(&file);
}

int64_t nx__file_read(int fd, void *data, size_t len, uint64_t offset)
{
    return nx__file_readv(fd, &(struct iovec){data, len}, 1, offset);
}

int64_t nx__file_write(int fd, const void *data, size_t len, uint64_t offset)
{
    return nx__file_writev(fd, &(struct iovec){(void *)(uintptr_t)data, len}, 1, offset);
}

int64_t nx__file_sync(int fd, bool data_only)
{
    struct nx__file file = {.kind = NX__FILE_SYNC, .fd = fd, .flags = data_only};
    return perform(&file);
}

int64_t nx__file_rename(int from_at, const char *from, int to_at, const char *to, unsigned flags)
{
    struct nx__file file = {.kind = NX__FILE_RENAME,
                            .fd = from_at,
                            .path = from,
                            .fd2 = to_at,
                            .path2 = to,
                            .flags = flags};
    return perform(&file);
}

int64_t nx__file_remove(int at, const char *path, int flags)
{
    struct nx__file file = {
        .kind = NX__FILE_REMOVE, .fd = at, .path = path, .flags = (unsigned)flags};
    return perform(&file);
}

int64_t nx__file_mkdir(int at, const char *path, mode_t mode)
{
    struct nx__file file = {.kind = NX__FILE_MKDIR, .fd = at, .path = path, .mode = mode};
    return perform(&file);
}

int64_t nx__file_call(int64_t (*run)(void *arg), void *arg)
{
    struct nx__file file = {.kind = NX__FILE_CALL, .call = run, .out = arg};
    return perform(&file);
}
