/* Files of several names, among what is copied: which of them have been, and what the copies are
 * called. For a thread of the pool. */
#ifndef NX__FS_COPY_LINKS_H
#define NX__FS_COPY_LINKS_H

#include "base/buffer.h"
#include <sys/stat.h>

/* Result of what finds no room within a limit of its own; no errno has this number. */
enum { NX__COPY_TOO_MANY = 100002 };

/* All zero is one without any. */
struct nx__copy_links {
    struct nx__copy_link *table; /* by what was copied; open addressing, at most half full */
    size_t count, capacity;
    struct nx__buffer paths; /* with a NUL each */
};

/* `relative`, below the root of what is written, is `to`, and a copy of `from`. -ENOMEM,
 * -NX__COPY_TOO_MANY. */
int64_t nx__copy_links_add(struct nx__copy_links *links, const struct stat *from,
                           const struct stat *to, const char *relative);

/* Gives the copy of `from`, if there is one below `root`, the name `name` in the directory `at`
 * too. 1 if so, 0 where it has to be copied (again: the copy may be gone), -EEXIST, -errno. */
int64_t nx__copy_links_make(const struct nx__copy_links *links, const struct stat *from, int root,
                            int at, const char *name);

void nx__copy_links_free(struct nx__copy_links *links);

#endif
