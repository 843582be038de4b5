/* The environment of a program that has not been granted all of it. */
#ifndef NX__ENVIRONMENT_H
#define NX__ENVIRONMENT_H

#include "permission/permission.h"

/* Variables that say no more than where the program runs, and that libc and the runtime go by: they
 * need no grant, but may be denied. */
bool nx__environment_is_plain(const char *name);

/* Takes the variables that are not granted, and those that are the launcher's own, out of the
 * environment of the calling process, and wipes their text, also for /proc/self/environ. For a
 * process with one thread, before it runs code that is not ours. */
void nx__environment_seal(const struct nx__permissions *permissions);

#endif
