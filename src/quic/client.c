/* Connections that are made to a peer: how they begin, what is kept for the next one, and why they
 * end. */
#include "quic/internal.h"

#include "base/error.h"
#include "tls/trust.h"
#include <errno.h>
#include <nexus/crypto.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    TOKEN_MOST = 512, /* bytes of one that is kept */
    PARAMS_MOST = 256,
    CID = 16 /* bytes of the first id of the peer's, that we choose */
};

/* ---- What is kept for the next connection: a session, and as its note the length of the peer's
 * parameters for 0-RTT in a byte, these, and a token (RFC 9000 7.4.1, 8.1.3) */

int nx__quic_token_take(ngtcp2_conn *ngtcp2, const uint8_t *token, size_t len, void *user)
{
    struct nx__quic_conn *conn = user;
    (void)ngtcp2;
    conn->token.len = 0;
    /* Without memory for it, the next connection may have to prove its address. */
    NX_IGNORE(nx__buffer_append(&conn->token, token, len, TOKEN_MOST));
    return 0;
}

static bool session_take(SSL *ssl, SSL_SESSION *session)
{
    const struct nx__quic_conn *conn = SSL_get_app_data(ssl);
    uint8_t note[1 + PARAMS_MOST + TOKEN_MOST];
    ngtcp2_ssize len = ngtcp2_conn_encode_0rtt_transport_params2(conn->ngtcp2, note + 1, UINT8_MAX);
    if (len < 0) return false;
    note[0] = (uint8_t)len;
    size_t size = 1 + (size_t)len;
    if (conn->token.len) memcpy(note + size, conn->token.data, conn->token.len);
    size += conn->token.len;
    return nx__tls_client_keep(ssl, conn->whose, session, nx_slice((const char *)note, size));
}

struct note {
    nx_bytes params, token;
};

static struct note note_read(const struct nx__buffer *note)
{
    size_t len = note->len ? (uint8_t)note->data[0] : 0;
    if (note->len < 1 + len) return (struct note){0};
    return (struct note){nx_slice(note->data + 1, len),
                         nx_slice(note->data + 1 + len, note->len - 1 - len)};
}

/* ---- The beginning */

static bool library_join(struct nx__quic_conn *conn, const struct note *note)
{
    const struct nx__quic_endpoint *endpoint = conn->endpoint;
    ngtcp2_settings settings;
    ngtcp2_transport_params params;
    ngtcp2_cid id, peer = {.datalen = CID};
    nx__quic_cid_make(endpoint->group, endpoint->worker, &id);
    nx_random(peer.data, CID);
    nx__quic_conn_rules(conn, &settings, &params);
    settings.token = (const uint8_t *)note->token.data;
    settings.tokenlen = note->token.len;
    settings.token_type = NGTCP2_TOKEN_TYPE_NEW_TOKEN;
    params.initial_max_stream_data_bidi_local = NX__QUIC_JOIN_STREAM_WINDOW;
    params.initial_max_data = NX__QUIC_JOIN_WINDOW;
    ngtcp2_path path = nx__quic_path(&conn->local, &conn->peer);
    if (ngtcp2_conn_client_new(&conn->ngtcp2, &peer, &id, &path, NGTCP2_PROTO_VER_V1,
                               &nx__quic_callbacks, &settings, &params, NULL, conn))
        return false;
    return nx__quic_cid_add(conn, &id);
}

/* 0-RTT takes a session that allows it, and what the peer allowed then. */
static bool early_begin(struct nx__quic_conn *conn, const struct note *note)
{
    const SSL_SESSION *session = SSL_get_session(conn->ssl);
    if (!conn->endpoint->group->how.early || !session || !note->params.len ||
        !SSL_SESSION_early_data_capable(session))
        return true;
    int err = ngtcp2_conn_decode_and_set_0rtt_transport_params(
        conn->ngtcp2, (const uint8_t *)note->params.data, note->params.len);
    if (err) return err != NGTCP2_ERR_NOMEM;
    SSL_set_early_data_enabled(conn->ssl, 1);
    return true;
}

static nx_err begin(struct nx__quic_conn *conn, const struct nx__quic_target *target)
{
    struct nx__buffer kept = {0};
    size_t size = strlen(target->name) + strlen(target->whose) + 2;
    conn->whose = malloc(size);
    if (!conn->whose) return nx__error_set(NX_ENOMEM, "cannot make a connection: out of memory");
    (void)snprintf(conn->whose, size, "%s %s", target->name, target->whose);
    NX_TRY(nx__tls_client_ssl(&conn->ssl, &kept, target->name, conn->whose, target->tls));
    if (!target->tls->no_resumption) conn->outside.session = session_take;
    struct note note = note_read(&kept);
    bool good = library_join(conn, &note) && nx__quic_tls_join(conn) && early_begin(conn, &note);
    nx__buffer_free(&kept);
    return good ? NX_OK : nx__error_set(NX_ENOMEM, "cannot make a connection: out of memory");
}

nx_err nx__quic_connect(struct nx__quic_conn **out, struct nx__quic_endpoint *endpoint,
                        struct nx__quic_group *group, const struct nx__quic_target *target,
                        void *session)
{
    *out = NULL;
    NX_TRY(nx__quic_open_to(endpoint, group, target->address));
    struct nx__quic_conn *conn = nx__quic_conn_alloc(endpoint, target->address, &endpoint->local);
    nx_err err = conn ? begin(conn, target)
                      : nx__error_set(NX_ENOMEM, "cannot make a connection: out of memory");
    if (err) {
        struct nx__context kept;
        memcpy(&kept, nx__context(), sizeof kept);
        if (conn) nx__quic_conn_discard(conn);
        nx__quic_undo(endpoint);
        memcpy(nx__context(), &kept, sizeof kept);
        return err;
    }
    /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): there is one, else there was an error */
    conn->session = session;
    conn->proved = true;
    nx__list_insert(&endpoint->conns, &conn->link);
    nx__quic_wants(conn);
    *out = conn;
    return NX_OK;
}

void nx__quic_keep_alive(struct nx__quic_conn *conn, nx_duration span)
{
    if (conn->ngtcp2)
        ngtcp2_conn_set_keep_alive_timeout(conn->ngtcp2,
                                           span == NX_FOREVER ? UINT64_MAX : (ngtcp2_duration)span);
}

/* ---- The end */

enum { ALERT_FIRST = NGTCP2_CRYPTO_ERROR, ALERT_LAST = NGTCP2_CRYPTO_ERROR + 255 };

static bool is_alert(const ngtcp2_ccerr *error)
{
    return error->type == NGTCP2_CCERR_TYPE_TRANSPORT && error->error_code >= ALERT_FIRST &&
           error->error_code <= ALERT_LAST;
}

static const char *alert_words(const ngtcp2_ccerr *error)
{
    return SSL_alert_desc_string_long((int)(error->error_code - ALERT_FIRST));
}

/* The peer has closed it. */
static nx_err closed_why(const struct nx__quic_conn *conn, char *why)
{
    const ngtcp2_ccerr *error = ngtcp2_conn_get_ccerr2(conn->ngtcp2);
    unsigned long long code = error->error_code;
    if (is_alert(error)) {
        (void)snprintf(why, NX__QUIC_WHY, "TLS: the peer says: %s", alert_words(error));
        return NX_EPROTO;
    }
    if (error->type == NGTCP2_CCERR_TYPE_TRANSPORT && code == NGTCP2_CONNECTION_REFUSED) {
        (void)snprintf(why, NX__QUIC_WHY, "the peer takes no connections");
        return NX_EREFUSED;
    }
    (void)snprintf(why, NX__QUIC_WHY, "the peer has closed the connection (%s0x%llx)",
                   error->type == NGTCP2_CCERR_TYPE_TRANSPORT ? "QUIC " : "", code);
    return NX_ERESET;
}

/* We have, since the peer was wrong, or memory is out. */
static nx_err failed_why(const struct nx__quic_conn *conn, char *why)
{
    const ngtcp2_ccerr *error = &conn->error;
    unsigned long long code = error->error_code;
    if (is_alert(error)) {
        const char *distrust = nx__tls_distrust(conn->ssl);
        (void)snprintf(why, NX__QUIC_WHY, "TLS: %s", distrust ? distrust : alert_words(error));
        return NX_EPROTO;
    }
    if (error->type == NGTCP2_CCERR_TYPE_TRANSPORT && code == NGTCP2_INTERNAL_ERROR) {
        (void)snprintf(why, NX__QUIC_WHY, "out of memory");
        return NX_ENOMEM;
    }
    (void)snprintf(why, NX__QUIC_WHY, "the peer has broken the protocol (%s0x%llx)",
                   error->type == NGTCP2_CCERR_TYPE_TRANSPORT ? "QUIC " : "", code);
    return NX_EPROTO;
}

nx_err nx__quic_ended(const struct nx__quic_conn *conn, char why[NX__QUIC_WHY])
{
    if (conn->failed) return failed_why(conn, why);
    if (conn->ended > 0) {
        (void)snprintf(why, NX__QUIC_WHY, "%s", nx__errno_text(conn->ended));
        return nx__error_from_errno(conn->ended);
    }
    switch (conn->ended) {
    case NGTCP2_ERR_DRAINING: return closed_why(conn, why);
    case NGTCP2_ERR_HANDSHAKE_TIMEOUT:
        (void)snprintf(why, NX__QUIC_WHY, "the handshake came to no end");
        return NX_ETIMEDOUT;
    case NGTCP2_ERR_IDLE_CLOSE:
        (void)snprintf(why, NX__QUIC_WHY, "nothing came from the peer for too long");
        return NX_ERESET;
    default: (void)snprintf(why, NX__QUIC_WHY, "it was closed"); return NX_ERESET;
    }
}
