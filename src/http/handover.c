/* A restart: idle connections come from the program before this one, and go to the one after. */
#include "http/workers.h"

#include "loop/signals.h"
#include "permission/handover.h"
#include <errno.h>
#include <unistd.h>

enum {
    PACKETS_MOST = 8, /* in one turn, NX__HAND_BATCH connections each; the others are served too */
};
#define CHANNEL_PAUSE NX_MS(20) /* while the user has too many descriptors under way */

static void again(nx_http_server *server, struct nx__timer *timer, nx_duration span)
{
    if (!timer->place)
        NX_IGNORE(nx__timer_set(&server->loop->timers, timer, server->loop->now + span));
}

static void channel_close(nx_http_server *server, struct nx__watch *end)
{
    int fd = end->fd;
    if (fd < 0) return;
    nx__poller_remove(&server->loop->poller, end);
    (void)close(fd);
}

/* ---- In */

/* Takes in the connections of one packet; what is past max_connections, what memory is missing for,
 * or what is plain where TLS is spoken now, is closed: the client sees that in time, where it would
 * wait in vain. False when there is none. */
static bool packet_take(nx_http_server *server)
{
    struct nx__handed come[NX__HAND_BATCH];
    int count = nx__hand_receive(server->inbox.fd, come);
    for (int i = 0; i < count; i++) {
        if (!server->tls && server->stats.connections < server->connections_most &&
            nx__h1_take(server, &come[i]))
            nx__count(&server->stats.handed, 1);
        else
            (void)close(come[i].fd);
    }
    return count > 0 || count == -EBADMSG;
}

static void inbox_take(nx_http_server *server)
{
    if (!server->listening || server->inbox.fd < 0) return; /* not yet, or no more */
    for (int n = 0; n < PACKETS_MOST; n++)
        if (!packet_take(server)) return;
    again(server, &server->inbox_timer, 0);
}

static void inbox_ready(struct nx__watch *watch, uint32_t events)
{
    (void)events;
    inbox_take(nx__container_of(watch, nx_http_server, inbox));
}

static void inbox_due(struct nx__timer *timer)
{
    inbox_take(nx__container_of(timer, nx_http_server, inbox_timer));
}

/* ---- Out */

/* There is nobody to take them: from here on it is a stop like any other. */
static void give_up(nx_http_server *server)
{
    server->handing = false;
    server->closing = true;
    channel_close(server, &server->outbox);
    nx__server_sweep_by(server, server->loop->now);
}

static void outbox_fill(nx_http_server *server)
{
    struct nx__list *idle = &server->lists[NX__CONN_IDLE];
    if (!nx__signals_replaced()) {
        give_up(server);
        return;
    }
    for (int n = 0; n < PACKETS_MOST; n++) {
        struct nx__handed go[NX__HAND_BATCH];
        size_t count = nx__h1_idle(idle, go, NX__HAND_BATCH);
        if (!count) return;
        int err = nx__hand_send(server->outbox.fd, go, count);
        if (err == -EAGAIN) return; /* outbox_ready comes */
        if (err == -ETOOMANYREFS || err == -ENOMEM || err == -ENOBUFS) {
            again(server, &server->outbox_timer, CHANNEL_PAUSE);
            return;
        }
        if (err) {
            give_up(server);
            return;
        }
        nx__h1_let_go(idle, count);
    }
    again(server, &server->outbox_timer, 0);
}

static void outbox_ready(struct nx__watch *watch, uint32_t events)
{
    (void)events;
    nx_http_server *server = nx__container_of(watch, nx_http_server, outbox);
    if (server->handing) again(server, &server->outbox_timer, 0);
}

static void outbox_due(struct nx__timer *timer)
{
    nx_http_server *server = nx__container_of(timer, nx_http_server, outbox_timer);
    if (server->handing) outbox_fill(server);
}

void nx__handover_idle(nx_http_server *server)
{
    again(server, &server->outbox_timer, 0);
}

/* ---- The life of it */

nx_err nx__handover_open(nx_http_server *server, struct nx__listener *listener)
{
    struct nx__poller *poller = &server->loop->poller;
    server->inbox.ready = inbox_ready;
    server->outbox.ready = outbox_ready;
    server->inbox_timer.fire = inbox_due;
    server->outbox_timer.fire = outbox_due;
    server->handing = false;
    if (listener->handed_in < 0) return NX_OK;
    uint32_t shared = server->socket->workers > 1 ? NX__SHARED : 0;
    nx_err err = nx__poller_add(poller, &server->inbox, listener->handed_in, NX__READABLE | shared);
    if (!err) {
        listener->handed_in = -1;
        err = nx__poller_add(poller, &server->outbox, listener->handed_out, NX__WRITABLE);
    }
    if (err) {
        channel_close(server, &server->inbox);
        return err;
    }
    listener->handed_out = -1;
    return NX_OK;
}

void nx__handover_ready(nx_http_server *server)
{
    if (server->inbox.fd >= 0) again(server, &server->inbox_timer, 0);
}

bool nx__handover_begin(nx_http_server *server)
{
    /* What goes through TLS can't go without its keys: those connections end as at any stop. */
    if (server->outbox.fd < 0 || server->tls || !nx__signals_replaced()) return false;
    /* What comes from here on is for the next one. */
    channel_close(server, &server->inbox);
    server->handing = true;
    nx__handover_idle(server);
    return true;
}

void nx__handover_take_all(nx_http_server *server)
{
    if (server->inbox.fd < 0) return;
    while (packet_take(server)) {}
}

void nx__handover_stop(nx_http_server *server)
{
    if (server->handing && !nx__signals_replaced()) give_up(server);
}

void nx__handover_close(nx_http_server *server)
{
    nx__timer_clear(&server->loop->timers, &server->inbox_timer);
    nx__timer_clear(&server->loop->timers, &server->outbox_timer);
    channel_close(server, &server->inbox);
    channel_close(server, &server->outbox);
    server->handing = false;
}
