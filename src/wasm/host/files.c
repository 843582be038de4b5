/* Files of guests: below the directories of their policy, by no link and no "..". */
#include "wasm/host/host.h"

#include "fs/path.h"
#include "loop/files.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* As <nexus-guest.h> has them. */
enum { READ = 1, WRITE = 2, CREATE = 4, TRUNCATE = 8, APPEND = 16, ALL = 31 };

/* ---- Which directory */

/* Without what means nothing at its beginning. */
static const char *plain(const char *path)
{
    while (*path == '/' || (path[0] == '.' && (path[1] == '/' || !path[1]))) path++;
    return path;
}

/* The one that is nearest to the path, and what is left of that. */
static nx_err dir_find(const struct nx__host *host, nx_bytes text, const struct nx__host_dir **out,
                       const char **rest)
{
    *out = NULL;
    const char *path = nx_copy(text);
    size_t nearest = 0;
    if (!path) return NX_ENOMEM;
    if (strlen(path) != text.len || text.len >= PATH_MAX) {
        NX_IGNORE(nx__error_set(NX_EINVAL, "a path has at most %d bytes and no NUL", PATH_MAX - 1));
        return NX_EINVAL;
    }
    path = plain(path);
    for (size_t i = 0; i < host->dir_count; i++) {
        const struct nx__host_dir *dir = &host->dirs[i];
        size_t len = strlen(dir->guest);
        bool below =
            !len || (strncmp(path, dir->guest, len) == 0 && (path[len] == '/' || !path[len]));
        if (!below || (*out && len < nearest)) continue;
        *out = dir;
        *rest = plain(path + len);
        nearest = len;
    }
    if (*out && **rest) return NX_OK;
    NX_IGNORE(
        nx__error_set(NX_EPERM, "\"%.120s\" is %s", path,
                      *out ? "a directory" : "in no directory that allow_fs of its policy has"));
    return NX_EPERM;
}

static nx_err may_write(const struct nx__host_dir *dir, const char *rest)
{
    if (dir->write) return NX_OK;
    return nx__error_set(NX_EPERM, "\"%.100s\" lies in a directory that allow_fs gives to read",
                         rest);
}

/* ---- Opening */

struct opening {
    int at, flags;
    const char *path;
};

static int64_t open_run(void *arg)
{
    const struct opening *o = arg;
    struct stat st;
    /* What would wait for somebody, a pipe, is opened at once, and refused. */
    int64_t fd = nx__file_open_no_links(o->at, o->path, o->flags | O_NONBLOCK | O_NOCTTY, 0666);
    if (fd < 0) return fd;
    if (fstat((int)fd, &st) == 0 && S_ISREG(st.st_mode)) return fd;
    (void)close((int)fd);
    return S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
}

static int flags_of(unsigned how)
{
    unsigned access = how & (READ | WRITE);
    unsigned flags = access == (READ | WRITE) ? O_RDWR : access == WRITE ? O_WRONLY : O_RDONLY;
    if (how & CREATE) flags |= O_CREAT;
    if (how & TRUNCATE) flags |= O_TRUNC;
    if (how & APPEND) flags |= O_APPEND;
    return (int)flags;
}

nx_err nx__host_open(struct nx__host *host, nx_wasm_value *values)
{
    const struct nx__host_dir *dir;
    const char *rest = "";
    struct nx__held *held;
    int32_t number;
    unsigned how = values[1].u32;
    if (how & ~(unsigned)ALL || !(how & (READ | WRITE)) || (how > 3 && !(how & WRITE)))
        return nx__error_set(NX_EINVAL, "a file can't be opened by 0x%x", how);
    NX_TRY(dir_find(host, values[0].bytes, &dir, &rest));
    if (how & WRITE) NX_TRY(may_write(dir, rest));
    NX_TRY(nx__host_hold(host, &held, &number));
    int64_t fd = nx__file_call(
        open_run, &(struct opening){.at = dir->fd, .flags = flags_of(how), .path = rest});
    if (fd < 0) {
        nx__host_drop(host, number);
        return nx__fs_result(fd, "open", rest);
    }
    held->fd = (int)fd;
    held->append = how & APPEND;
    values[0].i32 = number;
    return NX_OK;
}

/* ---- Removing */

static int64_t remove_run(void *arg)
{
    const struct opening *o = arg;
    char above[PATH_MAX];
    const char *slash = strrchr(o->path, '/');
    size_t len = slash ? (size_t)(slash - o->path) : 0;
    memcpy(above, o->path, len);
    above[len] = '\0';
    int64_t at = slash ? nx__file_open_no_links(o->at, above, O_PATH | O_DIRECTORY, 0) : o->at;
    if (at < 0) return at;
    int64_t result = unlinkat((int)at, slash ? slash + 1 : o->path, 0) == 0 ? 0 : -errno;
    if (slash) (void)close((int)at);
    return result;
}

nx_err nx__host_remove(struct nx__host *host, nx_wasm_value *values)
{
    const struct nx__host_dir *dir;
    const char *rest = "";
    NX_TRY(dir_find(host, values[0].bytes, &dir, &rest));
    NX_TRY(may_write(dir, rest));
    int64_t result = nx__file_call(remove_run, &(struct opening){.at = dir->fd, .path = rest});
    values[0].i32 = 0;
    return nx__fs_result(result, "remove", rest);
}

/* ---- Reading and writing */

static nx_err not_open(const struct nx__held *held, const char *doing)
{
    return nx__error_set(NX_EINVAL, "%s: it is %s", doing,
                         held->answer ? "an answer" : "not open for that");
}

nx_err nx__host_size(struct nx__host *host, nx_wasm_value *values)
{
    struct nx__held *held;
    struct stat st;
    NX_TRY(nx__host_find(host, values[0].i32, &held));
    if (held->answer) {
        values[0].i64 = nx_fetched_length(held->answer);
        return NX_OK;
    }
    if (fstat(held->fd, &st) != 0) return nx__error_system(errno, "cannot ask for a file's size");
    values[0].i64 = st.st_size;
    return NX_OK;
}

nx_err nx__host_file_read(struct nx__held *held, nx_bytes into, int32_t *got)
{
    int64_t n = nx__file_read(held->fd, (char *)(uintptr_t)into.data, into.len, held->position);
    if (n == -EBADF) return not_open(held, "cannot read");
    if (n < 0) return nx__fs_result(n, "read", "a file");
    held->position += (uint64_t)n;
    *got = (int32_t)n;
    return NX_OK;
}

nx_err nx__host_file_write(struct nx__held *held, nx_bytes from, int32_t *done)
{
    if (held->answer) return not_open(held, "cannot write");
    int64_t n = nx__file_write(held->fd, from.data, from.len,
                               held->append ? NX__FILE_POSITION : held->position);
    if (n == -EBADF) return not_open(held, "cannot write");
    if (n < 0) return nx__fs_result(n, "write", "a file");
    held->position += (uint64_t)n;
    *done = (int32_t)n;
    return NX_OK;
}
