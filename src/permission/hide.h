/* What is denied inside what is allowed: Landlock can't take anything away from a directory that it
 * allows, so it is covered, in a mount namespace of the process's own. */
#ifndef NX__HIDE_H
#define NX__HIDE_H

#include "permission/permission.h"

/* Whether anything is to be covered: a file or directory that is denied, is there, and lies below
 * what is allowed. */
bool nx__hide_wanted(const struct nx__permissions *permissions);

/* Whether this process could: with rights over the system, or as the root of a namespace of its
 * own. Asks a child. */
bool nx__hide_can(void);

/* Covers it, for this process and all that it starts, before it has opened a directory and while it
 * has one thread: a directory that may not be read looks empty, a file can't be opened, what may
 * not be written is read-only. `any_way`: in a namespace of its own users too, in which those of
 * others have no names. NX_OK also where nothing is to be covered, and without `any_way` where it
 * can't be; NX_EFAILED and others, recorded. */
NX_MUST_CHECK nx_err nx__hide(const struct nx__permissions *permissions, bool any_way);

#endif
