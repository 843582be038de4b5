/* Programs that are WebAssembly: modules for WASI 0.1, components for 0.2 and 0.3. */
#ifndef NX__WASI_H
#define NX__WASI_H

#include "wasm/engine.h"

/* Runs the `_start` of a module, or the `wasi:cli/run` of a component, whose machine code has been
 * checked; takes the descriptor. `name` is for
 * messages. `*code` is what it exits with. NX_ENOTSUP (no program, no engine),
 * NX_ENOENT (it imports what WASI has not, or a directory is not there), NX_ECRASHED (the guest's
 * stack is on stderr), NX_ELIMIT and NX_ETIMEDOUT (the policy's limits; what is late and waits in a
 * system call ends the process), NX_ENOMEM. Blocks until it ends; once a process. */
NX_MUST_CHECK nx_err nx__wasi_run(int fd, const char *name, const nx_wasm_policy *policy,
                                  int *code);

#endif
