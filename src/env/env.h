/* Environment variables, for the floors above. */
#ifndef NX__ENV_H
#define NX__ENV_H

#include <nexus/env.h>

/* Sets the variables of `nexus run --env-file`, but for those that the process was started with;
 * of two files the later one counts. For a process with one thread and no loop: the files are read
 * at once. Errors as nx_env_load. */
NX_MUST_CHECK nx_err nx__env_files(const char *const *paths, size_t count);

/* Sets those of a list. Those that are set already stay, unless `override`. */
NX_MUST_CHECK nx_err nx__env_apply(const nx_env_variable *variables, size_t count, bool override);

/* The environment as it is, for a program that is started: memory of the current scope, with room
 * for `more` entries behind the `*count` that there are. NX_ENOMEM. Any thread with a loop. */
NX_MUST_CHECK nx_err nx__env_copy(size_t more, char ***out, size_t *count);

#endif
