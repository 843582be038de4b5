/* What is done before the program ends. */
#ifndef NX__EXIT_H
#define NX__EXIT_H

#include "loop/loop.h"

/* From the main fiber, when main has returned: does it, and waits until it is done. False where
 * something of it was cut, and may still be under way: then the loop can't be freed. Where the end
 * has begun by itself it doesn't return. */
bool nx__exit_finish(void);

/* Begins the end, if anything is to be done and it hasn't begun: then the process ends by the
 * signal, or with the code where that is 0. Does not suspend; also in the loop's own context. */
void nx__exit_begin(struct nx_loop *loop, int signo, int code);

#endif
