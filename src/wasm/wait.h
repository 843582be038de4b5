/* A fiber that waits for what a guest does. */
#ifndef NX__WASM_WAIT_H
#define NX__WASM_WAIT_H

#include "loop/loop.h"

/* Suspends until somebody completes `*place`, where nobody else waits; `call` is what a dump says
 * of it. NX_ECANCELED, recorded. */
NX_MUST_CHECK nx_err nx__wasm_wait(struct nx__op **place, const char *call);

/* Whoever waits there, if anybody does, goes on. In the loop's thread. */
void nx__wasm_go_on(struct nx__op **place);

#endif
