/* What the program has asked for, told to its launcher: --trace-permissions and its like. */
#ifndef NX__ACCESS_H
#define NX__ACCESS_H

#include "base/compiler.h"
#include "permission/permission.h"

/* Set before any thread is started. */
extern bool nx__access_told;

/* Tells the launcher that the program was granted something, or was not, and which line of it has
 * asked. Waits where the launcher is behind: nothing is left out. */
NX__COLD void nx__access_tell(enum nx__permit_kind kind, enum nx__use use, const char *what,
                              bool granted);

static inline void nx__access(enum nx__permit_kind kind, enum nx__use use, const char *what,
                              bool granted)
{
    if (nx__unlikely(nx__access_told)) nx__access_tell(kind, use, what, granted);
}

#endif
