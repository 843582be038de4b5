/* A tree that is being copied, between copy_tree.c, which goes through the directories, and
 * copy_entry.c, for what is in them. All on a thread of the pool. */
#ifndef NX__FS_COPY_TREE_H
#define NX__FS_COPY_TREE_H

#include "base/buffer.h"
#include "fs/copy.h"
#include "fs/copy_links.h"
#include "fs/filter.h"

/* Bytes of a directory that the kernel is asked for at once. */
enum { NX__COPY_KERNEL = 32 * 1024 };

struct nx__copy_same {
    dev_t device;
    ino_t inode;
};

/* Directories are opened from those above and by no link, so nothing that is put in the way leads
 * out, on either side. Each is read to its end, the directories in it noted, before one of those is
 * gone into: so the upper ones can be closed, and are found again as "..", if they are still the
 * same. */
struct nx__copy_level {
    int from, to;               /* -1 while they are closed; `to` only names it (O_PATH) */
    struct nx__copy_same is[2]; /* from, to */
    size_t waiting;             /* where the names of its directories begin */
    size_t path;                /* length of the relative path to what is in it, slash included */
    struct stat stat;           /* of `from` */
    bool made;                  /* it was not there before */
};

struct nx__copy_side {
    size_t prefix;
    char path[PATH_MAX + NAME_MAX + 2]; /* for messages, patterns and grants */
};

struct nx__copy_tree {
    nx_fs_copy_options options;
    struct nx__filter filter;
    bool from_checked, to_checked; /* something below may be denied */
    bool guarded;                  /* nx__place_is_inside is to be asked of what is read */
    enum nx__permit_kind refused;  /* if that is how it ends: of what, and why */
    enum nx__verdict verdict;
    struct nx__copy_side from, to;
    struct nx__buffer levels, waiting;
    struct nx__copy_links links;
    int root; /* of what is written */
    struct nx__copy_same root_is;
    bool inside; /* it ends because the one is in the other */
    struct file {
        bool busy;
        int from, to;
        struct stat stat;
        struct nx__copy copy;
        char name[NAME_MAX + 1];  /* what it is to be called */
        char aside[NAME_MAX + 1]; /* what it is called until then; empty: the same */
    } file;
    bool reading; /* the last level is being read */
    long at, len; /* in `entries` */
    _Alignas(8) char entries[NX__COPY_KERNEL];
};

/* The directory that is being read; its last level. */
static inline struct nx__copy_level *nx__copy_level(const struct nx__copy_tree *t)
{
    return (struct nx__copy_level *)(void *)(t->levels.data + t->levels.len) - 1;
}

/* Below the directory that is copied. */
static inline const char *nx__copy_relative(const struct nx__copy_tree *t)
{
    return t->from.path + t->from.prefix;
}

/* Ends it because the grants do not have it: -ENOT_GRANTED. */
int64_t nx__copy_refused(struct nx__copy_tree *t, enum nx__permit_kind kind,
                         enum nx__verdict verdict);

/* Copies what the last level has by that name, no directory. 0, also where it is gone meanwhile or
 * is not to be copied, 1 where it is begun, or -errno. */
int64_t nx__copy_file(struct nx__copy_tree *t, const char *name);
int64_t nx__copy_link(const struct nx__copy_tree *t, const char *name);
int64_t nx__copy_special(const struct nx__copy_tree *t);

/* Goes on with the file that is begun: 1 while there is more to do, 0, -errno. */
int64_t nx__copy_file_go_on(struct nx__copy_tree *t);
/* Ends it, if one is: nothing of it is left. */
void nx__copy_file_drop(struct nx__copy_tree *t);

#endif
