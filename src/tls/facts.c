/* What a handshake has come to, for programs; and why one has failed, for people. */
#include "base/error.h"
#include "tls/identity.h"
#include "tls/tls.h"
#include <errno.h>
#include <nexus/encode.h>
#include <openssl/err.h>
#include <openssl/sha.h>
#include <openssl/x509.h>
#include <stdlib.h>

struct nx__tls_facts {
    nx_tls_info info;
    char protocol[256], name[256], subject[NX__TLS_SUBJECT], sha256[2 * SHA256_DIGEST_LENGTH + 1];
};

nx_bytes nx__tls_protocol(const struct nx__tls *tls)
{
    const uint8_t *protocol;
    unsigned len;
    SSL_get0_alpn_selected(tls->ssl, &protocol, &len);
    return nx_slice(protocol, len);
}

bool nx__tls_is_text(const struct nx__tls *tls)
{
    return !tls->open && tls->first >= 'A' && tls->first <= 'Z';
}

bool nx__tls_is_closed(const struct nx__tls *tls)
{
    return tls->closed;
}

int nx__tls_error(const struct nx__tls *tls)
{
    return tls->error;
}

static void fill_peer(struct nx__tls_facts *facts, const SSL *ssl)
{
    uint8_t digest[SHA256_DIGEST_LENGTH];
    const STACK_OF(CRYPTO_BUFFER) *chain = SSL_get0_peer_certificates(ssl);
    X509 *own = SSL_get_peer_certificate(ssl);
    if (own) (void)nx__tls_subject(own, facts->subject);
    X509_free(own);
    if (!chain || !sk_CRYPTO_BUFFER_num(chain)) return;
    const CRYPTO_BUFFER *der = sk_CRYPTO_BUFFER_value(chain, 0);
    (void)SHA256(CRYPTO_BUFFER_data(der), CRYPTO_BUFFER_len(der), digest);
    for (size_t i = 0; i < sizeof digest; i++) {
        facts->sha256[2 * i] = "0123456789abcdef"[digest[i] >> 4];
        facts->sha256[2 * i + 1] = "0123456789abcdef"[digest[i] & 15];
    }
}

const nx_tls_info *nx__tls_info(struct nx__tls *tls)
{
    struct nx__tls_facts *facts = tls->facts;
    if (facts) return &facts->info;
    facts = tls->facts = calloc(1, sizeof *facts);
    if (!facts) {
        (void)nx__error_set(NX_ENOMEM, "cannot say what TLS has come to: out of memory");
        return NULL;
    }
    const SSL *ssl = tls->ssl;
    const SSL_CIPHER *cipher = SSL_get_current_cipher(ssl);
    const char *group = SSL_get_group_name(SSL_get_group_id(ssl));
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    nx_bytes protocol = nx__tls_protocol(tls);
    if (protocol.len < sizeof facts->protocol)
        memcpy(facts->protocol, protocol.data ? protocol.data : "", protocol.len);
    if (name && strlen(name) < sizeof facts->name) memcpy(facts->name, name, strlen(name));
    fill_peer(facts, ssl);
    facts->info = (nx_tls_info){
        .version = SSL_version(ssl) == TLS1_3_VERSION ? NX_TLS_1_3 : NX_TLS_1_2,
        .resumed = SSL_session_reused(ssl),
        .cipher = cipher ? SSL_CIPHER_standard_name(cipher) : "",
        .group = group ? group : "",
        .protocol = facts->protocol,
        .name = facts->name,
        .peer_subject = facts->subject,
        .peer_sha256 = facts->sha256,
    };
    return &facts->info;
}

/* ---- What has gone wrong */

static const struct {
    uint16_t reason;
    const char *text;
} reasons[] = {
    {SSL_R_UNSUPPORTED_PROTOCOL,
     "the peer has no version of TLS that is allowed here (1.2 and 1.3)"},
    {SSL_R_WRONG_VERSION_NUMBER, "what comes is not TLS, or of a version that is not allowed here"},
    {SSL_R_WRONG_SSL_VERSION, "what comes is not TLS, or of a version that is not allowed here"},
    {SSL_R_NO_SHARED_CIPHER, "the peer has no cipher that is allowed here"},
    {SSL_R_NO_SHARED_GROUP, "the peer has no way of exchanging keys that is allowed here"},
    {SSL_R_NO_COMMON_SIGNATURE_ALGORITHMS,
     "the peer can't check the certificate's kind of signature"},
    {SSL_R_HTTP_REQUEST, "what comes is plain HTTP"},
    {SSL_R_NO_APPLICATION_PROTOCOL, "the peer speaks none of the protocols here (ALPN)"},
    {SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE, "the peer shows no certificate, and needs one"},
    {SSL_R_CERTIFICATE_VERIFY_FAILED, "the peer's certificate is not to be trusted"},
    {SSL_R_TLSV1_ALERT_NO_APPLICATION_PROTOCOL,
     "the peer speaks none of the protocols that it is asked for (ALPN)"},
    {SSL_R_TLSV1_ALERT_PROTOCOL_VERSION,
     "the peer has no version of TLS that is allowed here (1.2 and 1.3)"},
    {SSL_R_TLSV1_ALERT_UNKNOWN_CA, "the peer does not trust the authority of the certificate here"},
    {SSL_R_TLSV1_ALERT_UNRECOGNIZED_NAME, "the peer does not have the name that it is asked for"},
    {SSL_R_TLSV1_ALERT_CERTIFICATE_REQUIRED, "the peer wants a certificate (.cert)"},
    {SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE,
     "the peer refuses: there is nothing that both ends can do"},
    {SSL_R_SSLV3_ALERT_BAD_CERTIFICATE, "the peer does not take the certificate here"},
    {SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED, "the peer says that the certificate here has expired"},
    {SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN, "the peer does not take the certificate here"},
    {ERR_R_MALLOC_FAILURE, "memory is out"},
};

const char *nx__tls_why(const struct nx__tls *tls)
{
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
        if (tls->reason == reasons[i].reason) return reasons[i].text;
    if (tls->ended || tls->error == ECONNRESET)
        return "the peer has closed the connection in the middle";
    if (tls->error) return nx__errno_text(tls->error);
    if (tls->reason >= SSL_AD_REASON_OFFSET) return "the peer refuses";
    return "what comes is not TLS, or was changed on its way";
}
