/* Connections: what ngtcp2 asks for, and what it is told. */
#include "quic/internal.h"

#include <nexus/crypto.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    WRITES_A_TURN = 8,  /* of one connection, each up to 64 KiB; then others have theirs */
    REPEATS_MOST = 16,  /* of a last word */
    SMALL_STREAM = 1200 /* what is at least so much fills packets */
};

/* A peer that says nothing though something is on its way to it: it gets nothing new; it has gone,
 * as a client sees it; and as a server does that is about to stop. */
static const nx_duration SILENT = NX_S(1), GONE = NX_S(10), GONE_AT_STOP = NX_S(1);

static struct nx__quic_conn *of(void *user)
{
    return user;
}

static const struct nx__quic_app *app_of(const struct nx__quic_conn *conn)
{
    return conn->endpoint->group->how.app;
}

/* The first reason counts. */
static int fail(struct nx__quic_conn *conn, uint64_t code)
{
    if (!code) return 0;
    if (!conn->failed) ngtcp2_ccerr_set_application_error(&conn->error, code, NULL, 0);
    conn->failed = true;
    return NGTCP2_ERR_CALLBACK_FAILURE;
}

static void fail_library(struct nx__quic_conn *conn, int err)
{
    if (conn->failed) return;
    conn->failed = true;
    if (err == NGTCP2_ERR_CRYPTO)
        ngtcp2_ccerr_set_tls_alert(&conn->error, ngtcp2_conn_get_tls_alert2(conn->ngtcp2), NULL, 0);
    else
        ngtcp2_ccerr_set_liberr(&conn->error, err, NULL, 0);
}

/* ---- What the app does */

void nx__quic_fail(struct nx__quic_conn *conn, uint64_t code)
{
    (void)fail(conn, code);
    nx__quic_wants(conn);
}

void nx__quic_refuse(struct nx__quic_conn *conn)
{
    if (!conn->failed)
        ngtcp2_ccerr_set_transport_error(&conn->error, NGTCP2_CONNECTION_REFUSED, NULL, 0);
    conn->failed = true;
    nx__quic_wants(conn);
}

void nx__quic_consumed(struct nx__quic_conn *conn, int64_t stream, uint64_t len)
{
    if (!conn->ngtcp2 || !len) return;
    int err = stream < 0 ? 0 : ngtcp2_conn_extend_max_stream_offset(conn->ngtcp2, stream, len);
    if (err && ngtcp2_err_is_fatal(err)) fail_library(conn, err);
    ngtcp2_conn_extend_max_offset(conn->ngtcp2, len);
    nx__quic_wants(conn);
}

int64_t nx__quic_open_uni(struct nx__quic_conn *conn)
{
    int64_t stream;
    return ngtcp2_conn_open_uni_stream(conn->ngtcp2, &stream, NULL) ? -1 : stream;
}

int64_t nx__quic_open_bidi(struct nx__quic_conn *conn)
{
    int64_t stream;
    return !conn->ngtcp2 || ngtcp2_conn_open_bidi_stream(conn->ngtcp2, &stream, NULL) ? -1 : stream;
}

void nx__quic_stop_sending(struct nx__quic_conn *conn, int64_t stream, uint64_t code)
{
    if (!conn->ngtcp2) return;
    int err = ngtcp2_conn_shutdown_stream_read(conn->ngtcp2, 0, stream, code);
    if (err && ngtcp2_err_is_fatal(err)) fail_library(conn, err);
    nx__quic_wants(conn);
}

void nx__quic_reset(struct nx__quic_conn *conn, int64_t stream, uint64_t code)
{
    if (!conn->ngtcp2) return;
    int err = ngtcp2_conn_shutdown_stream_write(conn->ngtcp2, 0, stream, code);
    if (err && ngtcp2_err_is_fatal(err)) fail_library(conn, err);
    nx__quic_wants(conn);
}

void nx__quic_more_streams(struct nx__quic_conn *conn, bool bidirectional)
{
    if (!conn->ngtcp2) return;
    if (bidirectional)
        ngtcp2_conn_extend_max_streams_bidi(conn->ngtcp2, 1);
    else
        ngtcp2_conn_extend_max_streams_uni(conn->ngtcp2, 1);
    nx__quic_wants(conn);
}

const struct sockaddr *nx__quic_peer(const struct nx__quic_conn *conn)
{
    return conn->ngtcp2 && !conn->moving ? ngtcp2_conn_get_path2(conn->ngtcp2)->remote.addr
                                         : &conn->peer.any;
}

/* ---- What ngtcp2 asks */

static void random_bytes(uint8_t *out, size_t len, const ngtcp2_rand_ctx *ctx)
{
    (void)ctx;
    nx_random(out, len);
}

static int new_id(ngtcp2_conn *ngtcp2, ngtcp2_cid *id, ngtcp2_stateless_reset_token *token,
                  size_t len, void *user)
{
    struct nx__quic_conn *conn = of(user);
    const struct nx__quic_group *group = conn->endpoint->group;
    (void)ngtcp2, (void)len;
    nx__quic_cid_make(group, conn->endpoint->worker, id);
    if (ngtcp2_crypto_generate_stateless_reset_token(token->data, group->reset_secret,
                                                     sizeof group->reset_secret, id))
        return NGTCP2_ERR_CALLBACK_FAILURE;
    return nx__quic_cid_add(conn, id) ? 0 : NGTCP2_ERR_CALLBACK_FAILURE;
}

static int remove_id(ngtcp2_conn *ngtcp2, const ngtcp2_cid *id, void *user)
{
    (void)ngtcp2;
    nx__quic_cid_remove(of(user), id);
    return 0;
}

static int key_to_send(ngtcp2_conn *ngtcp2, ngtcp2_encryption_level level, void *user)
{
    bool server = ngtcp2_conn_is_server2(ngtcp2);
    bool first = level == (server ? NGTCP2_ENCRYPTION_LEVEL_1RTT : NGTCP2_ENCRYPTION_LEVEL_0RTT);
    return first ? fail(of(user), app_of(of(user))->ready(of(user))) : 0;
}

/* By this one a client knows what the server allows. */
static int key_to_receive(ngtcp2_conn *ngtcp2, ngtcp2_encryption_level level, void *user)
{
    bool first = level == NGTCP2_ENCRYPTION_LEVEL_1RTT && !ngtcp2_conn_is_server2(ngtcp2);
    return first ? fail(of(user), app_of(of(user))->ready(of(user))) : 0;
}

static void whole(struct nx__quic_conn *conn)
{
    if (conn->half_open) conn->endpoint->half_open--;
    conn->half_open = false;
}

/* A client gets a token for its next connection, which then needs no Retry (RFC 9000 8.1.3). */
static int handshake_done(ngtcp2_conn *ngtcp2, void *user)
{
    struct nx__quic_conn *conn = of(user);
    const struct nx__quic_group *group = conn->endpoint->group;
    const ngtcp2_path *path = ngtcp2_conn_get_path2(ngtcp2);
    uint8_t token[NGTCP2_CRYPTO_MAX_REGULAR_TOKENLEN];
    conn->handshaken = conn->proved = true;
    whole(conn);
    if (!ngtcp2_conn_is_server2(ngtcp2)) return 0;
    ngtcp2_ssize len = ngtcp2_crypto_generate_regular_token(
        token, group->token_secret, sizeof group->token_secret, path->remote.addr,
        path->remote.addrlen, nx__quic_now());
    if (len < 0) return 0;
    return ngtcp2_conn_submit_new_token(ngtcp2, token, (size_t)len);
}

/* The peer has moved, or somebody has sent its packet from elsewhere: until it has answered there,
 * it is where it was proved to be. */
static int path_doubted(ngtcp2_conn *ngtcp2, uint32_t flags, const ngtcp2_path *path,
                        const ngtcp2_path *proved, void *user)
{
    struct nx__quic_conn *conn = of(user);
    (void)ngtcp2, (void)flags, (void)path;
    if (!proved) return 0; /* nothing goes there yet */
    memcpy(&conn->peer, proved->remote.addr, proved->remote.addrlen);
    conn->moving = true;
    return 0;
}

/* It has answered, or ngtcp2 goes back to where it was, or another path is doubted next. */
static int path_settled(ngtcp2_conn *ngtcp2, uint32_t flags, const ngtcp2_path *path,
                        const ngtcp2_path *proved, ngtcp2_path_validation_result result, void *user)
{
    (void)ngtcp2, (void)flags, (void)path, (void)proved, (void)result;
    of(user)->moving = false;
    return 0;
}

static int received(ngtcp2_conn *ngtcp2, uint32_t flags, int64_t stream, uint64_t offset,
                    const uint8_t *data, size_t len, void *user, void *stream_user)
{
    struct nx__quic_conn *conn = of(user);
    (void)ngtcp2, (void)offset, (void)stream_user;
    return fail(conn,
                app_of(conn)->received(conn, stream, data, len, flags & NGTCP2_STREAM_DATA_FLAG_FIN,
                                       flags & NGTCP2_STREAM_DATA_FLAG_0RTT));
}

static int acked(ngtcp2_conn *ngtcp2, int64_t stream, uint64_t offset, uint64_t len, void *user,
                 void *stream_user)
{
    (void)ngtcp2, (void)offset, (void)stream_user;
    return fail(of(user), app_of(of(user))->acked(of(user), stream, len));
}

static int opened(ngtcp2_conn *ngtcp2, int64_t stream, void *user)
{
    (void)ngtcp2;
    return fail(of(user), app_of(of(user))->opened(of(user), stream));
}

static int closed(ngtcp2_conn *ngtcp2, uint32_t flags, int64_t stream, uint64_t code, void *user,
                  void *stream_user)
{
    struct nx__quic_conn *conn = of(user);
    (void)stream_user;
    if (!(flags & NGTCP2_STREAM_CLOSE_FLAG_APP_ERROR_CODE_SET)) code = 0;
    if (!ngtcp2_is_bidi_stream(stream) && !ngtcp2_conn_is_local_stream2(ngtcp2, stream))
        ngtcp2_conn_extend_max_streams_uni(ngtcp2, 1);
    return fail(conn, app_of(conn)->closed(conn, stream, code));
}

static int reset(ngtcp2_conn *ngtcp2, int64_t stream, uint64_t final_size, uint64_t code,
                 void *user, void *stream_user)
{
    (void)ngtcp2, (void)final_size, (void)stream_user;
    return fail(of(user), app_of(of(user))->reset(of(user), stream, code));
}

static int stopped(ngtcp2_conn *ngtcp2, int64_t stream, uint64_t code, void *user,
                   void *stream_user)
{
    (void)ngtcp2, (void)stream_user;
    return fail(of(user), app_of(of(user))->stopped(of(user), stream, code));
}

static int unblocked(ngtcp2_conn *ngtcp2, int64_t stream, uint64_t max, void *user,
                     void *stream_user)
{
    (void)ngtcp2, (void)max, (void)stream_user;
    return fail(of(user), app_of(of(user))->unblocked(of(user), stream));
}

static int rejected(ngtcp2_conn *ngtcp2, void *user)
{
    (void)ngtcp2;
    return fail(of(user), app_of(of(user))->rejected(of(user)));
}

static int more_streams(ngtcp2_conn *ngtcp2, uint64_t most, void *user)
{
    const struct nx__quic_app *app = app_of(of(user));
    (void)ngtcp2, (void)most;
    if (app->more) app->more(of(user));
    return 0;
}

const ngtcp2_callbacks nx__quic_callbacks = {
    .client_initial = ngtcp2_crypto_client_initial_cb,
    .recv_retry = ngtcp2_crypto_recv_retry_cb,
    .recv_new_token = nx__quic_token_take,
    .tls_early_data_rejected = rejected,
    .extend_max_local_streams_bidi = more_streams,
    .recv_client_initial = ngtcp2_crypto_recv_client_initial_cb,
    .recv_crypto_data = ngtcp2_crypto_recv_crypto_data_cb,
    .handshake_completed = handshake_done,
    .encrypt = ngtcp2_crypto_encrypt_cb,
    .decrypt = ngtcp2_crypto_decrypt_cb,
    .hp_mask = ngtcp2_crypto_hp_mask_cb,
    .recv_stream_data = received,
    .acked_stream_data_offset = acked,
    .stream_open = opened,
    .stream_close = closed,
    .stream_reset = reset,
    .recv_stop_sending = stopped,
    .extend_max_stream_data = unblocked,
    .begin_path_validation = path_doubted,
    .path_validation = path_settled,
    .rand = random_bytes,
    .get_new_connection_id2 = new_id,
    .remove_connection_id = remove_id,
    .update_key = ngtcp2_crypto_update_key_cb,
    .delete_crypto_aead_ctx = ngtcp2_crypto_delete_crypto_aead_ctx_cb,
    .delete_crypto_cipher_ctx = ngtcp2_crypto_delete_crypto_cipher_ctx_cb,
    .get_path_challenge_data2 = ngtcp2_crypto_get_path_challenge_data2_cb,
    .version_negotiation = ngtcp2_crypto_version_negotiation_cb,
    .recv_rx_key = key_to_receive,
    .recv_tx_key = key_to_send,
};

/* ---- Life */

static void expire(struct nx__timer *timer);

void nx__quic_conn_rules(const struct nx__quic_conn *conn, ngtcp2_settings *settings,
                         ngtcp2_transport_params *params)
{
    const struct nx__quic_how *how = &conn->endpoint->group->how;
    ngtcp2_settings_default(settings);
    settings->initial_ts = nx__quic_now();
    if (how->handshake_deadline != NX_FOREVER)
        settings->handshake_timeout = (ngtcp2_duration)how->handshake_deadline;
    ngtcp2_transport_params_default(params);
    params->initial_max_stream_data_uni = NX__QUIC_UNI_WINDOW;
    params->initial_max_streams_uni = NX__QUIC_UNI_STREAMS;
    params->active_connection_id_limit = NX__QUIC_CIDS_MOST - 1;
    if (how->idle_deadline != NX_FOREVER)
        params->max_idle_timeout = (ngtcp2_duration)how->idle_deadline;
}

static bool library_make(struct nx__quic_conn *conn, const struct nx__quic_datagram *d,
                         const ngtcp2_pkt_hd *hd, const ngtcp2_cid *original,
                         ngtcp2_token_type token)
{
    const struct nx__quic_group *group = conn->endpoint->group;
    ngtcp2_settings settings;
    ngtcp2_transport_params params;
    ngtcp2_cid id;
    nx__quic_cid_make(group, conn->endpoint->worker, &id);
    nx__quic_conn_rules(conn, &settings, &params);
    settings.token = hd->token;
    settings.tokenlen = hd->tokenlen;
    settings.token_type = token;
    conn->qlog = nx__quic_qlog_open(group, original ? original : &hd->dcid);
    if (conn->qlog >= 0) settings.qlog_write = nx__quic_qlog_write;

    params.initial_max_stream_data_bidi_remote = NX__QUIC_STREAM_WINDOW;
    params.initial_max_data = NX__QUIC_WINDOW;
    params.initial_max_streams_bidi = NX__QUIC_STREAMS;
    params.original_dcid = original ? *original : hd->dcid;
    params.original_dcid_present = 1;
    if (original) {
        params.retry_scid = hd->dcid;
        params.retry_scid_present = 1;
    }
    params.stateless_reset_token_present = 1;
    if (ngtcp2_crypto_generate_stateless_reset_token(
            params.stateless_reset_token, group->reset_secret, sizeof group->reset_secret, &id))
        return false;
    ngtcp2_path path = nx__quic_path(d->local, d->peer);
    if (ngtcp2_conn_server_new(&conn->ngtcp2, &hd->scid, &id, &path, hd->version,
                               &nx__quic_callbacks, &settings, &params, NULL, conn))
        return false;
    /* The peer uses the id that it chose until it knows ours. */
    return nx__quic_cid_add(conn, &id) && nx__quic_cid_add(conn, &hd->dcid);
}

/* What an open connection has and one that says its last words has not. */
static void let_go(struct nx__quic_conn *conn)
{
    if (conn->ngtcp2) ngtcp2_conn_del(conn->ngtcp2);
    conn->ngtcp2 = NULL;
    if (conn->ssl) {
        SSL_set_app_data(conn->ssl, NULL);
        SSL_free(conn->ssl);
    }
    conn->ssl = NULL;
    if (conn->qlog >= 0) (void)close(conn->qlog);
    conn->qlog = -1;
}

struct nx__quic_conn *nx__quic_conn_alloc(struct nx__quic_endpoint *endpoint,
                                          const union nx__address *peer,
                                          const union nx__address *local)
{
    struct nx__quic_conn *conn = calloc(1, sizeof *conn);
    if (!conn) return NULL;
    conn->endpoint = endpoint;
    conn->timer.fire = expire;
    conn->qlog = -1;
    conn->peer = *peer;
    conn->local = *local;
    nx__list_init(&conn->link);
    nx__list_init(&conn->writer);
    ngtcp2_ccerr_default(&conn->error);
    if (!nx__timer_keep(&endpoint->loop->timers, &conn->timer)) return conn;
    free(conn);
    return NULL;
}

void nx__quic_conn_discard(struct nx__quic_conn *conn)
{
    nx__list_remove(&conn->writer);
    nx__list_remove(&conn->link);
    nx__quic_cids_remove(conn);
    let_go(conn);
    /* A thread that ends has no loop any more. */
    if (nx__loop_current) nx__timer_let(&conn->endpoint->loop->timers, &conn->timer);
    nx__buffer_free(&conn->token);
    free(conn->whose);
    free(conn->last);
    free(conn);
}

struct nx__quic_conn *nx__quic_conn_new(struct nx__quic_endpoint *endpoint,
                                        const struct nx__quic_datagram *d, const ngtcp2_pkt_hd *hd,
                                        const ngtcp2_cid *original, ngtcp2_token_type token)
{
    struct nx__quic_conn *conn = nx__quic_conn_alloc(endpoint, d->peer, d->local);
    if (!conn) return NULL;
    conn->proved = token != NGTCP2_TOKEN_TYPE_UNKNOWN;
    if (!library_make(conn, d, hd, original, token) || !nx__quic_tls_make(conn)) {
        nx__quic_conn_discard(conn);
        return NULL;
    }
    nx__list_insert(&endpoint->conns, &conn->link);
    conn->half_open = true;
    endpoint->half_open++;
    return conn;
}

static void leave(struct nx__quic_conn *conn)
{
    if (conn->session) app_of(conn)->gone(conn);
    conn->session = NULL;
    nx__list_remove(&conn->writer);
    conn->endpoint->left(conn->endpoint);
}

void nx__quic_conn_free(struct nx__quic_conn *conn)
{
    if (conn->state == NX__QUIC_OPEN)
        leave(conn);
    else
        conn->endpoint->closing_count--;
    whole(conn); /* only now: a handshake that fails costs what one costs that hangs */
    nx__quic_conn_discard(conn);
}

/* It stays known for three times what a packet may take, so that what is still on its way meets no
 * stateless reset (RFC 9000 10.2). */
static void closing(struct nx__quic_conn *conn, enum nx__quic_state state)
{
    struct nx__quic_endpoint *endpoint = conn->endpoint;
    nx_duration span = (nx_duration)ngtcp2_conn_get_pto2(conn->ngtcp2) * 3;
    const ngtcp2_path *path = ngtcp2_conn_get_path2(conn->ngtcp2);
    memcpy(&conn->peer, path->remote.addr, path->remote.addrlen);
    memcpy(&conn->local, path->local.addr, path->local.addrlen);
    leave(conn);
    let_go(conn);
    conn->state = state;
    nx__list_remove(&conn->link);
    /* How long each is kept is up to the peer, by how late it has answered. */
    if (endpoint->closing_count == NX__QUIC_CLOSING_MOST)
        nx__quic_conn_free(nx__container_of(endpoint->closing.next, struct nx__quic_conn, link));
    nx__list_insert(&endpoint->closing, &conn->link);
    endpoint->closing_count++;
    NX_IGNORE(nx__timer_set(&endpoint->loop->timers, &conn->timer, nx__clock_monotonic() + span));
}

static void last_word(struct nx__quic_conn *conn)
{
    char *room = nx__quic_out_room(conn->endpoint, conn->last_len);
    if (!room || !conn->last_len) return;
    memcpy(room, conn->last, conn->last_len);
    nx__quic_out_put(conn->endpoint, conn->last_len, conn->last_len, &conn->peer, &conn->local, 0);
}

void nx__quic_conn_close(struct nx__quic_conn *conn)
{
    uint8_t packet[NX__QUIC_PACKET];
    ngtcp2_path_storage path;
    ngtcp2_pkt_info info;
    ngtcp2_path_storage_zero(&path);
    ngtcp2_ssize len = ngtcp2_conn_write_connection_close(
        conn->ngtcp2, &path.path, &info, packet, sizeof packet, &conn->error, nx__quic_now());
    conn->last = len > 0 ? malloc((size_t)len) : NULL;
    if (!conn->last) {
        nx__quic_conn_free(conn);
        return;
    }
    memcpy(conn->last, packet, (size_t)len);
    conn->last_len = (uint32_t)len;
    closing(conn, NX__QUIC_CLOSING);
    last_word(conn);
}

/* ---- Reading */

/* What is left of a connection answers less and less often (RFC 9000 10.2.1). */
static void read_late(struct nx__quic_conn *conn)
{
    if (conn->state != NX__QUIC_CLOSING || conn->repeats == REPEATS_MOST) return;
    conn->heard++;
    if (conn->heard & (conn->heard - 1)) return;
    conn->repeats++;
    last_word(conn);
}

void nx__quic_conn_read(struct nx__quic_conn *conn, const struct nx__quic_datagram *d)
{
    if (conn->state != NX__QUIC_OPEN) {
        read_late(conn);
        return;
    }
    ngtcp2_path path = nx__quic_path(d->local, d->peer);
    const ngtcp2_pkt_info info = {.ecn = d->ecn};
    int err = ngtcp2_conn_read_pkt(conn->ngtcp2, &path, &info, d->data, d->len, nx__quic_now());
    conn->ended = err;
    if (err == NGTCP2_ERR_DRAINING) {
        closing(conn, NX__QUIC_DRAINING);
        return;
    }
    if (err == NGTCP2_ERR_DROP_CONN || err == NGTCP2_ERR_RETRY) {
        nx__quic_conn_free(conn);
        return;
    }
    if (err) fail_library(conn, err);
    if (conn->session && !conn->failed) app_of(conn)->served(conn);
    nx__quic_wants(conn);
}

/* ---- Writing */

static ngtcp2_ssize write_failed(struct nx__quic_conn *conn, int err)
{
    fail_library(conn, err);
    return NGTCP2_ERR_CALLBACK_FAILURE;
}

/* One packet. */
static ngtcp2_ssize write_packet(ngtcp2_conn *ngtcp2, ngtcp2_path *path, ngtcp2_pkt_info *info,
                                 uint8_t *out, size_t room, ngtcp2_tstamp now, void *user)
{
    struct nx__quic_conn *conn = of(user);
    const struct nx__quic_app *app = app_of(conn);
    for (;;) {
        struct nx__quic_piece pieces[NX__QUIC_PIECES];
        ngtcp2_vec vectors[NX__QUIC_PIECES];
        int64_t stream = -1;
        bool end = false;
        int count = 0;
        if (conn->session && ngtcp2_conn_get_max_data_left2(ngtcp2))
            count = app->pull(conn, &stream, &end, pieces);
        if (count < 0) return write_failed(conn, NGTCP2_ERR_INTERNAL);
        size_t whole_len = 0;
        for (int i = 0; i < count; i++) {
            vectors[i] = (ngtcp2_vec){pieces[i].base, pieces[i].len};
            whole_len += pieces[i].len;
        }
        uint32_t flags = NGTCP2_WRITE_STREAM_FLAG_MORE;
        if (end) flags |= NGTCP2_WRITE_STREAM_FLAG_FIN;
        /* The kernel takes apart only what has the same length. */
        if (whole_len >= SMALL_STREAM) flags |= NGTCP2_WRITE_STREAM_FLAG_PADDING;
        ngtcp2_ssize taken = -1;
        ngtcp2_ssize n = ngtcp2_conn_writev_stream(ngtcp2, path, info, out, room, &taken, flags,
                                                   stream, vectors, (size_t)count, now);
        if (taken >= 0 && stream >= 0 && app->pushed(conn, stream, (size_t)taken))
            return write_failed(conn, NGTCP2_ERR_INTERNAL);
        switch (n) {
        case NGTCP2_ERR_STREAM_DATA_BLOCKED: app->blocked(conn, stream); continue;
        case NGTCP2_ERR_STREAM_SHUT_WR:
        case NGTCP2_ERR_STREAM_NOT_FOUND: app->shut(conn, stream); continue;
        case NGTCP2_ERR_WRITE_MORE: continue;
        default: break;
        }
        if (n < 0) return write_failed(conn, (int)n);
        return n;
    }
}

static void timer_set(struct nx__quic_conn *conn)
{
    struct nx__timers *timers = &conn->endpoint->loop->timers;
    ngtcp2_tstamp at = ngtcp2_conn_get_expiry2(conn->ngtcp2);
    if (at >= (ngtcp2_tstamp)NX_FOREVER)
        nx__timer_clear(timers, &conn->timer);
    else if (!conn->timer.place || conn->timer.at != (nx_duration)at)
        NX_IGNORE(nx__timer_set(timers, &conn->timer, (nx_duration)at)); /* its place is kept */
}

void nx__quic_conn_write(struct nx__quic_conn *conn)
{
    struct nx__quic_endpoint *endpoint = conn->endpoint;
    for (int turn = 0; !conn->failed; turn++) {
        ngtcp2_path_storage path;
        ngtcp2_pkt_info info;
        size_t segment = 0;
        char *room = nx__quic_out_room(endpoint, NX__QUIC_OUT_LEAST);
        if (!room || turn == WRITES_A_TURN) {
            nx__list_insert(&endpoint->writers, &conn->writer);
            break;
        }
        ngtcp2_path_storage_zero(&path);
        ngtcp2_ssize n = ngtcp2_conn_write_aggregate_pkt(conn->ngtcp2, &path.path, &info,
                                                         (uint8_t *)room, NX__UDP_PACKET_MAX,
                                                         &segment, write_packet, nx__quic_now());
        if (n < 0) fail_library(conn, (int)n);
        if (n <= 0) break;
        nx__quic_out_put(endpoint, (size_t)n, segment,
                         (const union nx__address *)(const void *)&path.remote_addrbuf,
                         (const union nx__address *)(const void *)&path.local_addrbuf, info.ecn);
    }
    if (conn->failed)
        nx__quic_conn_close(conn);
    else
        timer_set(conn);
}

/* What was believed of the peer holds until a packet of it has come that could be read. True when
 * it has not answered all that it was sent. */
static bool waits(struct nx__quic_conn *conn)
{
    ngtcp2_conn_info info;
    ngtcp2_conn_get_conn_info2(conn->ngtcp2, &info);
    if (info.pkt_recv != conn->came) {
        conn->came = info.pkt_recv;
        conn->unanswered = 0;
        conn->unreachable = false;
    }
    return info.bytes_in_flight != 0;
}

bool nx__quic_silent(struct nx__quic_conn *conn)
{
    if (!conn->unanswered || !waits(conn)) return false;
    return conn->unanswered && nx__clock_monotonic() - conn->unanswered >= SILENT;
}

void nx__quic_conn_unreachable(struct nx__quic_conn *conn)
{
    (void)waits(conn);
    conn->unreachable = true;
}

/* A timer has come before an answer. True when none is waited for any more: what has ended without
 * a word would be known by the idle deadline alone, long after. */
static bool gone(struct nx__quic_conn *conn)
{
    if (!conn->handshaken) return false; /* which has a deadline of its own */
    if (!waits(conn)) return false;
    nx_duration now = nx__clock_monotonic();
    if (!conn->unanswered) conn->unanswered = now;
    /* What anybody on the way can say counts for who says nothing himself. */
    if (conn->unreachable) return true;
    nx_duration most = conn->endpoint->connected ? GONE : NX_FOREVER;
    if (conn->endpoint->over) most = GONE_AT_STOP;
    return now - conn->unanswered >= most;
}

static void expire(struct nx__timer *timer)
{
    struct nx__quic_conn *conn = nx__container_of(timer, struct nx__quic_conn, timer);
    if (conn->state != NX__QUIC_OPEN) {
        nx__quic_conn_free(conn);
        return;
    }
    int err = gone(conn) ? NGTCP2_ERR_IDLE_CLOSE
                         : ngtcp2_conn_handle_expiry(conn->ngtcp2, nx__quic_now());
    conn->ended = err;
    /* A peer that has gone, or never was there, is told nothing. */
    if (err == NGTCP2_ERR_IDLE_CLOSE || err == NGTCP2_ERR_HANDSHAKE_TIMEOUT) {
        nx__quic_conn_free(conn);
        return;
    }
    if (err) fail_library(conn, err);
    nx__quic_wants(conn);
}
