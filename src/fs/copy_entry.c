/* What is in a directory that is copied: files, links, and the rest. */
#include "fs/copy_tree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/random.h>
#include <unistd.h>

/* ---- Files */

/* What something is called, beside `name`, until it is whole. */
static int64_t aside_name(char *out, size_t size, const char *name)
{
    uint64_t random = 0;
    const char *slash = strrchr(name, '/');
    int directory = slash ? (int)(slash + 1 - name) : 0;
    if (getrandom(&random, sizeof random, 0) < 0) return -errno;
    int n = snprintf(out, size, "%.*s.nexus-%016llx", directory, name, (unsigned long long)random);
    return n > 0 && (size_t)n < size ? 0 : -ENAMETOOLONG;
}

/* Whether something is to be put in the place of what has the name: 1, 0 where that stays, or
 * -errno. */
static int64_t may_replace(const nx_fs_copy_options *o, int at, const char *name,
                           const struct stat *stat)
{
    struct stat there;
    if (o->no_replace) return -EEXIST;
    if (fstatat(at, name, &there, AT_SYMLINK_NOFOLLOW) != 0) return errno == ENOENT ? 1 : -errno;
    if (S_ISDIR(there.st_mode)) return -EISDIR;
    return !nx__copy_keeps(&there, stat, o);
}

void nx__copy_file_drop(struct nx__copy_tree *t)
{
    struct file *f = &t->file;
    if (!f->busy) return;
    f->busy = false;
    (void)close(f->from);
    (void)close(f->to);
    (void)unlinkat(nx__copy_level(t)->to, *f->aside ? f->aside : f->name, 0);
}

static int64_t file_end(struct nx__copy_tree *t)
{
    struct file *f = &t->file;
    struct stat to;
    int at = nx__copy_level(t)->to;
    int64_t result = nx__copy_facts(f->from, f->to, &f->stat, &t->options);
    if (result == 0 && *f->aside && renameat(at, f->aside, at, f->name) != 0) result = -errno;
    if (result < 0) return result;
    *f->aside = '\0'; /* from here on it would be its own name that is removed, and that stays */
    f->busy = false;
    if (t->options.keep_links && f->stat.st_nlink > 1)
        result = fstat(f->to, &to) != 0
                     ? -errno
                     : nx__copy_links_add(&t->links, &f->stat, &to, nx__copy_relative(t));
    (void)close(f->from);
    if (close(f->to) != 0 && result == 0) result = -errno;
    return result;
}

int64_t nx__copy_file_go_on(struct nx__copy_tree *t)
{
    int64_t result = nx__copy_some(&t->file.copy);
    return result ? result : file_end(t);
}

/* Opens what is to be written, by its own name if nothing has that. 1, 0 where what is there stays,
 * -errno. */
static int64_t file_make(struct nx__copy_tree *t, int at, struct file *f)
{
    static const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
    mode_t mode = f->stat.st_mode & 0777;
    *f->aside = '\0';
    f->to = openat(at, f->name, flags, mode);
    if (f->to < 0 && errno == EEXIST) {
        int64_t result = may_replace(&t->options, at, f->name, &f->stat);
        if (result <= 0) return result;
        result = aside_name(f->aside, sizeof f->aside, f->name);
        if (result < 0) return result;
        f->to = openat(at, f->aside, flags, mode);
    }
    return f->to < 0 ? -errno : 1;
}

int64_t nx__copy_special(const struct nx__copy_tree *t)
{
    return t->options.skip_special ? 0 : -EINVAL;
}

/* Makes what the copy of another of its names has been called so too: 1 if it has. */
static int64_t file_link(struct nx__copy_tree *t, int at, const char *name, const struct stat *stat)
{
    char aside[NAME_MAX + 1];
    if (!t->options.keep_links || stat->st_nlink < 2) return 0;
    int64_t result = nx__copy_links_make(&t->links, stat, t->root, at, name);
    if (result != -EEXIST) return result;
    result = may_replace(&t->options, at, name, stat);
    if (result <= 0) return result ? result : 1;
    result = aside_name(aside, sizeof aside, name);
    if (result < 0) return result;
    result = nx__copy_links_make(&t->links, stat, t->root, at, aside);
    if (result == 1 && renameat(at, aside, at, name) != 0) result = -errno;
    /* Where both are names of one file already, the system renames nothing. */
    if (result != 0) (void)unlinkat(at, aside, 0);
    return result;
}

int64_t nx__copy_file(struct nx__copy_tree *t, const char *name)
{
    const struct nx__copy_level *level = nx__copy_level(t);
    struct file *f = &t->file;
    f->from = openat(level->from, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (f->from < 0) return errno == ENOENT || errno == ELOOP ? 0 : -errno; /* gone meanwhile */
    (void)snprintf(f->name, sizeof f->name, "%s", name);
    int64_t result = fstat(f->from, &f->stat) == 0 ? 1 : -errno;
    if (result == 1 && !S_ISREG(f->stat.st_mode)) result = nx__copy_special(t);
    if (result == 1 && t->guarded && nx__place_is_inside(f->from))
        result = nx__copy_refused(t, NX__PERMIT_READ, NX__MISSING);
    if (result == 1) {
        result = file_link(t, level->to, name, &f->stat);
        if (result >= 0) result = !result;
    }
    if (result == 1) result = file_make(t, level->to, f);
    if (result != 1) {
        (void)close(f->from);
        return result;
    }
    f->busy = true;
    result = nx__copy_begin(&f->copy, f->from, f->to, &f->stat);
    return result ? result : file_end(t);
}

/* ---- Links */

static int64_t link_make(int at, const char *name, const char *target, const struct stat *stat,
                         const nx_fs_copy_options *o)
{
    const struct timespec times[2] = {stat->st_atim, stat->st_mtim};
    if (symlinkat(target, at, name) != 0) return -errno;
    return !o->keep_times || utimensat(at, name, times, AT_SYMLINK_NOFOLLOW) == 0 ? 0 : -errno;
}

int64_t nx__copy_link_put(int at, const char *name, const char *target, const struct stat *stat,
                          const nx_fs_copy_options *o)
{
    char aside[PATH_MAX];
    int64_t result = link_make(at, name, target, stat, o);
    if (result != -EEXIST) return result;
    result = may_replace(o, at, name, stat);
    if (result != 1) return result;
    result = aside_name(aside, sizeof aside, name);
    if (result < 0) return result;
    result = link_make(at, aside, target, stat, o);
    if (result == 0 && renameat(at, aside, at, name) != 0) result = -errno;
    if (result < 0) (void)unlinkat(at, aside, 0);
    return result;
}

int64_t nx__copy_link(const struct nx__copy_tree *t, const char *name)
{
    char target[PATH_MAX];
    struct stat stat;
    const struct nx__copy_level *level = nx__copy_level(t);
    ssize_t len = readlinkat(level->from, name, target, sizeof target);
    if (len < 0) return errno == ENOENT || errno == EINVAL ? 0 : -errno; /* gone meanwhile */
    if ((size_t)len == sizeof target) return -ENAMETOOLONG;
    target[len] = '\0';
    if (fstatat(level->from, name, &stat, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT ? 0 : -errno;
    return nx__copy_link_put(level->to, name, target, &stat, &t->options);
}
