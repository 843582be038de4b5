/* What a program is granted by [permissions] in the nexus.toml of its project. */
#ifndef NX__PERMISSION_SETS_H
#define NX__PERMISSION_SETS_H

#include "cli/options.h"
#include "permission/paths.h"

/* Takes the value of --permissions, the name of a set, "none" or "strict"; NULL: it has none.
 * NX_EUSAGE. */
NX_MUST_CHECK nx_err nx__permission_sets_flag(struct nx__run *run, const char *name);

/* Adds to run->permissions what the sets that were chosen grant and deny, or [permissions] itself
 * where none was. Refused is a file that another user, or the program itself by what it is granted,
 * may write: it could grant itself more at the next start. In the launcher, once, before anything
 * of the program runs. NX_EINVAL with the place in the file, NX_EUSAGE (a set that there is not),
 * NX_EPERM (who may write it), NX_ENOMEM and others. */
NX_MUST_CHECK nx_err nx__permission_sets_read(struct nx__run *run);

/* Grants what every program of a project has: its WebAssembly, as it has its sources. NX_ENOMEM. */
NX_MUST_CHECK nx_err nx__permission_sets_project(struct nx__permissions *permissions,
                                                 const char *file);

/* Where that file is, or would be: "" where the program's file has gone. */
void nx__permission_sets_path(const char *file, char path[NX__PATH_MAX]);

/* Could a program with these grants write the file, be it by the directory that it lies in? Of a
 * resolved path. */
bool nx__permission_sets_writes(const struct nx__permissions *permissions, const char *path);

/* Why that file may hold no grants, as a recorded error; NX_OK: it may. */
NX_MUST_CHECK nx_err nx__permission_sets_trust(const struct nx__run *run, const char *path);

#endif
