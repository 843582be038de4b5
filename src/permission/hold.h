/* What the kernel holds of a program's grants. */
#ifndef NX__HOLD_H
#define NX__HOLD_H

#include "permission/permission.h"

/* What a program reads besides what it is granted. */
struct nx__hold_own {
    int program;       /* its machine code, open; -1: elsewhere */
    const char *cache; /* the folder of what it may import; NULL: none */
    bool asks;         /* more of the network may be granted while it runs */
    bool strict;       /* all is to be held, at the price of what can't be: nx__hold_gaps */
};

/* Whether nx__hold has the kernel refuse a program of these grants anything: not where it may start
 * others, which would be held too. */
bool nx__hold_binds(const struct nx__permissions *permissions);

/* Whether nx__hold puts a filter on such a program, which can't make a ring of io_uring then; and
 * whether it has files to use one for. */
bool nx__hold_filters(const struct nx__permissions *permissions, bool *files);

/* Has the kernel refuse this process, and all that it starts, what the grants do not name, as far
 * as Landlock and a filter of system calls can say it (docs/permissions.md, "What holds them"):
 * programs and files in a program that may start none, TCP ports, other sockets, processes outside.
 * For good; before there is a second thread. What the kernel has neither of stays as it is.
 * NX_EFAILED and others where it has and refuses, recorded.
 */
NX_MUST_CHECK nx_err nx__hold(const struct nx__permissions *permissions,
                              const struct nx__hold_own *own);

/* What the kernel has to hold a program by. */
struct nx__hold_kernel {
    int landlock; /* its version, 0: none */
    bool filter;
    bool hides; /* what is denied inside what is allowed can be covered: nx__hide_can */
};
struct nx__hold_kernel nx__hold_kernel(void);

/* What is granted or denied that a strict nx__hold would not hold on that kernel, a text for each.
 */
enum { NX__GAPS_MOST = 32, NX__GAP_SIZE = 240 };
struct nx__gaps {
    size_t count; /* more than there is room for: those are left out */
    char text[NX__GAPS_MOST][NX__GAP_SIZE];
};
void nx__hold_gaps(const struct nx__permissions *permissions, struct nx__hold_kernel kernel,
                   struct nx__gaps *out);

#endif
