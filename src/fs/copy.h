/* Copies, of one file and of trees. All but the last block: for a thread of the pool. */
#ifndef NX__FS_COPY_H
#define NX__FS_COPY_H

#include "fs/file.h"

/* A file's contents under way. */
struct nx__copy {
    int from, to;
    off_t at, end; /* of the run of data that is being copied */
    off_t size;
    bool through_memory; /* not within the kernel */
    bool bounded;        /* the size is known */
};

/* Begins with an empty `to`, and shares the blocks if the file system can: 0 then, 1 where there is
 * more to do, -errno. */
int64_t nx__copy_begin(struct nx__copy *copy, int from, int to, const struct stat *stat);
/* Goes on for some 64 MiB: 1 while there is more to do, 0, -errno. */
int64_t nx__copy_some(struct nx__copy *copy);

/* What goes over besides the contents, for which `from` and `to` may be handles that only name
 * theirs (O_PATH): permissions, and where the options say so times and attributes. 0 or -errno. */
int64_t nx__copy_facts(int from, int to, const struct stat *stat, const nx_fs_copy_options *o);

/* Of these the times alone. */
int64_t nx__copy_times(int to, const struct stat *stat);

/* Is what is there to stay? */
bool nx__copy_keeps(const struct stat *there, const struct stat *stat, const nx_fs_copy_options *o);

/* Makes a link, in place of what is there if that may go; `stat` is of the one that is copied. 0,
 * also where what is there stays, or -errno. */
int64_t nx__copy_link_put(int at, const char *name, const char *target, const struct stat *stat,
                          const nx_fs_copy_options *o);

/* Copies a directory, which `from` is, as nx_fs_copy does. Suspends. */
NX_MUST_CHECK nx_err nx__copy_tree(const char *from, const char *to, const nx_fs_copy_options *o);

#endif
