/* Connections: bytes in both directions, with deadlines. */
#include "net/conn.h"

#include "base/clock.h"
#include "loop/files.h"
#include "net/address.h"
#include "net/dial.h"
#include "net/tune.h"
#include "stream/stream.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct nx_conn {
    struct nx__net_fd socket;
    nx_stream *stream;                         /* NULL: not asked for yet, or closed */
    nx_duration read_deadline, write_deadline; /* NX_FOREVER: none */
    nx_address peer, local;
    size_t read_last; /* bytes, which count against the loop's turn */
    unsigned users;   /* fibers that are in it */
    bool streamed;    /* there has been a stream */
    bool released;    /* by nx_conn_close: what is left is the stream's */
    char name[];      /* "" where the address is its name */
};

static nx_duration or_forever(nx_duration span)
{
    return span > 0 ? span : NX_FOREVER;
}

nx_err nx__conn_new(nx_conn **out, int fd, const nx_address *peer, const char *name,
                    const struct nx__conn_how *how)
{
    size_t len = name ? strlen(name) : 0;
    nx_conn *c = malloc(sizeof *c + len + 1);
    *out = c;
    if (!c) {
        (void)close(fd);
        return nx__error_set(NX_ENOMEM, "cannot make a connection: out of memory");
    }
    *c = (nx_conn){.read_deadline = or_forever(how->read_deadline),
                   .write_deadline = or_forever(how->write_deadline),
                   .peer = *peer};
    memcpy(c->name, name ? name : "", len + 1);
    nx__net_fd_init(&c->socket, fd);
    return NX_OK;
}

/* ---- Reading and writing */

static void name_spell(const nx_conn *c, char out[NX__PEER_MAX])
{
    union nx__address address;
    if (c->name[0])
        (void)snprintf(out, NX__PEER_MAX, "%s", c->name);
    else if (nx__address_private(&c->peer, &address))
        nx__address_spell(&address, true, out);
    else
        (void)snprintf(out, NX__PEER_MAX, c->peer.path[0] ? "unix:%s" : "a Unix socket%s",
                       c->peer.path);
}

static NX__COLD nx_err failed(const nx_conn *c, const char *doing, nx_err err, const char *late)
{
    char name[NX__PEER_MAX], why[NX__ERROR_MESSAGE_MAX];
    int system = nx__error_last()->system;
    (void)snprintf(why, sizeof why, "%s", nx__error_last()->message);
    name_spell(c, name);
    NX_IGNORE(nx__error_set(err, "cannot %s \"%s\": %s", doing, name,
                            err == NX_ETIMEDOUT && !system ? late : why));
    nx__context()->error.system = system;
    return err;
}

static NX__COLD nx_err failed_system(const nx_conn *c, const char *doing, int system)
{
    char name[NX__PEER_MAX];
    name_spell(c, name);
    return nx__error_system(system, "cannot %s \"%s\"", doing, name);
}

static nx_err closed(const nx_conn *c, const char *doing)
{
    return failed(c, doing, nx__error_set(NX_ECLOSED, "it was closed"), NULL);
}

static nx_duration from_now(nx_duration span)
{
    return span == NX_FOREVER ? NX_FOREVER : nx__deadline(span);
}

static nx_err read_wait(nx_conn *c, const char *doing)
{
    nx_err err = nx__net_fd_wait(&c->socket, NX__READABLE, from_now(c->read_deadline));
    return err ? failed(c, doing, err, "nothing came before the deadline") : NX_OK;
}

static nx_err turn(const nx_conn *c, const char *doing, size_t bytes)
{
    if (nx__file_turn(bytes) == 0) return NX_OK;
    return failed(c, doing, nx__error_set(NX_ECANCELED, "cancelled"), NULL);
}

static nx_err read_some(nx_conn *c, void *data, size_t len, size_t *got)
{
    static const char doing[] = "read from";
    NX_TRY(turn(c, doing, c->read_last));
    c->read_last = 0;
    for (;;) {
        if (c->socket.fd < 0) return closed(c, doing);
        ssize_t n = recv(c->socket.fd, data, len, 0);
        if (n >= 0) {
            *got = c->read_last = (size_t)n;
            return NX_OK;
        }
        if (errno == EAGAIN)
            NX_TRY(read_wait(c, doing));
        else if (errno != EINTR)
            return failed_system(c, doing, errno);
    }
}

static nx_err write_all(nx_conn *c, nx_bytes bytes)
{
    static const char doing[] = "write to";
    NX_TRY(turn(c, doing, bytes.len));
    while (bytes.len) {
        if (c->socket.fd < 0) return closed(c, doing);
        ssize_t n = send(c->socket.fd, bytes.data, bytes.len, MSG_NOSIGNAL);
        if (n >= 0) {
            bytes = nx_slice(bytes.data + n, bytes.len - (size_t)n);
        } else if (errno == EAGAIN) {
            nx_err err = nx__net_fd_wait(&c->socket, NX__WRITABLE, from_now(c->write_deadline));
            if (err) return failed(c, doing, err, "the peer took nothing before the deadline");
        } else if (errno != EINTR) {
            return failed_system(c, doing, errno);
        }
    }
    return NX_OK;
}

/* ---- Its end */

static void end(nx_conn *c)
{
    if (c->socket.fd < 0) return;
    if (!c->released) c->local = nx_net_local(c);
    nx__net_fd_close(&c->socket);
}

static void left(nx_conn *c)
{
    c->users--;
    if (c->released && !c->users && !c->stream) free(c);
}

/* ---- For what stands on it */

nx_err nx__conn_wait(nx_conn *c, uint32_t event, nx_duration by, const char *doing)
{
    if (c->socket.fd < 0) return closed(c, doing);
    nx_duration own = from_now(event == NX__READABLE ? c->read_deadline : c->write_deadline);
    c->users++;
    nx_err err = nx__net_fd_wait(&c->socket, event, own < by ? own : by);
    if (err)
        err = failed(c, doing, err,
                     event == NX__READABLE ? "nothing came before the deadline"
                                           : "the peer took nothing before the deadline");
    left(c);
    return err;
}

nx_err nx__conn_turn(nx_conn *c, const char *doing, size_t bytes)
{
    return turn(c, doing, bytes);
}

nx_err nx__conn_failed(const nx_conn *c, const char *doing, nx_err err, const char *why)
{
    return failed(c, doing, nx__error_set(err, "%s", why), why);
}

nx_err nx__conn_failed_system(const nx_conn *c, const char *doing, int system)
{
    return failed_system(c, doing, system);
}

static nx_err stream_read(void *state, void *data, size_t len, size_t *got)
{
    nx_conn *c = state;
    c->users++;
    nx_err err = read_some(c, data, len, got);
    left(c);
    return err;
}

static nx_err stream_write(void *state, nx_bytes bytes)
{
    nx_conn *c = state;
    c->users++;
    nx_err err = write_all(c, bytes);
    left(c);
    return err;
}

static nx_err stream_finish(void *state, nx_stream *next)
{
    nx_conn *c = state;
    (void)next;
    if (c->socket.fd < 0) return closed(c, "finish");
    /* A peer that is gone reads nothing more either. */
    if (shutdown(c->socket.fd, SHUT_WR) == 0 || errno == ENOTCONN) return NX_OK;
    return failed_system(c, "finish", errno);
}

static void stream_give_up(void *state)
{
    (void)shutdown(((nx_conn *)state)->socket.fd, SHUT_WR);
}

static void stream_close(void *state)
{
    nx_conn *c = state;
    end(c);
    c->stream = NULL;
    if (c->released && !c->users) free(c);
}

static bool is_open(void *owner)
{
    return ((const nx_conn *)owner)->socket.fd >= 0;
}

static nx_err stream_wait(void *owner, uint32_t event)
{
    return nx__conn_wait(owner, event, NX_FOREVER,
                         event == NX__READABLE ? "read from" : "write to");
}

static bool stream_direct(void *state, struct nx__direct *out)
{
    static const struct nx__direct_guard guard = {.is_open = is_open, .wait = stream_wait};
    *out =
        (struct nx__direct){.fd = ((nx_conn *)state)->socket.fd, .guard = &guard, .owner = state};
    return out->fd >= 0;
}

nx_stream *nx_net_stream(nx_conn *conn)
{
    static const nx_stream_type type = {.size = sizeof type,
                                        .name = "a connection",
                                        .read = stream_read,
                                        .write = stream_write,
                                        .finish = stream_finish,
                                        .close = stream_close,
                                        .give_up = stream_give_up};
    if (conn->stream) return conn->stream;
    if (conn->streamed) {
        NX_IGNORE(closed(conn, "use"));
        return nx_stream_failed();
    }
    conn->streamed = true;
    nx_stream *stream = nx_stream_new(&type, conn);
    if (!stream->error) conn->stream = stream;
    return nx__stream_direct(stream, stream_direct);
}

void nx__conn_unwatch(nx_conn *conn)
{
    nx__poller_remove(&conn->socket.loop->poller, &conn->socket.watch);
}

void nx_conn_stop(nx_conn *conn)
{
    end(conn);
}

void nx_conn_close(nx_conn *conn)
{
    if (!conn) return;
    conn->released = true;
    end(conn);
    if (conn->stream && !conn->stream->split && !conn->stream->held && !conn->users)
        nx_stream_close(conn->stream);
    else if (!conn->stream && !conn->users)
        free(conn);
}

void nx_conn_reset(nx_conn *conn)
{
    const struct linger now = {.l_onoff = 1};
    if (conn && conn->socket.fd >= 0)
        (void)setsockopt(conn->socket.fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    nx_conn_close(conn);
}

/* ---- About it */

void nx_net_deadlines(nx_conn *conn, nx_duration read, nx_duration write)
{
    if (read > 0) conn->read_deadline = read;
    if (write > 0) conn->write_deadline = write;
}

nx_address nx_net_peer(const nx_conn *conn)
{
    return conn->peer;
}

nx_address nx_net_local(const nx_conn *conn)
{
    struct sockaddr_storage local;
    socklen_t len = sizeof local;
    if (conn->socket.fd < 0 || getsockname(conn->socket.fd, (struct sockaddr *)&local, &len) != 0)
        return conn->local;
    return nx__address_public((const struct sockaddr *)&local, len);
}

int nx_net_fd(const nx_conn *conn)
{
    return conn->socket.fd;
}

/* ---- Connecting */

struct preparing {
    struct nx__tune tune;
    union nx__address from; /* of no family: none */
};

static int prepare(int fd, int family, const void *arg)
{
    const struct preparing *p = arg;
    int error = nx__tune(fd, family, &p->tune), on = 1;
    if (error || !p->from.any.sa_family) return error;
    if (p->from.any.sa_family != family) return EAFNOSUPPORT;
    /* The port is chosen when the peer is known, which lets many share one. */
    (void)setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    return bind(fd, &p->from.any, nx__address_len(&p->from)) == 0 ? 0 : errno;
}

static nx_err dial(int *fd, const struct nx__target *target, const nx_connect_options *o)
{
    struct preparing p = {.tune = {.keep_alive = o->keep_alive,
                                   .delay = o->delay,
                                   .receive_buffer = o->receive_buffer,
                                   .send_buffer = o->send_buffer}};
    if (target->path) {
        NX_TRY(nx__dial_unix(fd, nx_str(target->path), SOCK_STREAM, o->deadline));
        (void)nx__tune(*fd, AF_UNIX, &p.tune);
        return NX_OK;
    }
    nx_address from;
    if (o->from && (nx_address_parse(&from, o->from) || !nx__address_private(&from, &p.from)))
        return nx__error_set(NX_EINVAL, "cannot connect from \"%.60s\": it is no IP address",
                             o->from);
    return nx__dial_prepared(fd, target->host, target->port, o->deadline,
                             &(struct nx__race_prepare){prepare, &p});
}

nx_err nx_net_connect_with(nx_conn **out, const char *address, const nx_connect_options *options)
{
    NX__OPTIONS(nx_connect_options, o, options);
    struct nx__target target;
    struct sockaddr_storage peer;
    socklen_t len = sizeof peer;
    int fd = -1;
    *out = NULL;
    NX_TRY(nx__target_parse(&target, address, "connect to"));
    NX_TRY(dial(&fd, &target, &o));
    /* One that the peer has reset already has none. */
    if (getpeername(fd, (struct sockaddr *)&peer, &len) != 0) len = 0;
    nx_address there = nx__address_public((const struct sockaddr *)&peer, len);
    return nx__conn_new(out, fd, &there, address,
                        &(struct nx__conn_how){o.read_deadline, o.write_deadline});
}
