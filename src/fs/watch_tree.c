/* The directories that a watcher watches. */
#include "fs/watch_tree.h"

#include "permission/place.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <unistd.h>

enum { FIRST_CAPACITY = 16 };

bool nx__watched_path(const struct nx__watched *dir, const char *name, char out[PATH_MAX])
{
    char *end = out + PATH_MAX - 1, *at = end;
    *end = '\0';
    for (const char *part = name; part || dir;) {
        if (part && *part) {
            size_t len = strlen(part), slash = at != end;
            if ((size_t)(at - out) < len + slash) return false;
            if (slash) *--at = '/';
            at -= len;
            memcpy(at, part, len);
        }
        part = dir ? dir->name : NULL;
        if (dir) dir = dir->parent;
    }
    memmove(out, at, (size_t)(end - at) + 1);
    return true;
}

/* ---- By descriptor */

static size_t slot(const struct nx__watch_tree *tree, int wd)
{
    return (size_t)wd * 0x9e3779b97f4a7c15u >> 20 & (tree->capacity - 1);
}

struct nx__watched *nx__watch_tree_find(const struct nx__watch_tree *tree, int wd)
{
    if (!tree->capacity) return NULL;
    for (size_t i = slot(tree, wd);; i = (i + 1) & (tree->capacity - 1)) {
        if (!tree->by_wd[i] || tree->by_wd[i]->wd == wd) return tree->by_wd[i];
    }
}

static void put(struct nx__watch_tree *tree, struct nx__watched *dir)
{
    size_t i = slot(tree, dir->wd);
    while (tree->by_wd[i]) i = (i + 1) & (tree->capacity - 1);
    tree->by_wd[i] = dir;
}

static bool grow(struct nx__watch_tree *tree)
{
    if (tree->count * 2 < tree->capacity) return true;
    struct nx__watched **old = tree->by_wd;
    size_t capacity = tree->capacity;
    size_t more = capacity ? capacity * 2 : FIRST_CAPACITY;
    tree->by_wd = calloc(more, sizeof *tree->by_wd);
    if (!tree->by_wd) {
        tree->by_wd = old;
        return false;
    }
    tree->capacity = more;
    for (size_t i = 0; i < capacity; i++)
        if (old[i]) put(tree, old[i]);
    free(old);
    return true;
}

/* What comes behind it in its run moves up, or it could not be found. */
static void take(struct nx__watch_tree *tree, const struct nx__watched *dir)
{
    size_t mask = tree->capacity - 1, hole = slot(tree, dir->wd);
    while (tree->by_wd[hole] && tree->by_wd[hole] != dir) hole = (hole + 1) & mask;
    if (!tree->by_wd[hole]) return;
    tree->by_wd[hole] = NULL;
    tree->count--;
    for (size_t i = (hole + 1) & mask; tree->by_wd[i]; i = (i + 1) & mask) {
        struct nx__watched *moved = tree->by_wd[i];
        tree->by_wd[i] = NULL;
        put(tree, moved);
    }
}

/* ---- The tree */

struct nx__watched *nx__watched_child(const struct nx__watched *dir, const char *name)
{
    struct nx__watched *child = dir->children;
    while (child && strcmp(child->name, name) != 0) child = child->next;
    return child;
}

static void attach(struct nx__watched *dir, struct nx__watched *parent)
{
    dir->parent = parent;
    dir->next = parent->children;
    parent->children = dir;
}

static void detach(struct nx__watched *dir)
{
    if (!dir->parent) return;
    struct nx__watched **link = &dir->parent->children;
    while (*link != dir) link = &(*link)->next;
    *link = dir->next;
}

static struct nx__watched *watched_new(const char *name)
{
    size_t size = strlen(name) + 1;
    struct nx__watched *dir = calloc(1, sizeof *dir + size);
    if (dir) memcpy(dir->name, name, size);
    return dir;
}

/* Do the grants have the directory? What is denied is passed over: a watch tells of no names in it.
 */
static bool is_granted(const struct nx__watch_tree *tree, const char *relative)
{
    struct nx__place place;
    enum nx__permit_kind refused;
    char path[PATH_MAX];
    if (!tree->checked) return true;
    int n = snprintf(path, sizeof path, "%s%s", tree->prefix, relative);
    return n >= 0 && (size_t)n < sizeof path &&
           nx__place_walk(NX__PLACE_READ, path, true, &place, &refused) == NX__GRANTED;
}

static int64_t watch(const struct nx__watch_tree *tree, int directory)
{
    char path[32];
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", directory);
    int wd = inotify_add_watch(tree->inotify, path,
                               IN_CREATE | IN_DELETE | IN_MODIFY | IN_MOVED_FROM | IN_MOVED_TO |
                                   IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR | IN_EXCL_UNLINK);
    return wd < 0 ? -errno : wd;
}

/* Adds what is watched under `wd`. NULL where memory is out. */
static struct nx__watched *enter(struct nx__watch_tree *tree, struct nx__watched *parent,
                                 const char *name, int wd)
{
    struct nx__watched *dir = nx__watch_tree_find(tree, wd);
    if (dir) return dir; /* the same directory, known by now */
    dir = grow(tree) ? watched_new(name) : NULL;
    if (!dir) {
        (void)inotify_rm_watch(tree->inotify, wd);
        tree->error = -ENOMEM;
        return NULL;
    }
    dir->wd = wd;
    if (parent) attach(dir, parent);
    put(tree, dir);
    tree->count++;
    return dir;
}

int64_t nx__watch_tree_init(struct nx__watch_tree *tree)
{
    int64_t wd = watch(tree, tree->root);
    if (wd < 0) return wd;
    tree->top = enter(tree, NULL, "", (int)wd);
    if (!tree->top) return -ENOMEM;
    int above = openat(tree->root, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
    char path[32];
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", above);
    tree->above = inotify_add_watch(tree->inotify, path, IN_DELETE | IN_ONLYDIR);
    /* Of "/" it is the same directory, whose watch is to have all events. */
    if (tree->above == tree->top->wd) {
        tree->above = -1;
        (void)watch(tree, tree->root);
    }
    if (above >= 0) (void)close(above);
    return 0;
}

bool nx__watch_tree_is_gone(const struct nx__watch_tree *tree)
{
    struct stat stat;
    return fstat(tree->root, &stat) == 0 && stat.st_nlink == 0;
}

static void fail(struct nx__watch_tree *tree, int64_t error)
{
    /* What is gone, or was a directory a moment ago, need not be watched. */
    if (error != -ENOENT && error != -ENOTDIR && error != -ELOOP && !tree->error)
        tree->error = error;
}

/* Opens what is below the root, and not behind a link. */
static int64_t open_below(struct nx__watch_tree *tree, const char *relative, uint64_t flags)
{
    struct open_how how = {.flags = flags | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
                           .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS};
    if (!*relative) relative = ".";
    return nx__file_open_blocking(tree->root, relative, &how);
}

static struct nx__watched *add(struct nx__watch_tree *tree, struct nx__watched *parent,
                               const char *name)
{
    char path[PATH_MAX];
    if (!nx__watched_path(parent, name, path) || !is_granted(tree, path)) return NULL;
    int64_t fd = open_below(tree, path, O_PATH);
    int64_t wd = fd < 0 ? fd : watch(tree, (int)fd);
    if (fd >= 0) (void)close((int)fd);
    if (wd >= 0) return enter(tree, parent, name, (int)wd);
    fail(tree, wd);
    return NULL;
}

/* What is below goes to `work`. */
static void scan(struct nx__watch_tree *tree, struct nx__watched *dir, struct nx__watched **work,
                 nx__watch_found found, void *arg)
{
    char path[PATH_MAX];
    if (!nx__watched_path(dir, NULL, path)) return;
    int64_t fd = open_below(tree, path, O_RDONLY);
    DIR *entries = fd < 0 ? NULL : fdopendir((int)fd);
    if (!entries) {
        fail(tree, fd < 0 ? fd : -errno);
        if (fd >= 0) (void)close((int)fd);
        return;
    }
    struct dirent *entry;
    while (errno = 0, (entry = readdir(entries))) {
        const char *name = entry->d_name;
        if (name[0] == '.' && (!name[1] || (name[1] == '.' && !name[2]))) continue;
        if (!nx__watched_path(dir, name, path) || nx__filter_ignores(tree->filter, path, name))
            continue;
        struct stat stat;
        bool directory = entry->d_type == DT_DIR;
        if (entry->d_type == DT_UNKNOWN &&
            fstatat(dirfd(entries), name, &stat, AT_SYMLINK_NOFOLLOW) == 0)
            directory = S_ISDIR(stat.st_mode);
        if (found) found(arg, path, directory);
        if (!directory || !tree->recursive || !nx__filter_reaches(tree->filter, path)) continue;
        size_t before = tree->count;
        struct nx__watched *child = add(tree, dir, name);
        if (!child || tree->count == before) continue; /* one that is known by another name */
        child->later = *work;
        *work = child;
    }
    if (errno) fail(tree, -errno);
    (void)closedir(entries);
}

void nx__watch_tree_scan(struct nx__watch_tree *tree, struct nx__watched *dir,
                         nx__watch_found found, void *arg)
{
    struct nx__watched *work = dir;
    dir->later = NULL;
    while (work) {
        struct nx__watched *next = work;
        work = next->later;
        scan(tree, next, &work, found, arg);
    }
}

struct nx__watched *nx__watch_tree_add(struct nx__watch_tree *tree, struct nx__watched *parent,
                                       const char *name, nx__watch_found found, void *arg)
{
    struct nx__watched *dir = add(tree, parent, name);
    if (dir) nx__watch_tree_scan(tree, dir, found, arg);
    return dir;
}

struct nx__watched *nx__watch_tree_move(struct nx__watch_tree *tree, struct nx__watched *dir,
                                        struct nx__watched *parent, const char *name)
{
    char path[PATH_MAX];
    bool granted = nx__watched_path(parent, name, path) && is_granted(tree, path);
    struct nx__watched *moved = granted ? watched_new(name) : NULL;
    if (!moved) {
        if (granted) tree->error = -ENOMEM;
        nx__watch_tree_remove(tree, dir);
        return NULL;
    }
    detach(dir);
    take(tree, dir);
    moved->wd = dir->wd;
    moved->children = dir->children;
    for (struct nx__watched *child = moved->children; child; child = child->next)
        child->parent = moved;
    attach(moved, parent);
    put(tree, moved);
    tree->count++;
    free(dir);
    return moved;
}

void nx__watch_tree_remove(struct nx__watch_tree *tree, struct nx__watched *dir)
{
    struct nx__watched *stop = dir->parent, *at = dir;
    detach(dir);
    /* From the leaves up, whatever the depth. */
    while (at != stop) {
        if (at->children) {
            at = at->children;
            continue;
        }
        struct nx__watched *next = at == dir ? stop : at->parent;
        if (at != dir) at->parent->children = at->next;
        take(tree, at);
        (void)inotify_rm_watch(tree->inotify, at->wd);
        free(at);
        at = next;
    }
}

void nx__watch_tree_free(struct nx__watch_tree *tree)
{
    if (tree->top) nx__watch_tree_remove(tree, tree->top);
    free(tree->by_wd);
    if (tree->inotify >= 0) (void)close(tree->inotify);
    if (tree->root >= 0) (void)close(tree->root);
}
