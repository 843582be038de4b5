/* A fiber that waits for what a guest does. */
#include "wasm/wait.h"

#include "base/error.h"
#include <errno.h>

struct wait {
    struct nx__op op;
    struct nx__op **place;
};

static void complete(struct nx__op **place, int64_t result)
{
    struct nx__op *op = *place;
    *place = NULL;
    if (op) nx__op_complete(op, result);
}

static void cancel(struct nx__op *op)
{
    complete(nx__container_of(op, struct wait, op)->place, -ECANCELED);
}

void nx__wasm_go_on(struct nx__op **place)
{
    complete(place, 0);
}

nx_err nx__wasm_wait(struct nx__op **place, const char *call)
{
    struct wait w = {.op.cancel = cancel, .op.call = call, .place = place};
    *place = &w.op;
    int64_t result = nx__op_wait(&w.op);
    *place = NULL;
    if (!result) return NX_OK;
    return nx__error_set(NX_ECANCELED, "the request was cancelled");
}
