/* A socket that fibers wait for, one for each direction. */
#include "net/fd.h"

#include <errno.h>
#include <unistd.h>

/* ---- Waits */

static void wait_cancel(struct nx__op *op)
{
    nx__op_complete(op, -ECANCELED);
}

static void wait_due(struct nx__timer *timer)
{
    nx__op_complete(&nx__container_of(timer, struct nx__timed_op, timer)->op, -ETIMEDOUT);
}

int64_t nx__net_wait(struct nx__timed_op *wait, struct nx_loop *loop, nx_duration until)
{
    wait->op =
        (struct nx__op){.cancel = wait_cancel, .kind = wait->on ? NX__WAIT_FD : NX__WAIT_OTHER};
    wait->timer = (struct nx__timer){.fire = wait_due};
    if (until != NX_FOREVER && nx__timer_set(&loop->timers, &wait->timer, until)) return -ENOMEM;
    int64_t result = nx__op_wait(&wait->op);
    nx__timer_clear(&loop->timers, &wait->timer);
    return result;
}

nx_err nx__net_wait_error(int64_t result)
{
    switch (result) {
    case -ETIMEDOUT: return nx__error_set(NX_ETIMEDOUT, "the deadline has passed");
    case -ECANCELED: return nx__error_set(NX_ECANCELED, "cancelled");
    case -EBADF: return nx__error_set(NX_ECLOSED, "it was closed");
    case -ENOMEM: return nx__error_set(NX_ENOMEM, "out of memory");
    case -ELIMIT_OPERATIONS: return nx__error_operations();
    default: return result < 0 ? nx__error_system((int)-result, "cannot wait") : NX_OK;
    }
}

/* ---- Sockets */

static void fd_ready(struct nx__watch *watch, uint32_t events)
{
    struct nx__net_fd *f = nx__container_of(watch, struct nx__net_fd, watch);
    if (f->reader && (events & (NX__READABLE | NX__HANGUP))) nx__op_complete(f->reader, 0);
    if (f->writer && (events & (NX__WRITABLE | NX__HANGUP))) nx__op_complete(f->writer, 0);
}

void nx__net_fd_init(struct nx__net_fd *f, int fd)
{
    *f = (struct nx__net_fd){.watch = {.ready = fd_ready, .fd = -1}, .loop = nx__loop(), .fd = fd};
}

nx_err nx__net_fd_wait(struct nx__net_fd *f, uint32_t event, nx_duration deadline)
{
    struct nx__op **waiter = event == NX__READABLE ? &f->reader : &f->writer;
    struct nx__timed_op wait = {.on = &f->watch};
    if (*waiter)
        return nx__error_set(NX_ESTATE, "another fiber is at it already: one reads, one writes");
    /* Being watched begins with an event where something is ready by then. */
    if (f->watch.fd < 0)
        NX_TRY(nx__poller_add(&f->loop->poller, &f->watch, f->fd, NX__READABLE | NX__WRITABLE));
    *waiter = &wait.op;
    int64_t result = nx__net_wait(&wait, f->loop, deadline);
    *waiter = NULL;
    return nx__net_wait_error(result);
}

int nx__net_fd_release(struct nx__net_fd *f)
{
    int fd = f->fd;
    f->fd = -1;
    nx__poller_remove(&f->loop->poller, &f->watch);
    if (f->reader) nx__op_complete(f->reader, -EBADF);
    if (f->writer) nx__op_complete(f->writer, -EBADF);
    return fd;
}

void nx__net_fd_close(struct nx__net_fd *f)
{
    if (f->fd >= 0) (void)close(nx__net_fd_release(f));
}
