/* Bytes of a size that nobody knows before: in memory, and past a cap in a file without a name. */
#ifndef NX__SPOOL_H
#define NX__SPOOL_H

#include <nexus/base.h>

struct nx__arena;

struct nx__spool {
    struct nx__arena *arena; /* that its memory is of */
    const char *directory;   /* where the file goes */
    char *memory; /* all of it, or once there is a file the part that is not written yet */
    size_t len, capacity;
    uint32_t most;    /* bytes in memory */
    int fd;           /* -1: there is no file */
    uint64_t written; /* to it */
};

void nx__spool_init(struct nx__spool *spool, struct nx__arena *arena, const char *directory,
                    uint32_t most);

/* Adds bytes. NX_ENOMEM, NX_EPERM, NX_ENOSPC, NX_EIO and what else the system has to say. Suspends
 * when they go to the file. */
NX_MUST_CHECK nx_err nx__spool_add(struct nx__spool *spool, nx_bytes bytes);

/* No more will come. Errors as nx__spool_add. Suspends if there is a file. */
NX_MUST_CHECK nx_err nx__spool_end(struct nx__spool *spool);

/* Reads up to `size` bytes at `offset`; how many, 0 at the end, or -errno. Suspends if there is a
 * file. */
int64_t nx__spool_read(const struct nx__spool *spool, uint64_t offset, void *data, size_t size);

/* Closes the file, and with that it is gone. */
void nx__spool_close(struct nx__spool *spool);

#endif
