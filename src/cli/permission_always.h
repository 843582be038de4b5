/* Grants for good. */
#ifndef NX__PERMISSION_ALWAYS_H
#define NX__PERMISSION_ALWAYS_H

#include "cli/options.h"

/* Writes a grant of the network into the nexus.toml of the project, to the set that the program
 * runs with; what else is there stays as it is, byte by byte. NX_EPERM where the file may hold no
 * permissions, NX_EINVAL where it is not written so that one can be added, and others of the disk,
 * recorded. */
NX_MUST_CHECK nx_err nx__permission_always(const struct nx__run *run, enum nx__use use,
                                           const char *address);

#endif
