/* Where errors come from: each that is recorded has its backtrace kept, for `nexus dev`. */
#ifndef NX__TRACE_H
#define NX__TRACE_H

#include "loop/crash.h"

/* From now on. Costs each error a walk over the stack. */
void nx__trace_errors(void);

/* Fills the frames of the report with where the running fiber's last error was recorded, if that is
 * `code`; else with the function `otherwise`. */
void nx__trace_report(struct nx__crash_report *report, nx_err code, uintptr_t otherwise);

#endif
