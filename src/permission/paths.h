/* Paths as the system would walk them. */
#ifndef NX__PATHS_H
#define NX__PATHS_H

#include <nexus/base.h>

enum { NX__PATH_MAX = 4096 };

/* Makes a path absolute, follows links as far as it exists, and takes "." and ".." out of what does
 * not exist yet. False when that can't be said: too long, a loop of links, or a link that points at
 * nothing (creating it would create its target). */
NX_MUST_CHECK bool nx__path_resolve(const char *path, char out[NX__PATH_MAX]);

/* The same, but leaves the last component as it is: what a name names, and not what it leads to. */
NX_MUST_CHECK bool nx__path_resolve_parent(const char *path, char out[NX__PATH_MAX]);

/* True when the resolved `path` is the resolved `root` or lies under it: "/data" has "/data/a" and
 * not "/database". */
bool nx__path_beneath(const char *path, const char *root);

#endif
