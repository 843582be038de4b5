/* nexus run --profile: what was sampled in each process of the program, written as a picture or as
 * folded stacks. */
#ifndef NX__CLI_PROFILE_H
#define NX__CLI_PROFILE_H

#include "loop/profile.h"
#include <nexus/base.h>

/* All zero: nothing is sampled. */
struct nx__profiling {
    const char *path; /* of what is written; NULL: nothing is */
    uint32_t rate;
    int folded; /* a file in memory, with the stacks of all processes so far */
    const char *program;
};

/* Sets the path, "app.svg" for "src/app.c" if `value` is NULL or empty, and looks whether it can be
 * written. NX_EPERM and others, recorded. */
NX_MUST_CHECK nx_err nx__profiling_prepare(struct nx__profiling *profiling, const char *value,
                                           const char *program);

/* Names what was sampled in one process, which has ended, adds it to what came before, and writes
 * the file anew. Says so, or what went wrong. A few seconds at most. `so_path` is the program's
 * library, which is at `so_fd` (-1: it has a path). NULL is fine. */
void nx__profiling_add(struct nx__profiling *profiling, const struct nx__profile *profile,
                       const char *so_path, int so_fd);

#endif
