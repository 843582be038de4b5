/* Exchanges that another protocol has. */
#include "http/client/through.h"

#include "http/tunnel.h"
#include "loop/fiber.h"
#include <errno.h>
#include <stdlib.h>

/* For the peer to have all that was sent, and to end its side, once the protocol has left. */
#define LEAVE_DEADLINE NX_S(5)

struct nx__through {
    struct nx__tunnel *tunnel; /* NULL: it has left, in order */
    struct nx__exchange *x;    /* NULL: that is over, too */
    struct nx_loop *loop;
    struct nx__post post;
    struct nx__timer timer;
    uint32_t events; /* to be told */
    bool posted;
    bool held;    /* the program waits for its end */
    bool blocked; /* it waits for more to be taken */
};

static void end(struct nx__through *t)
{
    struct nx__exchange *x = t->x;
    struct nx__client_conn *conn = x->conn;
    t->x = NULL;
    x->through = NULL;
    nx__timer_let(&t->loop->timers, &t->timer);
    conn->driver->end(x);
    conn->driver->close(conn);
    free(x);
    if (t->held) nx__pending_drop(t->loop);
    if (!t->posted) free(t);
}

/* Nobody reads what still comes, and it may be in the way of the end. */
static void pass_over(struct nx__through *t)
{
    char passed[4096];
    while (t->x->conn->driver->take(t->x, passed, sizeof passed) > 0) continue;
    if (t->x->conn->driver->over(t->x)) end(t);
}

static void turn(struct nx__post *post)
{
    struct nx__through *t = nx__container_of(post, struct nx__through, post);
    uint32_t events = t->events;
    t->posted = false;
    t->events = 0;
    if (!t->x) {
        free(t);
        return;
    }
    if (!t->tunnel) {
        pass_over(t);
        return;
    }
    if (!t->blocked) events &= ~(uint32_t)NX__WRITABLE;
    if (events & NX__WRITABLE) t->blocked = false;
    if (events) t->tunnel->user->ready(t->tunnel, events);
}

void nx__through_tell(struct nx__through *t, uint32_t events)
{
    t->events |= events;
    if (t->posted) return;
    t->posted = true;
    nx__loop_post(t->loop, &t->post);
}

static void too_late(struct nx__timer *timer)
{
    end(nx__container_of(timer, struct nx__through, timer));
}

/* ---- The tunnel */

static long through_read(struct nx__tunnel *tunnel, void *data, size_t cap)
{
    const struct nx__through *t = tunnel->conn;
    long n = t->x->conn->driver->take(t->x, data, cap);
    tunnel->drained = n == -EAGAIN;
    return n;
}

static long through_send(struct nx__tunnel *tunnel, const nx_bytes *pieces, size_t count)
{
    struct nx__through *t = tunnel->conn;
    long sent = 0;
    for (size_t i = 0; i < count; i++) {
        for (size_t at = 0; at < pieces[i].len;) {
            nx_bytes rest = nx_slice(pieces[i].data + at, pieces[i].len - at);
            long n = t->x->conn->driver->put(t->x, rest);
            if (n < 0) {
                t->blocked = true;
                return sent ? sent : n;
            }
            sent += n;
            at += (size_t)n;
        }
    }
    return sent;
}

static void through_close(struct nx__tunnel *tunnel, bool in_order)
{
    struct nx__through *t = tunnel->conn;
    tunnel->conn = NULL;
    t->tunnel = NULL;
    if (in_order) {
        t->x->conn->driver->shut(t->x);
        NX_IGNORE(nx__timer_set(&t->loop->timers, &t->timer, nx__deadline(LEAVE_DEADLINE)));
        nx__through_tell(t, NX__READABLE);
    } else {
        end(t);
    }
}

static const struct nx__tunnel_driver driver = {
    .read = through_read, .send = through_send, .close = through_close};

void nx__through_last(const struct nx__tunnel *tunnel)
{
    struct nx__through *t = tunnel->driver == &driver ? tunnel->conn : NULL;
    if (!t || t->held) return;
    t->held = true;
    t->loop->pending++;
}

nx_err nx__through_open(struct nx__tunnel *tunnel, struct nx__exchange *x)
{
    struct nx__through *t = calloc(1, sizeof *t);
    struct nx_loop *loop = nx__loop();
    if (t) t->timer.fire = too_late;
    if (!t || nx__timer_keep(&loop->timers, &t->timer)) {
        free(t);
        return nx__error_set(NX_ENOMEM, "out of memory");
    }
    t->tunnel = tunnel;
    t->x = x;
    t->loop = loop;
    t->post.fn = turn;
    x->through = t;
    tunnel->driver = &driver;
    tunnel->conn = t;
    nx__through_tell(
        t, NX__READABLE); /* what has come with the head, and what is to be listened for */
    return NX_OK;
}
