/* A body that is sent by a fiber of its own. */
#include "http/client/upload.h"

#include "loop/loop.h"
#include "net/fd.h"
#include <stdlib.h>

enum { PIECE = 64 * 1024 };

struct nx__upload {
    struct nx__exchange *x;
    nx_err (*next)(void *arg, nx_bytes *piece);
    void *arg;
    nx_stream *source; /* of a body from a stream, with memory for its pieces */
    char *data;
    nx_fiber *fiber;           /* NULL: it has ended */
    struct nx__op *waiter;     /* who waits for that */
    struct nx__context failed; /* what it came to */
};

static nx_err send_all(struct nx__upload *u)
{
    const struct nx__client_driver *driver = u->x->conn->driver;
    for (;;) {
        nx_bytes piece = {0};
        nx_err err = u->next(u->arg, &piece);
        if (!err && piece.len) err = driver->write(u->x, piece);
        if (err) return err;
        if (!piece.len) return driver->finish(u->x);
    }
}

static nx_err upload_main(void *arg)
{
    struct nx__upload *u = arg;
    nx_err err = send_all(u);
    if (err && err != NX_ECLOSED) { /* the peer has enough */
        memcpy(&u->failed, nx__context(), sizeof u->failed);
        u->x->unsent = &u->failed;
    }
    nx_stream_close(u->source);
    u->fiber = NULL;
    u->x->conn->driver->told(u->x);
    if (u->waiter) nx__op_complete(u->waiter, 0);
    return NX_OK;
}

nx_err nx__upload_begin(struct nx__upload **out, struct nx__exchange *x,
                        nx_err (*next)(void *arg, nx_bytes *piece), void *arg)
{
    struct nx__upload *u = calloc(1, sizeof *u);
    nx_fiber *fiber = u ? nx__fiber_new(upload_main, u, "upload") : NULL;
    *out = NULL;
    if (!fiber) {
        nx_err err = u ? nx__error_last()->code : NX_ENOMEM;
        free(u);
        return err == NX_ENOMEM ? nx__error_set(err, "out of memory") : err;
    }
    *u = (struct nx__upload){.x = x, .next = next, .arg = arg, .fiber = fiber};
    x->apart = true;
    nx__fiber_ready(fiber);
    *out = u;
    return NX_OK;
}

static nx_err stream_next(void *arg, nx_bytes *piece)
{
    const struct nx__upload *u = arg;
    size_t len = 0;
    nx_err err = nx_stream_read(u->source, u->data, PIECE, &len);
    *piece = nx_slice(u->data, len);
    return err;
}

nx_err nx__upload_stream(struct nx__upload **out, struct nx__exchange *x, nx_stream *source)
{
    char *data = malloc(PIECE);
    *out = NULL;
    nx_err err = data ? nx__upload_begin(out, x, stream_next, NULL)
                      : nx__error_set(NX_ENOMEM, "out of memory");
    if (err) {
        free(data);
        nx_stream_close(source);
        return err;
    }
    (*out)->arg = *out; /* its fiber has not begun */
    (*out)->source = source;
    (*out)->data = data;
    return NX_OK;
}

nx_err nx__upload_wait(struct nx__upload *u)
{
    while (u->fiber) {
        struct nx__timed_op op = {0};
        u->waiter = &op.op;
        int64_t result = nx__net_wait(&op, nx__loop(), u->x->deadline);
        u->waiter = NULL;
        nx_err err = u->fiber ? nx__net_wait_error(result) : NX_OK;
        if (err == NX_ETIMEDOUT)
            return nx__error_set(err, "its body was not read to its end (deadline)");
        if (err) return err;
    }
    return NX_OK;
}

void nx__upload_end(struct nx__upload *u)
{
    if (!u) return;
    if (u->fiber) nx_cancel(u->fiber);
    while (u->fiber) {
        struct nx__op op = {.call = "in nx_fetch: what is still sent is given up"};
        u->waiter = &op;
        (void)nx__op_wait_uncanceled(&op);
        u->waiter = NULL;
    }
    if (u->x->unsent == &u->failed) u->x->unsent = NULL;
    free(u->data);
    free(u);
}
