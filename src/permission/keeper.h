/* Who makes calls for a program that may not make them itself. */
#ifndef NX__KEEPER_H
#define NX__KEEPER_H

#include "permission/permission.h"
#include <sys/types.h>

/* In a new process of the launcher's: changes modes, owners, times and extended attributes for the
 * processes that the listener tells of (seccomp_unotify(2)), of what their grants let them write,
 * connects TCP sockets of theirs to what their grants name, looks up the names in these (which is
 * all that it does by other means than the kernel's), and refuses all else with EPERM. It
 * looks at its own copy of each path, and acts on the handle that it has opened by it, so that
 * nothing changes in between. Ends with those processes, or with the launcher. */
_Noreturn void nx__keeper_run(int listener, struct nx__permissions *permissions, pid_t launcher);

#endif
