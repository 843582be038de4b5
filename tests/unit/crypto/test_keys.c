/* Keys in pairs: signatures and secrets that two agree on. */
#include "vectors.h"
#include <nexus/keys.h>

static unsigned accepted;

/* ---- Wycheproof */

/* The key of a group: as DER, and the same as PEM and as JWK, where there are such. Tests of a
 * group come one after another. */
static void group_key(const struct vector *v, void *key, nx_key_type type)
{
    static const void *group;
    static char kept[sizeof(nx_rsa_public)];
    char again[sizeof(nx_rsa_public)];
    size_t size = type == NX_KEY_RSA_PUBLIC    ? sizeof(nx_rsa_public)
                  : type == NX_KEY_P256_PUBLIC ? sizeof(nx_p256_public)
                                               : sizeof(nx_ed25519_public);
    if (group == v->group.at) {
        memcpy(key, kept, size);
        return;
    }
    group = v->group.at;
    nx_bytes der = vector_bytes(v->group, "publicKeyDer"), text;
    nx_require_ok(nx_key_read_as(der, key, type));
    memcpy(kept, key, size);
    nx_require_ok(
        nx_key_read_as(nx_json_string(nx_json_get(v->group, "publicKeyPem"), ""), again, type));
    nx_expect(memcmp(again, key, size) == 0);
    nx_require_ok(nx_key_write_as(key, type, NX_KEY_DER, &text));
    nx_expect(nx_bytes_eq(text, der));
    nx_json jwk = nx_json_get(v->group, "publicKeyJwk");
    if (!nx_json_is(jwk)) return;
    nx_require_ok(nx_json_text(jwk, &text));
    nx_require_ok(nx_key_read_as(text, again, type));
    nx_expect(memcmp(again, key, size) == 0);
}

static void ed25519_vector(const struct vector *v)
{
    nx_ed25519_public key;
    group_key(v, &key, NX_KEY_ED25519_PUBLIC);
    nx_err err =
        nx_ed25519_verify(&key, vector_bytes(v->test, "msg"), vector_bytes(v->test, "sig"));
    vector_expect(v, err == (v->valid ? NX_OK : NX_EPROTO));
    accepted += !err;
}

NX_TEST("vectors of Ed25519")
{
    nx_expect_gt(vectors_each("ed25519", ed25519_vector), 140);
    nx_expect_gt(accepted, 70);
}

static void x25519_vector(const struct vector *v)
{
    static const uint8_t zeros[32];
    nx_x25519_secret secret;
    nx_x25519_public other;
    uint8_t out[32];
    nx_bytes shared = vector_bytes(v->test, "shared");
    memcpy(secret.bytes, vector_bytes(v->test, "private").data, 32);
    memcpy(other.bytes, vector_bytes(v->test, "public").data, 32);
    bool known = nx_secret_eq(shared, nx_slice(zeros, 32));
    nx_err err = nx_x25519_agree(&secret, &other, out);
    vector_expect(v, err == (known ? NX_EPROTO : NX_OK));
    vector_expect(v, nx_bytes_eq(nx_slice(out, 32), shared));
    accepted += !err;
}

NX_TEST("vectors of X25519")
{
    nx_expect_gt(vectors_each("x25519", x25519_vector), 500);
    nx_expect_gt(accepted, 400);
}

static void p256_vector(const struct vector *v)
{
    nx_p256_public key;
    group_key(v, &key, NX_KEY_P256_PUBLIC);
    nx_err err = nx_p256_verify(&key, vector_bytes(v->test, "msg"), vector_bytes(v->test, "sig"));
    vector_expect(v, err == (v->valid ? NX_OK : NX_EPROTO));
    accepted += !err;
}

static void p256_der_vector(const struct vector *v)
{
    nx_p256_public key;
    group_key(v, &key, NX_KEY_P256_PUBLIC);
    nx_err err =
        nx_p256_verify_der(&key, vector_bytes(v->test, "msg"), vector_bytes(v->test, "sig"));
    vector_expect(v, err == (v->valid ? NX_OK : NX_EPROTO));
    accepted += !err;
}

NX_TEST("vectors of ECDSA on P-256", .deadline = NX_S(300))
{
    nx_expect_gt(vectors_each("ecdsa_secp256r1_sha256_p1363", p256_vector), 250);
    nx_expect_gt(accepted, 100);
    accepted = 0;
    nx_expect_gt(vectors_each("ecdsa_secp256r1_sha256", p256_der_vector), 450);
    nx_expect_gt(accepted, 150);
}

static nx_rsa_padding vector_padding;
static nx_hash_kind vector_kind;

static void rsa_vector(const struct vector *v)
{
    nx_rsa_public key;
    group_key(v, &key, NX_KEY_RSA_PUBLIC);
    nx_err err = nx_rsa_verify(&key, vector_padding, vector_kind, vector_bytes(v->test, "msg"),
                               vector_bytes(v->test, "sig"));
    if (v->acceptable)
        vector_expect(v, err == NX_OK || err == NX_EPROTO);
    else
        vector_expect(v, err == (v->valid ? NX_OK : NX_EPROTO));
    accepted += !err;
}

NX_TEST("vectors of RSA, PKCS #1", .deadline = NX_S(300))
{
    static const struct {
        const char *file;
        nx_hash_kind kind;
    } files[] = {{"rsa_signature_2048_sha256", NX_SHA256},
                 {"rsa_signature_3072_sha256", NX_SHA256},
                 {"rsa_signature_2048_sha384", NX_SHA384},
                 {"rsa_signature_4096_sha512", NX_SHA512},
                 {"rsa_signature_8192_sha256", NX_SHA256}};
    vector_padding = NX_RSA_PKCS1;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        vector_kind = files[i].kind;
        accepted = 0;
        nx_expect_gt(vectors_each(files[i].file, rsa_vector), 200);
        nx_expect_ge(accepted, 5);
    }
}

NX_TEST("vectors of RSA, PSS", .deadline = NX_S(300))
{
    static const struct {
        const char *file;
        nx_hash_kind kind;
    } files[] = {{"rsa_pss_2048_sha256_mgf1_32", NX_SHA256},
                 {"rsa_pss_3072_sha256_mgf1_32", NX_SHA256},
                 {"rsa_pss_2048_sha384_mgf1_48", NX_SHA384},
                 {"rsa_pss_4096_sha512_mgf1_64", NX_SHA512}};
    vector_padding = NX_RSA_PSS;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        vector_kind = files[i].kind;
        accepted = 0;
        nx_expect_gt(vectors_each(files[i].file, rsa_vector), 50);
        nx_expect_gt(accepted, 20);
    }
}

static void unsalted_vector(const struct vector *v)
{
    nx_rsa_public key;
    if (!v->valid) return;
    group_key(v, &key, NX_KEY_RSA_PUBLIC);
    vector_expect(v, nx_rsa_verify(&key, NX_RSA_PSS, NX_SHA256, vector_bytes(v->test, "msg"),
                                   vector_bytes(v->test, "sig")) == NX_EPROTO);
    accepted++;
}

NX_TEST("PSS with a salt of another length is refused")
{
    nx_expect_gt(vectors_each("rsa_pss_2048_sha256_mgf1_0", unsalted_vector), 50);
    nx_expect_gt(accepted, 10);
}

/* ---- Both ways */

NX_TEST("Ed25519 signs as RFC 8032 says")
{
    /* Section 7.1, test 3 */
    nx_bytes seed, text;
    nx_signature signature;
    nx_require_ok(nx_hex_decode(
        nx_str("c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7"), &seed));
    NX_AUTO(nx_ed25519_secret) key = nx_ed25519_from_seed((const uint8_t *)seed.data);
    nx_ed25519_public public = nx_ed25519_public_of(&key);
    nx_require_ok(nx_ed25519_sign(&key, nx_str("\xaf\x82"), &signature));
    nx_require_ok(nx_hex_encode(nx_signature_bytes(&signature), &text));
    nx_expect_eq(text, "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
                       "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a");
    nx_expect_ok(nx_ed25519_verify(&public, nx_str("\xaf\x82"), nx_signature_bytes(&signature)));
    nx_expect_err(NX_EPROTO,
                  nx_ed25519_verify(&public, nx_str("\xaf\x83"), nx_signature_bytes(&signature)));
    nx_expect_contains(nx_error_last()->message, "not of this message with this key");
    nx_expect_err(NX_EPROTO,
                  nx_ed25519_verify(&public, nx_str("\xaf\x82"), nx_slice(signature.bytes, 63)));
}

NX_TEST("what P-256 signs is verified, in both forms, also when it is big")
{
    NX_AUTO(nx_p256_secret) key;
    nx_p256_public public;
    nx_signature signature;
    nx_bytes der, big = nx_slice(nx_alloc_zero(NX_CRYPTO_BIG, 1), NX_CRYPTO_BIG);
    nx_require_ok(nx_p256_new(&key));
    nx_require_ok(nx_p256_public_of(&key, &public));
    nx_bytes messages[] = {nx_str(""), nx_str("hello"), big};
    for (size_t i = 0; i < 3; i++) {
        nx_require_ok(nx_p256_sign(&key, messages[i], &signature));
        nx_expect_ok(nx_p256_verify(&public, messages[i], nx_signature_bytes(&signature)));
        nx_expect_err(NX_EPROTO,
                      nx_p256_verify(&public, nx_str("x"), nx_signature_bytes(&signature)));
        nx_require_ok(nx_p256_sign_der(&key, messages[i], &der));
        nx_expect_ok(nx_p256_verify_der(&public, messages[i], der));
        nx_expect_err(NX_EPROTO, nx_p256_verify_der(&public, nx_str("x"), der));
        nx_expect_err(NX_EPROTO, nx_p256_verify(&public, messages[i], der));
        nx_expect_err(NX_EPROTO,
                      nx_p256_verify_der(&public, messages[i], nx_signature_bytes(&signature)));
    }
    NX_AUTO(nx_ed25519_secret) ed = nx_ed25519_new();
    nx_ed25519_public ed_public = nx_ed25519_public_of(&ed);
    nx_require_ok(nx_ed25519_sign(&ed, big, &signature));
    nx_expect_ok(nx_ed25519_verify(&ed_public, big, nx_signature_bytes(&signature)));
}

NX_TEST("both sides of X25519 get the same secret, as in RFC 7748")
{
    nx_x25519_secret a = nx_x25519_new(), b = nx_x25519_new();
    nx_x25519_public a_public = nx_x25519_public_of(&a), b_public = nx_x25519_public_of(&b);
    nx_x25519_public zero = {{0}};
    uint8_t one[32], two[32];
    nx_require_ok(nx_x25519_agree(&a, &b_public, one));
    nx_require_ok(nx_x25519_agree(&b, &a_public, two));
    nx_expect(memcmp(one, two, 32) == 0);
    nx_expect_err(NX_EPROTO, nx_x25519_agree(&a, &zero, one));
    nx_expect_contains(nx_error_last()->message, "everybody knows");
    nx_expect_eq(one[5], 0);
}

NX_TEST("keys that are none are refused")
{
    static const uint8_t order[32] = {0xff, 0xff, 0xff, 0xff, 0,    0,    0,    0,
                                      0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                      0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84,
                                      0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51};
    nx_p256_secret secret = {{0}};
    nx_p256_public public = {{4, 1}}, compressed = {{2}};
    nx_signature signature = {{0}};
    nx_rsa_public rsa = {.modulus = {0x80}, .modulus_len = 255, .exponent = 65537};
    nx_bytes sig = nx_signature_bytes(&signature), out;
    nx_expect_err(NX_EINVAL, nx_p256_sign(&secret, nx_str(""), &signature));
    nx_expect_contains(nx_error_last()->message, "0, or past the order");
    memcpy(secret.bytes, order, 32);
    nx_expect_err(NX_EINVAL, nx_p256_public_of(&secret, &public));
    nx_expect_err(NX_EINVAL, nx_p256_sign_der(&secret, nx_str(""), &out));
    public = (nx_p256_public){{4, 1}};
    nx_expect_err(NX_EINVAL, nx_p256_verify(&public, nx_str(""), sig));
    nx_expect_contains(nx_error_last()->message, "no point of the curve");
    nx_expect_err(NX_EINVAL, nx_p256_verify_der(&compressed, nx_str(""), sig));
    nx_expect_err(NX_EINVAL, nx_rsa_verify(&rsa, NX_RSA_PSS, NX_SHA256, nx_str(""), sig));
    nx_expect_contains(nx_error_last()->message, "2048 to 8192 bits here, not 2040");
    rsa.modulus_len = 1024;
    rsa.modulus[1023] = 1;
    rsa.exponent = 65536;
    nx_expect_err(NX_EINVAL, nx_rsa_verify(&rsa, NX_RSA_PSS, NX_SHA256, nx_str(""), sig));
    nx_expect_contains(nx_error_last()->message, "no RSA key");
    rsa.exponent = 65537;
    nx_expect_err(NX_EPROTO, nx_rsa_verify(&rsa, NX_RSA_PSS, NX_SHA256, nx_str(""), sig));
    nx_expect_err(NX_EINVAL, nx_rsa_verify(&rsa, NX_RSA_PSS, NX_SHA1_FOR_LEGACY, nx_str(""), sig));
    nx_expect_err(NX_EINVAL, nx_rsa_verify(&rsa, (nx_rsa_padding)3, NX_SHA256, nx_str(""), sig));
}
