/* Reading certificates with their keys. */
#include "tls/identity.h"

#include "base/error.h"
#include "crypto/library.h"
#include <openssl/bio.h>
#include <openssl/bytestring.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/mem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

enum { NAMES_MOST = 64 * 1024 /* bytes of all names of a certificate */ };

/* ---- Names */

static nx_err add_name(struct nx__tls_identity *identity, const unsigned char *name, int len)
{
    char text[256];
    if (len <= 0 || (size_t)len >= sizeof text || memchr(name, '\0', (size_t)len)) return NX_OK;
    for (int i = 0; i < len; i++)
        text[i] = (char)(name[i] >= 'A' && name[i] <= 'Z' ? name[i] | 0x20 : name[i]);
    text[len] = '\0';
    return nx__buffer_append(&identity->names, text, (size_t)len + 1, NAMES_MOST);
}

static nx_err read_names(struct nx__tls_identity *identity, const X509 *own)
{
    nx_err err = NX_OK;
    GENERAL_NAMES *names = X509_get_ext_d2i(own, NID_subject_alt_name, NULL, NULL);
    if (!names && nx__crypto_starved()) return nx__crypto_failed("read a certificate");
    for (size_t i = 0; names && i < sk_GENERAL_NAME_num(names) && !err; i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        if (name->type == GEN_DNS)
            err = add_name(identity, ASN1_STRING_get0_data(name->d.dNSName),
                           ASN1_STRING_length(name->d.dNSName));
    }
    GENERAL_NAMES_free(names);
    ERR_clear_error();
    return err;
}

/* ---- The chain */

static nx_err take(nx_bytes der, void *arg)
{
    struct nx__tls_identity *identity = arg;
    if (identity->count == NX__TLS_CHAIN_MOST)
        return nx__error_set(NX_EINVAL, "a chain has %d certificates at most", NX__TLS_CHAIN_MOST);
    CRYPTO_BUFFER *buffer = CRYPTO_BUFFER_new(nx__crypto_data(der), der.len, NULL);
    if (!buffer) return nx__crypto_failed("read a certificate");
    identity->chain[identity->count++] = buffer;
    return NX_OK;
}

/* What is derived from the key is known to all that have it, and to nobody else. */
static nx_err derive(struct nx__tls_identity *identity)
{
    CBB cbb;
    uint8_t *der = NULL;
    size_t len = 0;
    bool good = CBB_init(&cbb, 256);
    if (good && !(EVP_marshal_private_key(&cbb, identity->key) && CBB_finish(&cbb, &der, &len))) {
        CBB_cleanup(&cbb);
        good = false;
    }
    if (!good) return nx__crypto_failed("read a key");
    nx_err err = nx_hkdf(NX_SHA256, nx_slice(der, len), identity->secret, sizeof identity->secret,
                         .info = nx_str("nexus tls tickets"));
    OPENSSL_free(der); /* wipes it */
    return err;
}

/* Whether the certificate has the key's public half, byte for byte. */
static nx_err same_key(const X509 *own, const EVP_PKEY *key, bool *same)
{
    uint8_t *ours = NULL, *theirs = NULL;
    size_t len = 0;
    CBB cbb;
    int other = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(own), &theirs);
    bool good = other >= 0 && CBB_init(&cbb, 128);
    if (good && !(EVP_marshal_public_key(&cbb, key) && CBB_finish(&cbb, &ours, &len))) {
        CBB_cleanup(&cbb);
        good = false;
    }
    *same = good && len == (size_t)other && memcmp(ours, theirs, len) == 0;
    OPENSSL_free(ours);
    OPENSSL_free(theirs);
    return good ? NX_OK : nx__crypto_failed("read a certificate");
}

/* libcrypto does not say that it had no memory to see the public key in a certificate. */
static nx_err unfit(const X509 *own, const EVP_PKEY *secret, const char *cert, const char *key)
{
    bool same;
    ERR_clear_error();
    NX_TRY(same_key(own, secret, &same));
    if (same) return nx__crypto_failed("read a certificate");
    return nx__error_set(NX_EINVAL, "the key of %s is not that of the first certificate of %s", key,
                         cert);
}

static nx_err check(struct nx__tls_identity *identity, const char *cert, const char *key)
{
    X509 *own = X509_parse_from_buffer(identity->chain[0]);
    if (!own) {
        if (nx__crypto_starved()) return nx__crypto_failed("read a certificate");
        return nx__error_set(NX_EINVAL, "the first certificate of %s is damaged", cert);
    }
    nx_err err = X509_check_private_key(own, identity->key) ? read_names(identity, own)
                                                            : unfit(own, identity->key, cert, key);
    X509_free(own);
    return err;
}

static nx_err read_both(struct nx__arena *arena, struct nx__tls_identity *identity,
                        const char *cert, const char *key)
{
    nx_bytes text;
    size_t count;
    nx__crypto_ready();
    NX_TRY(nx__pem_load(arena, cert, "certificate", &text));
    NX_TRY(nx__pem_certificates(arena, text, nx__pem_shown(cert), take, identity, &count));
    if (!count)
        return nx__error_set(NX_EINVAL, "there is no certificate in %s", nx__pem_shown(cert));
    if (key && key != cert) NX_TRY(nx__pem_load(arena, key, "key", &text));
    nx_err err = nx__pem_key(arena, text, nx__pem_shown(key ? key : cert), &identity->key);
    if (!nx__pem_is_text(key ? key : cert)) nx_wipe((char *)(uintptr_t)text.data, text.len);
    NX_TRY(err);
    NX_TRY(check(identity, nx__pem_shown(cert), nx__pem_shown(key ? key : cert)));
    return derive(identity);
}

nx_err nx__tls_identity_read(struct nx__tls_identity *out, const char *cert, const char *key)
{
    *out = (struct nx__tls_identity){0};
    struct nx__arena arena = {0};
    nx_err err = read_both(&arena, out, cert, key);
    nx__arena_reset(&arena);
    if (err) nx__tls_identity_free(out);
    return err;
}

void nx__tls_identity_free(struct nx__tls_identity *identity)
{
    for (size_t i = 0; i < identity->count; i++) CRYPTO_BUFFER_free(identity->chain[i]);
    EVP_PKEY_free(identity->key);
    nx__buffer_free(&identity->names);
    nx_wipe(identity->secret, sizeof identity->secret);
    *identity = (struct nx__tls_identity){0};
}

const char *nx__tls_subject(const X509 *certificate, char out[NX__TLS_SUBJECT])
{
    BIO *bio = BIO_new(BIO_s_mem());
    int len = 0;
    if (bio && X509_NAME_print_ex(bio, X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253) >= 0)
        len = BIO_read(bio, out, NX__TLS_SUBJECT - 1);
    out[len > 0 ? len : 0] = '\0';
    BIO_free(bio);
    ERR_clear_error();
    return out;
}
