/* io_uring as one of the two servants of file operations. */
#ifndef NX__URING_H
#define NX__URING_H

#include "loop/threads.h"
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/uio.h>

enum nx__file_kind {
    NX__FILE_OPEN,
    NX__FILE_STAT,
    NX__FILE_READ,
    NX__FILE_WRITE,
    NX__FILE_SYNC,
    NX__FILE_RENAME,
    NX__FILE_REMOVE,
    NX__FILE_MKDIR,
    NX__FILE_CALL /* never the ring's */
};

/* One file operation; lies on the stack of the fiber that waits for it. */
struct nx__file {
    struct nx__job job; /* its op is what completes, whoever serves it */
    enum nx__file_kind kind;
    int fd, fd2, count;
    unsigned flags; /* the call's; for a sync: of the data only */
    mode_t mode;
    const char *path, *path2;
    const struct open_how *how;
    const struct iovec *pieces;
    uint64_t offset;
    void *out; /* struct statx *, or the argument of `call` */
    int64_t (*call)(void *arg);
};

/* True when the loop has a ring; makes it at the first call. False for good where the kernel
 * refuses it. */
bool nx__uring_ready(struct nx_loop *loop);

/* Before the process gives up making rings: with `files`, makes the one that the first loop that
 * asks gets, which does what files need and nothing else, whoever uses it. No loop gets another.
 * One thread. */
void nx__uring_seal(bool files);

/* Hands the operation to the ring; false when it is full. One system call. */
bool nx__uring_submit(struct nx__file *file);

/* Asks the ring to give the operation up; it completes either way. For nx__op.cancel. */
void nx__uring_cancel(struct nx__op *op);

void nx__uring_free(struct nx_loop *loop);

/* Opens a ring as a loop would, and closes it: 0 or -errno; -EOPNOTSUPP where the kernel has rings,
 * but not all that files need. Any thread. */
int nx__uring_probe(void);

/* For tests: makes nx__uring_ready say no on loops that have no ring yet. */
extern bool nx__uring_refused;

#endif
