/* File operations that do not block the loop: io_uring where the kernel allows it, the blocking
 * pool where not. */
#ifndef NX__FILES_H
#define NX__FILES_H

#include "loop/loop.h"
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/uio.h>

/* What a stat asks for. */
#define NX__FILE_STATX_MASK (STATX_BASIC_STATS | STATX_BTIME)

/* As an offset: where the descriptor is. A pipe or a terminal has no other place. */
#define NX__FILE_POSITION UINT64_MAX

/* Each suspends the calling fiber and returns what the system call of that name would, or -errno.
 * Cancelled: -ECANCELED, unless it had gone through. Paths are relative to the directory descriptor
 * `at` (AT_FDCWD: the current directory). */
int64_t nx__file_open(int at, const char *path, const struct open_how *how);
int64_t nx__file_stat(int at, const char *path, int flags, struct statx *out);
int64_t nx__file_read(int fd, void *data, size_t len, uint64_t offset);
int64_t nx__file_write(int fd, const void *data, size_t len, uint64_t offset);
int64_t nx__file_readv(int fd, const struct iovec *pieces, int count, uint64_t offset);
int64_t nx__file_writev(int fd, const struct iovec *pieces, int count, uint64_t offset);
int64_t nx__file_sync(int fd, bool data_only);
int64_t nx__file_rename(int from_at, const char *from, int to_at, const char *to, unsigned flags);
int64_t nx__file_remove(int at, const char *path, int flags);
int64_t nx__file_mkdir(int at, const char *path, mode_t mode);

/* A write, or a call as below, in two halves, the second of which suspends and is due whenever the
 * first has returned 0. What is written, and all structures, stay until then. */
struct nx__file;
int64_t nx__file_write_begin(struct nx__file *file, int fd, const struct iovec *piece,
                             uint64_t offset);
int64_t nx__file_call_begin(struct nx__file *file, int64_t (*run)(void *arg), void *arg);
int64_t nx__file_end(struct nx__file *file, bool cancelable);

/* Runs run(arg) on a thread of the pool: for what the ring doesn't know, or what is many calls.
 * Once begun it is not cut short. */
int64_t nx__file_call(int64_t (*run)(void *arg), void *arg);

/* Opens the path one component at a time: -ELOOP or -ENOTDIR where one is a link, -EXDEV for "..".
 * Blocks. Any thread. */
int64_t nx__file_open_no_links(int at, const char *path, int flags, mode_t mode);

/* openat2 that blocks. Where the kernel has none, by openat what is to be resolved in no special
 * way, or without links; else -ENOSYS. Any thread. */
int64_t nx__file_open_blocking(int at, const char *path, const struct open_how *how);

/* The same without suspending: what memory can answer at once. -EAGAIN where it takes the disk, and
 * -EOPNOTSUPP from the second where the file never can. An open that could wait for somebody (a
 * FIFO) needs O_NONBLOCK. */
int64_t nx__file_open_now(int at, const char *path, const struct open_how *how);
int64_t nx__file_read_now(int fd, const struct iovec *pieces, int count, uint64_t offset);

/* Comes before either of these, with about the bytes that it copies: after so much the loop gets
 * its turn, and a fiber that is cancelled gets -ECANCELED. Else 0. */
int64_t nx__file_turn(size_t bytes);
enum { NX__FILE_OPEN_BYTES = 32 * 1024 }; /* an open takes as long as copying so many */

/* "io_uring" or "threads": what serves the calling thread's loop. Decided at the first operation.
 */
const char *nx__files_backend(void);

void nx__files_free(struct nx_loop *loop);

#endif
