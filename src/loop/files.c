/* File operations: one description of each, two ways to have it done. */
#include "loop/files.h"

#include "loop/threads.h"
#include "loop/uring.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static int64_t plain(int64_t result)
{
    return result < 0 ? -errno : result;
}

/* On a thread of the pool. */
static int64_t file_run(struct nx__job *job)
{
    struct nx__file *file = nx__container_of(job, struct nx__file, job);
    switch (file->kind) {
    case NX__FILE_OPEN: return plain(openat(file->fd, file->path, file->flags, file->mode));
    case NX__FILE_STAT:
        return plain(statx(file->fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, file->data));
    case NX__FILE_READ: {
        int64_t n = plain(pread(file->fd, file->data, file->len, (off_t)file->offset));
        return n == -ESPIPE ? plain(read(file->fd, file->data, file->len))
                            : n; /* a pipe has no offsets, as the ring knows */
    }
    case NX__FILE_WRITE: {
        int64_t n = plain(pwrite(file->fd, file->data, file->len, (off_t)file->offset));
        return n == -ESPIPE ? plain(write(file->fd, file->data, file->len)) : n;
    }
    case NX__FILE_SYNC: return plain(fsync(file->fd));
    case NX__FILE_RENAME: return plain(renameat(file->fd, file->path, file->fd, file->path2));
    case NX__FILE_REMOVE: return plain(unlinkat(file->fd, file->path, 0));
    }
    return -EINVAL;
}

static int64_t perform(struct nx__file *file)
{
    struct nx_loop *loop = nx__loop();
    file->job.op.kind = NX__WAIT_FILE;
    if (nx__fiber_canceled(loop->running)) return -ECANCELED;
    if (nx__uring_ready(loop)) {
        file->job.op.cancel = nx__uring_cancel;
        if (nx__uring_submit(file)) return nx__op_wait(&file->job.op);
    }
    file->job.run = file_run;
    file->job.op.cancel = nx__job_cancel;
    nx_err err = nx__job_submit(&file->job);
    if (err) return err == NX_ENOMEM ? -ENOMEM : err == NX_ELIMIT ? -ELIMIT_OPERATIONS : -EAGAIN;
    return nx__op_wait(&file->job.op);
}

const char *nx__files_backend(void)
{
    return nx__uring_ready(nx__loop()) ? "io_uring" : "threads";
}

void nx__files_free(struct nx_loop *loop)
{
    nx__uring_free(loop);
}

int64_t nx__file_open(int at, const char *path, int flags, mode_t mode)
{
    struct nx__file file = {
        .kind = NX__FILE_OPEN, .fd = at, .path = path, .flags = flags | O_CLOEXEC, .mode = mode};
    return perform(&file);
}

int64_t nx__file_stat(int fd, struct statx *out)
{
    struct nx__file file = {.kind = NX__FILE_STAT, .fd = fd, .data = out};
    return perform(&file);
}

int64_t nx__file_read(int fd, void *data, size_t len, uint64_t offset)
{
    struct nx__file file = {
        .kind = NX__FILE_READ, .fd = fd, .data = data, .len = len, .offset = offset};
    return perform(&file);
}

int64_t nx__file_write(int fd, const void *data, size_t len, uint64_t offset)
{
    struct nx__file file = {.kind = NX__FILE_WRITE,
                            .fd = fd,
                            .data = (void *)(uintptr_t)data,
                            .len = len,
                            .offset = offset};
    return perform(&file);
}

int64_t nx__file_sync(int fd)
{
    struct nx__file file = {.kind = NX__FILE_SYNC, .fd = fd};
    return perform(&file);
}

int64_t nx__file_rename(int at, const char *from, const char *to)
{
    struct nx__file file = {.kind = NX__FILE_RENAME, .fd = at, .path = from, .path2 = to};
    return perform(&file);
}

int64_t nx__file_remove(int at, const char *path)
{
    struct nx__file file = {.kind = NX__FILE_REMOVE, .fd = at, .path = path};
    return perform(&file);
}
