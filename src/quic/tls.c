/* TLS under QUIC (RFC 9001): libssl makes the keys and the messages, ngtcp2 carries them. */
#include "quic/internal.h"

#include "tls/context.h"

#include <ngtcp2/ngtcp2_crypto_boringssl.h>
#include <openssl/err.h>
#include <openssl/hkdf.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>

#define RESET_PURPOSE "nexus stateless reset"

static ngtcp2_conn *conn_of(SSL *ssl)
{
    return ((const struct nx__quic_conn *)SSL_get_app_data(ssl))->ngtcp2;
}

static int read_secret(SSL *ssl, enum ssl_encryption_level_t level, const SSL_CIPHER *cipher,
                       const uint8_t *secret, size_t len)
{
    (void)cipher;
    return ngtcp2_crypto_derive_and_install_rx_key(
               conn_of(ssl), NULL, NULL, NULL,
               ngtcp2_crypto_boringssl_from_ssl_encryption_level(level), secret, len) == 0;
}

static int write_secret(SSL *ssl, enum ssl_encryption_level_t level, const SSL_CIPHER *cipher,
                        const uint8_t *secret, size_t len)
{
    (void)cipher;
    return ngtcp2_crypto_derive_and_install_tx_key(
               conn_of(ssl), NULL, NULL, NULL,
               ngtcp2_crypto_boringssl_from_ssl_encryption_level(level), secret, len) == 0;
}

static int handshake_data(SSL *ssl, enum ssl_encryption_level_t level, const uint8_t *data,
                          size_t len)
{
    int err = ngtcp2_conn_submit_crypto_data(
        conn_of(ssl), ngtcp2_crypto_boringssl_from_ssl_encryption_level(level), data, len);
    if (err) ngtcp2_conn_set_tls_error(conn_of(ssl), err);
    return err == 0;
}

static int flush(SSL *ssl)
{
    (void)ssl; /* what there is goes out at the end of the turn */
    return 1;
}

static int alert(SSL *ssl, enum ssl_encryption_level_t level, uint8_t description)
{
    (void)level;
    ngtcp2_conn_set_tls_alert(conn_of(ssl), description);
    return 1;
}

/* ngtcp2's own are for a whole context, and certificates are shared with TLS over TCP. */
static const SSL_QUIC_METHOD method = {read_secret, write_secret, handshake_data, flush, alert};

bool nx__quic_tls_join(struct nx__quic_conn *conn)
{
    if (!SSL_set_min_proto_version(conn->ssl, TLS1_3_VERSION) ||
        !SSL_set_max_proto_version(conn->ssl, TLS1_3_VERSION) ||
        !SSL_set_quic_method(conn->ssl, &method) || !SSL_set_app_data(conn->ssl, conn))
        return false;
    ngtcp2_conn_set_tls_native_handle(conn->ngtcp2, conn->ssl);
    return true;
}

bool nx__quic_tls_make(struct nx__quic_conn *conn)
{
    char context[128];
    const struct nx__quic_how *how = &conn->endpoint->group->how;
    SSL_CTX *tls = how->context(how->context_arg);
    conn->ssl = tls ? SSL_new(tls) : NULL;
    SSL_CTX_free(tls); /* the connection has it */
    if (!conn->ssl || !nx__quic_tls_join(conn) || !nx__tls_speaks(conn->ssl, how->protocol))
        return false;
    SSL_set_accept_state(conn->ssl);
    /* What a ticket for 0-RTT was given under (RFC 9001 4.6.1): who comes by one goes by what was
     * allowed then. */
    int len = snprintf(context, sizeof context, "nexus %s %d %d %d %d %d", how->settings,
                       NX__QUIC_STREAM_WINDOW, NX__QUIC_UNI_WINDOW, NX__QUIC_WINDOW,
                       NX__QUIC_STREAMS, NX__QUIC_UNI_STREAMS);
    SSL_set_early_data_enabled(conn->ssl, how->early);
    return SSL_set_quic_early_data_context(conn->ssl, (const uint8_t *)context, (size_t)len);
}

void nx__quic_reset_secret(const struct nx__quic_how *how, uint8_t out[NX__QUIC_SECRET])
{
    SSL_CTX *context = how->context(how->context_arg);
    const EVP_PKEY *key = context ? SSL_CTX_get0_privatekey(context) : NULL;
    uint8_t *encoded = NULL;
    int len = key ? i2d_PrivateKey(key, &encoded) : -1;
    if (len > 0) {
        NX_IGNORE(!HKDF(out, NX__QUIC_SECRET, EVP_sha256(), encoded, (size_t)len,
                        (const uint8_t *)how->place, strlen(how->place),
                        (const uint8_t *)RESET_PURPOSE, strlen(RESET_PURPOSE)));
        OPENSSL_cleanse(encoded, (size_t)len);
    }
    OPENSSL_free(encoded);
    SSL_CTX_free(context);
    ERR_clear_error();
}
