/* Removing a directory with all that is in it. */
#include "fs/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

enum {
    LEVELS_MOST = 64, /* directories that are open at once */
    STEP = 1024,      /* entries between two looks whether to go on */
    PASSES_MOST = 16, /* over a directory that others fill meanwhile */
};

/* Directories are opened from the one above and by no link, so nothing that is put in the way leads
 * out. What lies deeper than LEVELS_MOST is moved up to the first, and found there again. */
struct removal {
    struct nx__parent parent;
    struct level {
        DIR *dir;
        unsigned passes;
        bool stays; /* something in it does */
        char name[NAME_MAX + 1];
    } levels[LEVELS_MOST];
    size_t depth;
    int64_t error; /* the first */
};

static void fail(struct removal *r, int error)
{
    if (!r->error) r->error = -error;
    for (size_t i = 0; i < r->depth; i++) r->levels[i].stays = true;
}

static int above(const struct removal *r)
{
    return r->depth ? dirfd(r->levels[r->depth - 1].dir) : r->parent.at;
}

static void level_enter(struct removal *r, const char *name)
{
    int fd = openat(above(r), name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        int error = errno;
        if (fd >= 0) (void)close(fd);
        /* A link that has taken its place is removed, and not followed. */
        if ((error == ENOTDIR || error == ELOOP) && unlinkat(above(r), name, 0) == 0) return;
        if (error != ENOENT) fail(r, error);
        return;
    }
    struct level *level = &r->levels[r->depth++];
    *level = (struct level){.dir = dir};
    if (r->depth > 1) (void)snprintf(level->name, sizeof level->name, "%s", name);
}

/* Moves a directory that is too deep to where it isn't. */
static void level_raise(struct removal *r, const char *name)
{
    char free_name[32];
    uint64_t random = 0;
    struct level *first = &r->levels[0];
    ssize_t n = getrandom(&random, sizeof random, 0);
    (void)snprintf(free_name, sizeof free_name, ".nexus-%016llx", (unsigned long long)random);
    if (n < 0 || (renameat(above(r), name, dirfd(first->dir), free_name) != 0 && errno != ENOENT))
        fail(r, errno);
    else
        first->passes = 0;
}

static void entry_remove(struct removal *r, const struct dirent *entry)
{
    const char *name = entry->d_name;
    if (name[0] == '.' && (!name[1] || (name[1] == '.' && !name[2]))) return;
    if (entry->d_type != DT_DIR) {
        if (unlinkat(above(r), name, 0) == 0 || errno == ENOENT) return;
        if (errno != EISDIR) {
            fail(r, errno);
            return;
        }
    }
    if (r->depth == LEVELS_MOST)
        level_raise(r, name);
    else
        level_enter(r, name);
}

/* At the end of a directory: removes it, or goes through it again where somebody has put something
 * into it. */
static void level_leave(struct removal *r)
{
    struct level *level = &r->levels[--r->depth];
    const char *name = r->depth ? level->name : r->parent.name;
    if (level->stays) {
        (void)closedir(level->dir);
        return;
    }
    if (unlinkat(above(r), name, AT_REMOVEDIR) != 0 && errno != ENOENT) {
        if ((errno == ENOTEMPTY || errno == EEXIST) && level->passes++ < PASSES_MOST) {
            rewinddir(level->dir);
            r->depth++;
            return;
        }
        fail(r, errno);
    }
    (void)closedir(level->dir);
}

/* On a thread of the pool: 1 while there is more to do. */
static int64_t remove_some(void *arg)
{
    struct removal *r = arg;
    for (unsigned i = 0; i < STEP; i++) {
        errno = 0;
        struct dirent *entry = readdir(r->levels[r->depth - 1].dir);
        if (entry)
            entry_remove(r, entry);
        else if (errno && errno != ENOENT) {
            fail(r, errno);
            level_leave(r);
        } else
            level_leave(r);
        if (!r->depth) return r->error;
    }
    return 1;
}

static int64_t remove_begin(void *arg)
{
    struct removal *r = arg;
    if (unlinkat(r->parent.at, r->parent.name, 0) == 0) return 0;
    if (errno != EISDIR) return errno == ENOENT ? 0 : -errno;
    level_enter(r, r->parent.name);
    return r->depth ? 1 : r->error;
}

nx_err nx_fs_remove_all(const char *path)
{
    struct removal *r = calloc(1, sizeof *r);
    if (!r) return nx__error_set(NX_ENOMEM, "cannot remove \"%s\": out of memory", path);
    int64_t result = nx__fs_parent(NX__PLACE_WRITE, path, &r->parent);
    if (result == -ENOENT)
        result = 1; /* nor is there anything in it */
    else if (result == 0)
        result = nx__file_call(remove_begin, r);
    while (result == 1 && r->depth) result = nx__file_call(remove_some, r);
    while (r->depth) (void)closedir(r->levels[--r->depth].dir);
    nx__fs_parent_release(&r->parent);
    free(r);
    return nx__fs_result(result, "remove all of", path);
}
