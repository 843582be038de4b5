/* Listening sockets that outlive the generations, each with a channel beside it for the connections
 * that one generation hands to the next. */
#include "cli/launcher.h"

#include "base/clock.h"
#include "base/cpus.h"
#include "cli/cli.h"
#include "permission/broker.h"
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* When the processes of a generation all listen, they have this long to take the other sockets that
 * their forerunners had. */
static const nx_duration SWEEP_AFTER = NX_S(2);
/* Who is to take what waits at them is behind. */
static const nx_duration SWEEP_AGAIN = NX_MS(100);

static bool is_unix(const char *address)
{
    return strncmp(address, "unix:", 5) == 0;
}

static bool is_free(const struct nx__held *held)
{
    return !held->generation && !held->heir;
}

static bool is_beside(const struct nx__held *held, const struct nx__held *other)
{
    return held->bound_port == other->bound_port && strcmp(held->address, other->address) == 0;
}

static void held_close(struct nx__launcher *l, size_t index)
{
    struct nx__held *held = &l->held[index], *last = held;
    for (size_t i = 0; i < l->held_count; i++)
        if (is_beside(held, &l->held[i]) && l->held[i].place > last->place) last = &l->held[i];
    last->place = held->place;
    (void)close(held->fd);
    (void)close(held->handed_in);
    (void)close(held->handed_out);
    *held = l->held[--l->held_count];
}

/* Removes the file of a Unix socket that nobody has any more. */
static void held_end(struct nx__launcher *l, size_t index)
{
    const char *address = l->held[index].address;
    struct stat st;
    if (is_unix(address) && address[5] != '@' && !l->held[index].given &&
        lstat(address + 5, &st) == 0 && S_ISSOCK(st.st_mode))
        (void)unlink(address + 5);
    held_close(l, index);
}

/* Another socket of the address, which somebody has; NULL: there is none. */
static const struct nx__held *sibling(const struct nx__launcher *l, const struct nx__held *held)
{
    for (size_t i = 0; i < l->held_count; i++)
        if (!is_free(&l->held[i]) && is_beside(held, &l->held[i])) return &l->held[i];
    return NULL;
}

/* Lets the system send new connections to those sockets of this one's address that are not left:
 * closing one resets what has a handshake under way there, or one that is over since the last
 * accept. */
static void held_direct(const struct nx__launcher *l, const struct nx__held *held)
{
    uint32_t places[NX__HELD_MAX];
    size_t count = 0;
    bool left = false;
    const struct nx__held *other = sibling(l, held);
    if (!other || is_unix(held->address)) return;
    for (size_t i = 0; i < l->held_count; i++) {
        const struct nx__held *each = &l->held[i];
        if (!is_beside(held, each)) continue;
        left |= each->left;
        if (!each->left) places[count++] = each->place;
    }
    nx__listen_among(other->fd, places, left ? count : 0);
}

/* Those of this one's address that nobody has get nothing new. */
static void held_leave(struct nx__launcher *l, const struct nx__held *held)
{
    for (size_t i = 0; i < l->held_count; i++)
        if (is_free(&l->held[i]) && is_beside(held, &l->held[i]))
            l->held[i].left = !l->held[i].given;
    held_direct(l, held);
}

static bool has_room(const struct nx__held *held)
{
    struct pollfd out = {.fd = held->handed_out, .events = POLLOUT};
    return poll(&out, 1, 0) == 1;
}

/* Fewer workers than before: what waits at a socket that nobody takes any more goes to one that
 * somebody has. Returns whether nothing waits there any more. */
static bool held_pass_on(struct nx__launcher *l, const struct nx__held *held)
{
    const struct nx__held *other = sibling(l, held);
    if (!other) return true;
    /* Bounds, since both may fill up as fast as they are emptied. */
    enum { PACKETS_MOST = 1024, ACCEPTED_MOST = 8192 };
    struct nx__handed connections[NX__HAND_BATCH], one = {0};
    int count = -EBADMSG;
    for (int n = 0; count > 0 || count == -EBADMSG; n++) {
        if (n == PACKETS_MOST || !has_room(other)) return false;
        count = nx__hand_receive(held->handed_in, connections);
        if (count > 0) (void)nx__hand_send(other->handed_out, connections, (size_t)count);
        for (int i = 0; i < count; i++) (void)close(connections[i].fd);
    }
    for (int n = 0; n < ACCEPTED_MOST && has_room(other); n++) {
        one.fd = accept4(held->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (one.fd < 0) return true;
        (void)nx__hand_send(other->handed_out, &one, 1);
        (void)close(one.fd);
    }
    return false;
}

static bool all_listen(const struct nx__generation *generation)
{
    for (uint32_t i = 0; i < generation->count; i++)
        if (!generation->workers[i].listened) return false;
    return true;
}

void nx__held_sweep(struct nx__launcher *l, bool all)
{
    l->sweep_at = 0;
    if (!all && !all_listen(&l->current)) return; /* what is free may be for one that has crashed */
    for (size_t i = l->held_count; i-- > 0;) {
        const struct nx__held held = l->held[i];
        if (!all && (!is_free(&held) || held.given)) continue;
        if (!all && !held_pass_on(l, &held)) {
            l->sweep_at = nx__clock_monotonic() + SWEEP_AGAIN;
            continue;
        }
        held_end(l, i);
        if (held.left) held_direct(l, &held);
    }
}

/* Sockets that are to be closed soon, and what comes to them meanwhile is passed on. */
static bool passes_on(const struct nx__launcher *l)
{
    return l->sweep_at && nx__generation_runs(&l->current) && all_listen(&l->current);
}

size_t nx__held_poll(const struct nx__launcher *l, struct pollfd *fds)
{
    size_t count = 0;
    if (!passes_on(l)) return 0;
    for (size_t i = 0; i < l->held_count; i++) {
        const struct nx__held *held = &l->held[i];
        const struct nx__held *other = is_free(held) ? sibling(l, held) : NULL;
        if (!other) continue;
        if (has_room(other)) {
            fds[count++] = (struct pollfd){.fd = held->fd, .events = POLLIN};
            fds[count++] = (struct pollfd){.fd = held->handed_in, .events = POLLIN};
        } else {
            fds[count++] = (struct pollfd){.fd = other->handed_out, .events = POLLOUT};
        }
    }
    return count;
}

void nx__held_turn(struct nx__launcher *l, nx_duration now)
{
    if (l->sweep_at && l->sweep_at <= now) nx__held_sweep(l, false);
    if (!passes_on(l)) return;
    for (size_t i = 0; i < l->held_count; i++) {
        struct nx__held *held = &l->held[i];
        if (!is_free(held) || !sibling(l, held)) continue;
        if (!held->left && !held->given) held_leave(l, held);
        (void)held_pass_on(l, held);
    }
}

void nx__held_forget(struct nx__launcher *l, uint32_t generation, uint64_t workers)
{
    if (!generation) return;
    for (size_t i = 0; i < l->held_count; i++) {
        struct nx__held *held = &l->held[i];
        if (held->generation == generation && !(held->owners &= ~workers)) held->generation = 0;
        if (held->heir == generation && !(held->heirs &= ~workers)) held->heir = 0;
    }
}

void nx__held_inherit(struct nx__launcher *l)
{
    for (size_t i = 0; i < l->held_count; i++) {
        struct nx__held *held = &l->held[i];
        if (held->heir != l->current.number) continue;
        held->generation = held->heir;
        held->owners = held->heirs;
        held->heir = 0;
        held->heirs = 0;
    }
    l->sweep_at = nx__clock_monotonic() + SWEEP_AFTER;
}

const char *nx__held_missing(const struct nx__launcher *l)
{
    for (size_t i = 0; i < l->held_count; i++) {
        if (!l->current.number || l->held[i].generation != l->current.number) continue;
        bool found = false;
        for (size_t k = 0; k < l->held_count && !found; k++)
            found = l->held[k].heir == l->next.number &&
                    strcmp(l->held[k].address, l->held[i].address) == 0;
        if (!found) return l->held[i].address;
    }
    return NULL;
}

/* ---- Listening */

/* Who wants a socket, and which. */
struct wish {
    struct nx__peer peer;
    const struct nx__broker_request *request;
    char address[NX__LISTEN_ADDRESS_MAX];
    uint32_t worker; /* that it is for */
    bool shared;     /* with all workers: there is one Unix socket of a name */
    bool several;    /* each of several processes has one */
    bool reuse;      /* others may listen there as well */
};

/* Whether the process may have this socket. The next generation takes it beside the current one. */
static bool may_take(const struct nx__launcher *l, const struct nx__held *held,
                     const struct wish *wish)
{
    uint64_t own = 1ull << wish->peer.index;
    uint32_t number = wish->peer.generation->number;
    if (held->worker != wish->worker || strcmp(held->address, wish->address) != 0) return false;
    if (wish->peer.generation == &l->next)
        return held->heir ? held->heir == number && wish->shared && !(held->heirs & own)
                          : !held->generation || held->generation == l->current.number;
    if (held->generation)
        return held->generation == number && wish->shared && !(held->owners & own);
    return !held->heir || wish->peer.generation == &l->current;
}

/* The port that the other workers' sockets of this address have; 0: there are none, or this worker
 * has one of each port already. */
static uint16_t sibling_port(const struct nx__launcher *l, const struct wish *wish)
{
    for (size_t i = 0; i < l->held_count; i++) {
        const struct nx__held *held = &l->held[i];
        bool has = held->worker == wish->worker;
        if (has || strcmp(held->address, wish->address) != 0) continue;
        for (size_t k = 0; k < l->held_count && !has; k++)
            has = l->held[k].worker == wish->worker && l->held[k].bound_port == held->bound_port &&
                  strcmp(l->held[k].address, wish->address) == 0;
        if (!has) return held->bound_port;
    }
    return 0;
}

/* Makes the socket; where the address is taken by one that the last generation had under another
 * name (127.0.0.1:3000 before, 0.0.0.0:3000 now) that one is closed, and the last generation given
 * a moment to close its own. */
static nx_err held_new(struct nx__launcher *l, const struct wish *wish, int *fd,
                       uint16_t *bound_port)
{
    enum { TRIES = 50 };
    const struct timespec moment = {.tv_nsec = 10000000};
    const struct nx__broker_request *request = wish->request;
    uint16_t port = (uint16_t)request->port, sibling = wish->several ? sibling_port(l, wish) : 0;
    enum nx__listen_share share = sibling || wish->reuse ? NX__LISTEN_JOIN
                                  : wish->several        ? NX__LISTEN_SHARED
                                                         : NX__LISTEN_ALONE;
    bool rival = false;
    if (sibling) port = sibling;
    for (int try = 0;; try++) {
        nx_err err = nx__listen(request->text, port, request->backlog, request->unix_mode & 0777,
                                share, fd, bound_port);
        if (err != NX_EADDRINUSE) return err;
        for (size_t i = l->held_count; i-- > 0;) {
            bool given = l->held[i].given;
            if (!is_free(&l->held[i]) || given || l->held[i].bound_port != port) continue;
            held_close(l, i);
            rival = true;
        }
        if (!rival || try == TRIES) return err;
        (void)nanosleep(&moment, NULL);
    }
}

/* Notes a listening socket, with a new channel. The descriptor is taken over, or closed. */
static nx_err held_add(struct nx__launcher *l, const struct wish *wish, int fd, uint16_t bound_port,
                       struct nx__held **out)
{
    struct nx__held held = {.fd = fd, .bound_port = bound_port, .worker = wish->worker};
    nx_err err = nx__hand_channel(&held.handed_in, &held.handed_out);
    if (err) {
        (void)close(fd);
        return err;
    }
    memcpy(held.address, wish->address, sizeof held.address);
    for (size_t i = 0; i < l->held_count; i++) held.place += is_beside(&held, &l->held[i]);
    *out = &l->held[l->held_count++];
    **out = held;
    return NX_OK;
}

static nx_err held_make(struct nx__launcher *l, const struct wish *wish, struct nx__held **out)
{
    int fd;
    uint16_t bound_port;
    if (l->held_count == NX__HELD_MAX)
        return nx__error_set(NX_ELIMIT, "cannot listen on %s: %d sockets listen already",
                             wish->address, NX__HELD_MAX);
    NX_TRY(held_new(l, wish, &fd, &bound_port));
    return held_add(l, wish, fd, bound_port, out);
}

/* The start of a server is silent else. Not in a log, which a plain run may write; nor when a
 * restart takes the socket over. */
static void say_listening(struct nx__launcher *l, const struct wish *wish, uint16_t port)
{
    char address[NX__LISTEN_ADDRESS_MAX], clean[NX__LISTEN_ADDRESS_MAX], watching[64] = "";
    const struct nx__generation *generation = wish->peer.generation;
    bool watch = l->watcher.fd >= 0;
    if (!(watch || isatty(STDERR_FILENO)) || generation != &l->current || wish->peer.index ||
        l->stop_signal || nx__listen_address(wish->request->text, port, address))
        return;
    const char *scheme = is_unix(address)                         ? ""
                         : wish->request->wants & NX__LISTENS_TLS ? "https://"
                                                                  : "http://";
    bool every = strncmp(address, "0.0.0.0:", 8) == 0 || strncmp(address, "[::]:", 5) == 0;
    if (every) (void)snprintf(address, sizeof address, "localhost:%u", port);
    if (l->dev) {
        char url[NX__LISTEN_ADDRESS_MAX + 8];
        (void)snprintf(url, sizeof url, "%s%s", scheme,
                       nx__printable(clean, sizeof clean, address));
        nx__dev_banner(l, url);
        return;
    }
    size_t files = nx__watch_count(&l->watcher);
    if (watch && !generation->listened)
        (void)snprintf(watching, sizeof watching, ", watching %zu file%s", files,
                       files == 1 ? "" : "s");
    nx__cli_say("%s%s (%sstarted in %.0f ms)%s", scheme,
                nx__printable(clean, sizeof clean, address), every ? "on every address, " : "",
                (double)(nx__clock_monotonic() - l->begun) / 1e6, watching);
}

/* The process has a socket; those of its generation that are missing are started with the first. */
static void listened(struct nx__launcher *l, const struct wish *wish)
{
    struct nx__generation *generation = wish->peer.generation;
    bool first = !generation->workers[wish->peer.index].listened;
    const nx_duration margin = NX_S(5); /* from a drain's end to that of main */
    uint64_t ms = wish->request->drain_ms;
    nx_duration patience = ms < (uint64_t)((NX_FOREVER - margin) / NX_MS(1))
                               ? NX_MS((nx_duration)ms) + margin
                               : NX_FOREVER;
    if (patience > generation->patience) generation->patience = patience;
    if (l->dev && generation == &l->current && !generation->listened) nx__dev_listening(l);
    generation->listened = generation->workers[wish->peer.index].listened = true;
    if (!first || generation != &l->current || !all_listen(generation)) return;
    nx__service_listened(l);
    if (l->generations > 1 || l->crash_count) l->sweep_at = nx__clock_monotonic() + SWEEP_AFTER;
}

nx_err nx__held_give(struct nx__launcher *l, int fd)
{
    struct wish wish = {.worker = 0};
    struct nx__held *held;
    uint16_t port = 0;
    nx_err err = l->held_count == NX__HELD_MAX
                     ? nx__error_set(NX_ELIMIT, "LISTEN_FDS has more than %d sockets", NX__HELD_MAX)
                     : nx__listen_spell(fd, wish.address, &port);
    if (err) {
        (void)close(fd);
        return err;
    }
    NX_TRY(held_add(l, &wish, fd, port, &held));
    held->given = true;
    return NX_OK;
}

/* A socket that a service manager has made for this address is called as the program calls it. */
static bool given_adopt(struct nx__launcher *l, const struct wish *wish)
{
    uint16_t port;
    for (size_t i = 0; i < l->held_count; i++) {
        struct nx__held *held = &l->held[i];
        if (!held->given ||
            !nx__listen_is_at(held->fd, wish->request->text, (uint16_t)wish->request->port, &port))
            continue;
        memcpy(held->address, wish->address, sizeof held->address);
        return true;
    }
    return false;
}

static nx_err held_for(struct nx__launcher *l, struct wish *wish, struct nx__held **out,
                       bool *fresh)
{
    const struct nx__broker_request *request = wish->request;
    if (request->port > UINT16_MAX)
        return nx__error_set(NX_EINVAL, "cannot listen on port %u", request->port);
    NX_TRY(nx__listen_address(request->text, (uint16_t)request->port, wish->address));
    /* Not only the app's own check: what it holds in its memory, its code can change. */
    if (!nx__serve_once(l, wish->address)) NX_TRY(nx__permit(NX__PERMIT_NET, wish->address));
    uint32_t workers = request->workers;
    if (workers == UINT32_MAX)
        workers = nx__cpus() < NX__WORKERS_MAX ? nx__cpus() : NX__WORKERS_MAX;
    bool given = given_adopt(l, wish);
    wish->shared = workers > 1 && (given || is_unix(wish->address));
    wish->several = workers > 1 && !wish->shared;
    wish->reuse = request->wants & NX__LISTENS_REUSE;
    wish->worker = wish->shared ? 0 : wish->peer.index;
    *out = NULL;
    for (size_t i = 0; i < l->held_count && !*out; i++)
        if (may_take(l, &l->held[i], wish)) *out = &l->held[i];
    *fresh = !*out;
    if (*fresh) NX_TRY(held_make(l, wish, out));
    /* One that had it alone before: the others may join it now. */
    int on = 1;
    if (wish->several || wish->reuse)
        (void)setsockopt((*out)->fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    /* One that is to end has no need of them. */
    bool ends = l->stop_signal || l->ending || wish->peer.generation->kill_at;
    return workers > 1 && !ends ? nx__generation_workers(l, wish->peer.generation, workers) : NX_OK;
}

/* One more socket at the address of the first, for the next thread: that of the generation before,
 * else a new one. NULL: none can be had. */
static struct nx__held *held_beside(struct nx__launcher *l, struct wish *wish,
                                    const struct nx__held *first)
{
    struct nx__held *held = NULL;
    int fd;
    wish->worker++;
    for (size_t i = 0; i < l->held_count; i++)
        if (l->held[i].bound_port == first->bound_port && may_take(l, &l->held[i], wish))
            return &l->held[i];
    if (l->held_count == NX__HELD_MAX ||
        nx__listen_beside(first->fd, wish->request->backlog, &fd) != NX_OK ||
        held_add(l, wish, fd, first->bound_port, &held) != NX_OK)
        return NULL;
    return held;
}

static void held_take(const struct nx__launcher *l, struct nx__held *held, struct nx__peer peer)
{
    bool next = peer.generation == &l->next;
    uint64_t *who = next ? &held->heirs : &held->owners;
    uint32_t *number = next ? &held->heir : &held->generation;
    if (*number != peer.generation->number) *who = 0;
    *number = peer.generation->number;
    *who |= 1ull << peer.index;
    if (!held->left) return;
    held->left = false;
    held_direct(l, held);
}

void nx__held_listen(struct nx__launcher *l, struct nx__peer peer,
                     const struct nx__broker_request *request)
{
    struct wish wish = {.peer = peer, .request = request};
    struct nx__held *first = NULL;
    bool fresh = false;
    nx_err err = held_for(l, &wish, &first, &fresh);
    if (err || !first) {
        nx__serve_answer(peer, err, 0, NULL, 0);
        return;
    }
    int fds[NX__BROKER_FDS];
    size_t count = 0;
    bool alone = wish.several || wish.shared || is_unix(wish.address);
    uint32_t sockets = alone || request->sockets < 1          ? 1
                       : request->sockets > NX__LISTENERS_MAX ? NX__LISTENERS_MAX
                                                              : request->sockets;
    uint16_t port = first->bound_port;
    for (struct nx__held *held = first; held; held = held_beside(l, &wish, first)) {
        held_take(l, held, peer);
        fds[count++] = held->fd;
        fds[count++] = held->handed_in;
        fds[count++] = held->handed_out;
        if (!--sockets) break;
    }
    if (fresh) say_listening(l, &wish, port);
    listened(l, &wish);
    nx__serve_answer(peer, NX_OK, port, fds, count);
    /* While it stops, or when it is an old one, ours would only keep connections waiting. */
    bool old = peer.generation != &l->current && peer.generation != &l->next;
    for (size_t i = l->held_count; i-- > 0 && (l->stop_signal || l->ending || old);)
        for (size_t k = 0; k < count; k += 3)
            if (l->held[i].fd == fds[k]) {
                held_close(l, i);
                break;
            }
}

void nx__held_unlisten(struct nx__launcher *l, struct nx__peer peer, uint64_t socket)
{
    uint64_t own = 1ull << peer.index;
    for (size_t i = 0; i < l->held_count; i++) {
        struct nx__held *held = &l->held[i];
        bool has = (held->generation == peer.generation->number && (held->owners & own)) ||
                   (held->heir == peer.generation->number && (held->heirs & own));
        struct stat st;
        if (!has || fstat(held->fd, &st) != 0 || st.st_ino != socket) continue;
        /* Another may have it still: a worker, or a generation beside this one. */
        if (held->generation == peer.generation->number && !(held->owners &= ~own))
            held->generation = 0;
        if (held->heir == peer.generation->number && !(held->heirs &= ~own)) held->heir = 0;
        if (is_free(held) && !held->given) held_end(l, i);
        return;
    }
}
