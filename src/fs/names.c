/* Names: making, changing and removing them. */
#include "fs/file.h"

#include "base/arena.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE 1
#define RENAME_EXCHANGE  2
#endif

/* ---- Directories */

static bool is_directory(const struct nx__parent *parent)
{
    struct statx stat;
    return nx__file_stat(parent->at, parent->name, 0, &stat) == 0 && S_ISDIR(stat.stx_mode);
}

static int64_t make_one(const char *path, mode_t mode, bool parents)
{
    struct nx__parent parent;
    int64_t result = nx__fs_parent(NX__PLACE_WRITE, path, &parent);
    if (result == 0) result = nx__file_mkdir(parent.at, parent.name, mode);
    /* Another may have made it this moment: that is what was asked for. */
    if (result == -EEXIST && parents && is_directory(&parent)) result = 0;
    nx__fs_parent_release(&parent);
    return result;
}

nx_err nx_fs_mkdir_with(const char *path, const nx_fs_mkdir_options *options)
{
    NX__OPTIONS(nx_fs_mkdir_options, o, options);
    char copy[PATH_MAX];
    size_t len = strlen(path), end;
    mode_t mode = o.mode ? (mode_t)o.mode : 0777;
    if (len >= sizeof copy) return nx__fs_result(-ENAMETOOLONG, "make", path);
    while (len > 1 && path[len - 1] == '/') len--;
    end = len;
    memcpy(copy, path, len);
    copy[len] = '\0';
    int64_t result = make_one(copy, mode, o.parents);
    /* Back to what is there, since most of it is, and forth again. */
    while (o.parents && result == -ENOENT) {
        while (end && path[end - 1] == '/') end--;
        while (end && path[end - 1] != '/') end--;
        while (end && path[end - 1] == '/') end--;
        if (!end) break;
        copy[end] = '\0';
        result = make_one(copy, 0777, true);
    }
    while (result == 0 && end < len) {
        copy[end] = path[end];
        end += strspn(path + end, "/");
        end += strcspn(path + end, "/");
        copy[end] = '\0';
        result = make_one(copy, end == len ? mode : 0777, true);
    }
    return nx__fs_result(result, "make", path);
}

/* ---- Two names */

struct pair {
    struct nx__parent from, to;
};

static int64_t pair_find(struct pair *pair, unsigned from_kinds, const char *from,
                         unsigned to_kinds, const char *to)
{
    pair->to = (struct nx__parent){0};
    int64_t result = nx__fs_parent(from_kinds, from, &pair->from);
    return result ? result : nx__fs_parent(to_kinds, to, &pair->to);
}

static void pair_release(struct pair *pair)
{
    nx__fs_parent_release(&pair->from);
    nx__fs_parent_release(&pair->to);
}

nx_err nx_fs_rename_with(const char *from, const char *to, const nx_fs_rename_options *options)
{
    NX__OPTIONS(nx_fs_rename_options, o, options);
    struct pair pair;
    unsigned both = NX__PLACE_READ | NX__PLACE_WRITE;
    unsigned flags = o.exchange ? RENAME_EXCHANGE : o.no_replace ? RENAME_NOREPLACE : 0;
    int64_t result = pair_find(&pair, both, from, o.exchange ? both : NX__PLACE_WRITE, to);
    if (result == 0)
        result = nx__file_rename(pair.from.at, pair.from.name, pair.to.at, pair.to.name, flags);
    pair_release(&pair);
    return nx__fs_pair_result(result, "rename", from, to);
}

static int64_t link_run(void *arg)
{
    struct pair *pair = arg;
    return linkat(pair->from.at, pair->from.name, pair->to.at, pair->to.name, 0) == 0 ? 0 : -errno;
}

nx_err nx_fs_link(const char *from, const char *to)
{
    struct pair pair;
    int64_t result = pair_find(&pair, NX__PLACE_READ | NX__PLACE_WRITE, from, NX__PLACE_WRITE, to);
    if (result == 0) result = nx__file_call(link_run, &pair);
    pair_release(&pair);
    return nx__fs_pair_result(result, "link", from, to);
}

/* ---- One name */

nx_err nx_fs_remove(const char *path)
{
    struct nx__parent parent;
    int64_t result = nx__fs_parent(NX__PLACE_WRITE, path, &parent);
    if (result == 0) {
        result = nx__file_remove(parent.at, parent.name, 0);
        if (result == -EISDIR) result = nx__file_remove(parent.at, parent.name, AT_REMOVEDIR);
    }
    nx__fs_parent_release(&parent);
    return nx__fs_result(result, "remove", path);
}

struct symlink {
    const char *target;
    struct nx__parent parent;
};

static int64_t symlink_run(void *arg)
{
    struct symlink *s = arg;
    return symlinkat(s->target, s->parent.at, s->parent.name) == 0 ? 0 : -errno;
}

nx_err nx_fs_symlink(const char *target, const char *path)
{
    struct symlink s = {.target = target};
    int64_t result = nx__fs_parent(NX__PLACE_WRITE, path, &s.parent);
    if (result == 0) result = nx__file_call(symlink_run, &s);
    nx__fs_parent_release(&s.parent);
    return nx__fs_result(result, "make the link", path);
}

/* Copies text into the scope's memory. */
static int64_t text_out(const char *text, size_t len, nx_bytes *out)
{
    char *copy = nx__arena_alloc(nx__scope_arena(), len + 1);
    if (!copy) return -ENOMEM;
    memcpy(copy, text, len);
    copy[len] = '\0';
    *out = nx_slice(copy, len);
    return 0;
}

nx_err nx_fs_read_link(const char *path, nx_bytes *out)
{
    char text[PATH_MAX];
    *out = (nx_bytes){0};
    int64_t fd =
        nx__fs_open_path(NX__PLACE_READ, path, &(struct open_how){.flags = O_PATH | O_NOFOLLOW});
    if (fd >= 0) {
        /* Of what has just been opened: it is in memory. */
        ssize_t n = readlinkat((int)fd, "", text, sizeof text);
        int error = errno == ENOENT ? EINVAL : errno; /* so is said of what is no link */
        (void)close((int)fd);
        fd = n < 0 ? -error : text_out(text, (size_t)n, out);
    }
    return nx__fs_result(fd, "read the link", path);
}

nx_err nx_fs_real_path(const char *path, nx_bytes *out)
{
    char handle[32], text[PATH_MAX];
    *out = (nx_bytes){0};
    int64_t fd = nx__fs_open_path(NX__PLACE_READ, path, &(struct open_how){.flags = O_PATH});
    if (fd >= 0) {
        (void)snprintf(handle, sizeof handle, "/proc/self/fd/%d", (int)fd);
        ssize_t n = readlink(handle, text, sizeof text);
        int error = errno;
        (void)close((int)fd);
        fd = n < 0                      ? -error
             : (size_t)n == sizeof text ? -ENAMETOOLONG
                                        : text_out(text, (size_t)n, out);
    }
    return nx__fs_result(fd, "resolve", path);
}
