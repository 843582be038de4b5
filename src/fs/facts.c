/* What is known of a file, and changing it. */
#include "fs/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* ---- Reading it */

static nx_time time_of(struct statx_timestamp t)
{
    nx_time time;
    if (__builtin_mul_overflow(t.tv_sec, NX_S(1), &time) ||
        __builtin_add_overflow(time, (nx_time)t.tv_nsec, &time))
        return t.tv_sec < 0 ? INT64_MIN + 1 : INT64_MAX - 1;
    return time;
}

nx_file_type nx__fs_type(unsigned mode)
{
    switch (mode & S_IFMT) {
    case S_IFREG: return NX_FILE_REGULAR;
    case S_IFDIR: return NX_FILE_DIRECTORY;
    case S_IFLNK: return NX_FILE_LINK;
    case S_IFIFO: return NX_FILE_FIFO;
    case S_IFSOCK: return NX_FILE_SOCKET;
    case S_IFCHR: return NX_FILE_CHARACTER;
    case S_IFBLK: return NX_FILE_BLOCK;
    default: return NX_FILE_UNKNOWN;
    }
}

static void stat_of(const struct statx *from, nx_stat *out)
{
    *out = (nx_stat){
        .type = nx__fs_type(from->stx_mode),
        .mode = from->stx_mode & 07777,
        .user = from->stx_uid,
        .group = from->stx_gid,
        .size = from->stx_size,
        .allocated = from->stx_blocks * 512,
        .links = from->stx_nlink,
        .inode = from->stx_ino,
        .device = (uint64_t)from->stx_dev_major << 32 | from->stx_dev_minor,
        .accessed = time_of(from->stx_atime),
        .modified = time_of(from->stx_mtime),
        .changed = time_of(from->stx_ctime),
        .created = from->stx_mask & STATX_BTIME ? time_of(from->stx_btime) : 0,
    };
}

static int64_t stat_path(const char *path, uint64_t flags, struct statx *out)
{
    int64_t fd =
        nx__fs_open_path(NX__PLACE_READ, path, &(struct open_how){.flags = O_PATH | flags});
    if (fd < 0) return fd;
    /* What has just been opened is in memory. */
    int64_t result = statx((int)fd, "", AT_EMPTY_PATH, NX__FILE_STATX_MASK, out) == 0 ? 0 : -errno;
    (void)close((int)fd);
    return result;
}

nx_err nx_fs_stat(const char *path, nx_stat *out)
{
    struct statx stat;
    *out = (nx_stat){0};
    int64_t result = stat_path(path, 0, &stat);
    if (result == 0) stat_of(&stat, out);
    return nx__fs_result(result, "stat", path);
}

nx_err nx_fs_lstat(const char *path, nx_stat *out)
{
    struct statx stat;
    *out = (nx_stat){0};
    int64_t result = stat_path(path, O_NOFOLLOW, &stat);
    if (result == 0) stat_of(&stat, out);
    return nx__fs_result(result, "stat", path);
}

nx_err nx_file_stat(nx_file *file, nx_stat *out)
{
    struct statx stat;
    *out = (nx_stat){0};
    int64_t result = nx__file_stat(file->fd, "", AT_EMPTY_PATH, &stat);
    if (result == 0) stat_of(&stat, out);
    return nx__fs_result(result, "stat", file->path);
}

bool nx_fs_exists(const char *path)
{
    struct statx stat;
    return stat_path(path, 0, &stat) == 0;
}

/* ---- Calls that the ring doesn't know, on a descriptor, opened by its path or the file's own */

struct change {
    int fd;
    unsigned mode;
    uint32_t user, group;
    struct timespec times[2];
    uint64_t size;
    struct statvfs space;
};

void nx__fs_handle_path(int fd, char path[32])
{
    (void)snprintf(path, 32, "/proc/self/fd/%d", fd);
}

static int64_t chmod_run(void *arg)
{
    struct change *c = arg;
    char path[32];
    nx__fs_handle_path(c->fd, path);
    return chmod(path, (mode_t)c->mode) == 0 ? 0 : -errno;
}

static int64_t chown_run(void *arg)
{
    struct change *c = arg;
    return fchownat(c->fd, "", c->user, c->group, AT_EMPTY_PATH) == 0 ? 0 : -errno;
}

static int64_t utimes_run(void *arg)
{
    struct change *c = arg;
    char path[32];
    nx__fs_handle_path(c->fd, path);
    return utimensat(AT_FDCWD, path, c->times, 0) == 0 ? 0 : -errno;
}

static int64_t truncate_run(void *arg)
{
    struct change *c = arg;
    return ftruncate(c->fd, (off_t)c->size) == 0 ? 0 : -errno;
}

static int64_t space_run(void *arg)
{
    struct change *c = arg;
    return fstatvfs(c->fd, &c->space) == 0 ? 0 : -errno;
}

static nx_err change_path(const char *path, unsigned kinds, uint64_t flags,
                          int64_t (*run)(void *change), struct change *change, const char *doing)
{
    int64_t fd = nx__fs_open_path(kinds, path, &(struct open_how){.flags = flags});
    if (fd >= 0) {
        change->fd = (int)fd;
        int64_t result = nx__file_call(run, change);
        (void)close((int)fd);
        fd = result;
    }
    return nx__fs_result(fd, doing, path);
}

static nx_err change_file(nx_file *file, int64_t (*run)(void *change), struct change *change,
                          const char *doing)
{
    change->fd = file->fd;
    return nx__fs_result(nx__file_call(run, change), doing, file->path);
}

static const char chmod_doing[] = "change the permissions of";
static const char chown_doing[] = "change the owner of";
static const char utimes_doing[] = "change the times of";

static nx_err mode_check(unsigned mode, const char *path)
{
    if (mode <= 07777) return NX_OK;
    return nx__error_set(NX_EINVAL, "cannot %s \"%s\": %#o is more than 07777", chmod_doing, path,
                         mode);
}

nx_err nx_fs_chmod(const char *path, unsigned mode)
{
    struct change change = {.mode = mode};
    NX_TRY(mode_check(mode, path));
    return change_path(path, NX__PLACE_WRITE, O_PATH, chmod_run, &change, chmod_doing);
}

nx_err nx_file_chmod(nx_file *file, unsigned mode)
{
    struct change change = {.mode = mode};
    NX_TRY(mode_check(mode, file->path));
    return change_file(file, chmod_run, &change, chmod_doing);
}

nx_err nx_fs_chown(const char *path, uint32_t user, uint32_t group)
{
    struct change change = {.user = user, .group = group};
    return change_path(path, NX__PLACE_WRITE, O_PATH, chown_run, &change, chown_doing);
}

nx_err nx_fs_lchown(const char *path, uint32_t user, uint32_t group)
{
    struct change change = {.user = user, .group = group};
    return change_path(path, NX__PLACE_WRITE, O_PATH | O_NOFOLLOW, chown_run, &change, chown_doing);
}

nx_err nx_file_chown(nx_file *file, uint32_t user, uint32_t group)
{
    struct change change = {.user = user, .group = group};
    return change_file(file, chown_run, &change, chown_doing);
}

static struct timespec timespec_of(nx_time time)
{
    if (time == NX_TIME_NOW) return (struct timespec){.tv_nsec = UTIME_NOW};
    if (time == NX_TIME_KEEP) return (struct timespec){.tv_nsec = UTIME_OMIT};
    nx_time seconds = time / NX_S(1), rest = time % NX_S(1);
    if (rest < 0) {
        rest += NX_S(1);
        seconds--;
    }
    return (struct timespec){.tv_sec = (time_t)seconds, .tv_nsec = (long)rest};
}

nx_err nx_fs_utimes(const char *path, nx_time accessed, nx_time modified)
{
    struct change change = {.times = {timespec_of(accessed), timespec_of(modified)}};
    return change_path(path, NX__PLACE_WRITE, O_PATH, utimes_run, &change, utimes_doing);
}

nx_err nx_file_utimes(nx_file *file, nx_time accessed, nx_time modified)
{
    struct change change = {.times = {timespec_of(accessed), timespec_of(modified)}};
    return change_file(file, utimes_run, &change, utimes_doing);
}

nx_err nx_fs_truncate(const char *path, uint64_t size)
{
    struct change change = {.size = size};
    if (size > INT64_MAX) return nx__fs_result(-EFBIG, "truncate", path);
    return change_path(path, NX__PLACE_WRITE, O_WRONLY | O_NONBLOCK, truncate_run, &change,
                       "truncate");
}

nx_err nx_file_truncate(nx_file *file, uint64_t size)
{
    struct change change = {.size = size};
    if (size > INT64_MAX) return nx__fs_result(-EFBIG, "truncate", file->path);
    return change_file(file, truncate_run, &change, "truncate");
}

nx_err nx_fs_space_of(const char *path, nx_fs_space *out)
{
    struct change change = {0};
    *out = (nx_fs_space){0};
    NX_TRY(change_path(path, NX__PLACE_READ, O_PATH, space_run, &change, "find the space of"));
    uint64_t unit = change.space.f_frsize;
    *out = (nx_fs_space){.total = change.space.f_blocks * unit,
                         .free = change.space.f_bfree * unit,
                         .available = change.space.f_bavail * unit,
                         .files = change.space.f_files,
                         .files_free = change.space.f_ffree};
    return NX_OK;
}

nx_err nx_file_sync(nx_file *file)
{
    return nx__fs_result(nx__file_sync(file->fd, false), "sync", file->path);
}

nx_err nx_file_sync_data(nx_file *file)
{
    return nx__fs_result(nx__file_sync(file->fd, true), "sync", file->path);
}
