/* Certificates made here (RFC 5280): P-256 and SHA-256, which everybody takes. */
#include "tls/issue.h"

#include "base/error.h"
#include "crypto/library.h"
#include "encode/encode.h"
#include "tls/identity.h"
#include <arpa/inet.h>
#include <openssl/bytestring.h>
#include <openssl/ec_key.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/mem.h>
#include <openssl/nid.h>
#include <openssl/sha.h>
#include <openssl/x509.h>
#include <time.h>

enum { PEM_MOST = 64 * 1024, ID = 20, SERIAL = 16 };

#define OID(...) ((const uint8_t[]){__VA_ARGS__}), sizeof((const uint8_t[]){__VA_ARGS__})

static const uint8_t ecdsa_sha256[] = {0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02};

struct issuer {
    struct nx__tls_identity identity; /* empty: it signs itself */
    uint8_t *name;                    /* in DER; libcrypto's */
    size_t name_len;
    uint8_t id[ID];
    size_t id_len;
};

/* ---- Parts. Each returns false where memory is out. */

static bool oid(CBB *cbb, const uint8_t *bytes, size_t len)
{
    CBB child;
    return CBB_add_asn1(cbb, &child, CBS_ASN1_OBJECT) && CBB_add_bytes(&child, bytes, len) &&
           CBB_flush(cbb);
}

static bool algorithm(CBB *cbb)
{
    CBB sequence;
    return CBB_add_asn1(cbb, &sequence, CBS_ASN1_SEQUENCE) &&
           oid(&sequence, ecdsa_sha256, sizeof ecdsa_sha256) && CBB_flush(cbb);
}

/* "CN=common" */
static bool name(CBB *cbb, const char *common)
{
    CBB sequence, set, pair, text;
    return CBB_add_asn1(cbb, &sequence, CBS_ASN1_SEQUENCE) &&
           CBB_add_asn1(&sequence, &set, CBS_ASN1_SET) &&
           CBB_add_asn1(&set, &pair, CBS_ASN1_SEQUENCE) && oid(&pair, OID(0x55, 0x04, 0x03)) &&
           CBB_add_asn1(&pair, &text, CBS_ASN1_UTF8STRING) &&
           CBB_add_bytes(&text, (const uint8_t *)common, strlen(common)) && CBB_flush(cbb);
}

static bool moment(CBB *cbb, time_t at)
{
    struct tm tm;
    char text[20];
    CBB child;
    if (!gmtime_r(&at, &tm)) return false;
    bool far = tm.tm_year >= 150; /* 2050: two digits are not enough any more */
    size_t len = strftime(text, sizeof text, far ? "%Y%m%d%H%M%SZ" : "%y%m%d%H%M%SZ", &tm);
    return CBB_add_asn1(cbb, &child, far ? CBS_ASN1_GENERALIZEDTIME : CBS_ASN1_UTCTIME) &&
           CBB_add_bytes(&child, (const uint8_t *)text, len) && CBB_flush(cbb);
}

static bool validity(CBB *cbb, int days)
{
    time_t now = time(NULL);
    CBB sequence;
    return CBB_add_asn1(cbb, &sequence, CBS_ASN1_SEQUENCE) && moment(&sequence, now - 3600) &&
           moment(&sequence, now + (time_t)days * 24 * 3600) && CBB_flush(cbb);
}

/* Begins an extension, whose value goes into `value`. */
static bool extension(CBB *list, uint8_t number, bool critical, CBB *sequence, CBB *value)
{
    return CBB_add_asn1(list, sequence, CBS_ASN1_SEQUENCE) &&
           oid(sequence, OID(0x55, 0x1d, number)) &&
           (!critical || CBB_add_asn1_bool(sequence, 1)) &&
           CBB_add_asn1(sequence, value, CBS_ASN1_OCTETSTRING);
}

static bool basic_constraints(CBB *list, bool authority)
{
    CBB sequence, value, inner;
    return extension(list, 0x13, true, &sequence, &value) &&
           CBB_add_asn1(&value, &inner, CBS_ASN1_SEQUENCE) &&
           (!authority || CBB_add_asn1_bool(&inner, 1)) && CBB_flush(list);
}

/* An authority signs certificates and lists of those that were revoked, a server handshakes. */
static bool key_usage(CBB *list, bool authority)
{
    CBB sequence, value, bits;
    return extension(list, 0x0f, true, &sequence, &value) &&
           CBB_add_asn1(&value, &bits, CBS_ASN1_BITSTRING) &&
           CBB_add_u8(&bits, authority ? 1 : 7) && CBB_add_u8(&bits, authority ? 0x06 : 0x80) &&
           CBB_flush(list);
}

static bool server_use(CBB *list)
{
    CBB sequence, value, inner;
    return extension(list, 0x25, false, &sequence, &value) &&
           CBB_add_asn1(&value, &inner, CBS_ASN1_SEQUENCE) &&
           oid(&inner, OID(0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x01)) && CBB_flush(list);
}

static bool names(CBB *list, const struct nx__tls_issue *what)
{
    CBB sequence, value, inner, one;
    if (!extension(list, 0x11, false, &sequence, &value) ||
        !CBB_add_asn1(&value, &inner, CBS_ASN1_SEQUENCE))
        return false;
    for (size_t i = 0; i < what->count; i++) {
        uint8_t address[16];
        size_t len = inet_pton(AF_INET, what->names[i], address) == 1    ? 4
                     : inet_pton(AF_INET6, what->names[i], address) == 1 ? 16
                                                                         : 0;
        const uint8_t *bytes = len ? address : (const uint8_t *)what->names[i];
        unsigned tag = CBS_ASN1_CONTEXT_SPECIFIC | (len ? 7u : 2u);
        if (!CBB_add_asn1(&inner, &one, tag) ||
            !CBB_add_bytes(&one, bytes, len ? len : strlen(what->names[i])))
            return false;
    }
    return CBB_flush(list);
}

/* Of its own key, then of the one that signs it. */
static bool key_ids(CBB *list, const uint8_t own[ID], const struct issuer *by)
{
    CBB sequence, value, inner, id;
    return extension(list, 0x0e, false, &sequence, &value) &&
           CBB_add_asn1(&value, &inner, CBS_ASN1_OCTETSTRING) && CBB_add_bytes(&inner, own, ID) &&
           CBB_flush(list) &&
           (!by->id_len || (extension(list, 0x23, false, &sequence, &value) &&
                            CBB_add_asn1(&value, &inner, CBS_ASN1_SEQUENCE) &&
                            CBB_add_asn1(&inner, &id, CBS_ASN1_CONTEXT_SPECIFIC | 0) &&
                            CBB_add_bytes(&id, by->id, by->id_len) && CBB_flush(list)));
}

static bool extensions(CBB *cbb, const struct nx__tls_issue *what, const uint8_t own[ID],
                       const struct issuer *by)
{
    CBB outer, list;
    return CBB_add_asn1(cbb, &outer, CBS_ASN1_CONSTRUCTED | CBS_ASN1_CONTEXT_SPECIFIC | 3) &&
           CBB_add_asn1(&outer, &list, CBS_ASN1_SEQUENCE) &&
           basic_constraints(&list, !what->count) && key_usage(&list, !what->count) &&
           (!what->count || (server_use(&list) && names(&list, what))) && key_ids(&list, own, by) &&
           CBB_flush(cbb);
}

/* ---- The certificate */

static bool key_id(const EVP_PKEY *key, uint8_t out[ID])
{
    uint8_t digest[SHA256_DIGEST_LENGTH], *der = NULL;
    size_t len;
    CBB cbb;
    if (!CBB_init(&cbb, 128)) return false;
    if (!EVP_marshal_public_key(&cbb, key) || !CBB_finish(&cbb, &der, &len)) {
        CBB_cleanup(&cbb);
        return false;
    }
    (void)SHA256(der, len, digest);
    OPENSSL_free(der);
    memcpy(out, digest, ID);
    return true;
}

static bool to_be_signed(CBB *cbb, const struct nx__tls_issue *what, const EVP_PKEY *key,
                         const struct issuer *by)
{
    uint8_t own[ID], serial[SERIAL];
    CBB sequence, version, number;
    if (!key_id(key, own)) return false;
    nx_random(serial, sizeof serial);
    serial[0] = (uint8_t)((serial[0] & 0x7f) | 0x40); /* positive, and of full length */
    return CBB_add_asn1(cbb, &sequence, CBS_ASN1_SEQUENCE) &&
           CBB_add_asn1(&sequence, &version,
                        CBS_ASN1_CONSTRUCTED | CBS_ASN1_CONTEXT_SPECIFIC | 0) &&
           CBB_add_asn1_uint64(&version, 2) && CBB_add_asn1(&sequence, &number, CBS_ASN1_INTEGER) &&
           CBB_add_bytes(&number, serial, sizeof serial) && algorithm(&sequence) &&
           (by->name ? CBB_add_bytes(&sequence, by->name, by->name_len)
                     : name(&sequence, what->common)) &&
           validity(&sequence, what->days) && name(&sequence, what->common) &&
           EVP_marshal_public_key(&sequence, key) && extensions(&sequence, what, own, by) &&
           CBB_flush(cbb);
}

static bool sign(CBB *cbb, const uint8_t *data, size_t len, EVP_PKEY *key)
{
    uint8_t signature[256];
    size_t signature_len = sizeof signature;
    EVP_MD_CTX ctx;
    CBB sequence, bits;
    EVP_MD_CTX_init(&ctx);
    bool good = EVP_DigestSignInit(&ctx, NULL, EVP_sha256(), NULL, key) &&
                EVP_DigestSign(&ctx, signature, &signature_len, data, len) &&
                CBB_add_asn1(cbb, &sequence, CBS_ASN1_SEQUENCE) &&
                CBB_add_bytes(&sequence, data, len) && algorithm(&sequence) &&
                CBB_add_asn1(&sequence, &bits, CBS_ASN1_BITSTRING) && CBB_add_u8(&bits, 0) &&
                CBB_add_bytes(&bits, signature, signature_len) && CBB_flush(cbb);
    (void)EVP_MD_CTX_cleanup(&ctx);
    return good;
}

/* Adds a block of PEM. */
static nx_err put_pem(struct nx__buffer *out, const char *label, const uint8_t *der, size_t len)
{
    enum { LINE = 48 }; /* bytes of 64 characters */
    static const nx_base64_options plain = {.size = sizeof plain};
    char text[NX__BASE64_SIZE(LINE)];
    NX_TRY(
        nx__buffer_reserve(out, 2 * len + 100, PEM_MOST)); /* no copies of a key are left behind */
    NX_TRY(nx__buffer_printf(out, PEM_MOST, "-----BEGIN %s-----\n", label));
    for (size_t at = 0; at < len; at += LINE) {
        size_t n = len - at < LINE ? len - at : LINE;
        size_t chars = nx__base64_encode(text, nx_slice(der + at, n), &plain);
        NX_TRY(nx__buffer_printf(out, PEM_MOST, "%.*s\n", (int)chars, text));
    }
    return nx__buffer_printf(out, PEM_MOST, "-----END %s-----\n", label);
}

/* Takes what is in the CBB, which may have failed, as a block of PEM. */
static nx_err finish(CBB *cbb, bool good, struct nx__buffer *out, const char *label)
{
    uint8_t *der = NULL;
    size_t len;
    if (!good || !CBB_finish(cbb, &der, &len)) {
        CBB_cleanup(cbb);
        return nx__crypto_failed("make a certificate");
    }
    nx_err err = put_pem(out, label, der, len);
    OPENSSL_free(der); /* wipes it */
    return err ? nx__crypto_failed("make a certificate") : NX_OK;
}

static nx_err make(const struct nx__tls_issue *what, EVP_PKEY *key, const struct issuer *by,
                   struct nx__buffer *cert, struct nx__buffer *secret)
{
    CBB data, out;
    uint8_t *der = NULL;
    size_t len;
    if (!CBB_init(&out, 512)) return nx__crypto_failed("make a certificate");
    NX_TRY(finish(&out, EVP_marshal_private_key(&out, key), secret, "PRIVATE KEY"));
    if (!CBB_init(&data, 1024)) return nx__crypto_failed("make a certificate");
    if (!to_be_signed(&data, what, key, by) || !CBB_finish(&data, &der, &len)) {
        CBB_cleanup(&data);
        return nx__crypto_failed("make a certificate");
    }
    bool begun = CBB_init(&out, 1024);
    nx_err err = begun ? finish(&out, sign(&out, der, len, by->name ? by->identity.key : key), cert,
                                "CERTIFICATE")
                       : nx__crypto_failed("make a certificate");
    OPENSSL_free(der);
    return err;
}

/* ---- Who signs */

static nx_err issuer_read(struct issuer *by, const struct nx__tls_issue *what)
{
    if (!what->ca_cert) return NX_OK;
    NX_TRY(nx__tls_identity_read(&by->identity, what->ca_cert, what->ca_key));
    if (EVP_PKEY_id(by->identity.key) != EVP_PKEY_EC)
        return nx__error_set(NX_ENOTSUP, "the authority has another kind of key than P-256");
    X509 *own = X509_parse_from_buffer(by->identity.chain[0]);
    int len = own ? i2d_X509_NAME(X509_get_subject_name(own), &by->name) : -1;
    const ASN1_OCTET_STRING *id = own ? X509_get0_subject_key_id(own) : NULL;
    if (id && ASN1_STRING_length(id) == ID) {
        memcpy(by->id, ASN1_STRING_get0_data(id), ID);
        by->id_len = ID;
    }
    X509_free(own);
    if (len <= 0) return nx__crypto_failed("read the authority");
    by->name_len = (size_t)len;
    return NX_OK;
}

static nx_err check(const struct nx__tls_issue *what)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._";
    uint8_t address[16];
    if (strlen(what->common) > 64) return nx__error_set(NX_EINVAL, "the name is too long");
    for (size_t i = 0; i < what->count; i++) {
        const char *text = what->names[i];
        const char *rest = strncmp(text, "*.", 2) == 0 ? text + 2 : text;
        if (inet_pton(AF_INET6, text, address) == 1) continue;
        if (!*rest || strlen(text) > 253 || rest[strspn(rest, letters)])
            return nx__error_set(NX_EINVAL,
                                 "\"%.100s\" is neither the name of a host nor an address", text);
    }
    return NX_OK;
}

static EVP_PKEY *key_new(void)
{
    EC_KEY *ec = EC_KEY_new_by_curve_name(NID_X9_62_prime256v1);
    EVP_PKEY *key = EVP_PKEY_new();
    if (ec && key && EC_KEY_generate_key(ec) && EVP_PKEY_assign_EC_KEY(key, ec)) return key;
    EC_KEY_free(ec);
    EVP_PKEY_free(key);
    return NULL;
}

nx_err nx__tls_issue(const struct nx__tls_issue *what, struct nx__buffer *cert,
                     struct nx__buffer *key)
{
    struct issuer by = {0};
    *cert = *key = (struct nx__buffer){0};
    NX_TRY(check(what));
    nx__crypto_ready();
    nx_err err = issuer_read(&by, what);
    EVP_PKEY *own = err ? NULL : key_new();
    if (!err && !own) err = nx__crypto_failed("make a key");
    if (!err) err = make(what, own, &by, cert, key);
    EVP_PKEY_free(own);
    OPENSSL_free(by.name);
    nx__tls_identity_free(&by.identity);
    if (err) {
        if (key->data) nx_wipe(key->data, key->len);
        nx__buffer_free(cert);
        nx__buffer_free(key);
    }
    return err;
}
