/* File operations that do not block the loop: io_uring where the kernel allows it, the blocking
 * pool where not. */
#ifndef NX__FILES_H
#define NX__FILES_H

#include "loop/loop.h"
#include <sys/stat.h>

/* Each suspends the calling fiber and returns what the system call of that name would, or -errno.
 * Cancelled: -ECANCELED, unless it had gone through. Paths are relative to the directory descriptor
 * `at` (AT_FDCWD: the current directory). */
int64_t nx__file_open(int at, const char *path, int flags, mode_t mode);
int64_t nx__file_stat(int fd, struct statx *out);
int64_t nx__file_read(int fd, void *data, size_t len, uint64_t offset);
int64_t nx__file_write(int fd, const void *data, size_t len, uint64_t offset);
int64_t nx__file_sync(int fd);
int64_t nx__file_rename(int at, const char *from, const char *to);
int64_t nx__file_remove(int at, const char *path);

/* "io_uring" or "threads": what serves the calling thread's loop. Decided at the first operation.
 */
const char *nx__files_backend(void);

void nx__files_free(struct nx_loop *loop);

#endif
