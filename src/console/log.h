/* What the log's files know of each other. */
#ifndef NX__LOG_H
#define NX__LOG_H

#include "base/say.h"
#include "console/line.h"
#include "console/outlet.h"

/* For the standard outlets: lost lines are told in the log's style. */
extern const struct nx__outlet_hooks nx__log_hooks;

/* What --log-level says: it goes before NEXUS_LOG and the program's own wish. Before the first
 * line. */
void nx__log_preset(nx_log_level level);

/* For nx__say_to: has the runtime's own messages logged, where the program logs or NEXUS_LOG and
 * --log-level speak of it; false where not. */
bool nx__log_say(enum nx__say kind, const char *text);

/* The style of the lines, for the outlet. */
enum nx__line_style nx__log_style(const struct nx__outlet *outlet);

/* ---- log_file.c */

/* Opens the file and stores its outlet; a second call moves that to another file. Errors as
 * nx_log_setup. */
NX_MUST_CHECK nx_err nx__log_file_open(const nx_log_options *options, struct nx__outlet **out);

/* Has the file opened again. Async-signal-safe; harmless without one. */
void nx__log_file_reopen(void);

#endif
