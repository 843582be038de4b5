/* Telling the service manager that the loop turns. */
#ifndef NX__LOOP_NOTIFY_H
#define NX__LOOP_NOTIFY_H

#include "loop/loop.h"

/* Begins to tell it, where it wants to know; of the program's first loop. */
void nx__notify_loop(struct nx_loop *loop);

#endif
