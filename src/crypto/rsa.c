/* RSA: verifying. */
#include "crypto/keys.h"

#include <openssl/bn.h>

enum { BITS_LEAST = 2048, BITS_MOST = 8192 };

/* Bytes that a number has, without zeros in front. */
static nx_bytes number(nx_bytes bytes)
{
    while (bytes.len && !*bytes.data) bytes = nx_slice(bytes.data + 1, bytes.len - 1);
    return bytes;
}

RSA *nx__rsa_public_key(const nx_rsa_public *key)
{
    nx__crypto_ready();
    size_t size = key->modulus_len < sizeof key->modulus ? key->modulus_len : sizeof key->modulus;
    nx_bytes modulus = number(nx_slice(key->modulus, size));
    BIGNUM *n = BN_bin2bn(nx__crypto_data(modulus), modulus.len, NULL), *e = BN_new();
    RSA *rsa = NULL;
    unsigned bits = n ? BN_num_bits(n) : 0;
    if (n && e && BN_set_u64(e, key->exponent) && bits >= BITS_LEAST && bits <= BITS_MOST)
        rsa = RSA_new_public_key(n, e);
    bool starved = nx__crypto_starved();
    if (!n || !e || (!rsa && starved))
        NX_IGNORE(nx__crypto_failed("use an RSA key"));
    else if (bits < BITS_LEAST || bits > BITS_MOST)
        NX_IGNORE(nx__error_set(NX_EINVAL, "an RSA key has 2048 to 8192 bits here, not %u", bits));
    else if (!rsa)
        NX_IGNORE(nx__error_set(NX_EINVAL, "this is no RSA key: its modulus or exponent is none"));
    BN_free(n);
    BN_free(e);
    return rsa;
}

nx_err nx__rsa_public_of(const RSA *key, nx_rsa_public *out)
{
    const BIGNUM *n = RSA_get0_n(key), *e = RSA_get0_e(key);
    if (BN_num_bits(n) < BITS_LEAST || BN_num_bits(n) > BITS_MOST)
        return nx__error_set(NX_EINVAL, "an RSA key has 2048 to 8192 bits here, not %u",
                             BN_num_bits(n));
    if (!BN_get_u64(e, &out->exponent))
        return nx__error_set(NX_EINVAL, "the exponent of the RSA key is too large");
    out->modulus_len = BN_bn2bin(n, out->modulus);
    return NX_OK;
}

struct job {
    RSA *key;
    nx_rsa_padding padding;
    const EVP_MD *md;
    nx_bytes message, signature;
};

static nx_err verify(void *arg)
{
    const struct job *j = arg;
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned len;
    if (!EVP_Digest(j->message.data, j->message.len, digest, &len, j->md, NULL))
        return nx__crypto_failed("verify a signature");
    const uint8_t *signature = nx__crypto_data(j->signature);
    int good = j->padding == NX_RSA_PSS ? RSA_verify_pss_mgf1(j->key, digest, len, j->md, j->md,
                                                              (int)len, signature, j->signature.len)
                                        : RSA_verify(EVP_MD_type(j->md), digest, len, signature,
                                                     j->signature.len, j->key);
    return good ? NX_OK : nx__crypto_forged();
}

nx_err nx_rsa_verify(const nx_rsa_public *key, nx_rsa_padding padding, nx_hash_kind kind,
                     nx_bytes message, nx_bytes signature)
{
    if (kind != NX_SHA256 && kind != NX_SHA384 && kind != NX_SHA512)
        return nx__error_set(NX_EINVAL, "RSA signatures have SHA-256, SHA-384 or SHA-512 here");
    if (padding != NX_RSA_PKCS1 && padding != NX_RSA_PSS)
        return nx__error_set(NX_EINVAL, "there is no padding number %d", (int)padding);
    RSA *rsa = nx__rsa_public_key(key);
    if (!rsa) return nx__error_last()->code;
    nx_err err = nx__crypto_run(
        message.len, verify, &(struct job){rsa, padding, nx__crypto_md(kind), message, signature});
    RSA_free(rsa);
    return err;
}
