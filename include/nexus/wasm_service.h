/* WebAssembly components that answer HTTP requests: `wasi:http`, 0.2 or 0.3, on the routes of a
 * server. */
#ifndef NEXUS_WASM_SERVICE_H
#define NEXUS_WASM_SERVICE_H

#include <nexus/http.h>
#include <nexus/wasm.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A component that is ready to answer. Any number of servers and threads may use it at once. */
typedef struct nx_wasm_service nx_wasm_service;

/* Zero means the default, which is named in the comment. */
typedef struct nx_wasm_service_options {
    size_t size;
    uint32_t reuse; /* requests that an instance may answer, one after the other, 1: each has one of
                       its own */
    nx_wasm_policy policy; /* of each request: memory, time and all else is its own.
                              `max_instances` is how many there may be at once, 1,000; more get 503,
                              and past `deadline` they get 504. Texts and lists are copied */
} nx_wasm_service_options;

/* Loads a component, a file as for nx_wasm_load; the caller closes it. Places for all its instances
 * are kept from here on (of addresses, not of memory). NX_ENOTSUP (it is a module, or there is no
 * WebAssembly), NX_ENOENT (it imports what there is not, or serves nothing), NX_EPERM (what its
 * policy gives is not the program's), NX_EINVAL, NX_ENOMEM and others as nx_wasm_load. Blocks while
 * it is compiled. */
NX_API NX_MUST_CHECK nx_err nx_wasm_service_open_with(nx_wasm_service **out, const char *path,
                                                      const nx_wasm_service_options *options);
#define nx_wasm_service_open(out, path, ...)                                                       \
    nx_wasm_service_open_with(                                                                     \
        (out), (path),                                                                             \
        &(nx_wasm_service_options){.size = sizeof(nx_wasm_service_options), __VA_ARGS__})

/* Frees a service that no server has any more. NULL is fine. */
NX_API void nx_wasm_service_close(nx_wasm_service *service);
static inline void nx_wasm_service_auto(nx_wasm_service **service)
{
    nx_wasm_service_close(*service);
}

/* A router that gives it all requests, to be mounted: nx_http_mount(server, "/img",
 * nx_wasm_service_router(img)). The guest sees the whole path. NULL when memory is out;
 * nx_http_mount says so. Does not suspend. */
NX_API nx_http_router *nx_wasm_service_router(nx_wasm_service *service);

/* Answers one request, from a handler. A trap is NX_ECRASHED, a limit NX_ELIMIT or NX_ETIMEDOUT, as
 * of a call; others as nx_http_error says, for who was asked too much, and as nx_request_read and
 * nx_response_write. Suspends; the peer's leaving cancels the handler's fiber. */
NX_API NX_MUST_CHECK nx_err nx_wasm_service_answer(nx_wasm_service *service, nx_request *req,
                                                   nx_response *res);

#ifdef __cplusplus
}
#endif

#endif
