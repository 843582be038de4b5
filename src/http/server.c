/* The HTTP server: options, routes, accepting, deadlines, the graceful stop. */
#include "http/server.h"

#include "base/clock.h"
#include "http/coding/coding.h"
#include "http/data.h"
#include "http/files/files.h"
#include "http/h1/chunked.h"
#include "http/h1/parser.h"
#include "loop/signals.h"
#include "permission/broker.h"
#include "permission/permission.h"
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    ACCEPT_BATCH = 256, /* connections in one turn, so that those open are served too */
    EVENTS_BATCH = 16,  /* streams in one turn */
    HEAD_MOST = 65535,  /* the parser's offsets have 16 bits */
};
#define ACCEPT_PAUSE    NX_MS(100) /* when descriptors or memory are out */
#define DRAIN_GRACE     NX_MS(250) /* an idle connection may bring one more request while we stop */
#define CANCEL_GRACE    NX_S(1) /* between two looks at what the end of the drain has cancelled */
#define SWEEP_LEAST     NX_MS(100)
#define LINGER_DEADLINE NX_S(2)
#define HEARTBEAT       NX_S(15)
#define HEARTBEAT_LEAST NX_MS(250) /* lists are that exact */

/* ---- Building */

void nx__server_mistake(nx_http_server *server, nx_err err, const char *format, ...)
{
    if (server->failed) return;
    server->failed = err;
    va_list args;
    va_start(args, format);
    (void)vsnprintf(server->failure, sizeof server->failure, format, args);
    va_end(args);
}

#define DEFAULT(field, value)                                                                      \
    if (!o->field) o->field = (value)

static void defaults(nx_http_server_options *o)
{
    DEFAULT(host, "127.0.0.1");
    DEFAULT(port, 3000);
    DEFAULT(backlog, 1024);
    DEFAULT(unix_mode, 0660);
    DEFAULT(head_deadline, NX_S(10));
    DEFAULT(body_deadline, NX_S(60));
    DEFAULT(idle_deadline, NX_S(60));
    DEFAULT(handler_deadline, NX_S(120));
    DEFAULT(write_deadline, NX_S(30));
    DEFAULT(drain_deadline, NX_S(10));
    DEFAULT(min_body_rate, 256);
    DEFAULT(max_connections, 65536);
    DEFAULT(max_target, NX__H1_DEFAULT_MAX_TARGET);
    DEFAULT(max_headers, NX__H1_DEFAULT_MAX_HEADERS);
    DEFAULT(max_head, NX__H1_DEFAULT_MAX_HEAD);
    DEFAULT(max_body, 1 << 20);
    DEFAULT(max_trailer, NX__H1_DEFAULT_MAX_TRAILER);
    DEFAULT(max_requests, UINT32_MAX);
    DEFAULT(heartbeat, HEARTBEAT);
    DEFAULT(pages, NX_HTTP_PAGES_JSON);
    if (o->heartbeat < HEARTBEAT_LEAST) o->heartbeat = HEARTBEAT_LEAST;
}

static void sweep(struct nx__timer *timer);
static void events_due(struct nx__timer *timer);

nx_http_server *nx_http_server_new_with(const nx_http_server_options *options)
{
    nx_http_server *server = calloc(1, sizeof *server);
    if (!server) return NULL;
    memcpy(&server->options, options,
           options->size < sizeof *options ? options->size : sizeof *options);
    defaults(&server->options);
    const nx_http_server_options *o = &server->options;
    if (o->max_head > HEAD_MOST)
        nx__server_mistake(server, NX_EINVAL, "max_head is %u, more than %d", o->max_head,
                           HEAD_MOST);
    if (o->max_headers > NX__H1_MAX_HEADERS)
        nx__server_mistake(server, NX_EINVAL, "max_headers is %u, more than %d", o->max_headers,
                           NX__H1_MAX_HEADERS);
    const nx_duration *deadlines = &o->head_deadline;
    for (int i = 0; i < 6; i++)
        if (deadlines[i] < 0) nx__server_mistake(server, NX_EINVAL, "a deadline is negative");
    if ((unsigned)o->pages > NX_HTTP_PAGES_TEXT)
        nx__server_mistake(server, NX_EINVAL, "there are no such pages");
    if (o->stop_delay < 0) nx__server_mistake(server, NX_EINVAL, "stop_delay is negative");
    server->host = strdup(o->host);
    server->options.host = server->host;
    server->root = nx_http_router_new();
    if (server->root) server->root->mounts = 1;
    if (!server->host || !server->root) {
        nx_http_server_free(server);
        return NULL;
    }
    server->listener.fd = server->inbox.fd = server->outbox.fd = -1;
    server->sweep_timer.fire = sweep;
    server->events_timer.fire = events_due;
    for (int i = 0; i < NX__CONN_LISTS; i++) nx__list_init(&server->lists[i]);
    nx__list_init(&server->service.link);
    server->stats.size = sizeof server->stats;
    return server;
}

void nx_http_server_free(nx_http_server *server)
{
    if (!server) return;
    nx__sites_free(&server->sites);
    nx__static_close(server);
    nx__router_release(server->root);
    nx__proxies_free(server->proxies);
    nx__cookie_keys_free(server->cookie_keys);
    free(server->coding);
    free(server->host);
    free(server);
}

uint16_t nx_http_port(const nx_http_server *server)
{
    return server->port;
}

void nx_http_stats_get(const nx_http_server *server, nx_http_stats *stats)
{
    size_t size = stats->size ? stats->size : sizeof *stats;
    memcpy(stats, &server->stats, size < sizeof server->stats ? size : sizeof server->stats);
    stats->size = size;
}

/* ---- Accepting */

static void accept_pause(nx_http_server *server, nx_duration span)
{
    server->accept_paused = true;
    if (span)
        NX_IGNORE(
            nx__timer_set(&server->loop->timers, &server->accept_timer, server->loop->now + span));
}

static void accept_more(nx_http_server *server)
{
    server->accept_paused = false;
    for (int n = 0; n < ACCEPT_BATCH; n++) {
        if (server->stats.connections >= server->options.max_connections) {
            accept_pause(server, 0);
            return;
        }
        int fd = accept4(server->listener.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            if (errno == EAGAIN) return;
            if (errno == EINTR || errno == ECONNABORTED || errno == EPROTO) continue;
            /* EMFILE, ENFILE, ENOMEM, ENOBUFS: they wait in the backlog until something is free
             * again. */
            accept_pause(server, ACCEPT_PAUSE);
            return;
        }
        server->stats.accepted++;
        server->stats.connections++;
        if (!nx__h1_accept(server, fd)) {
            (void)close(fd);
            server->stats.connections--;
            accept_pause(server, ACCEPT_PAUSE);
            return;
        }
    }
    accept_pause(server, NX_US(1)); /* the rest after the others had their turn */
}

static void listener_ready(struct nx__watch *watch, uint32_t events)
{
    (void)events;
    nx_http_server *server = nx__container_of(watch, nx_http_server, listener);
    if (!server->accept_paused) accept_more(server);
}

static void accept_resume(struct nx__timer *timer)
{
    nx_http_server *server = nx__container_of(timer, nx_http_server, accept_timer);
    if (server->listener.fd >= 0) accept_more(server);
}

static bool is_over(const nx_http_server *server)
{
    return !server->stats.connections && !server->notices && server->closed;
}

void nx__server_closed(nx_http_server *server)
{
    if (server->accept_paused && server->listener.fd >= 0 && !server->accept_timer.place)
        NX_IGNORE(nx__timer_set(&server->loop->timers, &server->accept_timer, server->loop->now));
    if (server->draining && is_over(server)) nx__op_complete(server->closed, 0);
}

/* ---- Deadlines */

nx_duration nx__server_deadline(const nx_http_server *server, enum nx__conn_list list)
{
    switch (list) {
    case NX__CONN_IDLE: return server->closing ? DRAIN_GRACE : server->options.idle_deadline;
    case NX__CONN_HEAD: return server->options.head_deadline;
    case NX__CONN_HANDLER: return server->options.handler_deadline;
    case NX__CONN_EVENTS: return NX_FOREVER; /* see events_due */
    case NX__CONN_WRITE: return server->options.write_deadline;
    default: return LINGER_DEADLINE;
    }
}

void nx__server_sweep_by(nx_http_server *server, nx_duration at)
{
    struct nx__timer *timer = &server->sweep_timer;
    if (timer->place && timer->at <= at) return;
    NX_IGNORE(nx__timer_set(&server->loop->timers, timer, at));
}

static void sweep(struct nx__timer *timer)
{
    nx_http_server *server = nx__container_of(timer, nx_http_server, sweep_timer);
    nx_duration now = server->loop->now, next = NX_FOREVER;
    for (int i = 0; i < NX__CONN_LISTS; i++) {
        nx_duration span = nx__server_deadline(server, (enum nx__conn_list)i);
        if (span == NX_FOREVER) continue;
        struct nx__list *list = &server->lists[i];
        while (!nx__list_empty(list)) {
            struct nx__list *link = list->next;
            nx_duration at = nx__h1_since(link) + span;
            if (at > now) {
                if (at < next) next = at;
                break;
            }
            nx__h1_expire(link,
                          (enum nx__conn_list)i); /* takes it out of this list, whatever it does */
        }
    }
    if (next != NX_FOREVER)
        nx__server_sweep_by(server, next < now + SWEEP_LEAST ? now + SWEEP_LEAST : next);
}

/* ---- Streams of events */

void nx__server_events(nx_http_server *server)
{
    const struct nx__list *list = &server->lists[NX__CONN_EVENTS];
    struct nx__timer *timer = &server->events_timer;
    if (nx__list_empty(list)) return;
    nx_duration span = server->options.heartbeat, at = server->loop->now;
    if (!server->draining) {
        if (span == NX_FOREVER) return;
        at = nx__h1_since(list->next) + span;
    }
    if (!timer->place || timer->at > at) NX_IGNORE(nx__timer_set(&server->loop->timers, timer, at));
}

/* A few in each turn: others are to be served while a million have their comment. */
static void events_due(struct nx__timer *timer)
{
    nx_http_server *server = nx__container_of(timer, nx_http_server, events_timer);
    const struct nx__list *list = &server->lists[NX__CONN_EVENTS];
    for (int n = 0; n < EVENTS_BATCH && !nx__list_empty(list); n++) {
        if (!server->draining &&
            nx__h1_since(list->next) + server->options.heartbeat > server->loop->now)
            break;
        nx__h1_beat(list->next);
    }
    nx__server_events(server);
}

/* ---- The graceful stop */

/* Cancels what still runs and closes the rest, again and again until all is gone: what cannot be
 * cancelled, such as a blocking call, still has its connection and the server in its hands. */
static void drain_expired(struct nx__timer *timer)
{
    nx_http_server *server = nx__container_of(timer, nx_http_server, drain_timer);
    server->outcome = NX_ETIMEDOUT;
    for (int i = 0; i < NX__CONN_LISTS; i++) {
        for (struct nx__list *link = server->lists[i].next, *next; link != &server->lists[i];
             link = next) {
            next = link->next;
            nx__h1_expire(link, (enum nx__conn_list)i);
        }
    }
    if (server->stats.connections)
        NX_IGNORE(nx__timer_set(&server->loop->timers, timer, server->loop->now + CANCEL_GRACE));
}

static void drain(nx_http_server *server)
{
    server->loop->now = nx__clock_monotonic();
    if (!nx__handover_begin(server)) {
        /* Whoever has connected already is served. */
        nx__handover_take_all(server);
        while (server->stats.connections < server->options.max_connections) {
            uint64_t before = server->stats.accepted;
            accept_more(server);
            if (server->stats.accepted == before) break;
        }
        server->closing = true;
    }
    server->draining = true;
    nx__timer_clear(&server->loop->timers, &server->accept_timer);
    struct nx__listener listener = {.fd = server->listener.fd, .handed_in = -1, .handed_out = -1};
    nx__poller_remove(&server->loop->poller, &server->listener);
    nx__broker_unlisten(&listener);
    if (server->closing) nx__server_sweep_by(server, server->loop->now + DRAIN_GRACE);
    nx__server_events(server);
    if (server->options.drain_deadline != NX_FOREVER)
        NX_IGNORE(nx__timer_set(&server->loop->timers, &server->drain_timer,
                                server->loop->now + server->options.drain_deadline));
    if (is_over(server)) nx__op_complete(server->closed, 0);
}

static void stop_due(struct nx__timer *timer)
{
    drain(nx__container_of(timer, nx_http_server, stop_timer));
}

void nx_http_stop(nx_http_server *server)
{
    if (server->stopping) nx__handover_stop(server);
    if (!server->listening || server->stopping) return;
    server->stopping = true;
    /* Nobody has to turn elsewhere when another program takes our place. */
    nx_duration delay = nx__signals_replaced() ? 0 : server->options.stop_delay;
    if (!delay ||
        nx__timer_set(&server->loop->timers, &server->stop_timer, nx__clock_monotonic() + delay))
        drain(server);
}

static void service_shutdown(struct nx__service *service)
{
    nx_http_stop(nx__container_of(service, nx_http_server, service));
}

/* ---- Listening */

nx_err nx__server_prepare(nx_http_server *server)
{
    if (server->failed) return nx__error_set(server->failed, "%s", server->failure);
    if (server->stats.connections) return NX_OK; /* requests look at what was made before */
    return nx__sites_make(&server->sites, server->root);
}

static nx_err start(nx_http_server *server)
{
    if (server->listening) return nx__error_set(NX_ESTATE, "this server listens already");
    NX_TRY(nx__server_prepare(server));
    const nx_http_server_options *o = &server->options;
    uint16_t port = o->port == NX_HTTP_ANY_PORT ? 0 : o->port;
    struct nx__listen_options where = {.host = o->host,
                                       .port = port,
                                       .backlog = o->backlog,
                                       .unix_mode = o->unix_mode,
                                       .drain = o->drain_deadline};
    if (o->worker_processes) where.workers = o->workers;
    struct nx__listener listener;
    NX_TRY(nx__static_open(server));
    NX_TRY(nx__broker_listen(&where, &listener));
    server->port = listener.port;
    if (strncmp(o->host, "unix:", 5) != 0) {
        /* Accepted sockets inherit it. An answer is written as a whole, so there is nothing to wait
         * for. */
        int on = 1;
        (void)setsockopt(listener.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    }
    server->loop = nx__loop();
    server->listener.ready = listener_ready;
    nx_err err = nx__signals_shutdown(server->loop);
    if (!err) err = nx__handover_open(server, &listener);
    if (!err)
        err = nx__poller_add(&server->loop->poller, &server->listener, listener.fd, NX__READABLE);
    if (err) {
        nx__handover_close(server);
        nx__broker_unlisten(&listener);
        return err;
    }
    server->accept_timer.fire = accept_resume;
    server->drain_timer.fire = drain_expired;
    server->stop_timer.fire = stop_due;
    server->service.shutdown = service_shutdown;
    nx__list_insert(&server->loop->services, &server->service.link);
    server->listening = true;
    server->stopping = server->draining = server->closing = false;
    server->outcome = NX_OK;
    return NX_OK;
}

void nx__server_release(nx_http_server *server)
{
    nx__timer_clear(&server->loop->timers, &server->events_timer);
    nx__static_close(server);
    nx__file_cache_clear();
    if (server->coding) server->coding->close();
    nx__h1_free();
}

struct listening {
    struct nx__op op;
    nx_http_server *server;
};

/* Cancelled, it stops as gracefully as otherwise. */
static void listen_cancel(struct nx__op *op)
{
    nx_http_stop(nx__container_of(op, struct listening, op)->server);
}

nx_err nx_http_listen(nx_http_server *server)
{
    if (!server) return nx__error_set(NX_ENOMEM, "cannot make the HTTP server: out of memory");
    if (nx__loop()->operations >= nx__limits.max_operations) return nx__error_operations();
    NX_TRY(start(server));
    struct listening listening = {.op.cancel = listen_cancel, .server = server};
    server->closed = &listening.op;
    (void)nx__op_wait(&listening.op);
    server->closed = NULL;
    nx__timer_clear(&server->loop->timers, &server->drain_timer);
    nx__timer_clear(&server->loop->timers, &server->sweep_timer);
    nx__list_remove(&server->service.link);
    nx__handover_close(server);
    server->listening = false;
    nx__server_release(server);
    if (server->outcome)
        return nx__error_set(
            server->outcome,
            "requests were still running %lld ms after the stop was asked for; they were cancelled",
            (long long)(server->options.drain_deadline / NX_MS(1)));
    return NX_OK;
}
