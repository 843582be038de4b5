/* Programs that a program may start. */
#ifndef NX__PERMISSION_PROGRAM_H
#define NX__PERMISSION_PROGRAM_H

#include "permission/paths.h"

/* Where a name without a slash is looked for without a PATH. */
#define NX__PROGRAM_PATH "/usr/local/bin:/usr/bin:/bin"

/* Looks for a name in `path`, or in NX__PROGRAM_PATH where that is NULL; entries that are no
 * absolute paths are passed over. 0 with the path in `out`, EACCES with that of a file which can't
 * be executed where there is no other, or ENOENT. Blocks on the disk. Any thread. */
int nx__program_find(const char *name, const char *path, char out[NX__PATH_MAX]);

/* Remembers the PATH by which names in --allow-run and --deny-run are found, whatever the program
 * makes of its own afterwards. */
void nx__programs_seal(void);

/* May the program be started? `asked` is what for, a name or an absolute path; `found` is where
 * that is, NULL: nowhere. NX_EPERM with a message that names the flag. A grant of a name is one of
 * what the PATH of nx__programs_seal has by it; one of a path is of what is at that path, by that
 * name: a link's is not of what it leads to. A denial is of all that the same file is called, and
 * of all that is called by the same name. Blocks on the disk. Any thread. */
NX_MUST_CHECK nx_err nx__permit_program(const char *asked, const char *found);

/* The same, of which nobody is told (permission/access.h). */
NX_MUST_CHECK nx_err nx__permit_program_quietly(const char *asked, const char *found);

/* May "NAME" or "NAME=value" be set for programs that are started? Not where they are named and it
 * is one of the loader's, LD_…: what that names would run as a part of a granted program. NX_EPERM.
 * Any thread. */
NX_MUST_CHECK nx_err nx__permit_program_variable(const char *entry);

#endif
