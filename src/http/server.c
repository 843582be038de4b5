/* The HTTP server: options, and what each of its workers does: accepting, deadlines, the graceful
 * stop. */
#include "http/server.h"

#include "base/clock.h"
#include "http/coding/coding.h"
#include "http/data.h"
#include "http/dev.h"
#include "http/files/files.h"
#include "http/greet.h"
#include "http/h1/chunked.h"
#include "http/h1/parser.h"
#include "http/h2/h2.h"
#include "http/h3/server.h"
#include "http/io.h"
#include "http/workers.h"
#include "loop/signals.h"
#include <errno.h>
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
#define DRAIN_GRACE_DEV NX_MS(30)  /* under nexus dev, where the answer would be out of date */
#define CANCEL_GRACE    NX_S(1) /* between two looks at what the end of the drain has cancelled */
#define SWEEP_LEAST     NX_MS(100)
#define LINGER_DEADLINE NX_S(2)
#define GREET_DRAIN     NX_S(1) /* for a handshake while the server stops */
#define HEARTBEAT       NX_S(15)
#define HEARTBEAT_LEAST NX_MS(250) /* lists are that exact */

const struct nx__http_dev *nx__http_dev;

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
    DEFAULT(handshake_deadline, NX_S(10));
    DEFAULT(heartbeat, HEARTBEAT);
    DEFAULT(workers, 1);
    DEFAULT(pages, NX_HTTP_PAGES_JSON);
    if (o->heartbeat < HEARTBEAT_LEAST) o->heartbeat = HEARTBEAT_LEAST;
}

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
    if (o->workers > NX_HTTP_MAX_WORKERS && o->workers != NX_ALL_CORES)
        nx__server_mistake(server, NX_EINVAL, "workers is %u, more than %d", o->workers,
                           NX_HTTP_MAX_WORKERS);
    if (o->handshake_deadline < 0) nx__server_mistake(server, NX_EINVAL, "a deadline is negative");
    if (o->stop_delay < 0) nx__server_mistake(server, NX_EINVAL, "stop_delay is negative");
    server->host = strdup(o->host);
    server->options.host = server->host;
    server->root = nx_http_router_new();
    if (server->root) server->root->mounts = 1;
    if (!server->host || !server->root) {
        nx_http_server_free(server);
        return NULL;
    }
    nx__serving_init(server);
    if (o->cert) nx_http_tls(server, .cert = o->cert, .key = o->key);
    server->options.cert = server->options.key = NULL; /* the app's memory */
    return server;
}

void nx_http_server_free(nx_http_server *server)
{
    if (!server) return;
    nx__worker_end(server);
    nx__sites_free(&server->sites);
    nx__static_close(server);
    nx__router_release(server->root);
    nx__proxies_free(server->proxies);
    nx__cookie_keys_free(server->cookie_keys);
    nx_tls_server_free(server->tls);
    free(server->coding);
    free(server->host);
    free(server);
}

uint16_t nx_http_port(const nx_http_server *server)
{
    return server->port;
}

void nx__stats_add(nx_http_stats *sum, const nx_http_stats *stats)
{
    const uint64_t *from = &stats->requests;
    uint64_t *to = &sum->requests;
    size_t count = (sizeof *sum - offsetof(nx_http_stats, requests)) / sizeof *to;
    for (size_t i = 0; i < count; i++) to[i] += NX_LOAD_RELAXED(&from[i]);
}

void nx_http_stats_get(const nx_http_server *server, nx_http_stats *stats)
{
    nx_http_stats sum = {.size = stats->size ? stats->size : sizeof sum};
    const struct nx__workers *workers = server->workers;
    nx__stats_add(&sum, &server->stats);
    for (uint32_t i = 1; workers && i < workers->count; i++)
        nx__stats_add(&sum, &workers->items[i].own.stats);
    memcpy(stats, &sum, sum.size < sizeof sum ? sum.size : sizeof sum);
}

/* ---- Accepting */

static nx_err listener_watch(nx_http_server *server)
{
    uint32_t shared = server->socket->workers > 1 ? NX__SHARED : 0;
    return nx__poller_add(&server->loop->poller, &server->listener, server->socket->fd,
                          NX__READABLE | shared);
}

static void accept_pause(nx_http_server *server, nx_duration span)
{
    server->accept_paused = true;
    if (span)
        NX_IGNORE(
            nx__timer_set(&server->loop->timers, &server->accept_timer, server->loop->now + span));
    else if (server->socket->workers > 1)
        nx__poller_remove(&server->loop->poller, &server->listener); /* the event is another's */
}

static void accept_more(nx_http_server *server)
{
    server->accept_paused = false;
    if (nx__unlikely(server->listener.fd < 0) && listener_watch(server)) {
        accept_pause(server, ACCEPT_PAUSE);
        return;
    }
    for (int n = 0; n < ACCEPT_BATCH; n++) {
        if (server->stats.connections >= server->connections_most) {
            accept_pause(server, 0);
            return;
        }
        struct sockaddr_storage peer;
        socklen_t peer_len = sizeof peer;
        int fd = accept4(server->socket->fd, (struct sockaddr *)&peer, &peer_len,
                         SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            if (errno == EAGAIN) return;
            if (errno == EINTR || errno == ECONNABORTED || errno == EPROTO) continue;
            /* EMFILE, ENFILE, ENOMEM, ENOBUFS: they wait in the backlog until something is free
             * again. */
            accept_pause(server, ACCEPT_PAUSE);
            return;
        }
        nx__count(&server->stats.accepted, 1);
        nx__count(&server->stats.connections, 1);
        const struct sockaddr_storage *from = peer_len ? &peer : NULL;
        if (nx__unlikely(server->tls != NULL)
                ? !nx__http_greet(server, fd, from)
                : !nx__h1_accept(server, (struct nx__http_io){.fd = fd}, from)) {
            (void)close(fd);
            nx__count(&server->stats.connections, -1);
            accept_pause(server, ACCEPT_PAUSE);
            return;
        }
    }
    accept_pause(server, NX_US(1)); /* the rest after the others had their turn */
}

/* Whoever has connected already is served. */
static void accept_all(nx_http_server *server)
{
    while (server->stats.connections < server->connections_most) {
        uint64_t before = server->stats.accepted;
        accept_more(server);
        if (server->stats.accepted == before) break;
    }
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
    if (server->socket) accept_more(server);
}

static bool is_over(const nx_http_server *server)
{
    return !server->stats.connections && !server->notices && server->closed;
}

void nx__server_closed(nx_http_server *server)
{
    if (server->accept_paused && server->socket && !server->accept_timer.place)
        NX_IGNORE(nx__timer_set(&server->loop->timers, &server->accept_timer, server->loop->now));
    if (server->draining && is_over(server)) nx__op_complete(server->closed, 0);
}

/* ---- Deadlines */

static nx_duration drain_grace(void)
{
    return nx__http_dev ? DRAIN_GRACE_DEV : DRAIN_GRACE;
}

nx_duration nx__server_deadline(const nx_http_server *server, enum nx__conn_list list)
{
    switch (list) {
    case NX__CONN_GREET: return server->draining ? GREET_DRAIN : server->options.handshake_deadline;
    case NX__CONN_IDLE: return server->closing ? drain_grace() : server->options.idle_deadline;
    case NX__CONN_HEAD: return server->options.head_deadline;
    case NX__CONN_HANDLER: return server->options.handler_deadline;
    case NX__CONN_EVENTS:                    /* see events_due */
    case NX__CONN_TUNNEL: return NX_FOREVER; /* it has deadlines of its own */
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
            nx_duration at = nx__conn_of(link)->since + span;
            if (at > now) {
                if (at < next) next = at;
                break;
            }
            struct nx__conn *conn = nx__conn_of(link);
            conn->kind->expire(conn, (enum nx__conn_list)i);
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
    if (nx__list_empty(list) && (!server->draining || server->tunnels_told)) return;
    nx_duration span = server->options.heartbeat, at = server->loop->now;
    if (!server->draining) {
        if (span == NX_FOREVER) return;
        at = nx__conn_of(list->next)->since + span;
    }
    if (!timer->place || timer->at > at) NX_IGNORE(nx__timer_set(&server->loop->timers, timer, at));
}

static bool stop_tunnel(struct nx__conn *conn)
{
    return conn->kind->stop(conn);
}

/* A few in each turn: others are to be served while a million have their comment. */
static void events_due(struct nx__timer *timer)
{
    nx_http_server *server = nx__container_of(timer, nx_http_server, events_timer);
    const struct nx__list *list = &server->lists[NX__CONN_EVENTS];
    for (int n = 0; n < EVENTS_BATCH && !nx__list_empty(list); n++) {
        if (!server->draining &&
            nx__conn_of(list->next)->since + server->options.heartbeat > server->loop->now)
            break;
        struct nx__conn *conn = nx__conn_of(list->next);
        conn->kind->beat(conn);
    }
    const struct nx__list *tunnels = &server->lists[NX__CONN_TUNNEL];
    for (int n = 0; n < EVENTS_BATCH && server->draining && !server->tunnels_told; n++)
        server->tunnels_told = nx__list_empty(tunnels) || !stop_tunnel(nx__conn_of(tunnels->next));
    nx__server_events(server);
}

/* ---- The graceful stop */

/* Cancels what still runs and closes the rest, again and again until all is gone: what cannot be
 * cancelled, such as a blocking call, still has its connection and the server in its hands. */
static void drain_expired(struct nx__timer *timer)
{
    nx_http_server *server = nx__container_of(timer, nx_http_server, drain_timer);
    server->outcome = NX_ETIMEDOUT;
    nx__h3_expire(server);
    for (int i = 0; i < NX__CONN_LISTS; i++) {
        /* Each once. What is called with the end of one may be the end of others, which leave the
         * list then. */
        struct nx__list due, *link;
        nx__list_init(&due);
        while ((link = nx__list_pop(&server->lists[i]))) nx__list_insert(&due, link);
        while ((link = nx__list_pop(&due))) {
            nx__list_insert(&server->lists[i], link);
            struct nx__conn *conn = nx__conn_of(link);
            conn->kind->expire(conn, (enum nx__conn_list)i);
        }
    }
    if (server->stats.connections)
        NX_IGNORE(nx__timer_set(&server->loop->timers, timer, server->loop->now + CANCEL_GRACE));
}

/* Under nexus dev a page that loads again after a change would ask the program before by a
 * connection that it has used already. */
static void used_close(nx_http_server *server)
{
    struct nx__list *list = &server->lists[NX__CONN_IDLE];
    for (struct nx__list *link = list->next, *next; link != list; link = next) {
        next = link->next;
        struct nx__conn *conn = nx__conn_of(link);
        if (conn->kind->is_used(conn)) conn->kind->expire(conn, NX__CONN_IDLE);
    }
}

/* Accepts no more; the last worker of the socket gives it back. */
static void socket_leave(nx_http_server *server)
{
    struct nx__socket *socket = server->socket;
    if (!socket) return;
    nx__poller_remove(&server->loop->poller, &server->listener);
    if (atomic_fetch_sub(&socket->listening, 1) == 1) { /* no other looks at it any more */
        nx__broker_leave(socket->fd);
        /* Whoever connects between the last look and the close is lost to the kernel. */
        if (server->closing) accept_all(server);
        nx__poller_remove(&server->loop->poller, &server->listener);
        (void)close(socket->fd);
    }
    server->socket = NULL;
    nx__timer_clear(&server->loop->timers, &server->accept_timer);
}

static void drain(nx_http_server *server)
{
    server->loop->now = nx__clock_monotonic();
    if (!nx__handover_begin(server)) {
        server->closing = true;
        if (nx__http_dev) used_close(server);
        nx__handover_take_all(server);
    }
    socket_leave(server);
    server->draining = true;
    nx__h3_drain(server);
    if (server->closing) nx__server_sweep_by(server, server->loop->now + drain_grace());
    nx__server_events(server);
    nx__h2_drain(server);
    if (server->options.drain_deadline != NX_FOREVER)
        NX_IGNORE(nx__timer_set(&server->loop->timers, &server->drain_timer,
                                server->loop->now + server->options.drain_deadline));
    if (is_over(server)) nx__op_complete(server->closed, 0);
}

static void stop_due(struct nx__timer *timer)
{
    drain(nx__container_of(timer, nx_http_server, stop_timer));
}

void nx__serving_stop(nx_http_server *server)
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

/* ---- One worker */

void nx__serving_init(nx_http_server *server)
{
    server->listener = (struct nx__watch){.ready = listener_ready, .fd = -1};
    server->inbox.fd = server->outbox.fd = -1;
    server->accept_timer.fire = accept_resume;
    server->drain_timer.fire = drain_expired;
    server->sweep_timer.fire = sweep;
    server->stop_timer.fire = stop_due;
    server->events_timer.fire = events_due;
    for (int i = 0; i < NX__CONN_LISTS; i++) nx__list_init(&server->lists[i]);
    nx__list_init(&server->sessions);
    nx__list_init(&server->service.link);
    server->service.shutdown = service_shutdown;
    server->stats.size = sizeof server->stats;
}

/* Where memory is out, the server still accepts again later, has its deadlines, and stops. */
#define TIMERS(server)                                                                             \
    {                                                                                              \
        &(server)->accept_timer, &(server)->drain_timer, &(server)->sweep_timer,                   \
            &(server)->stop_timer, &(server)->events_timer, &(server)->inbox_timer,                \
            &(server)->outbox_timer                                                                \
    }

static nx_err timers_keep(nx_http_server *server)
{
    struct nx__timer *const all[] = TIMERS(server);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        NX_TRY(nx__timer_keep(&server->loop->timers, all[i]));
    return NX_OK;
}

static void timers_let(nx_http_server *server)
{
    struct nx__timer *const all[] = TIMERS(server);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        nx__timer_let(&server->loop->timers, all[i]);
}

nx_err nx__serving_open(nx_http_server *server, struct nx__socket *socket,
                        struct nx__listener *channel)
{
    server->loop = nx__loop();
    server->socket = socket;
    server->stopping = server->draining = server->closing = false;
    server->accept_paused = true;
    server->outcome = NX_OK;
    nx__list_insert(&server->loop->services, &server->service.link);
    NX_TRY(timers_keep(server));
    NX_TRY(nx__handover_open(server, channel));
    return listener_watch(server);
}

void nx__serving_begin(nx_http_server *server)
{
    server->listening = true;
    nx__handover_ready(server);
    nx__h3_serve(server);
    accept_more(server);
}

void nx__serving_close(nx_http_server *server)
{
    socket_leave(server);
    nx__h3_close(server);
    nx__list_remove(&server->service.link);
    nx__handover_close(server);
    timers_let(server);
    server->listening = false;
}

nx_err nx__worker_begin(nx_http_server *server)
{
    const nx_http_server_options *o = &server->options;
    if (server->begun || !(o->worker_start || o->worker_stop)) return NX_OK;
    server->state = NULL;
    if (o->worker_start) {
        nx_err err = o->worker_start(&server->state, o->worker_context);
        if (err) {
            const nx_error *last = nx__error_last();
            if (last->code != err) (void)nx__error_set(err, "worker_start: %s", nx_err_text(err));
            return err;
        }
    }
    server->begun = true;
    return NX_OK;
}

void nx__worker_end(nx_http_server *server)
{
    const nx_http_server_options *o = &server->options;
    if (!server->begun) return;
    server->begun = false;
    if (o->worker_stop) o->worker_stop(server->state, o->worker_context);
    server->state = NULL;
}

void *nx_request_worker(const nx_request *req)
{
    return req->server->state;
}

/* ---- What requests are served with */

nx_err nx__server_prepare(nx_http_server *server)
{
    if (server->failed) return nx__error_set(server->failed, "%s", server->failure);
    if (server->stats.connections) return NX_OK; /* requests look at what was made before */
    return nx__sites_make(&server->sites, server->root);
}

void nx__server_release(nx_http_server *server)
{
    nx__timer_clear(&server->loop->timers, &server->events_timer);
    nx__file_cache_clear();
    if (server->coding) server->coding->close();
    nx__h1_free();
    nx__h2_free_shared();
}
