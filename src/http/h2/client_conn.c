/* A connection of HTTP/2 on the client's side. No fiber is its own: of those that wait for it one
 * reads for all, and what is to be sent goes in one piece at the end of the loop's turn. */
#include "http/client/through.h"
#include "http/h2/client.h"

#include "loop/fiber.h"
#include "net/fd.h"
#include <stdio.h>
#include <stdlib.h>

enum {
    IN_SIZE = 64 * 1024,  /* bytes read in one go */
    OUT_SIZE = 64 * 1024, /* and written */
    FRAME_MOST = 17 * 1024,
    STREAMS_MOST = 100, /* exchanges at once, where the peer allows more */
};
#define WRITE_DEADLINE NX_S(60) /* the peer has taken nothing for so long */

void nx__h2_client_wake(struct nx__h2_exchange *x)
{
    struct nx__timed_op *waiter = x->waiter, *sender = x->sender;
    x->waiter = x->sender = NULL;
    if (waiter) nx__op_complete(&waiter->op, 0);
    if (sender) nx__op_complete(&sender->op, 0);
    if (x->base.through) nx__through_tell(x->base.through, NX__READABLE | NX__WRITABLE);
}

/* ---- The end of a connection */

static void conn_free(struct nx__h2_client *c)
{
    if (c->reading || c->writing || c->posted) return; /* they come by here too */
    c->base.wire->type->close(c->base.wire);
    nghttp2_session_del(c->session);
    nx__buffer_free(&c->in);
    free(c);
}

void nx__h2_client_fail(struct nx__h2_client *c, nx_err err, const char *why)
{
    if (c->failed) return;
    c->failed = err;
    (void)snprintf(c->why, sizeof c->why, "%s", why);
    c->base.broken = true;
    /* Who reads for all would hear of it when the peer says something. */
    if (c->reading) c->base.wire->type->end(c->base.wire);
    for (struct nx__list *link = c->exchanges.next; link != &c->exchanges; link = link->next)
        nx__h2_client_wake(nx__container_of(link, struct nx__h2_exchange, link));
}

/* The session may have come to its end. */
static void session_look(struct nx__h2_client *c)
{
    if (!nghttp2_session_want_read(c->session) && !nghttp2_session_want_write(c->session))
        nx__h2_client_fail(c, NX_ERESET, "the connection has been ended");
}

/* ---- Sending: by a fiber of its own, that nobody cancels in the middle of a frame */

static nx_err write_main(void *arg)
{
    struct nx__h2_client *c = arg;
    char *out = malloc(OUT_SIZE);
    size_t len = 0;
    nx_err err = out ? NX_OK : NX_ENOMEM;
    while (!err && !c->failed) {
        const uint8_t *data;
        nghttp2_ssize n = nghttp2_session_mem_send2(c->session, &data);
        if (n < 0 || n > OUT_SIZE - (nghttp2_ssize)len) err = NX_ENOMEM;
        if (err) break;
        if (n) memcpy(out + len, data, (size_t)n);
        len += (size_t)n;
        if (n && len < OUT_SIZE - FRAME_MOST) continue;
        if (!len) break;
        err = c->base.wire->type->write(c->base.wire, nx_slice(out, len),
                                        nx__deadline(WRITE_DEADLINE));
        len = 0;
    }
    free(out);
    c->writing = false;
    if (err)
        nx__h2_client_fail(c, err == NX_ENOMEM ? err : NX_ERESET, nx__error_last()->message);
    else if (!c->failed)
        session_look(c);
    if (c->gone) conn_free(c);
    return NX_OK;
}

static void heard(void *arg);

void nx__h2_client_listen(struct nx__h2_client *c)
{
    if (c->listens) return;
    c->listens = true;
    nx__h2_client_dirty(c);
}

/* From the time on when there is nothing, the wire tells. */
static void listen(struct nx__h2_client *c)
{
    if (!c->listens || c->listening || c->reading || c->failed) return;
    c->listening = true;
    if (c->base.wire->type->heard(c->base.wire, true)) heard(c);
}

static void posted(struct nx__post *post)
{
    struct nx__h2_client *c = nx__container_of(post, struct nx__h2_client, post);
    c->posted = false;
    if (c->gone) {
        conn_free(c);
        return;
    }
    listen(c);
    if (c->gone) return;
    if (c->writing || c->failed || !nghttp2_session_want_write(c->session)) return;
    nx_fiber *fiber = nx__fiber_new(write_main, c, "fetch");
    if (!fiber) {
        nx__h2_client_fail(c, NX_ENOMEM, "out of memory");
        return;
    }
    c->writing = true;
    nx__fiber_resume(fiber);
}

void nx__h2_client_dirty(struct nx__h2_client *c)
{
    if (c->posted) return;
    c->posted = true;
    nx__loop_post(nx__loop(), &c->post);
}

/* ---- Reading: whoever waits, for all */

static nx_err take(struct nx__h2_client *c, size_t len)
{
    static const char other[] = "HTTP/1."; /* no frame begins so: it would be too large */
    bool is_other =
        !c->spoken && len >= sizeof other - 1 && memcmp(c->in.data, other, sizeof other - 1) == 0;
    c->spoken = true;
    if (is_other) {
        nx__h2_client_fail(c, NX_EPROTO, "the peer speaks HTTP/1.1, not HTTP/2");
        return NX_OK;
    }
    nghttp2_ssize n = nghttp2_session_mem_recv2(c->session, (const uint8_t *)c->in.data, len);
    if (n < 0) {
        bool memory = n == NGHTTP2_ERR_NOMEM || n == NGHTTP2_ERR_CALLBACK_FAILURE;
        nx__h2_client_fail(c, memory ? NX_ENOMEM : NX_EPROTO,
                           memory ? "out of memory" : nghttp2_strerror((int)n));
    } else {
        session_look(c);
        if (nghttp2_session_want_write(c->session)) nx__h2_client_dirty(c);
    }
    return NX_OK;
}

/* Reads once, for all. NX_ECLOSED: the connection has been closed meanwhile, and is gone. */
static nx_err read_some(struct nx__h2_client *c, nx_duration deadline)
{
    size_t got = 0;
    if (!c->in.data && nx__buffer_reserve(&c->in, IN_SIZE, IN_SIZE))
        return nx__error_set(NX_ENOMEM, "out of memory");
    c->reading = true;
    nx_err err = c->base.wire->type->read(c->base.wire, c->in.data, IN_SIZE, &got, deadline);
    c->reading = false;
    if (c->gone) {
        conn_free(c);
        return NX_ECLOSED;
    }
    bool own = err == NX_ECANCELED || (err == NX_ETIMEDOUT && !nx__error_last()->system);
    if (own) return err;
    if (err)
        nx__h2_client_fail(c, err, nx__error_last()->message);
    else if (!got)
        nx__h2_client_fail(c, NX_ERESET, "the peer has closed the connection");
    else
        return take(c, got);
    return NX_OK;
}

/* The next that waits reads from here on. */
void nx__h2_client_pass_on(struct nx__h2_client *c)
{
    if (c->reading) return;
    for (struct nx__list *link = c->exchanges.next; link != &c->exchanges; link = link->next) {
        struct nx__h2_exchange *x = nx__container_of(link, struct nx__h2_exchange, link);
        if (!x->waiter && !x->sender) continue;
        nx__h2_client_wake(x);
        return;
    }
}

/* Waits until something has come for the exchange, or has gone. */
static nx_err told_wait(struct nx__timed_op **who, nx_duration deadline)
{
    struct nx__timed_op op = {0};
    *who = &op;
    int64_t result = nx__net_wait(&op, nx__loop(), deadline);
    *who = NULL;
    return nx__net_wait_error(result);
}

/* Waits once, for whatever may be of interest; `who` is the exchange's waiter or its sender. */
nx_err nx__h2_client_wait(struct nx__h2_client *c, struct nx__timed_op **who, nx_duration deadline)
{
    if (!c->reading) {
        nx_err err = read_some(c, deadline);
        if (err != NX_ECLOSED) nx__h2_client_pass_on(c);
        return err;
    }
    return told_wait(who, deadline);
}

/* The same for who has other things to hear of than what comes: nobody reads for it then, since
 * that may be nothing. What comes meanwhile the wire tells. */
nx_err nx__h2_client_look(struct nx__h2_client *c, struct nx__timed_op **who, nx_duration deadline)
{
    bool come = !c->reading && c->base.wire->type->heard(c->base.wire, true);
    return come ? nx__h2_client_wait(c, who, deadline) : told_wait(who, deadline);
}

/* Something has come while nobody reads: PING and its like, or the end. */
static nx_err idle_main(void *arg)
{
    struct nx__h2_client *c = arg;
    while (!c->failed && !c->reading &&
           (c->listening || c->base.wire->type->heard(c->base.wire, true))) {
        nx_err err = read_some(c, nx__deadline(0));
        if (err == NX_ECLOSED) return NX_OK;
        if (err == NX_ETIMEDOUT) {
            /* It is told when there is more, but for what came just now: of that the read was told,
             * which had ended already. */
            if (!c->base.wire->type->heard(c->base.wire, true)) break;
            continue;
        }
        if (err) nx__h2_client_fail(c, err, nx__error_last()->message);
    }
    if (!c->gone && c->base.origin) nx__client_pool_settle(&c->base);
    return NX_OK;
}

static void heard(void *arg)
{
    struct nx__h2_client *c = arg;
    if (c->reading || c->failed || c->gone) return;
    nx_fiber *fiber = nx__fiber_new(idle_main, c, "fetch");
    if (fiber)
        nx__fiber_resume(fiber);
    else
        nx__h2_client_fail(c, NX_ENOMEM, "out of memory");
}

/* ---- The life of it */

uint32_t nx__h2_client_room(const struct nx__client_conn *conn)
{
    const struct nx__h2_client *c = (const struct nx__h2_client *)conn;
    if (conn->broken) return 0;
    uint32_t most =
        nghttp2_session_get_remote_settings(c->session, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
    if (most > STREAMS_MOST) most = STREAMS_MOST;
    return conn->exchanges < most ? most - conn->exchanges : 0;
}

bool nx__h2_client_alive(struct nx__client_conn *conn)
{
    return !conn->broken;
}

void nx__h2_client_close(struct nx__client_conn *conn)
{
    struct nx__h2_client *c = (struct nx__h2_client *)conn;
    if (!nx__loop_current) c->posted = c->reading = c->writing = false; /* none runs any more */
    c->gone = true;
    conn->wire->wake = NULL;
    conn_free(c);
}

nx_err nx__client_h2(struct nx__client_conn **out, struct nx__wire *wire)
{
    struct nx__h2_client *c = calloc(1, sizeof *c);
    *out = NULL;
    if (!c || nx__h2_client_session(c)) {
        if (c) nghttp2_session_del(c->session);
        free(c);
        wire->type->close(wire);
        return nx__error_set(NX_ENOMEM, "cannot make a connection: out of memory");
    }
    c->base.driver = &nx__h2_client_driver;
    c->base.wire = wire;
    c->post.fn = posted;
    nx__list_init(&c->exchanges);
    wire->wake = heard;
    wire->wake_arg = c;
    *out = &c->base;
    nx__h2_client_dirty(c);
    return NX_OK;
}
