/* Endpoints: what comes to a port, whose it is, and what answers where it is nobody's. */
#include "quic/internal.h"

#include <errno.h>
#include <nexus/crypto.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    READS_A_TURN = 8, /* system calls, so that the others on the loop are served too */
    LONG_HEADER = 0x80,
    INITIAL_LEAST = 1200 /* bytes of a datagram that begins a connection (RFC 9000 14.1) */
};

/* ---- Groups */

struct nx__quic_group *nx__quic_group_new(const struct nx__quic_how *how)
{
    struct nx__quic_group *group = calloc(1, sizeof *group);
    if (group) group->endpoints = calloc(how->workers, sizeof(struct nx__quic_endpoint *));
    if (!group || !group->endpoints || pthread_mutex_init(&group->lock, NULL) != 0) {
        if (group) free(group->endpoints);
        free(group);
        (void)nx__error_set(NX_ENOMEM, "cannot serve QUIC: out of memory");
        return NULL;
    }
    group->how = *how;
    atomic_init(&group->refs, 1);
    nx_random(group->token_secret, sizeof group->token_secret);
    nx_random(group->reset_secret, sizeof group->reset_secret);
    if (how->context) nx__quic_reset_secret(how, group->reset_secret);
    nx_random(group->steer_key, sizeof group->steer_key);
    return group;
}

void nx__quic_group_free(struct nx__quic_group *group)
{
    if (!group || atomic_fetch_sub(&group->refs, 1) != 1) return;
    if (group->how.qlog >= 0) (void)close(group->how.qlog);
    (void)pthread_mutex_destroy(&group->lock);
    free(group->endpoints);
    ngtcp2_secure_clear(group, sizeof *group);
    free(group);
}

/* ---- To the kernel */

static void later(struct nx__quic_endpoint *endpoint)
{
    if (endpoint->posted) return;
    endpoint->posted = true;
    nx__loop_post(endpoint->loop, &endpoint->post);
}

/* What is said of our only peer ends a handshake with it; later, when anybody on the way could say
 * it, only if nothing comes from it. */
static void heard_error(struct nx__quic_endpoint *endpoint, int error)
{
    bool unreachable = error == ECONNREFUSED || error == ENETUNREACH || error == EHOSTUNREACH ||
                       error == EACCES || error == EPERM;
    if (!endpoint->connected || !unreachable) return;
    endpoint->error = error;
    later(endpoint);
}

/* False when the kernel takes no more: what is left stays, and the socket says when. */
static bool out_flush(struct nx__quic_endpoint *endpoint)
{
    while (endpoint->packet_count && !endpoint->blocked) {
        int64_t n = nx__udp_send(&endpoint->udp, endpoint->packets, endpoint->packet_count);
        if (n == -EAGAIN) {
            endpoint->blocked = true;
            if (nx__poller_change(&endpoint->loop->poller, &endpoint->watch,
                                  NX__READABLE | NX__WRITABLE))
                endpoint->blocked = false;
            return false;
        }
        /* What a peer can't be sent is lost, as on the way; the connection's timers notice. */
        if (n < 0) heard_error(endpoint, (int)-n);
        size_t done = n < 0 ? 1 : (size_t)n;
        endpoint->packet_count -= (unsigned)done;
        memmove(endpoint->packets, endpoint->packets + done,
                endpoint->packet_count * sizeof *endpoint->packets);
    }
    if (!endpoint->packet_count) endpoint->out_used = 0;
    return !endpoint->blocked;
}

char *nx__quic_out_room(struct nx__quic_endpoint *endpoint, size_t least)
{
    if (endpoint->blocked) return NULL;
    if (endpoint->packet_count == NX__UDP_BATCH || NX__QUIC_OUT - endpoint->out_used < least) {
        if (!out_flush(endpoint)) return NULL;
    }
    return endpoint->out + endpoint->out_used;
}

void nx__quic_out_put(struct nx__quic_endpoint *endpoint, size_t len, size_t segment,
                      const union nx__address *peer, const union nx__address *local, uint8_t ecn)
{
    struct nx__packet *packet = &endpoint->packets[endpoint->packet_count++];
    *packet = (struct nx__packet){.data = endpoint->out + endpoint->out_used,
                                  .len = len,
                                  .segment = segment < len ? (uint16_t)segment : 0,
                                  .ecn = ecn};
    if (!endpoint->connected) {
        packet->peer = *peer;
        packet->local = *local;
    }
    endpoint->out_used += len;
}

/* ---- Answers to what is no connection's. All are shorter than what they answer, or a third of
 * what may be sent to an address that nobody has proved. */

static bool may_reply(struct nx__quic_endpoint *endpoint)
{
    nx_duration now = nx__clock_monotonic();
    if (now - endpoint->replies_since >= NX_S(1)) {
        endpoint->replies_since = now;
        endpoint->replies = 0;
    }
    return endpoint->replies++ < NX__QUIC_REPLIES_MOST;
}

static void reply(struct nx__quic_endpoint *endpoint, const struct nx__quic_datagram *d,
                  const uint8_t *data, ngtcp2_ssize len)
{
    char *room = len > 0 ? nx__quic_out_room(endpoint, (size_t)len) : NULL;
    if (!room) return;
    memcpy(room, data, (size_t)len);
    nx__quic_out_put(endpoint, (size_t)len, (size_t)len, d->peer, d->local, 0);
}

/* RFC 9000 6 */
static void reply_version(struct nx__quic_endpoint *endpoint, const struct nx__quic_datagram *d,
                          const ngtcp2_version_cid *vc)
{
    const uint32_t versions[] = {NGTCP2_PROTO_VER_V1};
    uint8_t packet[NX__QUIC_PACKET], grease;
    if (d->len < INITIAL_LEAST || !may_reply(endpoint)) return;
    nx_random(&grease, sizeof grease);
    reply(endpoint, d, packet,
          ngtcp2_pkt_write_version_negotiation(packet, sizeof packet, grease, vc->scid, vc->scidlen,
                                               vc->dcid, vc->dcidlen, versions, 1));
}

/* RFC 9000 8.1.2 */
static void reply_retry(struct nx__quic_endpoint *endpoint, const struct nx__quic_datagram *d,
                        const ngtcp2_pkt_hd *hd)
{
    const struct nx__quic_group *group = endpoint->group;
    uint8_t packet[NX__QUIC_PACKET], token[NGTCP2_CRYPTO_MAX_RETRY_TOKENLEN2];
    ngtcp2_cid id;
    nx__quic_cid_make(group, endpoint->worker, &id);
    ngtcp2_ssize len = ngtcp2_crypto_generate_retry_token2(
        token, group->token_secret, sizeof group->token_secret, hd->version, &d->peer->any,
        nx__address_len(d->peer), &id, &hd->dcid, nx__quic_now());
    if (len < 0) return;
    reply(endpoint, d, packet,
          ngtcp2_crypto_write_retry(packet, sizeof packet, hd->version, &hd->scid, &id, &hd->dcid,
                                    token, (size_t)len));
}

static void reply_close(struct nx__quic_endpoint *endpoint, const struct nx__quic_datagram *d,
                        const ngtcp2_pkt_hd *hd, uint64_t code)
{
    uint8_t packet[NX__QUIC_PACKET];
    if (!may_reply(endpoint)) return;
    reply(endpoint, d, packet,
          ngtcp2_crypto_write_connection_close(packet, sizeof packet, hd->version, &hd->scid,
                                               &hd->dcid, code, NULL, 0));
}

/* RFC 9000 10.3: shorter than what it answers, so that two of us would not go on for ever. */
static void reply_reset(struct nx__quic_endpoint *endpoint, const struct nx__quic_datagram *d,
                        const ngtcp2_version_cid *vc)
{
    enum { LEAST = 21, MOST = 43 };
    uint8_t packet[MOST], random[MOST];
    ngtcp2_stateless_reset_token token;
    ngtcp2_cid id;
    if (d->len <= LEAST || !may_reply(endpoint)) return;
    ngtcp2_cid_init(&id, vc->dcid, vc->dcidlen);
    if (ngtcp2_crypto_generate_stateless_reset_token(token.data, endpoint->group->reset_secret,
                                                     NX__QUIC_SECRET, &id))
        return;
    size_t len = d->len - 1 < MOST ? d->len - 1 : MOST;
    size_t random_len = len - sizeof token.data;
    nx_random(random, random_len);
    reply(endpoint, d, packet,
          ngtcp2_pkt_write_stateless_reset2(packet, sizeof packet, &token, random, random_len));
}

/* ---- Packets of another worker's connections: a peer that has moved comes to whichever socket the
 * kernel finds for its new address. */

struct handed {
    struct nx__post post;
    struct nx__quic_group *group;
    uint32_t worker;
    union nx__address local, peer;
    uint8_t ecn;
    size_t len;
    uint8_t data[];
};

static void dispatch(struct nx__quic_endpoint *endpoint, const struct nx__quic_datagram *d,
                     bool from_another);
static void write_all(struct nx__quic_endpoint *endpoint);

static void handed_arrive(struct nx__post *post)
{
    struct handed *h = nx__container_of(post, struct handed, post);
    struct nx__quic_group *group = h->group;
    (void)pthread_mutex_lock(&group->lock);
    struct nx__quic_endpoint *endpoint = group->endpoints[h->worker];
    group->handed--;
    (void)pthread_mutex_unlock(&group->lock);
    const struct nx__quic_datagram d = {h->data, h->len, &h->local, &h->peer, h->ecn};
    if (endpoint) {
        dispatch(endpoint, &d, true);
        write_all(endpoint);
    }
    free(h);
    nx__quic_group_free(group);
}

/* False where nobody is there for it. */
static bool hand_over(struct nx__quic_endpoint *endpoint, const struct nx__quic_datagram *d,
                      uint32_t worker)
{
    struct nx__quic_group *group = endpoint->group;
    if (worker >= group->how.workers || worker == endpoint->worker) return false;
    struct handed *h = malloc(sizeof *h + d->len);
    if (!h) return true;
    *h = (struct handed){.post.fn = handed_arrive,
                         .group = group,
                         .worker = worker,
                         .local = *d->local,
                         .peer = *d->peer,
                         .ecn = d->ecn,
                         .len = d->len};
    memcpy(h->data, d->data, d->len);
    (void)pthread_mutex_lock(&group->lock);
    struct nx__quic_endpoint *other = group->endpoints[worker];
    bool goes = other && group->handed < NX__QUIC_HANDED_MOST;
    if (goes) {
        group->handed++;
        (void)atomic_fetch_add(&group->refs, 1);
        nx__loop_post(other->loop, &h->post); /* under the lock: its loop lasts until it has left */
    }
    (void)pthread_mutex_unlock(&group->lock);
    if (!goes) free(h);
    return other != NULL;
}

/* ---- What comes */

enum token_kind { TOKEN_NONE, TOKEN_RETRY, TOKEN_REGULAR, TOKEN_BAD };

static enum token_kind token_check(const struct nx__quic_endpoint *endpoint,
                                   const struct nx__quic_datagram *d, const ngtcp2_pkt_hd *hd,
                                   ngtcp2_cid *original)
{
    const struct nx__quic_group *group = endpoint->group;
    if (!hd->tokenlen) return TOKEN_NONE;
    if (hd->token[0] == NGTCP2_CRYPTO_TOKEN_MAGIC_RETRY2)
        return ngtcp2_crypto_verify_retry_token2(
                   original, hd->token, hd->tokenlen, group->token_secret,
                   sizeof group->token_secret, hd->version, &d->peer->any, nx__address_len(d->peer),
                   &hd->dcid, NX__QUIC_RETRY_LIFE, nx__quic_now())
                   ? TOKEN_BAD
                   : TOKEN_RETRY;
    /* One of a connection before; what it was is forgotten after a restart (RFC 9000 8.1.3). */
    if (hd->token[0] == NGTCP2_CRYPTO_TOKEN_MAGIC_REGULAR &&
        !ngtcp2_crypto_verify_regular_token(
            hd->token, hd->tokenlen, group->token_secret, sizeof group->token_secret, &d->peer->any,
            nx__address_len(d->peer), NX__QUIC_TOKEN_LIFE, nx__quic_now()))
        return TOKEN_REGULAR;
    return TOKEN_NONE;
}

/* A packet that may begin a connection. */
static void accept_new(struct nx__quic_endpoint *endpoint, const struct nx__quic_datagram *d)
{
    ngtcp2_pkt_hd hd;
    ngtcp2_cid original = {0};
    if (ngtcp2_accept(&hd, d->data, d->len) != 0) return;
    if (endpoint->over) {
        reply_close(endpoint, d, &hd, NGTCP2_CONNECTION_REFUSED);
        return;
    }
    enum token_kind token = token_check(endpoint, d, &hd, &original);
    if (token == TOKEN_BAD) {
        reply_close(endpoint, d, &hd, NGTCP2_INVALID_TOKEN);
        return;
    }
    bool pressed = endpoint->group->how.retry || endpoint->half_open >= NX__QUIC_HALF_OPEN;
    if (token == TOKEN_NONE && pressed) {
        reply_retry(endpoint, d, &hd);
        return;
    }
    if (!endpoint->admit(endpoint)) {
        reply_close(endpoint, d, &hd, NGTCP2_CONNECTION_REFUSED);
        return;
    }
    struct nx__quic_conn *conn =
        nx__quic_conn_new(endpoint, d, &hd, token == TOKEN_RETRY ? &original : NULL,
                          token == TOKEN_RETRY     ? NGTCP2_TOKEN_TYPE_RETRY
                          : token == TOKEN_REGULAR ? NGTCP2_TOKEN_TYPE_NEW_TOKEN
                                                   : NGTCP2_TOKEN_TYPE_UNKNOWN);
    if (conn)
        nx__quic_conn_read(conn, d);
    else
        endpoint->left(endpoint);
}

/* A client's connection, if it is open. */
static struct nx__quic_conn *only(const struct nx__quic_endpoint *endpoint)
{
    struct nx__list *link = endpoint->conns.next;
    if (link == &endpoint->conns) return NULL;
    return nx__container_of(link, struct nx__quic_conn, link);
}

static void dispatch(struct nx__quic_endpoint *endpoint, const struct nx__quic_datagram *d,
                     bool from_another)
{
    ngtcp2_version_cid vc;
    int err = ngtcp2_pkt_decode_version_cid(&vc, d->data, d->len, NX__QUIC_CID);
    if (err == NGTCP2_ERR_VERSION_NEGOTIATION && !endpoint->connected) {
        reply_version(endpoint, d, &vc);
        return;
    }
    if (err) return;
    struct nx__quic_conn *conn = nx__quic_cid_find(endpoint, vc.dcid, vc.dcidlen);
    if (conn) {
        nx__quic_conn_read(conn, d);
        return;
    }
    if (d->data[0] & LONG_HEADER && !endpoint->connected) {
        accept_new(endpoint, d);
        return;
    }
    if (endpoint->connected) { /* a stateless reset has no id (RFC 9000 10.3.1) */
        conn = only(endpoint);
        if (conn && !(d->data[0] & LONG_HEADER)) nx__quic_conn_read(conn, d);
        return;
    }
    uint32_t worker = nx__quic_cid_worker(endpoint->group, vc.dcid, vc.dcidlen);
    if (from_another || !hand_over(endpoint, d, worker)) reply_reset(endpoint, d, &vc);
}

/* Datagrams that the kernel has put together, one by one. */
static void take(struct nx__quic_endpoint *endpoint, struct nx__packet *p)
{
    size_t segment = p->segment ? p->segment : p->len;
    if (p->cut || !p->len) return;
    /* Paths are compared with their port. */
    if (!p->local.any.sa_family) p->local = endpoint->local;
    if (p->local.any.sa_family == AF_INET)
        p->local.v4.sin_port = endpoint->local.v4.sin_port;
    else
        p->local.v6.sin6_port = endpoint->local.v6.sin6_port;
    for (size_t at = 0; at < p->len; at += segment) {
        const struct nx__quic_datagram d = {(const uint8_t *)p->data + at,
                                            p->len - at < segment ? p->len - at : segment,
                                            &p->local, &p->peer, p->ecn};
        dispatch(endpoint, &d, false);
    }
}

/* Lets those write that may have something to say. */
static void write_all(struct nx__quic_endpoint *endpoint)
{
    endpoint->busy = true;
    /* Who is in the list again by then has its turn later. */
    struct nx__list now;
    nx__list_init(&now);
    while (!nx__list_empty(&endpoint->writers))
        nx__list_insert(&now, nx__list_pop(&endpoint->writers));
    while (!nx__list_empty(&now)) {
        if (endpoint->blocked) {
            nx__list_insert(&endpoint->writers, nx__list_pop(&now));
            continue;
        }
        nx__quic_conn_write(nx__container_of(nx__list_pop(&now), struct nx__quic_conn, writer));
    }
    endpoint->busy = false;
    (void)out_flush(endpoint);
    if (!nx__list_empty(&endpoint->writers) && !endpoint->blocked) later(endpoint);
}

static void read_all(struct nx__quic_endpoint *endpoint)
{
    struct nx__packet packets[NX__QUIC_IN_BATCH];
    endpoint->unread = false;
    for (int turn = 0; turn < READS_A_TURN; turn++) {
        for (unsigned i = 0; i < endpoint->in_batch; i++)
            packets[i] = (struct nx__packet){.data = endpoint->in + (size_t)i * NX__QUIC_IN,
                                             .len = NX__QUIC_IN};
        int64_t n = nx__udp_receive(&endpoint->udp, packets, endpoint->in_batch);
        if (n == -EAGAIN) return;
        if (n < 0) { /* what a peer's machine has said of an earlier one */
            heard_error(endpoint, (int)-n);
            continue;
        }
        endpoint->busy = true;
        for (int64_t i = 0; i < n; i++) take(endpoint, &packets[i]);
        write_all(endpoint);
    }
    endpoint->unread = true;
    later(endpoint);
}

static void ready(struct nx__watch *watch, uint32_t events)
{
    struct nx__quic_endpoint *endpoint = nx__container_of(watch, struct nx__quic_endpoint, watch);
    if (!endpoint->begun) return;
    if ((events & NX__WRITABLE) && endpoint->blocked) {
        endpoint->blocked = false;
        NX_IGNORE(nx__poller_change(&endpoint->loop->poller, watch, NX__READABLE));
        if (out_flush(endpoint)) write_all(endpoint);
    }
    read_all(endpoint);
}

/* A peer can't be reached. */
static void give_up(struct nx__quic_endpoint *endpoint)
{
    struct nx__quic_conn *conn = only(endpoint);
    if (!conn) return;
    if (conn->handshaken) {
        nx__quic_conn_unreachable(conn);
        return;
    }
    conn->ended = endpoint->error;
    nx__quic_conn_free(conn);
}

static void go_on(struct nx__post *post)
{
    struct nx__quic_endpoint *endpoint = nx__container_of(post, struct nx__quic_endpoint, post);
    endpoint->posted = false;
    if (endpoint->udp.fd < 0) {
        endpoint->done(endpoint);
        return;
    }
    if (endpoint->error) give_up(endpoint);
    endpoint->error = 0;
    write_all(endpoint);
    if (endpoint->unread) read_all(endpoint);
}

void nx__quic_wants(struct nx__quic_conn *conn)
{
    struct nx__quic_endpoint *endpoint = conn->endpoint;
    if (conn->state != NX__QUIC_OPEN) return;
    if (nx__list_empty(&conn->writer)) nx__list_insert(&endpoint->writers, &conn->writer);
    if (!endpoint->busy && !endpoint->blocked) later(endpoint);
}

/* ---- Life */

static const struct nx__udp_how socket_how = {
    .joins = true, .receive_buffer = NX__QUIC_SOCKET, .send_buffer = NX__QUIC_SOCKET};

static void memory_free(struct nx__quic_endpoint *endpoint)
{
    free(endpoint->in);
    free(endpoint->out);
    free(endpoint->cids);
    endpoint->in = endpoint->out = NULL;
    endpoint->cids = NULL;
}

/* The kernel gives it by the page, as it is used. */
static nx_err init(struct nx__quic_endpoint *endpoint, unsigned in_batch)
{
    endpoint->loop = nx__loop();
    endpoint->watch = (struct nx__watch){.ready = ready, .fd = -1};
    endpoint->post.fn = go_on;
    nx__list_init(&endpoint->conns);
    nx__list_init(&endpoint->closing);
    nx__list_init(&endpoint->writers);
    nx_random(endpoint->cid_key, sizeof endpoint->cid_key);
    endpoint->in_batch = in_batch;
    endpoint->in = malloc((size_t)NX__QUIC_IN * in_batch);
    endpoint->out = malloc(NX__QUIC_OUT);
    if (endpoint->in && endpoint->out) return NX_OK;
    memory_free(endpoint);
    return nx__error_set(NX_ENOMEM, "cannot use QUIC: out of memory");
}

/* The socket is open: it is watched, and in the group. */
static nx_err join(struct nx__quic_endpoint *endpoint, struct nx__quic_group *group)
{
    nx_err err =
        nx__poller_add(&endpoint->loop->poller, &endpoint->watch, endpoint->udp.fd, NX__READABLE);
    if (err) {
        (void)close(endpoint->udp.fd);
        endpoint->udp.fd = -1;
        memory_free(endpoint);
        return err;
    }
    endpoint->group = group;
    (void)atomic_fetch_add(&group->refs, 1);
    (void)pthread_mutex_lock(&group->lock);
    group->endpoints[endpoint->worker] = endpoint;
    (void)pthread_mutex_unlock(&group->lock);
    return NX_OK;
}

nx_err nx__quic_open(struct nx__quic_endpoint *endpoint, struct nx__quic_group *group,
                     uint32_t worker, const union nx__address *at)
{
    struct nx__udp_how how = socket_how;
    char text[NX__PEER_MAX];
    how.reuse = true;
    NX_TRY(init(endpoint, NX__QUIC_IN_BATCH));
    endpoint->worker = worker;
    endpoint->local = *at;
    int error = nx__udp_open(&endpoint->udp, at, &how);
    if (error) {
        memory_free(endpoint);
        nx__address_spell(at, true, text);
        return nx__error_system(error, "cannot serve QUIC on UDP %s", text);
    }
    return join(endpoint, group);
}

nx_err nx__quic_open_to(struct nx__quic_endpoint *endpoint, struct nx__quic_group *group,
                        const union nx__address *peer)
{
    const union nx__address any = {.any.sa_family = AF_UNSPEC};
    char text[NX__PEER_MAX];
    NX_TRY(init(endpoint, NX__QUIC_JOIN_BATCH));
    endpoint->connected = endpoint->begun = true;
    int error = nx__udp_open(&endpoint->udp, &any, &socket_how);
    if (!error) error = nx__udp_connect(&endpoint->udp, peer);
    if (!error) error = nx__udp_local(&endpoint->udp, &endpoint->local);
    if (error) {
        if (endpoint->udp.fd >= 0) (void)close(endpoint->udp.fd);
        endpoint->udp.fd = -1;
        memory_free(endpoint);
        nx__address_spell(peer, true, text);
        return nx__error_system(error, "cannot reach UDP %s", text);
    }
    return join(endpoint, group);
}

void nx__quic_begin(struct nx__quic_endpoint *endpoint)
{
    endpoint->begun = true;
    endpoint->unread = true; /* edges may have come before */
    later(endpoint);
}

void nx__quic_stop(struct nx__quic_endpoint *endpoint)
{
    endpoint->over = true;
    /* Who is still in the handshake is served elsewhere. */
    for (struct nx__list *link = endpoint->conns.next; link != &endpoint->conns;
         link = link->next) {
        struct nx__quic_conn *conn = nx__container_of(link, struct nx__quic_conn, link);
        if (!conn->session) nx__quic_refuse(conn);
    }
}

static void list_end(struct nx__quic_endpoint *endpoint, struct nx__list *list)
{
    while (!nx__list_empty(list)) {
        struct nx__quic_conn *conn = nx__container_of(list->next, struct nx__quic_conn, link);
        if (conn->state == NX__QUIC_OPEN && nx__loop_current) {
            nx__quic_conn_close(conn); /* it is gone, or among those that close */
            (void)out_flush(endpoint);
        } else {
            nx__quic_conn_free(conn);
        }
    }
}

void nx__quic_undo(struct nx__quic_endpoint *endpoint)
{
    struct nx__quic_group *group = endpoint->group;
    (void)pthread_mutex_lock(&group->lock);
    group->endpoints[endpoint->worker] = NULL;
    (void)pthread_mutex_unlock(&group->lock);
    list_end(endpoint, &endpoint->conns);
    list_end(endpoint, &endpoint->closing);
    /* A thread that ends has no loop any more. */
    if (nx__loop_current)
        nx__poller_remove(&endpoint->loop->poller, &endpoint->watch);
    else
        endpoint->posted = false;
    (void)close(endpoint->udp.fd);
    endpoint->udp.fd = -1;
    memory_free(endpoint);
    endpoint->group = NULL;
    nx__quic_group_free(group);
}

void nx__quic_close(struct nx__quic_endpoint *endpoint)
{
    if (!endpoint->group) return;
    nx__quic_undo(endpoint);
    if (!endpoint->posted) endpoint->done(endpoint);
}
