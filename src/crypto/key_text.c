/* Keys as PEM and DER. */
#include "crypto/keys.h"

#include <nexus/encode.h>
#include <openssl/bytestring.h>
#include <openssl/curve25519.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/mem.h>
#include <stdio.h>

static const struct {
    const char *name;
    int evp;
    bool secret;
    size_t size;
} types[] = {
    [NX_KEY_ED25519_SECRET] = {"an Ed25519 secret key", EVP_PKEY_ED25519, true,
                               sizeof(nx_ed25519_secret)},
    [NX_KEY_ED25519_PUBLIC] = {"an Ed25519 public key", EVP_PKEY_ED25519, false,
                               sizeof(nx_ed25519_public)},
    [NX_KEY_P256_SECRET] = {"a P-256 secret key", EVP_PKEY_EC, true, sizeof(nx_p256_secret)},
    [NX_KEY_P256_PUBLIC] = {"a P-256 public key", EVP_PKEY_EC, false, sizeof(nx_p256_public)},
    [NX_KEY_RSA_PUBLIC] = {"an RSA public key", EVP_PKEY_RSA, false, sizeof(nx_rsa_public)},
    [NX_KEY_X25519_SECRET] = {"an X25519 secret key", EVP_PKEY_X25519, true,
                              sizeof(nx_x25519_secret)},
    [NX_KEY_X25519_PUBLIC] = {"an X25519 public key", EVP_PKEY_X25519, false,
                              sizeof(nx_x25519_public)}};

static nx_err check_type(nx_key_type type)
{
    return (unsigned)type < sizeof types / sizeof *types && types[type].name
               ? NX_OK
               : nx__error_set(NX_EINVAL, "there is no type of key number %d", (int)type);
}

const char *nx__key_type_name(nx_key_type type)
{
    return types[type].name;
}

nx_err nx__key_check(const void *key, nx_key_type type)
{
    EC_KEY *ec = NULL;
    RSA *rsa = NULL;
    if (type == NX_KEY_P256_SECRET)
        ec = nx__p256_secret_key(key);
    else if (type == NX_KEY_P256_PUBLIC)
        ec = nx__p256_public_key(key);
    else if (type == NX_KEY_RSA_PUBLIC)
        rsa = nx__rsa_public_key(key);
    else
        return NX_OK;
    nx_err err = ec || rsa ? NX_OK : nx__error_last()->code;
    EC_KEY_free(ec);
    RSA_free(rsa);
    return err;
}

/* ---- DER */

static nx_err take_raw(EVP_PKEY *pkey, nx_key_type type, void *out)
{
    uint8_t bytes[32];
    size_t len = sizeof bytes;
    int good = types[type].secret ? EVP_PKEY_get_raw_private_key(pkey, bytes, &len)
                                  : EVP_PKEY_get_raw_public_key(pkey, bytes, &len);
    if (!good || len != sizeof bytes) return nx__crypto_failed("read a key");
    if (type == NX_KEY_ED25519_SECRET)
        *(nx_ed25519_secret *)out = nx_ed25519_from_seed(bytes);
    else
        memcpy(out, bytes, len);
    nx_wipe(bytes, sizeof bytes);
    return NX_OK;
}

static nx_err take_pkey(EVP_PKEY *pkey, nx_key_type type, void *out)
{
    const EC_KEY *ec = EVP_PKEY_get0_EC_KEY(pkey);
    if (EVP_PKEY_id(pkey) != types[type].evp ||
        (ec && EC_GROUP_get_curve_name(EC_KEY_get0_group(ec)) != NID_X9_62_prime256v1)) {
        ERR_clear_error();
        return nx__error_set(NX_ETYPE, "this is another kind of key, not %s", types[type].name);
    }
    switch (type) {
    case NX_KEY_P256_SECRET: return nx__p256_secret_of(ec, out);
    case NX_KEY_P256_PUBLIC: return nx__p256_public_point(ec, out);
    case NX_KEY_RSA_PUBLIC: return nx__rsa_public_of(EVP_PKEY_get0_RSA(pkey), out);
    case NX_KEY_ED25519_SECRET:
    case NX_KEY_ED25519_PUBLIC:
    case NX_KEY_X25519_SECRET:
    case NX_KEY_X25519_PUBLIC: break;
    }
    return take_raw(pkey, type, out);
}

static EVP_PKEY *parse(nx_bytes der, bool secret)
{
    CBS cbs;
    CBS_init(&cbs, nx__crypto_data(der), der.len);
    EVP_PKEY *pkey = secret ? EVP_parse_private_key(&cbs) : EVP_parse_public_key(&cbs);
    if (pkey && !CBS_len(&cbs)) return pkey;
    EVP_PKEY_free(pkey);
    return NULL;
}

static nx_err read_der(nx_bytes der, void *out, nx_key_type type)
{
    bool secret = types[type].secret;
    EVP_PKEY *pkey = parse(der, secret);
    if (!pkey && nx__crypto_starved()) return nx__crypto_failed("read a key");
    if (!pkey) {
        EVP_PKEY *other = parse(der, !secret);
        ERR_clear_error();
        if (!other)
            return nx__error_set(NX_EINVAL, "the key is damaged, or of a kind that is not known");
        EVP_PKEY_free(other);
        return nx__error_set(NX_ETYPE, "this is a %s key, not %s", secret ? "public" : "secret",
                             types[type].name);
    }
    nx_err err = take_pkey(pkey, type, out);
    EVP_PKEY_free(pkey);
    return err;
}

/* What OpenSSL makes of a key of its "ecparam" (RFC 5915). */
static nx_err read_sec1(nx_bytes der, void *out, nx_key_type type)
{
    CBS cbs;
    if (type != NX_KEY_P256_SECRET)
        return nx__error_set(NX_ETYPE, "this is a secret key of a curve, not %s", types[type].name);
    CBS_init(&cbs, nx__crypto_data(der), der.len);
    EC_KEY *ec = EC_KEY_parse_private_key(&cbs, NULL);
    bool right = ec && !CBS_len(&cbs) &&
                 EC_GROUP_get_curve_name(EC_KEY_get0_group(ec)) == NID_X9_62_prime256v1;
    nx_err err = right ? nx__p256_secret_of(ec, out)
                 : nx__crypto_starved()
                     ? nx__crypto_failed("read a key")
                     : nx__error_set(NX_EINVAL, "the key is damaged, or of another curve");
    EC_KEY_free(ec);
    return err;
}

/* ---- PEM (RFC 7468) */

static bool is(nx_bytes text, const char *word)
{
    return text.len >= strlen(word) && memcmp(text.data, word, strlen(word)) == 0;
}

static const char *find(nx_bytes text, const char *word)
{
    return memmem(text.data, text.len, word, strlen(word));
}

static nx_err read_pem(nx_bytes text, void *out, nx_key_type type)
{
    static const char begin[] = "-----BEGIN ", dashes[] = "-----";
    char end[64], shown[NX__QUOTED];
    nx_bytes rest = nx_slice(text.data + sizeof begin - 1, text.len - sizeof begin + 1), der;
    const char *after = find(rest, dashes);
    size_t len = after ? (size_t)(after - rest.data) : 0;
    if (!after || len > 32) return nx__error_set(NX_EINVAL, "the PEM has no beginning");
    nx_bytes label = nx_slice(rest.data, len), body;
    (void)snprintf(end, sizeof end, "-----END %.*s-----", NX_FMT(label));
    body.data = after + sizeof dashes - 1;
    body.len = (size_t)(text.data + text.len - body.data);
    const char *stop = find(body, end);
    if (!stop)
        return nx__error_set(NX_EINVAL, "the PEM has no \"%s\"", nx__quoted(shown, nx_str(end)));
    body.len = (size_t)(stop - body.data);
    if (nx_bytes_is(label, "ENCRYPTED PRIVATE KEY"))
        return nx__error_set(NX_ENOTSUP,
                             "the key is encrypted. Decrypt it with: openssl pkey -in FILE");
    if (nx_bytes_is(label, "CERTIFICATE"))
        return nx__error_set(NX_ENOTSUP, "this is a certificate. Take the key out of it with: "
                                         "openssl x509 -pubkey -noout -in FILE");
    bool sec1 = nx_bytes_is(label, "EC PRIVATE KEY");
    if (!sec1 && !nx_bytes_is(label, "PUBLIC KEY") && !nx_bytes_is(label, "PRIVATE KEY"))
        return nx__error_set(NX_ENOTSUP, "the PEM has another kind of thing than a key in SPKI or "
                                         "PKCS #8. Convert it with: openssl pkey");
    nx_err err = nx_base64_decode(body, &der, .spaces = true);
    if (err) return err == NX_ENOMEM ? err : nx__error_set(NX_EINVAL, "the PEM is damaged");
    err = sec1 ? read_sec1(der, out, type) : read_der(der, out, type);
    nx_wipe((char *)(uintptr_t)der.data, der.len);
    return err;
}

nx_err nx_key_read_as(nx_bytes text, void *out, nx_key_type type)
{
    nx_err err;
    NX_TRY(check_type(type));
    memset(out, 0, types[type].size);
    if (text.len > NX_KEY_MOST)
        return nx__error_set(NX_ETOOBIG, "a key has %zu bytes at most, not %zu", NX_KEY_MOST,
                             text.len);
    nx__crypto_ready();
    while (text.len && strchr(" \t\r\n", *text.data) && *text.data)
        text = nx_slice(text.data + 1, text.len - 1);
    if (is(text, "{"))
        err = nx__jwk_read(text, out, type);
    else if (is(text, "-----BEGIN "))
        err = read_pem(text, out, type);
    else
        err = read_der(text, out, type);
    if (!err) err = nx__key_check(out, type);
    if (err) nx_wipe(out, types[type].size);
    return err;
}

/* ---- Writing */

static EVP_PKEY *pkey_new(const void *key, nx_key_type type)
{
    if (types[type].evp == EVP_PKEY_ED25519 || types[type].evp == EVP_PKEY_X25519)
        return types[type].secret ? EVP_PKEY_new_raw_private_key(types[type].evp, NULL, key, 32)
                                  : EVP_PKEY_new_raw_public_key(types[type].evp, NULL, key, 32);
    EVP_PKEY *pkey = EVP_PKEY_new();
    EC_KEY *ec = NULL;
    RSA *rsa = NULL;
    if (type == NX_KEY_P256_SECRET)
        ec = nx__p256_secret_key(key);
    else if (type == NX_KEY_P256_PUBLIC)
        ec = nx__p256_public_key(key);
    else
        rsa = nx__rsa_public_key(key);
    if (pkey &&
        ((ec && EVP_PKEY_assign_EC_KEY(pkey, ec)) || (rsa && EVP_PKEY_assign_RSA(pkey, rsa))))
        return pkey;
    EVP_PKEY_free(pkey);
    EC_KEY_free(ec);
    RSA_free(rsa);
    return NULL;
}

static nx_err as_pem(nx_bytes der, bool secret, nx_bytes *out)
{
    enum { LINE = 64 };
    nx_bytes text;
    const char *label = secret ? "PRIVATE KEY" : "PUBLIC KEY";
    NX_TRY(nx_base64_encode(der, &text));
    size_t lines = (text.len + LINE - 1) / LINE, room = text.len + lines + 80, len;
    char *pem = nx_alloc(room);
    if (!pem) return NX_ENOMEM;
    len = (size_t)snprintf(pem, room, "-----BEGIN %s-----\n", label);
    for (size_t at = 0; at < text.len; at += LINE) {
        size_t n = text.len - at < LINE ? text.len - at : LINE;
        memcpy(pem + len, text.data + at, n);
        pem[len + n] = '\n';
        len += n + 1;
    }
    len += (size_t)snprintf(pem + len, room - len, "-----END %s-----\n", label);
    *out = nx_slice(pem, len);
    return NX_OK;
}

static nx_err write_der(const void *key, nx_key_type type, nx_key_form form, nx_bytes *out)
{
    uint8_t *der = NULL;
    size_t len;
    CBB cbb;
    EVP_PKEY *pkey = pkey_new(key, type);
    bool good = pkey && CBB_init(&cbb, 256);
    if (good) {
        good =
            (types[type].secret ? EVP_marshal_private_key : EVP_marshal_public_key)(&cbb, pkey) &&
            CBB_finish(&cbb, &der, &len);
        if (!good) CBB_cleanup(&cbb);
    }
    EVP_PKEY_free(pkey);
    if (!good) return nx__crypto_failed("write a key");
    nx_err err;
    if (form == NX_KEY_PEM) {
        err = as_pem(nx_slice(der, len), types[type].secret, out);
    } else {
        char *copy = nx_copy(nx_slice(der, len));
        err = copy ? NX_OK : NX_ENOMEM;
        if (copy) *out = nx_slice(copy, len);
    }
    OPENSSL_free(der);
    return err;
}

nx_err nx_key_write_as(const void *key, nx_key_type type, nx_key_form form, nx_bytes *out)
{
    *out = (nx_bytes){0};
    NX_TRY(check_type(type));
    nx__crypto_ready();
    NX_TRY(nx__key_check(key, type));
    switch (form) {
    case NX_KEY_JWK: return nx__jwk_write(key, type, out);
    case NX_KEY_PEM:
    case NX_KEY_DER: return write_der(key, type, form, out);
    }
    return nx__error_set(NX_EINVAL, "there is no form of keys number %d", (int)form);
}
