/* Native libraries: what is wrong with one, said so that it can be mended. */
#ifndef NX__LIBRARY_H
#define NX__LIBRARY_H

#include "base/error.h"

/* Whether the loader may try the file; `name` is what the program calls it. NX_EINVAL (no library,
 * another machine's, cut short), NX_EIO and others. */
NX_MUST_CHECK nx_err nx__library_check(int fd, const char *name);

/* Records why the loader has refused it, by the loader's own words. */
nx_err nx__library_refused(const char *name, const char *words);

enum { NX__SYMBOL_MOST = 128 };

/* The symbol of a loaded library (dlopen's handle) that `name` is most likely a misspelling of. */
bool nx__library_near(void *handle, const char *name, char out[NX__SYMBOL_MOST]);

#endif
