/* A fiber that may not suspend, since something on its stack is bound to the thread's order of
 * calls. */
#ifndef NX__PIN_H
#define NX__PIN_H

#include "base/compiler.h"
#include <stdint.h>

/* How many reasons the calling thread's running fiber has; what would suspend it is refused while
 * there is one, with -ELIMIT_OPERATIONS, which nx__error_operations knows, or NX_EWOULDSUSPEND.
 * What can't be withdrawn waits all the same. */
extern NX__THREAD_LOCAL uint32_t nx__pins;

#endif
