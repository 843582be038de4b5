/* Signals and child processes, on the loop. */
#ifndef NX__SIGNALS_H
#define NX__SIGNALS_H

#include "loop/loop.h"

/* Makes SIGTERM and SIGINT stop the program gracefully, and a second one end the process: the
 * loop's services, or where it has none what nx_at_exit was told. Harmless again. Only one loop of
 * a process receives signals: the first that asks. */
NX_MUST_CHECK nx_err nx__signals_stop(struct nx_loop *loop);

/* The same for a service: when it has stopped, `main` goes on and ends the program. */
NX_MUST_CHECK nx_err nx__signals_shutdown(struct nx_loop *loop);

/* Whether that was called. */
bool nx__signals_serve(void);

/* Whether a channel receives signals: who waits for it is not waiting for nothing. */
bool nx__signals_are_heard(void);

/* The stop that is under way makes room for the program that takes this one's place, which listens
 * already or is about to: open connections are worth handing over. Until a plain SIGTERM says that
 * it is the end. Any thread. */
bool nx__signals_replaced(void);

/* Those that are handled here, a bit each. */
uint64_t nx__signals_handled(void);

/* Gives the signals their former effect back. */
void nx__signals_free(struct nx_loop *loop);

#endif
