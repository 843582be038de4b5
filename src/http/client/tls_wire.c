/* TLS over a socket as a wire. */
#include "http/client/wire.h"

#include "base/clock.h"
#include "tls/client.h"
#include "tls/session.h"
#include <errno.h>
#include <stdlib.h>

struct tls_wire {
    struct nx__wire base;
    struct nx__wire *below; /* a socket */
    struct nx__tls *tls;
    struct nx__buffer out; /* sealed, not yet taken by the socket */
    char stash;            /* a byte that was read to see whether there is one */
    bool stashed, over;    /* over: nothing is asked of it any more */
    char peer[];
};

static nx_err failed(const struct tls_wire *w, long error, bool greeting)
{
    if (error == -EPROTO || (greeting && error == -ECONNRESET))
        return nx__error_set(NX_EPROTO, "TLS: %s",
                             greeting ? nx__tls_client_why(w->tls) : nx__tls_why(w->tls));
    if (error == -EMSGSIZE) return nx__error_set(NX_EPROTO, "TLS: the handshake has no end");
    return nx__error_system((int)-error, "TLS");
}

/* Sends what the socket has not taken before. */
static nx_err flush(struct tls_wire *w, nx_duration deadline)
{
    nx_err err = w->out.len
                     ? w->below->type->write(w->below, nx_slice(w->out.data, w->out.len), deadline)
                     : NX_OK;
    nx__buffer_free(&w->out);
    return err;
}

static nx_err tls_read(struct nx__wire *wire, void *data, size_t len, size_t *got,
                       nx_duration deadline)
{
    struct tls_wire *w = (struct tls_wire *)wire;
    NX_TRY(nx__wire_socket_turn(w->below)); /* while others run, a byte may be stashed */
    if (w->stashed) {
        *(char *)data = w->stash;
        w->stashed = false;
        long more =
            len > 1 && nx__tls_more(w->tls) ? nx__tls_recv(w->tls, (char *)data + 1, len - 1) : 0;
        *got = more > 0 ? 1 + (size_t)more : 1; /* an end or an error is found again */
        nx__wire_socket_read(w->below, *got);
        return NX_OK;
    }
    for (;;) {
        long n = nx__tls_recv(w->tls, data, len);
        if (n > 0 || (n == 0 && nx__tls_is_closed(w->tls))) {
            *got = (size_t)n;
            nx__wire_socket_read(w->below, (size_t)n);
            return NX_OK;
        }
        if (n == 0)
            return nx__error_set(NX_ERESET,
                                 "the connection was cut off: the peer has closed it without "
                                 "saying that it was done");
        if (n != -EAGAIN) return failed(w, n, false);
        NX_TRY(nx__wire_socket_wait(w->below, deadline));
    }
}

static nx_err tls_write(struct nx__wire *wire, nx_bytes bytes, nx_duration deadline)
{
    struct tls_wire *w = (struct tls_wire *)wire;
    while (bytes.len) {
        const struct iovec piece = {(void *)(uintptr_t)bytes.data, bytes.len};
        long n = nx__tls_send(w->tls, &piece, 1, &w->out);
        if (n < 0) return failed(w, n, false);
        bytes = nx_slice(bytes.data + n, bytes.len - (size_t)n);
        NX_TRY(flush(w, deadline));
    }
    return NX_OK;
}

/* Tickets come when nobody reads, and are nothing to be heard of. */
static bool tls_heard(struct nx__wire *wire, bool ask)
{
    struct tls_wire *w = (struct tls_wire *)wire;
    if (w->stashed || w->over) return true;
    if (!w->below->type->heard(w->below, ask) && !nx__tls_more(w->tls)) return false;
    long n = nx__tls_recv(w->tls, &w->stash, 1);
    if (n == -EAGAIN) {
        nx__wire_socket_dry(w->below);
        return false;
    }
    w->stashed = n == 1;
    w->over = n <= 0;
    return true;
}

static void tls_wake(void *arg)
{
    struct tls_wire *w = arg;
    if (w->base.wake && tls_heard(&w->base, false)) w->base.wake(w->base.wake_arg);
}

static void tls_end(struct nx__wire *wire)
{
    struct tls_wire *w = (struct tls_wire *)wire;
    w->below->type->end(w->below);
}

static void tls_close(struct nx__wire *wire)
{
    struct tls_wire *w = (struct tls_wire *)wire;
    if (w->tls && !w->out.len) nx__tls_end(w->tls);
    nx__tls_free(w->tls);
    nx__buffer_free(&w->out);
    w->below->type->close(w->below);
    free(w);
}

static nx_err greet(struct tls_wire *w, nx_duration deadline)
{
    for (;;) {
        long n = nx__tls_handshake(w->tls, &w->out);
        NX_TRY(flush(w, deadline));
        if (n == 1) return NX_OK;
        if (n != -EAGAIN) return failed(w, n, true);
        NX_TRY(nx__wire_socket_wait(w->below, deadline));
    }
}

nx_bytes nx__wire_tls_protocol(const struct nx__wire *wire)
{
    return nx__tls_protocol(((const struct tls_wire *)wire)->tls);
}

nx_err nx__wire_tls(struct nx__wire **out, struct nx__wire *below, const char *name,
                    const char *peer, const nx_tls_connect_options *options, nx_duration deadline)
{
    static const struct nx__wire_type type = {tls_read, tls_write, tls_heard, tls_end, tls_close};
    size_t len = strlen(peer);
    struct tls_wire *w = calloc(1, sizeof *w + len + 1);
    *out = NULL;
    if (!w) {
        below->type->close(below);
        return nx__error_set(NX_ENOMEM, "cannot make a connection: out of memory");
    }
    w->base.type = &type;
    w->below = below;
    memcpy(w->peer, peer, len + 1);
    nx_err err = nx__tls_client_begin(&w->tls, nx__wire_socket_fd(below), name, w->peer, options);
    if (!err) err = greet(w, deadline);
    if (err) {
        struct nx__context kept;
        memcpy(&kept, nx__context(), sizeof kept);
        nx__tls_free(w->tls); /* without a word more to a peer that is not to be trusted */
        w->tls = NULL;
        tls_close(&w->base);
        memcpy(nx__context(), &kept, sizeof kept);
        return err;
    }
    below->wake = tls_wake;
    below->wake_arg = w;
    *out = &w->base;
    return NX_OK;
}
