/* Whole files. */
#include "fs/fs.h"

#include "fs/file.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/random.h>
#include <unistd.h>

enum { ASIDE_MOST = PATH_MAX };

nx_err nx_fs_read_file(const char *path, nx_bytes *out)
{
    struct nx_file file;
    *out = (nx_bytes){0};
    int64_t result = nx__fs_file_begin(&file, path, O_RDONLY, 0);
    if (result == 0) {
        result = S_ISDIR(file.stat.st_mode) ? -EISDIR : nx__fs_file_read_rest(&file, out);
        nx__fs_file_end(&file);
    }
    return nx__fs_result(result, "read", path);
}

nx_err nx_fs_append_file(const char *path, nx_bytes contents)
{
    struct nx_file file;
    int64_t result = nx__fs_file_begin(&file, path, O_WRONLY | O_APPEND | O_CREAT, 0666);
    if (result == 0) {
        result = nx__fs_file_write_all(&file, contents, 0);
        int64_t closed = nx__fs_file_close(&file);
        if (result == 0) result = closed;
    }
    return nx__fs_result(result, "append to", path);
}

/* ---- Replacing */

static int64_t write_pieces(int fd, nx__fs_source next, void *from)
{
    struct nx_file file = {.fd = fd};
    for (;;) {
        nx_bytes piece;
        int64_t result = next(from, &piece);
        if (result < 0) return result;
        if (!piece.len) return nx__file_sync(fd, false);
        result = nx__fs_file_write_all(&file, piece, file.position);
        if (result < 0) return result;
        file.position += piece.len;
    }
}

/* The permissions of the file that is replaced; -ENOENT where there is none, or a link (which is
 * replaced itself); -EINVAL for a device, pipe or socket: a rename would put a plain file in its
 * place. */
static int64_t old_mode(const struct nx__parent *parent)
{
    struct statx stat;
    int64_t result = nx__file_stat(parent->at, parent->name, AT_SYMLINK_NOFOLLOW, &stat);
    if (result < 0) return result;
    if (S_ISREG(stat.stx_mode)) return stat.stx_mode & 0777;
    if (S_ISDIR(stat.stx_mode)) return -EISDIR;
    return S_ISLNK(stat.stx_mode) ? -ENOENT : -EINVAL;
}

/* A rename is on the disk when its directory is. */
static int64_t sync_directory(const struct nx__parent *parent)
{
    int64_t fd = nx__fs_parent_open(parent, O_RDONLY);
    /* One may write in a directory that one may not read. */
    if (fd < 0) return fd == -EACCES ? 0 : fd;
    int64_t result = nx__file_sync((int)fd, false);
    (void)close((int)fd);
    return result == -EINVAL ? 0 : result; /* some file systems know nothing of it */
}

/* What the umask has taken away. Where it has taken nothing there is nothing to change, which a
 * program whose modes are held may not. */
static int64_t mode_keep(int fd, mode_t mode)
{
    struct stat st;
    if (fstat(fd, &st) != 0) return -errno;
    return (st.st_mode & 0777) == mode || fchmod(fd, mode) == 0 ? 0 : -errno;
}

static int64_t replace(const struct nx__parent *parent, nx__fs_source next, void *from)
{
    char aside[ASIDE_MOST];
    uint64_t random = 0;
    if (getrandom(&random, sizeof random, 0) < 0) return -errno;
    /* A hidden one, beside the file. */
    const char *slash = strrchr(parent->name, '/'), *leaf = slash ? slash + 1 : parent->name;
    int n = snprintf(aside, sizeof aside, "%.*s.%s.%016llx.tmp", (int)(leaf - parent->name),
                     parent->name, leaf, (unsigned long long)random);
    if (n < 0 || (size_t)n >= sizeof aside) return -ENAMETOOLONG;
    int64_t mode = old_mode(parent);
    if (mode < 0 && mode != -ENOENT) return mode;
    struct open_how how = {.flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW,
                           .mode = mode < 0 ? 0666 : (uint64_t)mode & 0777};
    int64_t fd = nx__file_open(parent->at, aside, &how);
    if (fd < 0) return fd;
    int64_t result = write_pieces((int)fd, next, from);
    if (result == 0 && mode >= 0) result = mode_keep((int)fd, (mode_t)mode);
    (void)close((int)fd);
    if (result == 0) result = nx__file_rename(parent->at, aside, parent->at, parent->name, 0);
    /* At once: the fiber may be cancelled, and then nothing else may wait. */
    if (result < 0) (void)unlinkat(parent->at, aside, 0);
    if (result < 0) return result;
    /* Who is cancelled from here on has the new contents, so that is not what he is told. */
    result = sync_directory(parent);
    return result == -ECANCELED ? 0 : result;
}

nx_err nx__fs_write_from(const char *path, nx__fs_source next, void *from)
{
    struct nx__parent parent;
    int64_t result = nx__fs_parent(NX__PLACE_WRITE, path, &parent);
    if (result == 0) result = replace(&parent, next, from);
    nx__fs_parent_release(&parent);
    if (result == -EINVAL)
        return nx__error_set(
            NX_EINVAL, "cannot write \"%s\": it is a device, pipe or socket, not a file", path);
    return nx__fs_result(result, "write", path);
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
