/* gRPC over HTTP/2, as far as a service needs it: messages with their length before them, and a
 * status in the trailers. */
#ifndef GRPC_H
#define GRPC_H

#include <nexus/http.h>

/* Of the status codes those that are used here. */
enum {
    GRPC_OK = 0,
    GRPC_INVALID_ARGUMENT = 3,
    GRPC_RESOURCE_EXHAUSTED = 8,
    GRPC_UNIMPLEMENTED = 12,
    GRPC_INTERNAL = 13
};

enum { GRPC_MESSAGE_MOST = 64 * 1024 /* bytes; a peer's longer one is refused */ };

typedef struct {
    nx_request *req;
    nx_response *res;
    nx_bytes piece; /* of the body: read, not yet taken */
    char *message;  /* memory for one */
    int status;     /* what to end with, GRPC_OK at first */
    const char *why;
} grpc_call;

/* Takes the next message, which stays until the next call; false at the end of them, or when the
 * call is to end with `call->status`. May suspend. */
bool grpc_read(grpc_call *call, nx_bytes *message);

/* Sends a message; suspends while the peer is slow. */
NX_MUST_CHECK nx_err grpc_write(grpc_call *call, nx_bytes message);

/* The call ends with this status; `why` lasts as long as the request. */
void grpc_fail(grpc_call *call, int status, const char *why);

/* Makes a handler of a function that serves a call. */
NX_MUST_CHECK nx_err grpc_serve(nx_request *req, nx_response *res,
                                nx_err (*serve)(grpc_call *call));

/* What the client is told where there is no such method; for nx_http_not_found. */
NX_MUST_CHECK nx_err grpc_unknown(nx_request *req, nx_response *res);

#endif
