/* From arguments to a running program. */
#ifndef NX__LAUNCH_H
#define NX__LAUNCH_H

#include "permission/paths.h"
#include <nexus/base.h>
#include <sys/types.h>

/* What is to be started, all of it the caller's; and what it came to. */
struct nx__launch {
    const char *const *argv;
    char *const *environment;
    const char *path; /* the PATH in it, or NULL */
    const char *cwd;  /* or NULL */
    int fds[3];       /* what become 0, 1 and 2; -1: this program's own */
    int passed;       /* one more that it gets, by the number that it has here; 0: none */
    bool group;       /* leads a process group */
    bool session;     /* leads a session */
    bool terminal;    /* of which fds[0] is the terminal */
    int last_signal;  /* that the system sends it when this program is no more; 0: none */

    pid_t pid;
    int pidfd; /* the caller's to close; -1 where the system has none */
};

/* Finds the program, asks the grants, starts it, and knows that it runs. Blocks: for a thread of
 * the pool, whose signals are all blocked and which lasts as long as the program. Errors as
 * nx_process_start, recorded. */
NX_MUST_CHECK nx_err nx__process_launch(struct nx__launch *launch);

#endif
