/* A socket as a wire: it remembers what the loop has heard of it, so nothing is tried in vain. */
#include "http/client/wire.h"

#include "base/clock.h"
#include "base/syscall.h"
#include "loop/files.h"
#include "net/fd.h"
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

struct socket_wire {
    struct nx__wire base;
    struct nx__watch watch;
    struct nx_loop *loop;
    struct nx__op *reader, *writer; /* who waits */
    bool readable, writable;        /* as far as is known */
    bool over;                      /* the peer sends no more: there is always something to read */
    size_t read_last;               /* bytes, which count against the loop's turn */
};

static void ready(struct nx__watch *watch, uint32_t events)
{
    struct socket_wire *w = nx__container_of(watch, struct socket_wire, watch);
    if (events & (NX__WRITABLE | NX__HANGUP)) {
        w->writable = true;
        if (w->writer) nx__op_complete(w->writer, 0);
    }
    if (!(events & (NX__READABLE | NX__HANGUP | NX__CLOSED))) return;
    if (events & (NX__CLOSED | NX__HANGUP)) w->over = true;
    w->readable = true;
    if (w->reader)
        nx__op_complete(w->reader, 0);
    else if (w->base.wake)
        w->base.wake(w->base.wake_arg); /* which may free it */
}

static nx_err wait(struct socket_wire *w, struct nx__op **waiter, nx_duration deadline)
{
    struct nx__timed_op op = {.on = &w->watch};
    *waiter = &op.op;
    int64_t result = nx__net_wait(&op, w->loop, deadline);
    *waiter = NULL;
    return nx__net_wait_error(result);
}

static nx_err turn(size_t bytes)
{
    return nx__file_turn(bytes) == 0 ? NX_OK : nx__error_set(NX_ECANCELED, "cancelled");
}

static nx_err socket_read(struct nx__wire *wire, void *data, size_t len, size_t *got,
                          nx_duration deadline)
{
    struct socket_wire *w = (struct socket_wire *)wire;
    NX_TRY(turn(w->read_last));
    w->read_last = 0;
    for (;;) {
        if (!w->readable) NX_TRY(wait(w, &w->reader, deadline));
        long n = nx__syscall(SYS_recvfrom, w->watch.fd, (long)(uintptr_t)data, (long)len, 0, 0, 0);
        if (n >= 0) {
            /* A new edge comes with what comes after it. */
            if ((size_t)n < len && !w->over) w->readable = false;
            *got = w->read_last = (size_t)n;
            return NX_OK;
        }
        if (n == -EAGAIN)
            w->readable = false;
        else if (n != -EINTR)
            return nx__error_system((int)-n, "cannot read");
    }
}

static nx_err socket_write(struct nx__wire *wire, nx_bytes bytes, nx_duration deadline)
{
    struct socket_wire *w = (struct socket_wire *)wire;
    NX_TRY(turn(bytes.len));
    while (bytes.len) {
        if (!w->writable) NX_TRY(wait(w, &w->writer, deadline));
        long n = nx__syscall(SYS_sendto, w->watch.fd, (long)(uintptr_t)bytes.data, (long)bytes.len,
                             MSG_NOSIGNAL, 0, 0);
        if (n >= 0)
            bytes = nx_slice(bytes.data + n, bytes.len - (size_t)n);
        else if (n == -EAGAIN)
            w->writable = false;
        else if (n != -EINTR)
            return nx__error_system((int)-n, "cannot write");
    }
    return NX_OK;
}

static bool socket_heard(struct nx__wire *wire, bool ask)
{
    struct socket_wire *w = (struct socket_wire *)wire;
    char byte;
    if (w->over) return true;
    if (!ask && !w->readable) return false;
    ssize_t n = recv(w->watch.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    w->readable = n >= 0 || (errno != EAGAIN && errno != EINTR);
    return w->readable;
}

static void socket_end(struct nx__wire *wire)
{
    (void)shutdown(((struct socket_wire *)wire)->watch.fd, SHUT_RDWR);
}

static void socket_close(struct nx__wire *wire)
{
    struct socket_wire *w = (struct socket_wire *)wire;
    int fd = w->watch.fd;
    /* A thread that ends has no loop any more; nor does its poller hear of anything. */
    if (nx__loop_current) nx__poller_remove(&w->loop->poller, &w->watch);
    (void)close(fd);
    free(w);
}

int nx__wire_socket_fd(const struct nx__wire *wire)
{
    return ((const struct socket_wire *)wire)->watch.fd;
}

nx_err nx__wire_socket_turn(struct nx__wire *wire)
{
    struct socket_wire *w = (struct socket_wire *)wire;
    size_t bytes = w->read_last;
    w->read_last = 0;
    return turn(bytes);
}

void nx__wire_socket_read(struct nx__wire *wire, size_t bytes)
{
    ((struct socket_wire *)wire)->read_last = bytes;
}

void nx__wire_socket_dry(struct nx__wire *wire)
{
    struct socket_wire *w = (struct socket_wire *)wire;
    w->readable = w->over;
}

nx_err nx__wire_socket_wait(struct nx__wire *wire, nx_duration deadline)
{
    struct socket_wire *w = (struct socket_wire *)wire;
    /* What has come since nobody knows whether it was read: an end is told once. */
    w->readable = false;
    nx_err err = w->over ? NX_OK : wait(w, &w->reader, deadline);
    return err;
}

nx_err nx__wire_socket(struct nx__wire **out, int fd)
{
    static const struct nx__wire_type type = {socket_read, socket_write, socket_heard, socket_end,
                                              socket_close};
    struct socket_wire *w = calloc(1, sizeof *w);
    *out = NULL;
    if (!w) {
        (void)close(fd);
        return nx__error_set(NX_ENOMEM, "cannot make a connection: out of memory");
    }
    w->base.type = &type;
    w->loop = nx__loop();
    w->watch = (struct nx__watch){.ready = ready, .fd = -1};
    w->writable = true;
    nx_err err = nx__poller_add(&w->loop->poller, &w->watch, fd, NX__READABLE | NX__WRITABLE);
    if (err) {
        (void)close(fd);
        free(w);
        return err;
    }
    *out = &w->base;
    return NX_OK;
}
