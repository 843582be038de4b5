/* Signals and child processes, on the loop. */
#ifndef NX__SIGNALS_H
#define NX__SIGNALS_H

#include "loop/loop.h"

/* Makes SIGTERM and SIGINT stop the loop's services gracefully, and a second one end the process.
 * Called by the first service; harmless again. Only one loop of a process receives signals: the
 * first that asks. */
NX_MUST_CHECK nx_err nx__signals_shutdown(struct nx_loop *loop);

/* The stop that is under way makes room for the program that takes this one's place, which listens
 * already or is about to: open connections are worth handing over. Until a plain SIGTERM says that
 * it is the end. Any thread. */
bool nx__signals_replaced(void);

/* Keeps SIGPIPE, which ends a program when the reader of a pipe or socket leaves, from doing so:
 * before a call that has no flag against it. A handler, unlike an ignored signal, is not handed on
 * to what the program starts. Any thread. */
void nx__sigpipe_quiet(void);

/* Those that are handled here, a bit each. */
uint64_t nx__signals_handled(void);

/* Gives the signals their former effect back. */
void nx__signals_free(struct nx_loop *loop);

#endif
