/* Copying files inside the kernel. */
#include "fs/copy.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/xattr.h>
#include <unistd.h>

/* Between two looks whether to go on, and where the kernel can't, at once through memory. */
#define STEP  ((size_t)64 << 20)
#define PIECE ((size_t)256 << 10)

/* Bytes of an attribute, and of all their names: the system's own limit. */
#define ATTRIBUTES_MOST ((size_t)64 << 10)

/* ---- Contents */

/* Finds the next run of data behind a hole; false at the end. */
static bool run_find(struct nx__copy *c)
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

static int64_t piece_move(struct nx__copy *c, size_t len)
{
    char *buffer = malloc(PIECE);
    if (!buffer) return -ENOMEM;
    int64_t n = pread(c->from, buffer, len < PIECE ? len : PIECE, c->at);
    if (n < 0) n = -errno;
    for (ssize_t done = 0; n > 0 && done < n;) {
        ssize_t written = pwrite(c->to, buffer + done, (size_t)(n - done), c->at + done);
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) {
            n = written < 0 ? -errno : -EIO;
            break;
        }
        done += written;
    }
    free(buffer);
    return n;
}

int64_t nx__copy_begin(struct nx__copy *c, int from, int to, const struct stat *stat)
{
    *c = (struct nx__copy){
        .from = from, .to = to, .size = stat->st_size, .bounded = stat->st_size > 0};
    if (ftruncate(to, 0) != 0) return -errno;
    return ioctl(to, FICLONE, from) == 0 ? 0 : 1;
}

int64_t nx__copy_some(struct nx__copy *c)
{
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

/* ---- What is besides */

static int64_t attribute_copy(const char *from, const char *to, const char *name, char *value)
{
    ssize_t len = getxattr(from, name, value, ATTRIBUTES_MOST);
    if (len < 0) return errno == ENODATA ? 0 : -errno; /* removed meanwhile */
    return setxattr(to, name, value, (size_t)len, 0) == 0 ? 0 : -errno;
}

/* Those of users; the system's own (labels, capabilities) are not a program's to give. */
static int64_t attributes_copy(int from_handle, int to_handle)
{
    static const char user[] = "user.";
    char from[32], to[32];
    nx__fs_handle_path(from_handle, from);
    nx__fs_handle_path(to_handle, to);
    ssize_t len = listxattr(from, NULL, 0);
    if (len <= 0) return len == 0 || errno == EOPNOTSUPP ? 0 : -errno;
    char *names = malloc(2 * ATTRIBUTES_MOST);
    if (!names) return -ENOMEM;
    int64_t result = 0;
    len = listxattr(from, names, ATTRIBUTES_MOST);
    if (len < 0) result = -errno;
    for (ssize_t at = 0; result == 0 && at < len; at += (ssize_t)strlen(names + at) + 1)
        if (strncmp(names + at, user, sizeof user - 1) == 0)
            result = attribute_copy(from, to, names + at, names + ATTRIBUTES_MOST);
    free(names);
    return result;
}

/* A handle that only names its file is no good for these: EBADF. */
int64_t nx__copy_times(int to, const struct stat *stat)
{
    char path[32];
    const struct timespec times[2] = {stat->st_atim, stat->st_mtim};
    if (futimens(to, times) == 0) return 0;
    if (errno != EBADF) return -errno;
    nx__fs_handle_path(to, path);
    return utimensat(AT_FDCWD, path, times, 0) == 0 ? 0 : -errno;
}

static int64_t mode_set(int to, mode_t mode)
{
    char path[32];
    if (fchmod(to, mode) == 0) return 0;
    if (errno != EBADF) return -errno;
    nx__fs_handle_path(to, path);
    return chmod(path, mode) == 0 ? 0 : -errno;
}

int64_t nx__copy_facts(int from, int to, const struct stat *stat, const nx_fs_copy_options *o)
{
    /* The attributes first: afterwards the permissions may not allow it. */
    int64_t result = o->keep_attributes ? attributes_copy(from, to) : 0;
    if (result == 0) result = mode_set(to, stat->st_mode & 0777);
    if (result == 0 && o->keep_times) result = nx__copy_times(to, stat);
    return result;
}

bool nx__copy_keeps(const struct stat *there, const struct stat *stat, const nx_fs_copy_options *o)
{
    if (!o->keep_newer) return false;
    return there->st_mtim.tv_sec != stat->st_mtim.tv_sec
               ? there->st_mtim.tv_sec > stat->st_mtim.tv_sec
               : there->st_mtim.tv_nsec >= stat->st_mtim.tv_nsec;
}

/* ---- One file */

struct one {
    struct nx__copy copy;
    const struct nx_file *from, *to;
    const nx_fs_copy_options *options;
};

static int64_t begin_run(void *arg)
{
    struct one *one = arg;
    return nx__copy_begin(&one->copy, one->from->fd, one->to->fd, &one->from->stat);
}

static int64_t some_run(void *arg)
{
    struct one *one = arg;
    return nx__copy_some(&one->copy);
}

static int64_t facts_run(void *arg)
{
    struct one *one = arg;
    return nx__copy_facts(one->from->fd, one->to->fd, &one->from->stat, one->options);
}

static int64_t copy_into(const struct nx_file *from, const struct nx_file *to, bool made,
                         const nx_fs_copy_options *o)
{
    struct one one = {.from = from, .to = to, .options = o};
    if (from->stat.st_dev == to->stat.st_dev && from->stat.st_ino == to->stat.st_ino)
        return -EINVAL;
    if (!S_ISREG(to->stat.st_mode)) return -EINVAL;
    if (!made && nx__copy_keeps(&to->stat, &from->stat, o)) return 0;
    int64_t result = nx__file_call(begin_run, &one);
    while (result == 1) result = nx__file_call(some_run, &one);
    return result < 0 ? result : nx__file_call(facts_run, &one);
}

static int64_t copy_one(const struct nx_file *source, const char *to, const nx_fs_copy_options *o)
{
    struct nx_file target;
    mode_t mode = source->stat.st_mode & 0777;
    if (S_ISDIR(source->stat.st_mode)) return -EISDIR;
    if (!S_ISREG(source->stat.st_mode)) return o->skip_special ? 0 : -EINVAL;
    int64_t result =
        o->keep_newer && !o->no_replace ? nx__fs_file_begin(&target, to, O_WRONLY, 0) : -ENOENT;
    bool made = result == -ENOENT;
    if (made) {
        uint64_t exclusive = o->no_replace ? O_EXCL : 0;
        result = nx__fs_file_begin(&target, to, O_WRONLY | O_CREAT | exclusive, mode);
    }
    if (result < 0) return result;
    result = copy_into(source, &target, made, o);
    int64_t closed = nx__fs_file_close(&target);
    return result ? result : closed;
}

struct link {
    struct nx__parent to;
    struct stat stat;
    char target[PATH_MAX];
    const nx_fs_copy_options *options;
};

static int64_t link_run(void *arg)
{
    const struct link *l = arg;
    return nx__copy_link_put(l->to.at, l->to.name, l->target, &l->stat, l->options);
}

/* A link itself. */
static int64_t copy_link(const char *from, const char *to, const nx_fs_copy_options *o)
{
    struct link l = {.options = o};
    int64_t fd =
        nx__fs_open_path(NX__PLACE_READ, from, &(struct open_how){.flags = O_PATH | O_NOFOLLOW});
    if (fd < 0) return fd;
    ssize_t len = readlinkat((int)fd, "", l.target, sizeof l.target - 1);
    int64_t result = len >= 0 && fstat((int)fd, &l.stat) == 0 ? 0 : -errno;
    (void)close((int)fd);
    if (result < 0) return result == -ENOENT ? -ELOOP : result; /* a plain file by now */
    l.target[len] = '\0';
    result = nx__fs_parent(NX__PLACE_WRITE, to, &l.to);
    if (result == 0) result = nx__file_call(link_run, &l);
    nx__fs_parent_release(&l.to);
    return result;
}

nx_err nx_fs_copy_with(const char *from, const char *to, const nx_fs_copy_options *options)
{
    NX__OPTIONS(nx_fs_copy_options, o, options);
    struct nx_file source;
    int64_t result = nx__fs_file_begin(&source, from, O_RDONLY | (o.no_follow ? O_NOFOLLOW : 0), 0);
    if (result == -ELOOP && o.no_follow)
        return nx__fs_pair_result(copy_link(from, to, &o), "copy", from, to);
    if (result < 0) return nx__fs_result(result, "copy", from);
    bool tree = o.recursive && S_ISDIR(source.stat.st_mode);
    if (!tree) result = copy_one(&source, to, &o);
    nx__fs_file_end(&source);
    return tree ? nx__copy_tree(from, to, &o) : nx__fs_pair_result(result, "copy", from, to);
}
