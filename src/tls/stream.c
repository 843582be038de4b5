/* Connections through TLS, for programs: over an nx_conn, with the same deadlines. */
#include "stream/stream.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/syscall.h"
#include "net/address.h"
#include "net/conn.h"
#include "net/dial.h"
#include "tls/client.h"
#include "tls/context.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

struct nx_tls {
    nx_conn *conn; /* NULL: it has ended */
    bool owned;    /* it is closed with this */
    struct nx__tls *session;
    struct nx__buffer out; /* sealed, not yet taken by the socket */
    nx_stream *stream;     /* NULL: not asked for yet, or closed */
    size_t read_last;
    unsigned users; /* fibers that are in it */
    bool streamed;  /* there has been a stream */
    bool released;  /* by nx_tls_close: what is left is the stream's */
    char peer[];
};

static const char reading[] = "read from", writing[] = "write to", greeting[] = "begin TLS with";

static nx_err make(nx_tls **out, nx_conn *conn, bool owned, const char *peer)
{
    size_t len = strlen(peer);
    nx_tls *tls = calloc(1, sizeof *tls + len + 1);
    *out = tls;
    if (!tls) {
        if (owned) nx_conn_close(conn);
        (void)nx__error_set(NX_ENOMEM, "cannot begin TLS: out of memory");
        return NX_ENOMEM;
    }
    tls->conn = conn;
    tls->owned = owned;
    memcpy(tls->peer, peer, len + 1);
    return NX_OK;
}

static nx_err closed(void)
{
    return nx__error_set(NX_ECLOSED, "cannot use the connection: it was closed");
}

/* ---- Bytes */

static nx_err failed(const nx_tls *tls, const char *doing, long error)
{
    if (error == -ENOMEM) return nx__conn_failed(tls->conn, doing, NX_ENOMEM, "out of memory");
    if (error == -EPROTO)
        return nx__conn_failed(tls->conn, doing, NX_EPROTO, nx__tls_why(tls->session));
    return nx__conn_failed_system(tls->conn, doing, (int)-error);
}

/* Sends what the socket has not taken before. */
static nx_err flush(nx_tls *tls, nx_duration by, const char *doing)
{
    while (tls->out.len) {
        if (!tls->conn) return closed();
        long n = nx__send(nx_net_fd(tls->conn), tls->out.data, tls->out.len);
        if (n >= 0)
            nx__buffer_consume(&tls->out, (size_t)n);
        else if (n == -EAGAIN)
            NX_TRY(nx__conn_wait(tls->conn, NX__WRITABLE, by, doing));
        else if (n != -EINTR)
            return nx__conn_failed_system(tls->conn, doing, (int)-n);
    }
    nx__buffer_free(&tls->out);
    return NX_OK;
}

static nx_err read_some(nx_tls *tls, void *data, size_t len, size_t *got)
{
    if (!tls->conn) return closed();
    NX_TRY(nx__conn_turn(tls->conn, reading, tls->read_last));
    tls->read_last = 0;
    for (;;) {
        if (!tls->conn) return closed();
        long n = nx__tls_recv(tls->session, data, len);
        if (n > 0 || (n == 0 && nx__tls_is_closed(tls->session))) {
            *got = tls->read_last = (size_t)n;
            return NX_OK;
        }
        if (n == 0)
            return nx__conn_failed(tls->conn, reading, NX_ERESET,
                                   "it was cut off: the peer has closed it without saying that it "
                                   "was done, so something may be missing");
        if (n == -EAGAIN)
            NX_TRY(nx__conn_wait(tls->conn, NX__READABLE, NX_FOREVER, reading));
        else
            return failed(tls, reading, n);
    }
}

static nx_err write_all(nx_tls *tls, nx_bytes bytes)
{
    if (!tls->conn) return closed();
    NX_TRY(nx__conn_turn(tls->conn, writing, bytes.len));
    for (;;) {
        NX_TRY(flush(tls, NX_FOREVER, writing));
        if (!bytes.len) return NX_OK;
        if (!tls->conn) return closed();
        const struct iovec piece = {(void *)(uintptr_t)bytes.data, bytes.len};
        long n = nx__tls_send(tls->session, &piece, 1, &tls->out);
        if (n < 0) return failed(tls, writing, n);
        bytes = nx_slice(bytes.data + n, bytes.len - (size_t)n);
    }
}

/* ---- The handshake */

static nx_err greet_failed(nx_tls *tls, long error)
{
    if (error == -EPROTO || error == -ECONNRESET)
        return nx__conn_failed(tls->conn, greeting, NX_EPROTO, nx__tls_client_why(tls->session));
    if (error == -EMSGSIZE)
        return nx__conn_failed(tls->conn, greeting, NX_EPROTO, "its handshake has no end");
    return failed(tls, greeting, error);
}

static nx_err greet(nx_tls *tls, nx_duration by)
{
    for (;;) {
        long n = nx__tls_handshake(tls->session, &tls->out);
        if (tls->out.len) NX_TRY(flush(tls, by, greeting));
        if (n == 1) return NX_OK;
        if (n != -EAGAIN) return greet_failed(tls, n);
        NX_TRY(nx__conn_wait(tls->conn, NX__READABLE, by, greeting));
    }
}

/* Without a word more to a peer that is not to be trusted. */
static nx_err begun(nx_tls **out, nx_err err, nx_duration by)
{
    nx_tls *tls = *out;
    if (!err) err = greet(tls, by);
    if (!err) return NX_OK;
    nx__tls_free(tls->session);
    tls->session = NULL;
    nx_tls_close(tls);
    *out = NULL;
    return err;
}

static nx_err client(nx_tls **out, nx_conn *conn, bool owned, const char *address, nx_duration by,
                     const nx_tls_connect_options *o)
{
    struct nx__target target;
    char name[256];
    nx_err err = nx__target_parse(&target, address, "connect to");
    if (!err && target.path && !o->name)
        err = nx__error_set(NX_EINVAL, "a Unix socket has no name to be proved: say which (.name)");
    if (!err && target.host.len >= sizeof name)
        err = nx__error_set(NX_EINVAL, "the name of the host is too long");
    if (err) {
        if (owned) nx_conn_close(conn);
        *out = NULL;
        return err;
    }
    /* "example.com." is the same host, and no certificate has the dot. */
    size_t len = target.path ? 0 : target.host.len;
    if (len && target.host.data[len - 1] == '.') len--;
    (void)snprintf(name, sizeof name, "%.*s", (int)len, len ? target.host.data : "");
    NX_TRY(make(out, conn, owned, address));
    err = nx__tls_client_begin(&(*out)->session, nx_net_fd(conn), o->name ? o->name : name,
                               (*out)->peer, o);
    return begun(out, err, by);
}

static nx_duration until(const nx_tls_connect_options *o)
{
    if (o->deadline == NX_FOREVER) return NX_FOREVER;
    return nx__deadline(o->deadline ? o->deadline : NX__DIAL_DEADLINE);
}

nx_err nx_tls_client_with(nx_tls **out, nx_conn *conn, const char *address,
                          const nx_tls_connect_options *options)
{
    NX__OPTIONS(nx_tls_connect_options, o, options);
    return client(out, conn, false, address, until(&o), &o);
}

nx_err nx_tls_connect_with(nx_tls **out, const char *address, const nx_tls_connect_options *options)
{
    NX__OPTIONS(nx_tls_connect_options, o, options);
    nx_duration by = until(&o);
    nx_conn *conn;
    *out = NULL;
    NX_TRY(nx_net_connect(&conn, address, .deadline = o.deadline, .read_deadline = o.read_deadline,
                          .write_deadline = o.write_deadline));
    return client(out, conn, true, address, by, &o);
}

nx_err nx_tls_accept(nx_tls **out, nx_conn *conn, nx_tls_server *server)
{
    NX_TRY(make(out, conn, false, ""));
    (*out)->session = nx__tls_server_begin(server, nx_net_fd(conn));
    return begun(out, (*out)->session ? NX_OK : NX_ENOMEM, nx__deadline(NX_TLS_HANDSHAKE_DEADLINE));
}

struct nx__tls *nx__tls_session(nx_tls *tls)
{
    return tls->session;
}

/* ---- Its end */

static void end(nx_tls *tls)
{
    nx_conn *conn = tls->conn;
    if (!conn) return;
    if (tls->session && !tls->out.len) (void)nx__tls_end(tls->session);
    tls->conn = NULL;
    if (tls->owned)
        nx_conn_close(conn);
    else
        nx_conn_stop(conn); /* who waits in it goes on */
}

static void gone(nx_tls *tls)
{
    nx__tls_free(tls->session);
    nx__buffer_free(&tls->out);
    free(tls);
}

static void left(nx_tls *tls)
{
    tls->users--;
    if (tls->released && !tls->users && !tls->stream) gone(tls);
}

static nx_err stream_read(void *state, void *data, size_t len, size_t *got)
{
    nx_tls *tls = state;
    tls->users++;
    nx_err err = read_some(tls, data, len, got);
    left(tls);
    return err;
}

static nx_err stream_write(void *state, nx_bytes bytes)
{
    nx_tls *tls = state;
    tls->users++;
    nx_err err = write_all(tls, bytes);
    left(tls);
    return err;
}

static nx_err stream_finish(void *state, nx_stream *next)
{
    nx_tls *tls = state;
    (void)next;
    if (!tls->conn) return closed();
    NX_TRY(flush(tls, NX_FOREVER, "finish"));
    int error = nx__tls_end(tls->session);
    if (error) return failed(tls, "finish", error);
    if (shutdown(nx_net_fd(tls->conn), SHUT_WR) == 0 || errno == ENOTCONN) return NX_OK;
    return nx__conn_failed_system(tls->conn, "finish", errno);
}

static void stream_give_up(void *state)
{
    nx_tls *tls = state;
    if (tls->conn) (void)shutdown(nx_net_fd(tls->conn), SHUT_WR);
}

static void stream_close(void *state)
{
    nx_tls *tls = state;
    end(tls);
    tls->stream = NULL;
    if (tls->released && !tls->users) gone(tls);
}

nx_stream *nx_tls_stream(nx_tls *tls)
{
    static const nx_stream_type type = {.size = sizeof type,
                                        .name = "a TLS connection",
                                        .read = stream_read,
                                        .write = stream_write,
                                        .finish = stream_finish,
                                        .close = stream_close,
                                        .give_up = stream_give_up};
    if (tls->stream) return tls->stream;
    if (tls->streamed) {
        NX_IGNORE(closed());
        return nx_stream_failed();
    }
    tls->streamed = true;
    nx_stream *stream = nx_stream_new(&type, tls);
    if (!stream->error) tls->stream = stream;
    return stream;
}

void nx_tls_close(nx_tls *tls)
{
    if (!tls) return;
    tls->released = true;
    end(tls);
    if (tls->stream && !tls->stream->split && !tls->users)
        nx_stream_close(tls->stream);
    else if (!tls->stream && !tls->users)
        gone(tls);
}

/* ---- About it */

const nx_tls_info *nx_tls_info_of(nx_tls *tls)
{
    static const nx_tls_info nothing = {.cipher = "",
                                        .group = "",
                                        .protocol = "",
                                        .name = "",
                                        .peer_subject = "",
                                        .peer_sha256 = ""};
    const nx_tls_info *info = nx__tls_info(tls->session);
    return info ? info : &nothing;
}

nx_conn *nx_tls_conn(nx_tls *tls)
{
    return tls->conn;
}
