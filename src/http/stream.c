/* A request's body as a source of a pipe, and its answer as a sink. */
#include "stream/stream.h"
#include "http/server.h"

#include <stdlib.h>

/* ---- The body */

struct body {
    nx_request *req;
    nx_bytes left; /* of the piece that came last */
};

static nx_err body_read(void *state, void *data, size_t len, size_t *got)
{
    struct body *b = state;
    if (!b->left.len) NX_TRY(nx_request_read(b->req, &b->left));
    *got = len < b->left.len ? len : b->left.len;
    if (!*got) return NX_OK;
    memcpy(data, b->left.data, *got);
    b->left = nx_slice(b->left.data + *got, b->left.len - *got);
    return NX_OK;
}

nx_stream *nx_http_body(nx_request *req)
{
    static const nx_stream_type type = {
        .size = sizeof type, .name = "a request's body", .read = body_read, .close = free};
    struct body *b = malloc(sizeof *b);
    if (!b) return nx__stream_no_memory();
    *b = (struct body){.req = req};
    return nx_stream_new(&type, b);
}

/* ---- The answer */

static nx_err answer_write(void *state, nx_bytes bytes)
{
    return nx_response_write(state, bytes);
}

static nx_err answer_finish(void *state, nx_stream *next)
{
    nx_response *res = state;
    (void)next;
    return res->state == NX__RESPONSE_DONE && !res->failed ? NX_OK : nx_response_end(res);
}

/* A file with nothing before it is the whole answer, and has a length. */
static nx_err answer_file(void *state, int fd, uint64_t at, uint64_t len)
{
    nx_response *res = state;
    const struct nx__file_piece piece = {.offset = at, .len = len};
    if (!res->content_type) res->content_type = &nx__type_bytes;
    return res->req->driver->send_file(res, fd, &piece, 1);
}

static bool answer_direct(void *state, struct nx__direct *out)
{
    const nx_response *res = state;
    *out = (struct nx__direct){.fd = -1, .send = answer_file};
    return res->state == NX__RESPONSE_OPEN && !res->failed;
}

nx_stream *nx_http_sink(nx_response *res)
{
    static const nx_stream_type type = {
        .size = sizeof type, .name = "an answer", .write = answer_write, .finish = answer_finish};
    return nx__stream_direct(nx_stream_new(&type, res), answer_direct);
}
