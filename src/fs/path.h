/* What every call on a path begins with: the grants, and a path that the system can be asked for.
 */
#ifndef NX__FS_PATH_H
#define NX__FS_PATH_H

#include "loop/files.h"
#include "permission/place.h"
#include <limits.h>

/* Result of what the grants refuse, which is recorded then; no errno has this number. */
enum { ENOT_GRANTED = 100001 };

/* Records what a call on `path` has come to, `doing` it; `result` is one of the functions below or
 * of nx__file_…. Returns the code; NX_OK for a result that is none. */
nx_err nx__fs_result(int64_t result, const char *doing, const char *path);

/* The same of a call on two. */
nx_err nx__fs_pair_result(int64_t result, const char *doing, const char *from, const char *to);

/* Opens the path if the grants of all `kinds` (NX__PLACE_…) have it; a last link is followed unless
 * how->flags has O_NOFOLLOW. The descriptor, or -errno. Suspends. */
int64_t nx__fs_open_path(unsigned kinds, const char *path, const struct open_how *how);

/* The directory that the last component of a path lies in, for calls that are about the name and
 * not what it leads to. */
struct nx__parent {
    int at; /* AT_FDCWD, or a handle */
    bool owned;
    const char *name; /* from there; the caller's path, or into `last` */
    char last[NAME_MAX + 1];
};

/* 0 or -errno. The parent is released in either case. Suspends. */
int64_t nx__fs_parent(unsigned kinds, const char *path, struct nx__parent *parent);
/* Opens the directory itself. The descriptor, or -errno; suspends. */
int64_t nx__fs_parent_open(const struct nx__parent *parent, uint64_t flags);
void nx__fs_parent_release(struct nx__parent *parent);

#endif
