/* Ports. What comes is what another process has written, maybe while it crashed: a frame is checked
 * before anything is made of it, and what has come of one is kept until the rest has. */
#include "worker/port.h"

#include "base/descriptors.h"
#include "loop/files.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    KEPT_MOST = 1024 * 1024,  /* of a message's memory, for the next one */
    PIECE_MOST = 1024 * 1024, /* of a message, between two looks at the loop */
};

struct nx_port {
    struct nx__watch watch;
    struct nx_loop *loop;
    int fd; /* -1: closed */
    size_t most;
    struct nx__op *reader, *writer; /* that wait for the socket */
    /* Of the frame that is received */
    struct nx__frame head;
    size_t head_len; /* bytes of it that have come */
    int came;        /* the descriptor that came with it, or -1 */
    char *data;
    size_t len, capacity; /* bytes that have come, and that there is room for with a NUL */
    bool receiving, whole, spoilt;
    /* Of those that are sent */
    struct nx__list turns; /* of struct turn: senders that wait for the one that sends */
    bool sending, finished, cut;
    char peer[48];
};

/* ---- Waiting */

static void wake(struct nx__op **place)
{
    struct nx__op *op = *place;
    *place = NULL;
    if (op) nx__op_complete(op, 0);
}

static void ready(struct nx__watch *watch, uint32_t events)
{
    nx_port *port = nx__container_of(watch, nx_port, watch);
    if (events & (NX__READABLE | NX__HANGUP)) wake(&port->reader);
    if (events & (NX__WRITABLE | NX__HANGUP)) wake(&port->writer);
}

struct wait {
    struct nx__op op;
    struct nx__op **place;
};

static void wait_cancel(struct nx__op *op)
{
    *nx__container_of(op, struct wait, op)->place = NULL;
    nx__op_complete(op, -ECANCELED);
}

/* Until the socket may have changed: 0 or -errno. */
static int64_t wait(struct nx__op **place)
{
    struct wait w = {.op.cancel = wait_cancel, .place = place};
    *place = &w.op;
    return nx__op_wait(&w.op);
}

static nx_err closed(const nx_port *port)
{
    return nx__error_set(NX_ECLOSED, "the port of %s is closed", port->peer);
}

static nx_err failed(const nx_port *port, int64_t result, bool sends)
{
    if (result == -ELIMIT_OPERATIONS) return nx__error_operations();
    if (result == -ECANCELED)
        return nx__error_set(NX_ECANCELED, "cancelled while %s %s",
                             sends ? "sending to" : "receiving from", port->peer);
    return nx__error_system((int)-result, "cannot %s %s", sends ? "send to" : "receive from",
                            port->peer);
}

static nx_err check(const nx_port *port)
{
    if (port->loop != nx__loop_current)
        return nx__error_set(NX_ESTATE, "the port of %s belongs to another thread", port->peer);
    if (!nx__fiber_running())
        return nx__error_set(NX_EWOULDSUSPEND, "the port of %s is for fibers", port->peer);
    return port->fd < 0 ? closed(port) : NX_OK;
}

/* ---- Receiving */

static nx_err ended(const nx_port *port)
{
    if (port->head_len)
        return nx__error_set(NX_ECLOSED, "%s has ended in the middle of a message", port->peer);
    return nx__error_set(NX_ECLOSED, "%s sends no more", port->peer);
}

/* Nothing that comes after it can be told from it. */
static nx_err spoil(nx_port *port)
{
    port->spoilt = true;
    return nx__error_set(NX_EPROTO, "%s has sent what is no message", port->peer);
}

/* Receives into the place, with a descriptor where there is room for one: bytes, or -errno. */
static int64_t receive_once(nx_port *port, void *at, size_t len, int *came)
{
    const struct iovec part = {at, len};
    int fd = -1;
    size_t count = came ? 1 : 0;
    long n = nx__descriptors_receive(port->fd, &part, 1, &fd, &count, NULL, MSG_DONTWAIT);
    if (n < 0) return n == -ECONNRESET ? 0 : n;
    if (!came || !count) return n;
    if (*came >= 0) (void)close(*came); /* of the same frame: it is none of ours */
    *came = fd;
    return n;
}

/* Fills `*have` up to `want`, whatever it takes. */
static nx_err fill(nx_port *port, void *to, size_t *have, size_t want, int *came)
{
    while (*have < want) {
        size_t len = want - *have < PIECE_MOST ? want - *have : PIECE_MOST;
        int64_t n = receive_once(port, (char *)to + *have, len, came);
        if (n == 0) return ended(port);
        if (n == -EINTR) continue;
        if (n == -EAGAIN) {
            int64_t result = wait(&port->reader);
            if (result < 0) return failed(port, result, false);
            if (port->fd < 0) return closed(port);
            continue;
        }
        if (n < 0) return failed(port, n, false);
        *have += (size_t)n;
        if (*have < want && nx__file_turn((size_t)n) < 0) return failed(port, -ECANCELED, false);
        if (port->fd < 0) return closed(port);
    }
    return NX_OK;
}

/* Memory for the message, no more than the header may ask for. */
static nx_err make_room(nx_port *port)
{
    size_t need = (size_t)port->head.len + 1;
    if (need <= port->capacity && (port->capacity <= KEPT_MOST || need > KEPT_MOST)) return NX_OK;
    free(port->data);
    port->data = malloc(need);
    port->capacity = port->data ? need : 0;
    if (port->data) return NX_OK;
    return nx__error_set(NX_ENOMEM, "cannot receive %zu bytes: out of memory", need - 1);
}

static nx_err head_check(nx_port *port)
{
    const struct nx__frame *head = &port->head;
    bool shared = head->kind == NX__FRAME_SHARED;
    if (head->magic != NX__PORT_MAGIC || (!shared && head->kind != NX__FRAME_BYTES))
        return spoil(port);
    if (!shared && (head->len > port->most || port->came >= 0)) return spoil(port);
    return NX_OK;
}

static nx_err receive_frame(nx_port *port)
{
    if (port->whole) return NX_OK;
    NX_TRY(fill(port, &port->head, &port->head_len, sizeof port->head, &port->came));
    NX_TRY(head_check(port));
    if (port->head.kind == NX__FRAME_BYTES) {
        if (!port->len) NX_TRY(make_room(port));
        NX_TRY(fill(port, port->data, &port->len, (size_t)port->head.len, NULL));
    }
    port->whole = true;
    return NX_OK;
}

/* The next message is there when it returns NX_OK. */
static nx_err receive(nx_port *port)
{
    NX_TRY(check(port));
    if (port->receiving)
        return nx__error_set(NX_ESTATE, "another fiber receives from %s already", port->peer);
    if (port->spoilt) return spoil(port);
    port->receiving = true;
    nx_err err = receive_frame(port);
    port->receiving = false;
    return err;
}

static void take(nx_port *port)
{
    port->head_len = port->len = 0;
    port->whole = false;
    port->came = -1;
}

nx_err nx_port_recv(nx_port *port, nx_bytes *bytes)
{
    *bytes = nx_str("");
    NX_TRY(receive(port));
    if (port->head.kind != NX__FRAME_BYTES)
        return nx__error_set(NX_ETYPE, "%s has sent a shared region: nx_port_recv_shared takes it",
                             port->peer);
    port->data[port->len] = '\0';
    *bytes = nx_slice(port->data, port->len);
    take(port);
    return NX_OK;
}

nx_err nx_port_recv_shared(nx_port *port, nx_shared **out)
{
    *out = NULL;
    NX_TRY(receive(port));
    if (port->head.kind != NX__FRAME_SHARED)
        return nx__error_set(NX_ETYPE, "%s has sent bytes and no shared region: nx_port_recv",
                             port->peer);
    int fd = port->came;
    uint64_t size = port->head.len;
    take(port);
    if (fd < 0)
        return nx__error_set(NX_EMFILE,
                             "cannot receive a shared region from %s: its descriptor has not come; "
                             "this process may have too many open",
                             port->peer);
    return nx__shared_open(out, fd, size);
}

/* ---- Sending */

struct turn {
    struct nx__op op;
    struct nx__list link;
};

static void turn_cancel(struct nx__op *op)
{
    nx__list_remove(&nx__container_of(op, struct turn, op)->link);
    nx__op_complete(op, -ECANCELED);
}

static nx_err may_send(const nx_port *port)
{
    if (port->fd < 0) return closed(port);
    if (port->cut)
        return nx__error_set(NX_ECLOSED, "cannot send to %s: a message before was cut off",
                             port->peer);
    if (port->finished)
        return nx__error_set(NX_ESTATE, "cannot send to %s after nx_port_finish", port->peer);
    return NX_OK;
}

/* One message at a time, in the order in which they were asked for. */
static nx_err turn_begin(nx_port *port)
{
    struct turn turn = {.op.cancel = turn_cancel};
    if (port->sending) {
        nx__list_insert(&port->turns, &turn.link);
        int64_t result = nx__op_wait(&turn.op);
        if (result < 0) return failed(port, result, true);
    }
    port->sending = true;
    return NX_OK;
}

static void turn_end(nx_port *port)
{
    struct nx__list *next = nx__list_pop(&port->turns);
    port->sending = next != NULL;
    if (next) nx__op_complete(&nx__container_of(next, struct turn, link)->op, 0);
}

/* What is left of a frame. */
struct sending {
    struct iovec parts[2];
    int fd; /* that goes with its first byte, or -1 */
    bool begun;
};

static int64_t send_once(const nx_port *port, struct sending *s)
{
    struct iovec parts[2] = {s->parts[0], s->parts[1]};
    if (parts[1].iov_len > PIECE_MOST) parts[1].iov_len = PIECE_MOST;
    long n = nx__descriptors_send(port->fd, parts, 2, &s->fd, s->fd >= 0, MSG_DONTWAIT);
    if (n < 0) return n;
    size_t left = (size_t)n;
    for (int i = 0; i < 2; i++) {
        size_t part = left < s->parts[i].iov_len ? left : s->parts[i].iov_len;
        s->parts[i].iov_base = (char *)s->parts[i].iov_base + part;
        s->parts[i].iov_len -= part;
        left -= part;
    }
    s->fd = -1;
    s->begun = true;
    return n;
}

static nx_err send_all(nx_port *port, struct sending *s)
{
    NX_TRY(may_send(port));
    while (s->parts[0].iov_len || s->parts[1].iov_len) {
        int64_t n = send_once(port, s);
        if (n == -EINTR) continue;
        if (n == -EAGAIN) {
            int64_t result = wait(&port->writer);
            if (result < 0) return failed(port, result, true);
        } else if (n == -EPIPE || n == -ECONNRESET) {
            return nx__error_set(NX_ECLOSED, "cannot send to %s: it receives no more", port->peer);
        } else if (n < 0) {
            return failed(port, n, true);
        } else if (s->parts[1].iov_len && nx__file_turn((size_t)n) < 0) {
            return failed(port, -ECANCELED, true);
        }
        NX_TRY(may_send(port));
    }
    return NX_OK;
}

static nx_err send_frame(nx_port *port, struct nx__frame head, nx_bytes bytes, int fd)
{
    NX_TRY(check(port));
    NX_TRY(turn_begin(port));
    struct sending s = {.parts = {{&head, sizeof head}, {(void *)(uintptr_t)bytes.data, bytes.len}},
                        .fd = fd};
    nx_err err = send_all(port, &s);
    if (err && s.begun && port->fd >= 0) {
        /* What follows would be taken for the rest of it. */
        port->cut = true;
        (void)shutdown(port->fd, SHUT_WR);
    }
    turn_end(port);
    return err;
}

nx_err nx_port_send(nx_port *port, nx_bytes bytes)
{
    if (bytes.len > port->most)
        return nx__error_set(NX_ETOOBIG,
                             "cannot send %zu bytes to %s: a message has %zu at most (.most)",
                             bytes.len, port->peer, port->most);
    const struct nx__frame head = {NX__PORT_MAGIC, NX__FRAME_BYTES, bytes.len};
    return send_frame(port, head, bytes, -1);
}

nx_err nx_port_send_shared(nx_port *port, nx_shared *shared)
{
    const struct nx__frame head = {NX__PORT_MAGIC, NX__FRAME_SHARED, nx_shared_size(shared)};
    return send_frame(port, head, nx_str(""), nx_shared_fd(shared));
}

nx_err nx_port_finish(nx_port *port)
{
    NX_TRY(check(port));
    if (port->finished || port->cut) return NX_OK;
    NX_TRY(turn_begin(port)); /* behind those that send */
    nx_err err = port->fd < 0 ? closed(port) : NX_OK;
    if (!err) {
        port->finished = true;
        (void)shutdown(port->fd, SHUT_WR); /* fails where the other end is gone, and says no more */
    }
    turn_end(port);
    return err;
}

/* ---- Life */

void nx_port_close(nx_port *port)
{
    if (!port || port->fd < 0) return;
    nx__poller_remove(&port->loop->poller, &port->watch);
    (void)close(port->fd);
    port->fd = -1;
    if (port->came >= 0) (void)close(port->came);
    port->came = -1;
    /* Who waits finds that it is closed; senders that wait for their turn get it one by one. */
    wake(&port->reader);
    wake(&port->writer);
    free(port->data);
    port->data = NULL;
    port->capacity = port->len = 0;
}

static void close_deferred(void *arg)
{
    nx_port_close(arg);
}

nx_err nx__port_new(nx_port **out, int fd, size_t most, const char *peer)
{
    nx_port *port = nx_alloc_zero(1, sizeof *port);
    nx_err err = port ? NX_OK : NX_ENOMEM;
    if (port) {
        port->loop = nx__loop();
        port->most = most;
        port->came = port->fd = port->watch.fd = -1;
        port->watch.ready = ready;
        nx__list_init(&port->turns);
        (void)snprintf(port->peer, sizeof port->peer, "%s", peer);
        err = nx_defer(close_deferred, port);
    }
    if (!err)
        err = nx__poller_add(&port->loop->poller, &port->watch, fd, NX__READABLE | NX__WRITABLE);
    if (err) {
        (void)close(fd);
        return err;
    }
    port->fd = fd;
    *out = port;
    return NX_OK;
}
