/* Files. */
#ifndef NEXUS_FS_H
#define NEXUS_FS_H

#include <nexus/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Reads a whole file into memory of the current scope; a NUL byte follows the last. NX_EPERM (needs
 * --allow-read), NX_ENOENT, NX_EACCES, NX_ETOOBIG (over NX_FS_MAX_READ), NX_EIO, NX_ENOMEM,
 * NX_ECANCELED. Suspends. */
NX_API NX_MUST_CHECK nx_err nx_fs_read_file(const char *path, nx_bytes *out);
#define NX_FS_MAX_READ ((size_t)1 << 30)

/* Replaces a file's contents, keeping its permissions, or makes it (mode 0666 less the umask).
 * Readers see the old contents or the new, never half: it is written aside, synced and renamed.
 * NX_EPERM (needs --allow-write), NX_EINVAL (a device, pipe or socket), NX_ENOENT (no such
 * directory), NX_EACCES, NX_ENOSPC, NX_EIO, NX_ENOMEM, NX_ECANCELED (then the old contents stay).
 * Suspends. */
NX_API NX_MUST_CHECK nx_err nx_fs_write_file(const char *path, nx_bytes contents);

#ifdef __cplusplus
}
#endif

#endif
