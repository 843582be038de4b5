/* What a program has asked for, as it is told by its processes: --trace-permissions,
 * --audit-permissions, and `nexus permissions suggest`. */
#ifndef NX__CLI_ACCESS_H
#define NX__CLI_ACCESS_H

#include "cli/launcher.h"

/* Opens the audit log, before anything of the program runs. NX_EPERM where the program could write
 * it, and others, recorded. */
NX_MUST_CHECK nx_err nx__access_begin(const struct nx__run *run);

/* Whether the program's processes are to tell. */
bool nx__access_wanted(const struct nx__run *run);

/* A process of the program has told. */
void nx__access_serve(struct nx__launcher *launcher, struct nx__peer peer,
                      const struct nx__broker_request *request);

/* The launcher itself has looked at what a process has asked it for. */
void nx__access_note(struct nx__launcher *launcher, struct nx__peer peer, enum nx__permit_kind kind,
                     const char *what, bool granted);

/* ---- suggest.c */

/* Keeps what the program needs of it; without memory, says so at the end. */
void nx__suggest_note(const struct nx__run *run, enum nx__permit_kind kind, enum nx__use use,
                      const char *what);

/* Prints what was kept, as flags and as nexus.toml. Returns the exit code. */
int nx__suggest_print(const struct nx__run *run);

#endif
