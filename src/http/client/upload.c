/* A body that is sent by a fiber of its own. */
#include "http/client/upload.h"

#include "loop/loop.h"
#include "net/fd.h"
#include <stdlib.h>

enum { PIECE = 64 * 1024 };

struct nx__upload {
    struct nx__exchange *x;
    nx_stream *source;
    nx_fiber *fiber;           /* NULL: it has ended */
    struct nx__op *waiter;     /* who waits for that */
    struct nx__context failed; /* what it came to */
    char *data;
};

static nx_err send_all(struct nx__upload *u)
{
    const struct nx__client_driver *driver = u->x->conn->driver;
    for (;;) {
        size_t len = 0;
        nx_err err = nx_stream_read(u->source, u->data, PIECE, &len);
        if (!err && len) err = driver->write(u->x, nx_slice(u->data, len));
        if (err) return err;
        if (!len) return driver->finish(u->x);
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

nx_err nx__upload_begin(struct nx__upload **out, struct nx__exchange *x, nx_stream *source)
{
    struct nx__upload *u = calloc(1, sizeof *u);
    char *data = malloc(PIECE);
    nx_fiber *fiber = u && data ? nx__fiber_new(upload_main, u, "fetch upload") : NULL;
    *out = NULL;
    if (!fiber) {
        nx_err err = u && data ? nx__error_last()->code : NX_ENOMEM;
        free(u);
        free(data);
        nx_stream_close(source);
        return err == NX_ENOMEM ? nx__error_set(err, "out of memory") : err;
    }
    *u = (struct nx__upload){.x = x, .source = source, .fiber = fiber, .data = data};
    x->apart = true;
    nx__fiber_ready(fiber);
    *out = u;
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
