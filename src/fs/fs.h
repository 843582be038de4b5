/* Files, for the floors above. */
#ifndef NX__FS_H
#define NX__FS_H

#include <nexus/fs.h>

/* Gives the next piece of what is to be written, empty at the end; 0 or -errno. May suspend. */
typedef int64_t (*nx__fs_source)(void *from, nx_bytes *piece);

/* nx_fs_write_file with contents that come in pieces. */
NX_MUST_CHECK nx_err nx__fs_write_from(const char *path, nx__fs_source next, void *from);

/* Opens a file for reading and writing that has no name, in the directory (NULL: where
 * nx_fs_temp_file makes one). The descriptor, or -errno, for nx__fs_result. Suspends. */
int64_t nx__fs_open_nameless(const char *directory);

#endif
