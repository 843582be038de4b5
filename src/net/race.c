/* Connecting to whichever of several addresses answers first. */
#include "net/race.h"

#include "base/clock.h"
#include "net/fd.h"
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <unistd.h>

struct attempt {
    struct nx__watch watch;
    struct race *race;
    const union nx__address *address;
    int fd;    /* -1: over */
    int error; /* errno */
};

struct race {
    struct nx__timed_op wait;
    struct nx_loop *loop;
    struct attempt attempts[NX__ADDRESSES_MAX];
    unsigned count, begun, live;
    int won;                                /* the connected socket, or -1 */
    const struct nx__race_prepare *prepare; /* may be NULL */
};

/* ---- Attempts */

static void attempt_close(struct attempt *a)
{
    nx__poller_remove(&a->race->loop->poller, &a->watch);
    if (a->fd >= 0) {
        (void)close(a->fd);
        a->race->live--;
    }
    a->fd = -1;
}

static void attempt_ended(struct attempt *a, int error)
{
    if (error || a->race->won >= 0) {
        a->error = error;
        attempt_close(a);
        return;
    }
    nx__poller_remove(&a->race->loop->poller, &a->watch);
    a->race->won = a->fd;
    a->fd = -1;
    a->race->live--;
}

static void attempt_ready(struct nx__watch *watch, uint32_t events)
{
    struct attempt *a = nx__container_of(watch, struct attempt, watch);
    int error = 0;
    socklen_t len = sizeof error;
    (void)events;
    if (getsockopt(a->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0) error = errno;
    attempt_ended(a, error);
    nx__op_complete(&a->race->wait.op, 0);
}

/* 0, EINPROGRESS, or why it has failed. */
static int attempt_connect(struct attempt *a)
{
    int on = 1;
    a->fd = socket(a->address->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (a->fd < 0) return errno;
    a->race->live++;
    if (setsockopt(a->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0) return errno;
    const struct nx__race_prepare *prepare = a->race->prepare;
    int error = prepare ? prepare->fn(a->fd, a->address->any.sa_family, prepare->arg) : 0;
    if (error) return error;
    if (connect(a->fd, &a->address->any, nx__address_len(a->address)) == 0) return 0;
    if (errno != EINPROGRESS) return errno;
    if (nx__poller_add(&a->race->loop->poller, &a->watch, a->fd, NX__WRITABLE))
        return nx__error_last()->system ? nx__error_last()->system : ENOMEM;
    return EINPROGRESS;
}

static void attempt_begin(struct race *r)
{
    struct attempt *a = &r->attempts[r->begun++];
    a->race = r;
    a->watch = (struct nx__watch){.ready = attempt_ready, .fd = -1};
    int error = attempt_connect(a);
    if (error != EINPROGRESS) attempt_ended(a, error);
}

/* ---- The race */

/* Until an attempt has ended, or the time has come. */
static nx_err race_wait(struct race *r, nx_duration until)
{
    for (unsigned i = 0; i < r->begun; i++)
        if (r->attempts[i].fd >= 0) r->wait.on = &r->attempts[i].watch;
    int64_t result = nx__net_wait(&r->wait, r->loop, until);
    return result == -ETIMEDOUT ? NX_OK : nx__net_wait_error(result);
}

static nx_err race_run(struct race *r, nx_duration deadline)
{
    nx_duration next = 0;
    while (r->won < 0) {
        nx_duration now = nx__clock_monotonic();
        if (now >= deadline) return NX_ETIMEDOUT;
        if (r->begun < r->count && (!r->live || now >= next)) {
            attempt_begin(r);
            next = now + NX__RACE_DELAY;
        } else if (!r->live) {
            return NX_EFAILED;
        } else {
            NX_TRY(race_wait(r, r->begun < r->count && next < deadline ? next : deadline));
        }
    }
    return NX_OK;
}

/* ---- What is said of it */

/* "a, b", or with what has become of each "a: connection refused, b: no way to that network". */
static void tried_spell(const struct race *r, bool each, char *out, size_t size)
{
    char host[NX__PEER_MAX];
    out[0] = '\0';
    for (unsigned i = 0; i < r->begun; i++) {
        const struct attempt *a = &r->attempts[i];
        size_t n = strlen(out);
        nx__address_spell(a->address, false, host);
        int len = snprintf(out + n, size - n, "%s%s%s%s", n ? ", " : "", host, each ? ": " : "",
                           each ? a->error ? nx__errno_text(a->error) : "no answer" : "");
        if (len < 0 || (size_t)len >= size - n) return; /* the rest has no room */
    }
}

static NX__COLD nx_err failed(const struct race *r, const char *peer, bool late)
{
    char tried[NX__ERROR_MESSAGE_MAX];
    int system = r->attempts[r->begun - 1].error;
    bool same = true;
    for (unsigned i = 0; i < r->begun; i++)
        if (r->attempts[i].error != system) same = false;
    tried_spell(r, !same, tried, sizeof tried);
    if (late) system = ETIMEDOUT;
    nx_err code = nx__error_from_errno(system);
    if (!same)
        NX_IGNORE(nx__error_set(code, "cannot connect to \"%s\": %s", peer, tried));
    else if (r->begun == 1)
        NX_IGNORE(
            nx__error_set(code, "cannot connect to \"%s\": %s", peer, nx__errno_text(system)));
    else
        NX_IGNORE(nx__error_set(code, "cannot connect to \"%s\": %s (tried %s)", peer,
                                nx__errno_text(system), tried));
    nx__context()->error.system = system;
    return code;
}

/* There was no time for an attempt. */
static NX__COLD nx_err too_late(const char *peer)
{
    NX_IGNORE(nx__error_set(NX_ETIMEDOUT, "cannot connect to \"%s\": %s", peer,
                            nx__errno_text(ETIMEDOUT)));
    nx__context()->error.system = ETIMEDOUT;
    return NX_ETIMEDOUT;
}

unsigned nx__race_order(const struct nx__addresses *addresses,
                        const union nx__address *out[NX__ADDRESSES_MAX])
{
    bool taken[NX__ADDRESSES_MAX] = {0};
    int family = addresses->items[0].any.sa_family;
    unsigned count = 0;
    while (count < addresses->count) {
        unsigned i = 0;
        while (i < addresses->count && (taken[i] || addresses->items[i].any.sa_family != family))
            i++;
        family = family == AF_INET ? AF_INET6 : AF_INET;
        if (i == addresses->count) continue;
        taken[i] = true;
        out[count++] = &addresses->items[i];
    }
    return count;
}

nx_err nx__race(int *fd, const struct nx__addresses *addresses, const char *peer,
                nx_duration deadline, const struct nx__race_prepare *prepare)
{
    struct race r = {.loop = nx__loop(), .won = -1, .prepare = prepare};
    const union nx__address *order[NX__ADDRESSES_MAX];
    r.count = nx__race_order(addresses, order);
    for (unsigned i = 0; i < r.count; i++)
        r.attempts[i] = (struct attempt){.address = order[i], .fd = -1};
    nx_err err = race_run(&r, deadline);
    for (unsigned i = 0; i < r.begun; i++) attempt_close(&r.attempts[i]);
    if (err && r.won >= 0) { /* cancelled in the turn in which one has won */
        (void)close(r.won);
        r.won = -1;
    }
    *fd = r.won;
    if (!err) return NX_OK;
    if (err == NX_ETIMEDOUT && !r.begun) return too_late(peer);
    return r.begun && (err == NX_EFAILED || err == NX_ETIMEDOUT)
               ? failed(&r, peer, err == NX_ETIMEDOUT)
               : err;
}
