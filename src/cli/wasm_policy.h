/* The limits of a program that is WebAssembly, as they are written: flags, and [wasm] in
 * nexus.toml. */
#ifndef NX__WASM_POLICY_H
#define NX__WASM_POLICY_H

#include "cli/options.h"

/* Takes a flag that is one of them; `*taken` says whether it was. NX_EUSAGE. */
NX_MUST_CHECK nx_err nx__wasm_policy_flag(struct nx__run *run, const char *argument, bool *taken);

/* Adds from the nexus.toml of the program's project what no flag has said; directories are those of
 * the project and below it. In the app's process. NX_EINVAL with the place, NX_ENOMEM and others.
 */
NX_MUST_CHECK nx_err nx__wasm_policy_read(struct nx__run *run);

#endif
