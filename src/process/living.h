/* Programs that run and what they have started: their trees, and that none outlives this program.
 */
#ifndef NX__LIVING_H
#define NX__LIVING_H

#include <nexus/base.h>
#include <stdatomic.h>
#include <sys/types.h>

/* A program with its process group, if it leads one. */
struct nx__tree {
    pid_t pid;
    int pidfd; /* -1: the system has none */
    bool grouped;
    bool reaped; /* its number may be a stranger's */
};

/* Sends a signal to all of it, and never to a stranger. Async-signal-safe. */
void nx__tree_signal(const struct nx__tree *tree, int signo);

/* The same to the program alone, which has not ended: 0 or an errno. */
int nx__tree_signal_leader(const struct nx__tree *tree, int signo);

/* True where the system signals a group by a handle of its leader, also when that is gone (Linux
 * 6.9): else a leader has to stay unreaped as long as its group may be signalled. */
bool nx__tree_by_handle(int pidfd);

/* A place in the list of what ends with this program, where that exits or where SIGINT, SIGTERM,
 * SIGHUP or SIGQUIT end it: by SIGKILL or, `gently`, by SIGTERM. NULL: memory is out. Any thread.
 */
typedef _Atomic uint64_t nx__living;
nx__living *nx__living_reserve(void);
void nx__living_set(nx__living *place, const struct nx__tree *tree, bool gently);
void nx__living_release(nx__living *place);

#endif
