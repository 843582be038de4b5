/* compile_commands.json, by which editors know how the sources of a project are compiled. */
#ifndef NX__COMPDB_H
#define NX__COMPDB_H

#include "module/module.h"

/* Sources to write of; all zero has none. */
struct nx__compdb {
    char **sources;
    size_t count, capacity;
};

/* Notes a source, by an absolute path. No file is touched; without memory nothing is noted. */
void nx__compdb_add(struct nx__compdb *db, const char *source);

/* Notes the sources among the files that went into a program, whether it has compiled or not. */
void nx__compdb_note(struct nx__compdb *db, const struct nx__compiled *compiled);

/* Makes the file in the project of `main_path` say how each noted source below it is compiled, and
 * forgets them all. Only where the project's folder has a nexus.toml or such a file already; a
 * link, which is another build's, is left alone. Entries for other files stay, those of Nexus's own
 * as long as their file is there. Written only when it changes, aside and renamed. The public
 * headers are named as HEADERS of the cache, whichever version is there. NX_EINVAL (the file is not
 * a list of commands), NX_EACCES, NX_ENOSPC, NX_ENOMEM and others, recorded: the caller goes on
 * without. */
NX_MUST_CHECK nx_err nx__compdb_write(struct nx__compdb *db, const char *main_path);

/* Forgets what was noted. */
void nx__compdb_free(struct nx__compdb *db);

#endif
