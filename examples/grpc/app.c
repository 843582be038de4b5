/* A gRPC service (greeter.proto): one answer, streams of them, streams of requests, both at once.
 *
 *     nexus run app.c --allow-net=127.0.0.1:50051
 *
 * Any gRPC client asks it, without TLS; the messages are few and small, so they are coded by hand.
 */
#include "grpc.h"

#include <nexus.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    nx_bytes name;
    int32_t count;
} request;

/* ---- Messages: fields are a number and a type, then a varint or a length and bytes */

static bool varint(nx_bytes *rest, uint64_t *n)
{
    *n = 0;
    for (unsigned shift = 0; shift < 64 && rest->len; shift += 7) {
        unsigned char byte = (unsigned char)rest->data[0];
        *rest = nx_slice(rest->data + 1, rest->len - 1);
        *n |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) return true;
    }
    return false;
}

static bool request_decode(nx_bytes message, request *out)
{
    *out = (request){0};
    while (message.len) {
        uint64_t key, n;
        if (!varint(&message, &key) || !varint(&message, &n)) return false;
        if ((key & 7) == 0 && key >> 3 == 2) out->count = (int32_t)n;
        if ((key & 7) == 0) continue;
        if ((key & 7) != 2 || n > message.len) return false;
        if (key >> 3 == 1) out->name = nx_slice(message.data, (size_t)n);
        message = nx_slice(message.data + n, message.len - (size_t)n);
    }
    return true;
}

static nx_err reply(grpc_call *call, const char *text)
{
    char message[512];
    size_t len = strlen(text), at = 0;
    if (len > 400) len = 400;
    message[at++] = 1 << 3 | 2;
    if (len > 127) message[at++] = (char)((len & 0x7f) | 0x80);
    message[at++] = (char)(len > 127 ? len >> 7 : len);
    memcpy(message + at, text, len);
    return grpc_write(call, nx_slice(message, at + len));
}

/* False when there is none, or the call is to end. */
static bool next(grpc_call *call, request *out)
{
    nx_bytes message;
    if (!grpc_read(call, &message)) return false;
    if (request_decode(message, out)) return true;
    grpc_fail(call, GRPC_INVALID_ARGUMENT, "that is no Request");
    return false;
}

/* ---- Methods */

static nx_err hello_call(grpc_call *call)
{
    request r;
    if (!next(call, &r)) return NX_OK;
    if (!r.name.len) {
        grpc_fail(call, GRPC_INVALID_ARGUMENT, "say who you are");
        return NX_OK;
    }
    return reply(call, nx_format("Hello, %.*s!", NX_FMT(r.name)));
}

static nx_err repeat_call(grpc_call *call)
{
    request r;
    char text[400];
    if (!next(call, &r)) return NX_OK;
    for (int32_t i = 1; i <= r.count; i++) {
        (void)snprintf(text, sizeof text, "%d: hello, %.*s", i,
                       (int)(r.name.len < 300 ? r.name.len : 300), r.name.data);
        NX_TRY(reply(call, text)); /* waits while the client is slow */
    }
    return NX_OK;
}

static nx_err gather_call(grpc_call *call)
{
    request r;
    int64_t sum = 0, calls = 0;
    for (; next(call, &r); calls++) sum += r.count;
    if (call->status) return NX_OK;
    return reply(call, nx_format("%lld requests, %lld in all", (long long)calls, (long long)sum));
}

static nx_err chat_call(grpc_call *call)
{
    request r;
    char text[400];
    while (next(call, &r)) {
        (void)snprintf(text, sizeof text, "%.*s?", (int)(r.name.len < 300 ? r.name.len : 300),
                       r.name.data);
        NX_TRY(reply(call, text));
    }
    return NX_OK;
}

static nx_err hello(nx_request *req, nx_response *res)
{
    return grpc_serve(req, res, hello_call);
}
static nx_err repeat(nx_request *req, nx_response *res)
{
    return grpc_serve(req, res, repeat_call);
}
static nx_err gather(nx_request *req, nx_response *res)
{
    return grpc_serve(req, res, gather_call);
}
static nx_err chat(nx_request *req, nx_response *res)
{
    return grpc_serve(req, res, chat_call);
}

int main(int argc, char **argv)
{
    NX_AUTO(nx_http_server) *server =
        nx_http_server_new(.port = (uint16_t)(argc > 1 ? strtol(argv[1], NULL, 10) : 50051));
    nx_http_router *greeter = nx_http_group(server, "/greet.Greeter");
    nx_http_post(greeter, "/Hello", hello);
    nx_http_post(greeter, "/Repeat", repeat);
    nx_http_post(greeter, "/Gather", gather);
    nx_http_post(greeter, "/Chat", chat);
    nx_http_not_found(server, grpc_unknown);
    return nx_http_listen(server);
}
