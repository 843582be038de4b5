/* Whole files. */
#include "fs/fs.h"

#include "base/arena.h"
#include "loop/files.h"
#include "permission/permission.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/random.h>
#include <unistd.h>

enum { FIRST_READ = 4096, PATH_MOST = 4096 };

static nx_err failed(int64_t result, const char *what, const char *path)
{
    if (result == -ELIMIT_OPERATIONS) return nx__error_operations();
    return nx__error_system((int)-result, "cannot %s \"%s\"", what, path);
}

/* Reads to the end, whatever size the file said it had: those under /proc say 0, others grow. */
static int64_t read_all(int fd, size_t hint, nx_bytes *out)
{
    struct nx__arena *arena = nx__scope_arena();
    size_t capacity = hint + 1, len = 0; /* one more, so that the end is seen without growing */
    if (capacity < FIRST_READ) capacity = FIRST_READ;
    char *data = nx__arena_alloc(arena, capacity);
    while (data) {
        int64_t n = nx__file_read(fd, data + len, capacity - len - 1, len);
        if (n < 0) return n;
        len += (size_t)n;
        if (n == 0) {
            data[len] = '\0';
            *out = nx_slice(data, len);
            return 0;
        }
        if (len < capacity - 1) continue;
        if (len >= NX_FS_MAX_READ) return -EFBIG;
        data = nx__arena_grow(arena, data, capacity, capacity * 2);
        capacity *= 2;
    }
    return -ENOMEM;
}

nx_err nx_fs_read_file(const char *path, nx_bytes *out)
{
    *out = (nx_bytes){0};
    NX_TRY(nx__permit(NX__PERMIT_READ, path));
    int64_t fd = nx__file_open(AT_FDCWD, path, O_RDONLY | O_NOCTTY, 0);
    if (fd < 0) return failed(fd, "read", path);
    struct statx stat;
    int64_t result = nx__file_stat((int)fd, &stat);
    if (result == 0) {
        if (S_ISDIR(stat.stx_mode))
            result = -EISDIR;
        else if (stat.stx_size > NX_FS_MAX_READ)
            result = -EFBIG;
        else
            result = read_all((int)fd, (size_t)stat.stx_size, out);
    }
    (void)close((int)fd);
    return result < 0 ? failed(result, "read", path) : NX_OK;
}

static int64_t write_all(int fd, nx__fs_source next, void *from)
{
    uint64_t offset = 0;
    for (;;) {
        nx_bytes piece;
        int64_t result = next(from, &piece);
        if (result < 0) return result;
        if (!piece.len) return nx__file_sync(fd);
        for (size_t done = 0; done < piece.len;) {
            int64_t n = nx__file_write(fd, piece.data + done, piece.len - done, offset);
            if (n < 0) return n;
            if (n == 0) return -EIO;
            done += (size_t)n;
            offset += (uint64_t)n;
        }
    }
}

/* The permissions of the file that is replaced; -ENOENT where there is none, or a link (which is
 * replaced itself); -EINVAL for a device, pipe or socket: a rename would put a plain file in its
 * place. */
static int64_t old_mode(const char *path)
{
    int64_t fd = nx__file_open(AT_FDCWD, path, O_PATH | O_NOFOLLOW, 0);
    if (fd < 0) return fd;
    struct statx stat;
    int64_t result = nx__file_stat((int)fd, &stat);
    (void)close((int)fd);
    if (result < 0) return result;
    if (S_ISREG(stat.stx_mode)) return stat.stx_mode & 0777;
    if (S_ISDIR(stat.stx_mode)) return -EISDIR;
    return S_ISLNK(stat.stx_mode) ? -ENOENT : -EINVAL;
}

nx_err nx__fs_write_from(const char *path, nx__fs_source next, void *from)
{
    NX_TRY(nx__permit(NX__PERMIT_WRITE, path));
    char aside[PATH_MOST];
    uint64_t random = 0;
    if (getrandom(&random, sizeof random, 0) < 0) return failed(-errno, "write", path);
    int n = snprintf(aside, sizeof aside, "%s.%016llx.tmp", path, (unsigned long long)random);
    if (n < 0 || (size_t)n >= sizeof aside) return failed(-ENAMETOOLONG, "write", path);
    int64_t mode = old_mode(path);
    if (mode == -EINVAL)
        return nx__error_set(
            NX_EINVAL, "cannot write \"%s\": it is a device, pipe or socket, not a file", path);
    if (mode < 0 && mode != -ENOENT) return failed(mode, "write", path);
    int64_t fd = nx__file_open(AT_FDCWD, aside, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW,
                               mode < 0 ? 0666 : 0600);
    if (fd < 0) return failed(fd, "write", path);
    int64_t result = mode >= 0 && fchmod((int)fd, (mode_t)mode) != 0 ? -errno : 0;
    if (result == 0) result = write_all((int)fd, next, from);
    (void)close((int)fd);
    if (result == 0) result = nx__file_rename(AT_FDCWD, aside, path);
    if (result < 0)
        (void)unlink(
            aside); /* at once: the fiber may be cancelled, and then nothing else may wait */
    return result < 0 ? failed(result, "write", path) : NX_OK;
}

/* The contents once, then nothing. */
static int64_t contents_next(void *from, nx_bytes *piece)
{
    nx_bytes *contents = from;
    *piece = *contents;
    *contents = (nx_bytes){0};
    return 0;
}

nx_err nx_fs_write_file(const char *path, nx_bytes contents)
{
    return nx__fs_write_from(path, contents_next, &contents);
}
