/* nx_http_listen: sockets, the workers that share them, their start and their end. */
#include "http/workers.h"

#include "base/cpus.h"
#include "http/dev.h"
#include "http/files/files.h"
#include "http/h3/server.h"
#include "loop/signals.h"
#include "loop/waits.h"
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PORTS_MOST = 8 /* that are tried where any will do */ };

/* ---- Making them */

static uint32_t count_of(const nx_http_server *server)
{
    uint32_t count = server->options.workers;
    if (server->options.worker_processes) return 1; /* each of them */
    if (count == NX_ALL_CORES) count = nx__cpus();
    return count < NX_HTTP_MAX_WORKERS ? count : NX_HTTP_MAX_WORKERS;
}

static void channel_close(struct nx__listener *channel)
{
    if (channel->handed_in >= 0) (void)close(channel->handed_in);
    if (channel->handed_out >= 0) (void)close(channel->handed_out);
    channel->handed_in = channel->handed_out = -1;
}

/* Each worker of a socket has the ends of its channel for itself: without a copy for it, its
 * connections are closed at a restart. */
static void channel_open(struct nx__listener *channel, const struct nx__listener *of, bool copy)
{
    *channel = (struct nx__listener){.fd = -1, of->handed_in, of->handed_out};
    if (!copy || of->handed_in < 0) return;
    channel->handed_in = fcntl(of->handed_in, F_DUPFD_CLOEXEC, 0);
    channel->handed_out = fcntl(of->handed_out, F_DUPFD_CLOEXEC, 0);
    if (channel->handed_in < 0 || channel->handed_out < 0) channel_close(channel);
}

static nx_err sockets_open(nx_http_server *server, struct nx__workers *all)
{
    const nx_http_server_options *o = &server->options;
    struct nx__listeners listeners;
    struct nx__listen_options where = {.host = o->host,
                                       .port = o->port == NX_HTTP_ANY_PORT ? 0 : o->port,
                                       .backlog = o->backlog,
                                       .unix_mode = o->unix_mode,
                                       .sockets = all->count,
                                       .tls = server->tls != NULL,
                                       .drain = o->drain_deadline};
    if (o->worker_processes) where.workers = o->workers;
    /* Signals in between: while the user is asked, Ctrl-C does what it did; but as soon as there is
     * a socket the program may be told to stop. */
    NX_TRY(nx__broker_may_listen(&where));
    NX_TRY(nx__signals_shutdown(nx__loop()));
    NX_TRY(nx__broker_listen(&where, &listeners));
    all->sockets = calloc(listeners.count, sizeof *all->sockets);
    for (unsigned i = 0; i < listeners.count; i++) {
        int fd = listeners.items[i].fd, on = 1;
        if (!all->sockets) {
            nx__broker_unlisten(&listeners.items[i]);
            continue;
        }
        /* Accepted sockets inherit it, where it is one of TCP. An answer is written as a whole, so
         * there is nothing to wait for. */
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        all->sockets[i].fd = fd;
    }
    if (!all->sockets) return nx__error_set(NX_ENOMEM, "cannot listen: out of memory");
    server->port = listeners.port;
    all->socket_count = listeners.count;
    for (uint32_t i = 0; i < all->count; i++) {
        uint32_t which = i % listeners.count;
        all->sockets[which].workers++;
        atomic_fetch_add(&all->sockets[which].listening, 1);
        channel_open(&all->items[i].channel, &listeners.items[which], i != which);
    }
    return NX_OK;
}

static struct nx__socket *socket_of(const struct nx__worker *worker)
{
    const struct nx__workers *all = worker->all;
    return &all->sockets[(uint32_t)(worker - all->items) % all->socket_count];
}

static void report(struct nx__post *post)
{
    struct nx__workers *all = nx__container_of(post, struct nx__worker, reported)->all;
    if (--all->reports == 0) nx__op_complete(&all->begun, 0);
}

static void order(struct nx__post *post)
{
    nx__op_complete(&nx__container_of(post, struct nx__worker, ordered)->order, 0);
}

/* With a worker's thread everything on it stops, other servers too. */
static void stop(struct nx__post *post)
{
    struct nx__worker *worker = nx__container_of(post, struct nx__worker, stop);
    struct nx_loop *loop = worker->server->loop;
    nx__serving_stop(worker->server);
    if (worker == &worker->all->items[0]) return;
    nx__waits_watch(loop, true);
    nx__loop_shutdown(loop);
}

void nx_http_stop(nx_http_server *server)
{
    struct nx__workers *all = server->workers;
    if (!all) return;
    int phase = atomic_exchange(&all->phase, NX__WORKERS_STOPPING);
    /* A second word: the others look when they have something to hand over. */
    if (phase == NX__WORKERS_STOPPING && all->items[0].server->loop == nx__loop_current)
        nx__serving_stop(all->items[0].server);
    if (phase != NX__WORKERS_SERVING) return; /* or they look at the phase when they have begun */
    for (uint32_t i = 0; i < all->count; i++) {
        struct nx__worker *worker = &all->items[i];
        if (worker->server->loop == nx__loop_current)
            stop(&worker->stop);
        else
            nx__loop_post(worker->server->loop, &worker->stop);
    }
}

static nx_err workers_new(nx_http_server *server)
{
    uint32_t count = count_of(server), most = server->options.max_connections;
    struct nx__workers *all = calloc(1, sizeof *all + count * sizeof *all->items);
    if (!all) return nx__error_set(NX_ENOMEM, "cannot listen: out of memory");
    all->count = count;
    nx_err err = nx__h3_group(server, count, &all->quic);
    if (!err) err = sockets_open(server, all);
    if (err) {
        nx__quic_group_free(all->quic);
        free(all->sockets);
        free(all);
        return err;
    }
    server->workers = all;
    if (all->quic) nx__h3_advertise(server);
    for (uint32_t i = 0; i < count; i++) {
        struct nx__worker *worker = &all->items[i];
        worker->all = all;
        worker->server = i ? &worker->own : server;
        worker->reported.fn = report;
        worker->ordered.fn = order;
        worker->stop.fn = stop;
        if (i) {
            memcpy(&worker->own, server, offsetof(nx_http_server, loop));
            nx__serving_init(&worker->own);
        }
        uint32_t share = most / count + (i < most % count);
        worker->server->connections_most = share ? share : 1;
    }
    return NX_OK;
}

/* ---- The life of one, on its own thread */

/* Keeps the last error, which is `err`, for the first worker. */
static void note(struct nx__worker *worker, nx_err err)
{
    worker->err = err;
    (void)snprintf(worker->message, sizeof worker->message, "%s", nx__error_last()->message);
}

/* All but serving. */
static void worker_open(struct nx__worker *worker)
{
    worker->open = true;
    struct nx__quic_group *quic = worker->all->quic;
    nx_err err = nx__serving_open(worker->server, socket_of(worker), &worker->channel);
    if (!err && quic)
        err = nx__h3_open(worker->server, quic, (uint32_t)(worker - worker->all->items));
    if (!err) err = nx__worker_begin(worker->server);
    if (err) note(worker, err);
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

/* Until the last connection has gone after a stop. */
static void worker_serve(struct nx__worker *worker)
{
    nx_http_server *server = worker->server;
    struct listening listening = {.op.cancel = listen_cancel, .server = server};
    server->closed = &listening.op;
    nx__serving_begin(server);
    if (atomic_load(&worker->all->phase) == NX__WORKERS_STOPPING) stop(&worker->stop);
    (void)nx__op_wait(&listening.op);
    server->closed = NULL;
}

static void worker_close(struct nx__worker *worker)
{
    worker->open = false;
    nx__serving_close(worker->server);
    nx__worker_end(worker->server);
    nx__server_release(worker->server);
}

static void worker_run(struct nx__loop_thread *thread)
{
    struct nx__worker *worker = nx__container_of(thread, struct nx__worker, thread);
    struct nx__workers *all = worker->all;
    if (thread->err)
        note(worker, thread->err);
    else
        worker_open(worker);
    nx__loop_post(thread->starter, &worker->reported);
    if (thread->err) return;
    (void)nx__op_wait_uncanceled(&worker->order);
    if (all->serve) worker_serve(worker);
    worker_close(worker);
}

/* ---- All of them */

/* Starts the others and opens the first one meanwhile; returns when each has begun or failed. */
static nx_err all_open(struct nx__workers *all)
{
    nx_err err = NX_OK;
    for (uint32_t i = 1; i < all->count && !err; i++) {
        struct nx__worker *worker = &all->items[i];
        err = nx__loop_thread_start(&worker->thread, i, all->count, worker_run);
        if (err)
            note(worker, err);
        else
            all->reports++;
    }
    if (!err) worker_open(&all->items[0]);
    if (all->reports) (void)nx__op_wait_uncanceled(&all->begun);
    for (uint32_t i = 0; i < all->count; i++) {
        const struct nx__worker *worker = &all->items[i];
        if (!worker->err) continue;
        if (i) return nx__error_set(worker->err, "worker %u: %s", i, worker->message);
        return nx__error_set(worker->err, "%s", worker->message);
    }
    return NX_OK;
}

static void all_order(struct nx__workers *all, bool serve)
{
    all->serve = serve;
    for (uint32_t i = 1; i < all->count; i++) {
        struct nx__worker *worker = &all->items[i];
        if (worker->thread.started && !worker->thread.err)
            nx__loop_post(&worker->thread.loop, &worker->ordered);
    }
}

static void all_serve(struct nx__workers *all)
{
    int starting = NX__WORKERS_STARTING;
    (void)atomic_compare_exchange_strong(&all->phase, &starting, NX__WORKERS_SERVING);
    all_order(all, true);
    worker_serve(&all->items[0]);
}

/* Waits for the others, gives back what is left, and returns what became of the requests. */
static nx_err all_close(nx_http_server *server)
{
    struct nx__workers *all = server->workers;
    nx_err outcome = server->outcome;
    if (!all->serve) all_order(all, false);
    if (all->items[0].open) worker_close(&all->items[0]);
    for (uint32_t i = 1; i < all->count; i++) {
        struct nx__worker *worker = &all->items[i];
        nx__loop_thread_join(&worker->thread);
        if (worker->own.outcome) outcome = worker->own.outcome;
        nx__stats_add(&server->stats, &worker->own.stats);
    }
    for (uint32_t i = 0; i < all->count; i++) channel_close(&all->items[i].channel);
    for (uint32_t i = 0; i < all->socket_count; i++) {
        struct nx__listener left = {all->sockets[i].fd, .handed_in = -1, .handed_out = -1};
        if (atomic_load(&all->sockets[i].listening)) nx__broker_unlisten(&left);
    }
    nx__static_close(server);
    server->workers = NULL;
    nx__quic_group_free(all->quic);
    free(all->sockets);
    free(all);
    return outcome;
}

nx_err nx_http_listen(nx_http_server *server)
{
    if (!server) return nx__error_set(NX_ENOMEM, "cannot make the HTTP server: out of memory");
    struct nx_loop *loop = nx__loop();
    if (loop->operations >= nx__limits.max_operations) return nx__error_operations();
    if (server->workers) return nx__error_set(NX_ESTATE, "this server listens already");
    if (nx__http_dev) NX_TRY(nx__http_dev->prepare(server));
    NX_TRY(nx__server_prepare(server));
    uint32_t before = loop->workers;
    nx_err err;
    for (int tries = 1;; tries++) {
        NX_TRY(nx__static_open(server));
        NX_TRY(workers_new(server));
        if (!loop->first) loop->workers = server->workers->count;
        err = all_open(server->workers);
        /* The port of TCP that was free is another's for UDP. */
        if (err != NX_EADDRINUSE || server->options.port != NX_HTTP_ANY_PORT || tries == PORTS_MOST)
            break;
        (void)all_close(server);
        loop->workers = before;
    }
    if (!err) all_serve(server->workers);
    char message[NX__ERROR_MESSAGE_MAX];
    (void)snprintf(message, sizeof message, "%s", nx__error_last()->message);
    nx_err outcome = all_close(server);
    loop->workers = before;
    if (err) return nx__error_set(err, "%s", message);
    if (outcome)
        return nx__error_set(
            outcome,
            "requests were still running %lld ms after the stop was asked for; they were cancelled",
            (long long)(server->options.drain_deadline / NX_MS(1)));
    return NX_OK;
}
