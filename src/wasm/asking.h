/* Requests of components to other servers, which Nexus's own client sends. */
#ifndef NX__WASM_ASKING_H
#define NX__WASM_ASKING_H

#include "permission/permission.h"
#include "wasm/engine.h"

/* Of one guest at once. */
enum { NX__ASKINGS_MOST = 64 };

/* Sends it in a fiber of its own, of the innermost open scope, which counts itself in `*active`
 * while it runs; who asks hears of what fails. `net` is whom the module may ask; both outlive the
 * scope. Takes the asking. Does not suspend. */
void nx__wasm_ask(struct nx__asking *asking, const struct nx__permissions *net, const char *module,
                  unsigned *active);

#endif
