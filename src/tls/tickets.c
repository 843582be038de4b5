/* Tickets, sealed with keys that are derived from the certificate's and the date: whoever has the
 * certificate reads them, in any worker, process or machine, and nothing is to be shared or kept.
 *
 * A ticket of TLS 1.2 would let whoever gets hold of that key read what was recorded before. There
 * the keys come from a secret of the process, which ends with it. */
#include "tls/tickets.h"

#include "base/error.h"
#include "crypto/library.h"
#include <openssl/aead.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <time.h>

enum {
    KEY_SECONDS = 12 * 60 * 60, /* that a key seals for; it opens for as long again */
    KEY = 32,
    NONCE = 12,
    TAG = 16,
    HEAD = 4 + NONCE, /* the key's number goes before */
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static uint8_t own_secret[KEY];

static void begin(void)
{
    nx_random(own_secret, sizeof own_secret);
}

static uint32_t number_now(void)
{
    return (uint32_t)((uint64_t)time(NULL) / KEY_SECONDS);
}

/* The key of this number, in `aead`. What it seals is for the same name that was asked for, too. */
static bool key_make(SSL *ssl, uint32_t number, EVP_AEAD_CTX *aead)
{
    uint8_t key[KEY];
    const uint8_t *secret = SSL_version(ssl) >= TLS1_3_VERSION ? nx__tls_secret(ssl) : own_secret;
    if (nx_hkdf(NX_SHA256, nx_slice(secret, KEY), key, sizeof key,
                .info = nx_slice(&number, sizeof number)))
        return false;
    bool good = EVP_AEAD_CTX_init(aead, EVP_aead_aes_256_gcm(), key, sizeof key, TAG, NULL);
    nx_wipe(key, sizeof key);
    return good;
}

static nx_bytes asked(const SSL *ssl)
{
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    return nx_str(name ? name : "");
}

static size_t overhead(SSL *ssl)
{
    (void)ssl;
    return HEAD + TAG;
}

static int seal(SSL *ssl, uint8_t *out, size_t *out_len, size_t most, const uint8_t *in, size_t len)
{
    EVP_AEAD_CTX aead;
    uint32_t number = number_now();
    nx_bytes name = asked(ssl);
    size_t sealed;
    if (most < HEAD || !key_make(ssl, number, &aead)) return 0;
    memcpy(out, &number, sizeof number);
    nx_random(out + sizeof number, NONCE);
    int good = EVP_AEAD_CTX_seal(&aead, out + HEAD, &sealed, most - HEAD, out + sizeof number,
                                 NONCE, in, len, nx__crypto_data(name), name.len);
    EVP_AEAD_CTX_cleanup(&aead);
    *out_len = HEAD + sealed;
    return good;
}

static enum ssl_ticket_aead_result_t open(SSL *ssl, uint8_t *out, size_t *out_len, size_t most,
                                          const uint8_t *in, size_t len)
{
    EVP_AEAD_CTX aead;
    uint32_t number, now = number_now();
    nx_bytes name = asked(ssl);
    if (len < HEAD) return ssl_ticket_aead_ignore_ticket;
    memcpy(&number, in, sizeof number);
    if (number != now && number + 1 != now) return ssl_ticket_aead_ignore_ticket;
    if (!key_make(ssl, number, &aead)) return ssl_ticket_aead_ignore_ticket;
    int good = EVP_AEAD_CTX_open(&aead, out, out_len, most, in + sizeof number, NONCE, in + HEAD,
                                 len - HEAD, nx__crypto_data(name), name.len);
    EVP_AEAD_CTX_cleanup(&aead);
    ERR_clear_error();
    return good ? ssl_ticket_aead_success : ssl_ticket_aead_ignore_ticket;
}

nx_err nx__tls_tickets_make(SSL_CTX *ctx, nx_bytes client_ca, bool optional)
{
    static const SSL_TICKET_AEAD_METHOD method = {overhead, seal, open};
    uint8_t id[32] = {0};
    (void)pthread_once(&once, begin);
    /* Who has shown nothing where he might, has not shown what he must. */
    if (client_ca.len)
        NX_TRY(nx_hkdf(NX_SHA256, client_ca, id, sizeof id,
                       .info = nx_str(optional ? "nexus tls rules, optional" : "nexus tls rules")));
    if (!SSL_CTX_set_session_id_context(ctx, id, sizeof id))
        return nx__crypto_failed("prepare TLS");
    SSL_CTX_set_ticket_aead_method(ctx, &method);
    /* For the next connection in its place: each is sealed and sent for nothing where the client
     * does not come again. */
    (void)SSL_CTX_set_num_tickets(ctx, 1);
    SSL_CTX_set_timeout(ctx, KEY_SECONDS);
    SSL_CTX_set_session_psk_dhe_timeout(ctx, KEY_SECONDS);
    return NX_OK;
}
