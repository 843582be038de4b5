#include "grpc.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { HEAD = 5 /* whether it is compressed, and its length */ };

/* Copies so many bytes of the body; false where it ends before. */
static bool take(grpc_call *call, char *to, size_t len)
{
    while (len) {
        if (!call->piece.len && nx_request_read(call->req, &call->piece)) {
            grpc_fail(call, GRPC_INTERNAL, "the request broke off");
            return false;
        }
        if (!call->piece.len) return false;
        size_t n = len < call->piece.len ? len : call->piece.len;
        memcpy(to, call->piece.data, n);
        call->piece = nx_slice(call->piece.data + n, call->piece.len - n);
        to += n;
        len -= n;
    }
    return true;
}

bool grpc_read(grpc_call *call, nx_bytes *message)
{
    unsigned char head[HEAD];
    if (call->status || !take(call, (char *)head, HEAD)) return false;
    uint32_t len =
        (uint32_t)head[1] << 24 | (uint32_t)head[2] << 16 | (uint32_t)head[3] << 8 | head[4];
    if (head[0]) grpc_fail(call, GRPC_UNIMPLEMENTED, "messages are not decompressed here");
    if (len > GRPC_MESSAGE_MOST)
        grpc_fail(call, GRPC_RESOURCE_EXHAUSTED, "the message is too long");
    if (!call->message) call->message = nx_alloc(GRPC_MESSAGE_MOST);
    if (!call->message) grpc_fail(call, GRPC_RESOURCE_EXHAUSTED, "out of memory");
    if (call->status) return false;
    if (!take(call, call->message, len)) {
        grpc_fail(call, GRPC_INVALID_ARGUMENT, "a message broke off");
        return false;
    }
    *message = nx_slice(call->message, len);
    return true;
}

nx_err grpc_write(grpc_call *call, nx_bytes message)
{
    char text[256], *at = message.len + HEAD <= sizeof text ? text : nx_alloc(message.len + HEAD);
    if (!at) return NX_ENOMEM;
    at[0] = 0;
    for (int i = 0; i < 4; i++) at[1 + i] = (char)(message.len >> (24 - 8 * i));
    memcpy(at + HEAD, message.data, message.len);
    return nx_response_write(call->res, nx_slice(at, message.len + HEAD));
}

void grpc_fail(grpc_call *call, int status, const char *why)
{
    if (call->status) return;
    call->status = status;
    call->why = why;
}

nx_err grpc_serve(nx_request *req, nx_response *res, nx_err (*serve)(grpc_call *call))
{
    grpc_call call = {.req = req, .res = res};
    char status[12];
    nx_response_header(res, "content-type", "application/grpc");
    nx_err err = serve(&call);
    if (err) return err;
    (void)snprintf(status, sizeof status, "%d", call.status);
    nx_response_trailer(res, "grpc-status", status);
    if (call.why) nx_response_trailer(res, "grpc-message", call.why);
    return nx_response_end(res);
}

nx_err grpc_unknown(nx_request *req, nx_response *res)
{
    (void)req;
    nx_response_status(res, 200);
    nx_response_header(res, "content-type", "application/grpc");
    nx_response_header(res, "grpc-status", "12");
    nx_response_header(res, "grpc-message", "there is no such method");
    return nx_response_send(res, "");
}
