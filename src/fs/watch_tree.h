/* The directories that a watcher watches: which descriptor of inotify's is which path. */
#ifndef NX__FS_WATCH_TREE_H
#define NX__FS_WATCH_TREE_H

#include "fs/filter.h"
#include "loop/files.h"
#include <limits.h>

struct nx__watched {
    int wd;
    struct nx__watched *parent, *children, *next; /* `next` of the parent's children */
    struct nx__watched *later;                    /* the next to be scanned */
    char name[];
};

struct nx__watch_tree {
    int inotify, root; /* a handle of the directory at the root */
    int above;         /* the watch of the directory that the root is in; -1: it can't be watched */
    bool recursive;
    bool checked;       /* something may be denied below */
    const char *prefix; /* before a path below the root */
    const struct nx__filter *filter;
    struct nx__watched *top;
    struct nx__watched **by_wd; /* open addressing; a power of two */
    size_t capacity, count;
    int64_t error; /* the first that kept a directory from being watched; -ENOSPC: the limit */
};

/* Path below the root, "" of itself, and of `name` in it unless that is NULL. False: too long. */
bool nx__watched_path(const struct nx__watched *dir, const char *name, char out[PATH_MAX]);

/* NULL where there is none (any more). */
struct nx__watched *nx__watch_tree_find(const struct nx__watch_tree *tree, int wd);
struct nx__watched *nx__watched_child(const struct nx__watched *dir, const char *name);

/* Does the event of `above` mean that the root is gone? It does not say so itself, since we hold
 * it. */
bool nx__watch_tree_is_gone(const struct nx__watch_tree *tree);

/* Watches the root. -errno. Blocks. */
int64_t nx__watch_tree_init(struct nx__watch_tree *tree);

/* Watches the directory `name` in `parent`, and those below. Each entry that is found there is
 * told: it may have been made before the watch. NULL where it is gone, or memory is. What else went
 * wrong is in tree->error. Blocks. */
typedef void (*nx__watch_found)(void *arg, const char *relative, bool directory);
struct nx__watched *nx__watch_tree_add(struct nx__watch_tree *tree, struct nx__watched *parent,
                                       const char *name, nx__watch_found found, void *arg);
/* The same for those below one that is watched. */
void nx__watch_tree_scan(struct nx__watch_tree *tree, struct nx__watched *dir,
                         nx__watch_found found, void *arg);

/* It is somewhere else, under another name. Returns it, in new memory; NULL where that is out, or
 * it is denied there, and then it is watched no more. */
struct nx__watched *nx__watch_tree_move(struct nx__watch_tree *tree, struct nx__watched *dir,
                                        struct nx__watched *parent, const char *name);

/* Watches it, and those below, no more. */
void nx__watch_tree_remove(struct nx__watch_tree *tree, struct nx__watched *dir);
void nx__watch_tree_free(struct nx__watch_tree *tree);

#endif
