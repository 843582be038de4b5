/* Copying files inside the kernel. */
#include "fs/file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* Between two looks whether to go on, and where the kernel can't, at once through memory. */
#define STEP  ((size_t)64 << 20)
#define PIECE ((size_t)256 << 10)

struct copy {
    int from, to;
    off_t at, end;                /* of the run of data that is being copied */
    bool through_memory, bounded; /* not within the kernel; the size is known */
    off_t size;
    const struct stat *stat; /* of what is copied */
    bool keep_times;
};

/* Finds the next run of data behind a hole; false at the end. */
static bool run_find(struct copy *c)
{
    c->end = c->size;
    off_t data = lseek(c->from, c->at, SEEK_DATA);
    if (data < 0)
        return errno != ENXIO; /* ENXIO: only a hole is left; else the holes are unknown */
    off_t hole = lseek(c->from, data, SEEK_HOLE);
    c->at = data;
    if (hole > data) c->end = hole;
    return true;
}

static int64_t piece_move(struct copy *c, size_t len)
{
    char *buffer = malloc(PIECE);
    if (!buffer) return -ENOMEM;
    int64_t n = pread(c->from, buffer, len < PIECE ? len : PIECE, c->at);
    if (n < 0) n = -errno;
    for (ssize_t done = 0; n > 0 && done < n;) {
        ssize_t written = pwrite(c->to, buffer + done, (size_t)(n - done), c->at + done);
        if (written <= 0) {
            n = written < 0 ? -errno : -EIO;
            break;
        }
        done += written;
    }
    free(buffer);
    return n;
}

/* On a thread of the pool: 1 while there is more to do. */
static int64_t copy_some(void *arg)
{
    struct copy *c = arg;
    for (size_t done = 0; done < STEP;) {
        if (c->bounded && c->at >= c->end && (c->at >= c->size || !run_find(c)))
            return ftruncate(c->to, c->size) == 0 ? 0 : -errno;
        size_t len = c->bounded ? (size_t)(c->end - c->at) : STEP;
        if (len > STEP) len = STEP;
        int64_t n;
        if (c->through_memory) {
            n = piece_move(c, len);
        } else {
            off_t from = c->at, to = c->at;
            n = copy_file_range(c->from, &from, c->to, &to, len, 0);
            if (n < 0) n = -errno;
            /* Another file system, or one that makes its contents up and says 0. */
            if (n == -EXDEV || n == -EINVAL || n == -ENOSYS || n == -EOPNOTSUPP || n == -EPERM ||
                (n == 0 && done == 0 && c->at == 0)) {
                c->through_memory = true;
                continue;
            }
        }
        if (n == -EINTR) continue;
        if (n < 0) return n;
        if (n == 0) return 0; /* it has been cut meanwhile */
        c->at += n;
        done += (size_t)n;
    }
    return 1;
}

/* Empties what is there, and shares the blocks if the file system can: 0 then, 1 where there is
 * more to do. */
static int64_t copy_begin(void *arg)
{
    const struct copy *c = arg;
    if (ftruncate(c->to, 0) != 0) return -errno;
    return ioctl(c->to, FICLONE, c->from) == 0 ? 0 : 1;
}

static int64_t copy_end(void *arg)
{
    const struct copy *c = arg;
    const struct timespec times[2] = {c->stat->st_atim, c->stat->st_mtim};
    if (fchmod(c->to, c->stat->st_mode & 0777) != 0) return -errno;
    return !c->keep_times || futimens(c->to, times) == 0 ? 0 : -errno;
}

static int64_t copy_into(const struct nx_file *from, const struct nx_file *to, bool keep_times)
{
    struct copy c = {.from = from->fd,
                     .to = to->fd,
                     .size = from->stat.st_size,
                     .bounded = from->stat.st_size > 0,
                     .stat = &from->stat,
                     .keep_times = keep_times};
    if (from->stat.st_dev == to->stat.st_dev && from->stat.st_ino == to->stat.st_ino)
        return -EINVAL;
    if (!S_ISREG(to->stat.st_mode)) return -EINVAL;
    int64_t result = nx__file_call(copy_begin, &c);
    while (result == 1) result = nx__file_call(copy_some, &c);
    return result < 0 ? result : nx__file_call(copy_end, &c);
}

nx_err nx_fs_copy_with(const char *from, const char *to, const nx_fs_copy_options *options)
{
    NX__OPTIONS(nx_fs_copy_options, o, options);
    struct nx_file source, target;
    int64_t result = nx__fs_file_begin(&source, from, O_RDONLY, 0);
    if (result < 0) return nx__fs_result(result, "copy", from);
    result = S_ISDIR(source.stat.st_mode) ? -EISDIR : !S_ISREG(source.stat.st_mode) ? -EINVAL : 0;
    if (result == 0) {
        uint64_t exclusive = o.no_replace ? O_EXCL : 0;
        result = nx__fs_file_begin(&target, to, O_WRONLY | O_CREAT | exclusive,
                                   source.stat.st_mode & 0777);
        if (result == 0) {
            result = copy_into(&source, &target, o.keep_times);
            int64_t closed = nx__fs_file_close(&target);
            if (result == 0) result = closed;
        }
    }
    nx__fs_file_end(&source);
    return nx__fs_pair_result(result, "copy", from, to);
}
