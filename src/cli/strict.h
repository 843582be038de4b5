/* What the kernel holds of a program's grants, and who is told. */
#ifndef NX__STRICT_H
#define NX__STRICT_H

#include "cli/options.h"

/* With --permissions=strict: says what the kernel would not hold, and refuses then, NX_EPERM.
 * Without it says on a terminal, once on a machine, that the kernel lacks a part of what holds
 * grants. */
NX_MUST_CHECK nx_err nx__strict_check(const struct nx__run *run);

#endif
