/* ECDSA on P-256. */
#include "crypto/keys.h"

#include <openssl/bn.h>
#include <openssl/ecdsa.h>
#include <openssl/mem.h>
#include <openssl/nid.h>
#include <openssl/sha.h>

enum { HALF = 32 };

/* Records that the bytes are no key, or that there was no memory to see. */
static void no_key(const char *why)
{
    NX_IGNORE(nx__crypto_starved()
                  ? nx__crypto_failed("use a P-256 key")
                  : nx__error_set(NX_EINVAL, "the bytes are no P-256 key: %s", why));
}

static EC_KEY *new_key(void)
{
    nx__crypto_ready();
    return EC_KEY_new_by_curve_name(NID_X9_62_prime256v1);
}

EC_KEY *nx__p256_secret_key(const nx_p256_secret *key)
{
    EC_KEY *ec = new_key();
    BIGNUM *d = BN_bin2bn(key->bytes, HALF, NULL);
    const EC_GROUP *group = ec ? EC_KEY_get0_group(ec) : NULL;
    EC_POINT *point = group ? EC_POINT_new(group) : NULL;
    bool good = d && point && EC_KEY_set_private_key(ec, d) &&
                EC_POINT_mul(group, point, d, NULL, NULL, NULL) && EC_KEY_set_public_key(ec, point);
    EC_POINT_free(point);
    BN_clear_free(d);
    if (good) return ec;
    EC_KEY_free(ec);
    no_key("0, or past the order of the curve");
    return NULL;
}

EC_KEY *nx__p256_public_key(const nx_p256_public *key)
{
    EC_KEY *ec = new_key();
    const EC_GROUP *group = ec ? EC_KEY_get0_group(ec) : NULL;
    EC_POINT *point = group ? EC_POINT_new(group) : NULL;
    bool good = point && EC_POINT_oct2point(group, point, key->bytes, sizeof key->bytes, NULL) &&
                EC_KEY_set_public_key(ec, point);
    EC_POINT_free(point);
    if (good) return ec;
    EC_KEY_free(ec);
    no_key("they are no point of the curve");
    return NULL;
}

nx_err nx__p256_secret_of(const EC_KEY *key, nx_p256_secret *out)
{
    const BIGNUM *d = EC_KEY_get0_private_key(key);
    return d && BN_bn2bin_padded(out->bytes, HALF, d) ? NX_OK
                                                      : nx__crypto_failed("read a P-256 key");
}

nx_err nx__p256_public_point(const EC_KEY *key, nx_p256_public *out)
{
    return EC_POINT_point2oct(EC_KEY_get0_group(key), EC_KEY_get0_public_key(key),
                              POINT_CONVERSION_UNCOMPRESSED, out->bytes, sizeof out->bytes,
                              NULL) == sizeof out->bytes
               ? NX_OK
               : nx__crypto_failed("read a P-256 key");
}

nx_err nx_p256_new(nx_p256_secret *out)
{
    *out = (nx_p256_secret){0};
    EC_KEY *ec = new_key();
    nx_err err = ec && EC_KEY_generate_key(ec) ? nx__p256_secret_of(ec, out)
                                               : nx__crypto_failed("make a P-256 key");
    EC_KEY_free(ec);
    return err;
}

nx_err nx_p256_public_of(const nx_p256_secret *key, nx_p256_public *out)
{
    *out = (nx_p256_public){0};
    EC_KEY *ec = nx__p256_secret_key(key);
    if (!ec) return nx__error_last()->code;
    nx_err err = nx__p256_public_point(ec, out);
    EC_KEY_free(ec);
    return err;
}

/* ---- Signatures */

struct job {
    const EC_KEY *key;
    nx_bytes message;
    ECDSA_SIG *signature;
};

static nx_err sign(void *arg)
{
    struct job *j = arg;
    uint8_t digest[SHA256_DIGEST_LENGTH];
    SHA256(nx__crypto_data(j->message), j->message.len, digest);
    j->signature = ECDSA_do_sign(digest, sizeof digest, j->key);
    return j->signature ? NX_OK : nx__crypto_failed("sign");
}

/* Gives a signature that the caller frees. */
static nx_err signature_of(const nx_p256_secret *key, nx_bytes message, ECDSA_SIG **out)
{
    EC_KEY *ec = nx__p256_secret_key(key);
    if (!ec) return nx__error_last()->code;
    struct job j = {.key = ec, .message = message};
    nx_err err = nx__crypto_run(message.len, sign, &j);
    EC_KEY_free(ec);
    *out = j.signature;
    return err;
}

nx_err nx_p256_sign(const nx_p256_secret *key, nx_bytes message, nx_signature *out)
{
    ECDSA_SIG *signature = NULL;
    *out = (nx_signature){0};
    nx_err err = signature_of(key, message, &signature);
    if (!err && (!BN_bn2bin_padded(out->bytes, HALF, ECDSA_SIG_get0_r(signature)) ||
                 !BN_bn2bin_padded(out->bytes + HALF, HALF, ECDSA_SIG_get0_s(signature))))
        err = nx__crypto_failed("sign");
    ECDSA_SIG_free(signature);
    return err;
}

nx_err nx_p256_sign_der(const nx_p256_secret *key, nx_bytes message, nx_bytes *out)
{
    ECDSA_SIG *signature = NULL;
    uint8_t *der = NULL;
    size_t len;
    *out = (nx_bytes){0};
    nx_err err = signature_of(key, message, &signature);
    if (!err && !ECDSA_SIG_to_bytes(&der, &len, signature)) err = nx__crypto_failed("sign");
    if (!err) {
        char *copy = nx_copy(nx_slice(der, len));
        err = copy ? NX_OK : NX_ENOMEM;
        if (copy) *out = nx_slice(copy, len);
    }
    OPENSSL_free(der);
    ECDSA_SIG_free(signature);
    return err;
}

static nx_err verify(void *arg)
{
    const struct job *j = arg;
    uint8_t digest[SHA256_DIGEST_LENGTH];
    SHA256(nx__crypto_data(j->message), j->message.len, digest);
    return ECDSA_do_verify(digest, sizeof digest, j->signature, j->key) == 1 ? NX_OK
                                                                             : nx__crypto_forged();
}

/* Takes the signature over, NULL for what is none. */
static nx_err verified(const nx_p256_public *key, nx_bytes message, ECDSA_SIG *signature)
{
    EC_KEY *ec = nx__p256_public_key(key);
    nx_err err = ec ? NX_OK : nx__error_last()->code;
    if (!err && !signature) err = nx__crypto_forged();
    if (!err)
        err = nx__crypto_run(message.len, verify,
                             &(struct job){.key = ec, .message = message, .signature = signature});
    ECDSA_SIG_free(signature);
    EC_KEY_free(ec);
    return err;
}

nx_err nx_p256_verify(const nx_p256_public *key, nx_bytes message, nx_bytes signature)
{
    if (signature.len != 2 * HALF) return verified(key, message, NULL);
    const uint8_t *bytes = nx__crypto_data(signature);
    ECDSA_SIG *sig = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(bytes, HALF, NULL), *s = BN_bin2bn(bytes + HALF, HALF, NULL);
    if (!sig || !r || !s || !ECDSA_SIG_set0(sig, r, s)) {
        ECDSA_SIG_free(sig);
        BN_free(r);
        BN_free(s);
        return nx__crypto_failed("verify a signature");
    }
    return verified(key, message, sig);
}

nx_err nx_p256_verify_der(const nx_p256_public *key, nx_bytes message, nx_bytes signature)
{
    return verified(key, message, ECDSA_SIG_from_bytes(nx__crypto_data(signature), signature.len));
}
