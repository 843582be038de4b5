/* WebAssembly components that answer HTTP requests: wasi:http, 0.2 and 0.3. */
#ifndef NX__WASM_SERVICE_H
#define NX__WASM_SERVICE_H

#include "wasm/engine.h"

struct nx__wasm_serving {
    const char *name;       /* for messages */
    const char *host;       /* to listen on */
    uint16_t port;          /* 0: the system chooses one */
    const char *cert, *key; /* of HTTPS; NULL: plain */
    uint32_t workers;       /* as nx_http_server_new has them */
    uint64_t max_body;      /* bytes of a request's, 0: any number */
    uint32_t uses;          /* requests that an instance may answer, one after the other; 0: 1 */
    const nx_wasm_policy *policy; /* of each request: memory, time and so on are its own */
};

/* Serves by machine code that has been checked until a graceful stop was asked for; takes the
 * descriptor. Writes a line with its URL to stdout before the first request is taken. NX_ENOTSUP
 * (no such component, no engine), NX_ENOENT (it imports what there is not), and errors as
 * nx_http_listen. Suspends. */
NX_MUST_CHECK nx_err nx__wasm_serve(int fd, const struct nx__wasm_serving *serving);

#endif
