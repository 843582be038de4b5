/* Connecting by HTTP/3 to whichever of several addresses answers first (RFC 8305). */
#include "http/h3/client.h"

#include "base/error.h"
#include "base/siphash.h"
#include "net/dial.h"
#include "net/race.h"
#include <stdio.h>

struct attempt {
    const union nx__address *address;
    struct nx__h3_conn *c; /* NULL: over */
};

struct race {
    struct attempt attempts[NX__ADDRESSES_MAX];
    unsigned count, begun, live;
    struct nx__timed_op *waiter;
    struct nx__h3_conn *won;
    nx_err err; /* the one that says most, and its text */
    char why[NX__ERROR_MESSAGE_MAX];
};

/* ---- Which address has answered last: only there a request goes before the peer has answered
 * (0-RTT), where there are several */

struct known {
    uint64_t peer; /* a hash */
    union nx__address address;
};

enum { KNOWN_MOST = 8 };
static NX__THREAD_LOCAL struct known known[KNOWN_MOST];

static struct known *known_of(const char *peer, uint64_t *hash)
{
    static const uint64_t key[2] = {0x68332d72616365, 0x6b6e6f776e}; /* who collides goes slower */
    *hash = nx__siphash(key, peer, strlen(peer));
    return &known[*hash % KNOWN_MOST];
}

static bool same(const union nx__address *a, const union nx__address *b)
{
    if (a->any.sa_family != b->any.sa_family) return false;
    return a->any.sa_family == AF_INET
               ? a->v4.sin_port == b->v4.sin_port && a->v4.sin_addr.s_addr == b->v4.sin_addr.s_addr
               : a->v6.sin6_port == b->v6.sin6_port &&
                     memcmp(&a->v6.sin6_addr, &b->v6.sin6_addr, sizeof a->v6.sin6_addr) == 0;
}

/* That one goes first. False where it is not among them. */
static bool known_first(struct race *r, const char *peer)
{
    uint64_t hash;
    const struct known *k = known_of(peer, &hash);
    for (unsigned i = 0; i < r->count && k->peer == hash; i++) {
        const union nx__address *address = r->attempts[i].address;
        if (!same(address, &k->address)) continue;
        for (; i > 0; i--) r->attempts[i].address = r->attempts[i - 1].address;
        r->attempts[0].address = address;
        return true;
    }
    return false;
}

static void known_keep(const char *peer, const union nx__address *address)
{
    uint64_t hash;
    struct known *k = known_of(peer, &hash);
    *k = (struct known){hash, *address};
}

/* ---- Attempts */

static void failed(struct race *r, nx_err err, const char *why)
{
    /* That nobody listens at one says least. */
    if (r->err && (err == NX_EREFUSED || err == NX_EUNREACH)) return;
    r->err = err;
    (void)snprintf(r->why, sizeof r->why, "%.*s", (int)sizeof r->why - 1, why);
}

static void attempt_close(struct race *r, struct attempt *a)
{
    if (!a->c) return;
    struct nx__h3_conn *c = a->c;
    a->c = NULL;
    r->live--;
    c->opener = NULL;
    nx__h3_conn_close(&c->base);
}

static void attempt_begin(struct race *r, struct nx__quic_target *target, bool early)
{
    struct attempt *a = &r->attempts[r->begun++];
    target->address = a->address;
    nx_err err = nx__h3_conn_begin(&a->c, target, early);
    if (err) {
        a->c = NULL;
        failed(r, err, nx__error_last()->message);
        return;
    }
    a->c->opener = &r->waiter;
    r->live++;
}

/* What has become of those that were begun; the first that is open is it. */
static void look(struct race *r, bool early)
{
    for (unsigned i = 0; i < r->begun && !r->won; i++) {
        struct attempt *a = &r->attempts[i];
        if (!a->c) continue;
        if (a->c->failed) {
            failed(r, a->c->failed, a->c->why);
            attempt_close(r, a);
        } else if (a->c->quic->handshaken || (early && !i && a->c->end.h3)) {
            r->won = a->c;
            r->won->opener = NULL;
            a->c = NULL;
            r->live--;
        }
    }
}

/* Whether the others are of no use: somebody has answered who is not to be trusted, or we can't. */
static bool is_final(nx_err err)
{
    return err == NX_ENOMEM || err == NX_EPROTO;
}

static nx_err run(struct race *r, struct nx__quic_target *target, bool early, nx_duration deadline)
{
    nx_duration next = 0;
    for (;;) {
        look(r, early);
        if (r->won) return NX_OK;
        nx_duration now = nx__deadline(0);
        if (is_final(r->err)) return r->err;
        if (r->begun < r->count && (!r->live || now >= next)) {
            attempt_begin(r, target, early);
            next = now + NX__RACE_DELAY;
            continue;
        }
        if (!r->live) return r->err;
        bool more = r->begun < r->count && next < deadline;
        nx_err err = nx__h3_conn_wait(&r->waiter, more ? next : deadline);
        if (err == NX_ETIMEDOUT && more) continue;
        if (err == NX_ETIMEDOUT) return nx__error_set(err, "no answer came in time");
        if (err) return err;
    }
}

nx_err nx__client_h3(struct nx__client_conn **out, const struct nx__way *way, const char *name,
                     nx_duration deadline)
{
    const union nx__address *order[NX__ADDRESSES_MAX];
    struct nx__addresses addresses;
    char peer[NX__PEER_MAX], why[NX__ERROR_MESSAGE_MAX];
    nx_tls_connect_options tls = *way->tls;
    struct race r = {.err = NX_OK};
    *out = NULL;
    tls.protocols = "h3";
    NX_TRY(nx__dial_addresses(&addresses, way->host, way->h3_port, deadline, peer));
    r.count = nx__race_order(&addresses, order);
    for (unsigned i = 0; i < r.count; i++) r.attempts[i].address = order[i];
    bool early = way->early && (known_first(&r, peer) || r.count == 1);
    struct nx__quic_target target = {NULL, name, peer, &tls};
    nx_err err = run(&r, &target, early, deadline);
    (void)snprintf(why, sizeof why, "%s", r.err == err ? r.why : nx__error_last()->message);
    for (unsigned i = 0; i < r.begun; i++) attempt_close(&r, &r.attempts[i]);
    if (err) return nx__error_set(err, "cannot connect to \"%s\" by HTTP/3: %s", peer, why);
    known_keep(peer, (const union nx__address *)(const void *)nx__quic_peer(r.won->quic));
    *out = &r.won->base;
    return NX_OK;
}
