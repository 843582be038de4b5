/* Sealing the app's process. */
#ifndef NX__SEAL_H
#define NX__SEAL_H

#include <nexus/base.h>
#include <sys/types.h>

/* Seals the calling process, a child that the launcher has just forked: it dies with the launcher,
 * gains no privileges by what it starts, and keeps no descriptor from `first_closed` on. Before
 * anything of the app's is loaded and while there is a single thread, since what the kernel then
 * holds is held for every thread to come. NX_ESTATE (more than one thread, or the launcher is
 * gone), NX_EFAILED, recorded. */
NX_MUST_CHECK nx_err nx__seal(pid_t launcher, int first_closed);

#endif
