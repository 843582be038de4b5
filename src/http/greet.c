/* Connections of a server with TLS, from the moment that they are accepted until it is known what
 * they speak: no fiber, and no memory for TLS before the first byte has come. */
#include "http/greet.h"

#include "base/error.h"
#include "base/say.h"
#include "http/h2/h2.h"
#include "http/io.h"
#include "tls/context.h"
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

struct greeting {
    struct nx__conn base;
    struct nx__watch watch;
    struct nx__http_io io;
    nx_http_server *server;
    struct nx__buffer out; /* sealed, not yet taken by the socket */
    bool known;            /* `peer` is its address */
    bool done;             /* the handshake, but for what is in `out` */
    bool lingers;          /* it was told why it is not served; what it sends is dropped */
    bool armed;
    uint32_t dropped; /* bytes */
    struct sockaddr_storage peer;
};

enum { DROPPED_MOST = 64 * 1024 };

/* What is spoken over TLS, the best first. This is where a driver for another protocol comes in. */
static const struct {
    const char *name;
    bool (*accept)(nx_http_server *server, struct nx__http_io io,
                   const struct sockaddr_storage *peer);
} protocols[] = {
    {"h2", nx__h2_greeted},
    {"http/1.1", nx__h1_accept},
};

const char nx__http_protocols[] = "h2,http/1.1";

static void list(struct greeting *g, enum nx__conn_list where)
{
    nx_http_server *server = g->server;
    nx__list_remove(&g->base.link);
    nx__list_insert(&server->lists[where], &g->base.link);
    g->base.since = server->loop->now;
    nx_duration span = nx__server_deadline(server, where);
    if (span != NX_FOREVER) nx__server_sweep_by(server, g->base.since + span);
}

static void drop(struct greeting *g)
{
    nx_http_server *server = g->server;
    nx__list_remove(&g->base.link);
    nx__poller_remove(&server->loop->poller, &g->watch);
    nx__io_close(&g->io);
    nx__buffer_free(&g->out);
    free(g);
    nx__count(&server->stats.connections, -1);
    nx__server_closed(server);
}

/* Reads what still comes, so that the last words are not lost to a reset. */
static void linger(struct greeting *g)
{
    char bytes[4096];
    for (;;) {
        long n = nx__recv(g->io.fd, bytes, sizeof bytes);
        if (n == -EINTR) continue;
        if (n == -EAGAIN) return;
        if (n > 0) g->dropped += (uint32_t)n;
        if (n <= 0 || g->dropped > DROPPED_MOST) {
            drop(g);
            return;
        }
    }
}

/* Who speaks HTTP to a port of HTTPS is a person who has mistyped, or a program set up wrong. */
static void refuse_text(const struct greeting *g)
{
    static const char answer[] =
        "HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain; charset=utf-8\r\n"
        "connection: close\r\ncontent-length: 57\r\n\r\n"
        "400 Bad Request\nThis port speaks HTTPS: ask for https://\n";
    (void)nx__send(g->io.fd, answer, sizeof answer - 1);
}

static void failed(struct greeting *g, long error)
{
    nx_http_server *server = g->server;
    bool text = g->io.tls && nx__tls_is_text(g->io.tls);
    if (text) refuse_text(g);
    if (error != -ECONNRESET || text) nx__count(&server->stats.bad, 1);
    if (error == -ECONNRESET && !text) {
        drop(g);
        return;
    }
    nx__buffer_free(&g->out);
    if (shutdown(g->io.fd, SHUT_WR) != 0) {
        drop(g);
        return;
    }
    g->lingers = true;
    list(g, NX__CONN_LINGER);
    linger(g);
}

/* The connection becomes that of a protocol. */
static void hand_over(struct greeting *g)
{
    nx_http_server *server = g->server;
    nx_bytes spoken = nx__tls_protocol(g->io.tls);
    size_t which = sizeof protocols / sizeof *protocols - 1; /* without ALPN it is the last */
    for (size_t i = 0; i < sizeof protocols / sizeof *protocols; i++)
        if (nx_bytes_is(spoken, protocols[i].name)) which = i;
    nx__list_remove(&g->base.link);
    nx__poller_remove(&server->loop->poller, &g->watch);
    if (protocols[which].accept(server, g->io, g->known ? &g->peer : NULL)) {
        free(g);
        return;
    }
    drop(g);
}

/* Sends what the socket has not taken before; false while it takes no more, or when all is over. */
static bool flush(struct greeting *g)
{
    while (g->out.len) {
        long n = nx__send(g->io.fd, g->out.data, g->out.len);
        if (n == -EINTR) continue;
        if (n < 0 && n != -EAGAIN) {
            drop(g);
            return false;
        }
        if (n < 0) {
            if (!g->armed && nx__poller_change(&g->server->loop->poller, &g->watch,
                                               NX__READABLE | NX__WRITABLE)) {
                drop(g);
                return false;
            }
            g->armed = true;
            return false;
        }
        nx__buffer_consume(&g->out, (size_t)n);
    }
    nx__buffer_free(&g->out);
    return true;
}

static void ready(struct nx__watch *watch, uint32_t events)
{
    struct greeting *g = nx__container_of(watch, struct greeting, watch);
    (void)events;
    if (g->lingers) {
        linger(g);
        return;
    }
    if (!g->io.tls) {
        g->io.tls = nx__tls_server_begin(g->server->tls, g->io.fd);
        if (!g->io.tls) {
            drop(g);
            return;
        }
    }
    for (;;) {
        if (g->out.len && !flush(g)) return;
        if (g->done) break;
        long n = nx__tls_handshake(g->io.tls, &g->out);
        if (n == 1) {
            g->done = true;
        } else if (n != -EAGAIN) {
            failed(g, n);
            return;
        } else if (!g->out.len) {
            return;
        }
    }
    hand_over(g);
}

static void expire(struct nx__conn *base, enum nx__conn_list where)
{
    struct greeting *g = nx__container_of(base, struct greeting, base);
    if (where == NX__CONN_GREET) nx__count(&g->server->stats.timed_out, 1);
    drop(g);
}

static void beat(struct nx__conn *base)
{
    (void)base; /* it has no stream of events */
}

static bool is_used(const struct nx__conn *base)
{
    (void)base;
    return false;
}

static const struct nx__conn_kind kind = {.expire = expire, .beat = beat, .is_used = is_used};

bool nx__http_greet(nx_http_server *server, int fd, const struct sockaddr_storage *peer)
{
    struct greeting *g = calloc(1, sizeof *g);
    if (!g) return false;
    *g = (struct greeting){.base.kind = &kind, .watch.ready = ready, .io.fd = fd, .server = server};
    if (peer) g->peer = *peer;
    g->known = peer != NULL;
    nx__list_init(&g->base.link);
    if (nx__poller_add(&server->loop->poller, &g->watch, fd, NX__READABLE)) {
        free(g);
        return false;
    }
    list(g, NX__CONN_GREET);
    return true;
}

/* ---- What the program says */

void nx_http_tls_with(nx_http_server *server, const nx_tls_server_options *options)
{
    if (!server) return;
    NX__OPTIONS(nx_tls_server_options, o, options);
    nx_err err;
    if (server->tls && (o.client_ca || o.client_optional || o.least || o.key_log || o.keep)) {
        err =
            nx__error_set(NX_EINVAL, "what holds for all certificates is said with the first one: "
                                     "nx_http_tls, and not the options cert and key");
    } else if (server->tls) {
        err = nx_tls_server_add(server->tls, o.cert, o.key);
    } else {
        o.protocols = nx__http_protocols;
        err = nx_tls_server_new_with(&server->tls, &o);
    }
    if (err) nx__server_mistake(server, err, "%s", nx__error_last()->message);
}

nx_err nx_http_tls_reload(nx_http_server *server)
{
    if (server->tls) return nx_tls_server_reload(server->tls);
    return nx__error_set(NX_ESTATE, "cannot read certificates again: the server has none");
}

const nx_tls_info *nx_request_tls(nx_request *req)
{
    return req->secure && req->driver->tls ? req->driver->tls(req) : NULL;
}
