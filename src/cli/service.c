/* The launcher as a service of systemd, or of what speaks its protocols: it says when the program
 * serves, and takes the sockets that were made for it. */
#include "cli/launcher.h"

#include "cli/cli.h"
#include "permission/activation.h"
#include "permission/broker.h"
#include "permission/notify.h"
#include <unistd.h>

void nx__service_listened(struct nx__launcher *l)
{
    if (l->told_ready) return;
    l->told_ready = true;
    (void)nx__notify_send(NX__NOTIFY_READY, NULL);
}

void nx__service_reloading(struct nx__launcher *l)
{
    l->told_ready = false;
    (void)nx__notify_send(NX__NOTIFY_RELOADING, NULL);
}

void nx__service_stopping(void)
{
    (void)nx__notify_send(NX__NOTIFY_STOPPING, NULL);
}

/* All processes that serve have to turn. */
static void alive(struct nx__generation *generation, uint32_t index)
{
    generation->workers[index].alive = true;
    for (uint32_t i = 0; i < generation->count; i++)
        if (!generation->workers[i].alive) return;
    for (uint32_t i = 0; i < generation->count; i++) generation->workers[i].alive = false;
    (void)nx__notify_send(NX__NOTIFY_ALIVE, NULL);
}

void nx__service_notify(struct nx__launcher *l, struct nx__peer peer,
                        const struct nx__broker_request *request)
{
    if (peer.generation != &l->current) return; /* one that goes, or is not there yet */
    switch (request->wants) {
    case NX__NOTIFY_READY: nx__service_listened(l); break;
    case NX__NOTIFY_STATUS: (void)nx__notify_send(NX__NOTIFY_STATUS, request->text); break;
    case NX__NOTIFY_ALIVE: alive(peer.generation, peer.index); break;
    default: break; /* the launcher says the rest by itself */
    }
}

void nx__service_begin(struct nx__launcher *l)
{
    struct nx__activated given;
    nx__notify_prepare();
    nx__activation_take(&given);
    if (given.refused)
        nx__cli_say("%u descriptor%s of LISTEN_FDS %s no listening stream socket%s", given.refused,
                    given.refused == 1 ? "" : "s", given.refused == 1 ? "is" : "are",
                    given.refused == 1 ? "" : "s");
    for (unsigned i = 0; i < given.count; i++)
        if (nx__held_give(l, given.fds[i])) (void)nx__cli_fail(nx__error_last()->code);
}
