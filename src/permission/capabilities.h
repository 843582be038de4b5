/* Rights over the machine that the user root has beside files. */
#ifndef NX__CAPABILITIES_H
#define NX__CAPABILITIES_H

#include <stdbool.h>

/* Gives up those of this thread, and all that it starts, that no program needs for what it may be
 * granted: over the network's configuration, devices, modules, mounts, the clock and the like. What
 * is about files, users and ports stays. For good where no program can be started. System calls
 * alone; false when the kernel refuses, with errno. */
bool nx__capabilities_drop(void);

#endif
