/* An open file, below its public face. */
#ifndef NX__FS_FILE_H
#define NX__FS_FILE_H

#include "fs/path.h"
#include <nexus/fs.h>

/* What is read at once stays below this, since the loop stands still for it. */
enum { NX__READ_NOW_MOST = 512 * 1024 };

struct nx_file {
    int fd;
    bool streams;     /* has no offsets, and can be waited for: a pipe, a terminal */
    bool unheard;     /* a pipe that nobody may have opened for writing yet */
    bool append;      /* the kernel finds the end */
    bool from_memory; /* what is in the page cache can be had without waiting */
    bool nonblocking; /* has O_NONBLOCK, which a plain file loses before it goes to the ring */
    uint64_t position;
    struct stat stat; /* when it was opened */
    char path[];      /* for messages; empty where the structure lies on a stack */
};

/* A path of what a handle is of, for calls that take no handle which only names it (O_PATH). It
 * leads over /proc; where that is not there, they fail. */
void nx__fs_handle_path(int fd, char path[32]);

/* By the type bits of a mode. */
nx_file_type nx__fs_type(unsigned mode);

/* Opens into `file`, but for its path. The grants that the flags need are asked for. 0 or -errno;
 * suspends. nx__fs_file_end closes what was read, nx__fs_file_close what was written too: what a
 * network file system could not write comes out of it. */
int64_t nx__fs_file_begin(struct nx_file *file, const char *path, uint64_t flags, mode_t mode);
void nx__fs_file_end(struct nx_file *file);
int64_t nx__fs_file_close(struct nx_file *file);

/* Reads once, or writes once, at the offset, NX__FILE_POSITION for one that streams. -errno. */
int64_t nx__fs_file_read(struct nx_file *file, const struct iovec *pieces, int count,
                         uint64_t offset);
int64_t nx__fs_file_write(struct nx_file *file, const struct iovec *pieces, int count,
                          uint64_t offset);

/* The ring takes a file that does not block at its word: before a write goes there. */
void nx__fs_file_block(struct nx_file *file);

/* Writes all of it; -EIO where the system writes nothing. */
int64_t nx__fs_file_write_all(struct nx_file *file, nx_bytes bytes, uint64_t offset);

/* Reads to the end into memory of the current scope, a NUL after it. */
int64_t nx__fs_file_read_rest(struct nx_file *file, nx_bytes *out);

#endif
