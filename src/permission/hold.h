/* What the kernel holds of a program's grants. */
#ifndef NX__HOLD_H
#define NX__HOLD_H

#include "permission/permission.h"

/* What a program reads besides what it is granted. */
struct nx__hold_own {
    int program;       /* its machine code, open; -1: elsewhere */
    const char *cache; /* the folder of what it may import; NULL: none */
    bool asks;         /* more of the network may be granted while it runs */
};

/* Has the kernel refuse this process, and all that it starts, what the grants do not name, as far
 * as Landlock can say it (docs/permissions.md, "What holds them"): programs and files in a program
 * that may start none, TCP ports, processes outside. For good; before there is a second thread. All
 * stays as it is where the kernel has no Landlock. NX_EFAILED where it has and refuses, recorded.
 */
NX_MUST_CHECK nx_err nx__hold(const struct nx__permissions *permissions,
                              const struct nx__hold_own *own);

#endif
