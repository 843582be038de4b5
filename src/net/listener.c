/* Listening: sockets that the launcher holds, connections accepted one by one or served. */
#include "net/conn.h"

#include "base/clock.h"
#include "loop/signals.h"
#include "net/address.h"
#include "net/tune.h"
#include "permission/broker.h"
#include <errno.h>
#include <nexus/fiber.h>
#include <nexus/log.h>
#include <nexus/timer.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { BACKLOG = 1024, UNIX_MODE = 0660 };
#define ACCEPT_PAUSE NX_MS(100) /* when descriptors or memory are out */
#define DRAIN        NX_S(10)

struct nx_listener {
    struct nx__net_fd socket;
    struct nx__service service;
    nx_listen_options options;
    nx_address address;
    uint32_t open;             /* connections that are served */
    struct nx__timed_op *room; /* nx_net_serve waits for one of them to end */
    char where[];              /* as the program named it, for messages */
};

/* ---- Opening */

/* What the broker and permissions take for the host: an address without brackets, "unix:/path". */
static nx_err host_copy(const struct nx__target *target, const char *where, char host[NX__PEER_MAX])
{
    int n = target->path ? snprintf(host, NX__PEER_MAX, "%s", where)
                         : snprintf(host, NX__PEER_MAX, "%.*s", NX_FMT(target->host));
    if (n < NX__PEER_MAX) return NX_OK;
    return nx__error_set(NX_EINVAL, "cannot listen on \"%.60s…\": the address is too long", where);
}

static nx_err listen_at(nx_listener *l, const char *host, uint16_t port)
{
    const nx_listen_options *o = &l->options;
    struct nx__listen_options where = {.host = host,
                                       .port = port,
                                       .backlog = o->backlog ? o->backlog : BACKLOG,
                                       .unix_mode = o->unix_mode ? o->unix_mode : UNIX_MODE,
                                       .reuse = o->reuse,
                                       .drain = o->drain_deadline};
    struct nx__listeners listeners;
    struct sockaddr_storage own = {.ss_family = AF_UNSPEC};
    socklen_t len = sizeof own;
    /* While the user is asked, Ctrl-C does what it did; but as soon as there is a socket the
     * program may be told to stop. */
    NX_TRY(nx__broker_may_listen(&where));
    if (!l->socket.loop->first) NX_TRY(nx__signals_shutdown(l->socket.loop));
    NX_TRY(nx__broker_listen(&where, &listeners));
    struct nx__listener *it = &listeners.items[0];
    /* Connections are not handed over to the next generation: what they are is the program's. */
    if (it->handed_in >= 0) (void)close(it->handed_in);
    if (it->handed_out >= 0) (void)close(it->handed_out);
    nx__net_fd_init(&l->socket, it->fd);
    if (getsockname(it->fd, (struct sockaddr *)&own, &len) != 0) len = 0;
    l->address = nx__address_public((const struct sockaddr *)&own, len);
    int error = nx__tune(it->fd, ((const struct sockaddr *)&own)->sa_family,
                         &(struct nx__tune){.keep_alive = o->keep_alive,
                                            .delay = o->delay,
                                            .receive_buffer = o->receive_buffer,
                                            .send_buffer = o->send_buffer});
    return error ? nx__error_system(error, "cannot listen on \"%s\"", l->where) : NX_OK;
}

static void service_shutdown(struct nx__service *service)
{
    nx_listener_stop(nx__container_of(service, nx_listener, service));
}

nx_err nx_net_listen_with(nx_listener **out, const char *address, const nx_listen_options *options)
{
    NX__OPTIONS(nx_listen_options, o, options);
    struct nx__target target;
    char host[NX__PEER_MAX];
    *out = NULL;
    if (!o.drain_deadline) o.drain_deadline = DRAIN;
    if (!o.max_connections) o.max_connections = NX_NET_MAX_CONNECTIONS;
    NX_TRY(nx__target_parse(&target, address, "listen on"));
    NX_TRY(host_copy(&target, address, host));
    size_t len = strlen(address);
    nx_listener *l = calloc(1, sizeof *l + len + 1);
    if (!l) return nx__error_set(NX_ENOMEM, "cannot listen: out of memory");
    l->options = o;
    l->service.shutdown = service_shutdown;
    nx__net_fd_init(&l->socket, -1);
    nx__list_insert(&l->socket.loop->services, &l->service.link);
    memcpy(l->where, address, len + 1);
    nx_err err = listen_at(l, host, target.port);
    if (err) {
        struct nx__context why = *nx__context();
        nx_listener_close(l);
        return nx__error_take(&why, err);
    }
    *out = l;
    return NX_OK;
}

/* ---- Accepting */

/* 0, or the errno after which it may be tried again. */
static int accept_once(nx_listener *l, int *fd, nx_address *peer)
{
    struct sockaddr_storage from;
    socklen_t len = sizeof from;
    *fd = accept4(l->socket.fd, (struct sockaddr *)&from, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (*fd < 0) return errno;
    *peer = nx__address_public((const struct sockaddr *)&from, len);
    return 0;
}

static NX__COLD nx_err accept_failed(const nx_listener *l, nx_err err)
{
    char why[NX__ERROR_MESSAGE_MAX];
    (void)snprintf(why, sizeof why, "%s", nx__error_last()->message);
    return nx__error_set(err, "cannot accept at \"%s\": %s", l->where,
                         err == NX_ECLOSED ? "it has stopped listening" : why);
}

nx_err nx_net_accept(nx_listener *listener, nx_conn **out)
{
    nx_address peer;
    int fd;
    *out = NULL;
    for (;;) {
        if (listener->socket.fd < 0) return accept_failed(listener, NX_ECLOSED);
        int error = accept_once(listener, &fd, &peer);
        if (!error)
            return nx__conn_new(out, fd, &peer, NULL,
                                &(struct nx__conn_how){listener->options.read_deadline,
                                                       listener->options.write_deadline});
        if (error == EINTR || error == ECONNABORTED || error == EPROTO) continue;
        /* Where descriptors or memory are out they wait in the backlog until there are some; who
         * listens is never writable, so that is a pause. */
        bool out_of = error != EAGAIN;
        nx_err err = nx__net_fd_wait(&listener->socket, out_of ? NX__WRITABLE : NX__READABLE,
                                     out_of ? nx__deadline(ACCEPT_PAUSE) : NX_FOREVER);
        if (err && !(out_of && err == NX_ETIMEDOUT)) return accept_failed(listener, err);
    }
}

void nx_listener_stop(nx_listener *listener)
{
    if (listener->socket.fd < 0) return;
    int fd = nx__net_fd_release(&listener->socket);
    nx__broker_leave(fd);
    (void)close(fd);
    if (listener->room) nx__op_complete(&listener->room->op, 0);
}

void nx_listener_close(nx_listener *listener)
{
    if (!listener) return;
    nx_listener_stop(listener);
    nx__list_remove(&listener->service.link);
    free(listener);
}

nx_address nx_listener_address(const nx_listener *listener)
{
    return listener->address;
}

/* ---- Serving */

struct served {
    nx_listener *listener;
    nx_conn *conn;
    nx_conn_fn fn;
    void *arg;
};

static bool is_of_peer(nx_err err)
{
    return err == NX_ERESET || err == NX_ETIMEDOUT || err == NX_ECLOSED || err == NX_ECANCELED;
}

static nx_err served_run(void *arg)
{
    struct served s = *(struct served *)arg;
    free(arg);
    nx_err err = s.fn(s.conn, s.arg);
    if (err && !is_of_peer(err)) nx_log_error("a connection was not served", "error", err);
    nx_conn_close(s.conn);
    s.listener->open--;
    if (s.listener->room) nx__op_complete(&s.listener->room->op, 0);
    return NX_OK;
}

/* Until a connection has ended, or the listener has stopped. */
static nx_err room_wait(nx_listener *l, nx_duration until)
{
    struct nx__timed_op wait = {0};
    l->room = &wait;
    int64_t result = nx__net_wait(&wait, l->socket.loop, until);
    l->room = NULL;
    return nx__net_wait_error(result);
}

static nx_err serve_one(nx_listener *l, nx_conn *conn, nx_conn_fn fn, void *arg)
{
    struct served *s = malloc(sizeof *s);
    nx_err err = NX_ENOMEM;
    if (s) {
        *s = (struct served){l, conn, fn, arg};
        err = nx_spawn(NULL, served_run, s, .name = "connection");
    }
    if (!err) {
        l->open++;
        return NX_OK;
    }
    /* The peer is told, the others go on. */
    free(s);
    nx_conn_reset(conn);
    return err == NX_ECANCELED ? err : NX_OK;
}

static nx_err serve_all(nx_listener *l, nx_conn_fn fn, void *arg)
{
    for (;;) {
        nx_conn *conn;
        while (l->open >= l->options.max_connections && l->socket.fd >= 0)
            NX_TRY(room_wait(l, NX_FOREVER));
        nx_err err = nx_net_accept(l, &conn);
        if (err == NX_ENOMEM) {
            NX_TRY(nx_sleep(ACCEPT_PAUSE));
            continue;
        }
        NX_TRY(err);
        NX_TRY(serve_one(l, conn, fn, arg));
    }
}

nx_err nx_net_serve(nx_listener *listener, nx_conn_fn fn, void *arg)
{
    nx_scope *scope;
    NX_TRY(nx_scope_open(&scope));
    nx_err err = serve_all(listener, fn, arg);
    if (err == NX_ECLOSED) { /* stopped: what is open has its time */
        err = NX_OK;
        nx_duration drain = listener->options.drain_deadline;
        nx_duration until = drain == NX_FOREVER ? NX_FOREVER : nx__deadline(drain);
        while (listener->open && !err) err = room_wait(listener, until);
        if (err == NX_ETIMEDOUT) err = NX_OK;
    }
    struct nx__context why = *nx__context();
    if (listener->open) nx_scope_cancel(scope);
    nx_err closed = nx_scope_close(&scope);
    if (err) return nx__error_take(&why, err);
    return closed == NX_ECANCELED ? NX_OK : closed;
}
