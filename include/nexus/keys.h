/* Keys in pairs: signatures, and agreeing on a secret. */
#ifndef NEXUS_KEYS_H
#define NEXUS_KEYS_H

#include <nexus/crypto.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Keys are values, each of a type that says what it can do; a secret one wipes itself where it is
 * declared so: NX_AUTO(nx_ed25519_secret) key = nx_ed25519_new();
 *
 * Calls on messages of NX_CRYPTO_BIG and more suspend, as <nexus/crypto.h> says, and then have the
 * errors of nx_blocking too. All others neither suspend nor need a loop; any thread. All that
 * return an nx_err have NX_ENOMEM. */

/* A signature by Ed25519 or P-256. */
typedef struct nx_signature {
    uint8_t bytes[64];
} nx_signature;

static inline nx_bytes nx_signature_bytes(const nx_signature *signature)
{
    return nx_slice(signature->bytes, sizeof signature->bytes);
}

/* ---- Ed25519 (RFC 8032): signatures; take this where you may choose */

typedef struct nx_ed25519_public {
    uint8_t bytes[32];
} nx_ed25519_public;
typedef struct nx_ed25519_secret {
    uint8_t bytes[64]; /* the seed, and the public key */
} nx_ed25519_secret;

NX_API nx_ed25519_secret nx_ed25519_new(void);
NX_API nx_ed25519_secret nx_ed25519_from_seed(const uint8_t seed[32]);
NX_API nx_ed25519_public nx_ed25519_public_of(const nx_ed25519_secret *key);
NX_API NX_MUST_CHECK nx_err nx_ed25519_sign(const nx_ed25519_secret *key, nx_bytes message,
                                            nx_signature *out);
/* NX_EPROTO: it is no signature of this message with this key. */
NX_API NX_MUST_CHECK nx_err nx_ed25519_verify(const nx_ed25519_public *key, nx_bytes message,
                                              nx_bytes signature);

/* ---- ECDSA on P-256 with SHA-256 (FIPS 186-5): signatures, for those who can't have the above */

typedef struct nx_p256_public {
    uint8_t bytes[65]; /* 4, x, y */
} nx_p256_public;
typedef struct nx_p256_secret {
    uint8_t bytes[32];
} nx_p256_secret;

NX_API NX_MUST_CHECK nx_err nx_p256_new(nx_p256_secret *out);
/* NX_EINVAL: the key is 0, or past the order of the curve. */
NX_API NX_MUST_CHECK nx_err nx_p256_public_of(const nx_p256_secret *key, nx_p256_public *out);
/* The signature is r and s, as JWT and the Web's cryptography have it. NX_EINVAL as above. */
NX_API NX_MUST_CHECK nx_err nx_p256_sign(const nx_p256_secret *key, nx_bytes message,
                                         nx_signature *out);
/* NX_EPROTO: no signature of this message with this key. NX_EINVAL: the key is no point of the
 * curve. */
NX_API NX_MUST_CHECK nx_err nx_p256_verify(const nx_p256_public *key, nx_bytes message,
                                           nx_bytes signature);
/* The same with signatures in DER, as X.509 and OpenSSL have them; in memory of the current scope.
 */
NX_API NX_MUST_CHECK nx_err nx_p256_sign_der(const nx_p256_secret *key, nx_bytes message,
                                             nx_bytes *out);
NX_API NX_MUST_CHECK nx_err nx_p256_verify_der(const nx_p256_public *key, nx_bytes message,
                                               nx_bytes signature);

/* ---- RSA (RFC 8017): others' signatures, of 2,048 to 8,192 bits */

typedef struct nx_rsa_public {
    uint8_t modulus[1024]; /* the highest byte first */
    size_t modulus_len;
    uint64_t exponent;
} nx_rsa_public;

typedef enum nx_rsa_padding {
    NX_RSA_PKCS1 = 1, /* RSASSA-PKCS1-v1_5 */
    NX_RSA_PSS        /* RSASSA-PSS, MGF1 with the same hash and a salt as long as it */
} nx_rsa_padding;

/* With SHA-256, SHA-384 or SHA-512. NX_EPROTO: no signature of this message with this key.
 * NX_EINVAL: another hash; a key of less or more bits, or with an exponent that is even, 1, or
 * longer than 33 bits. */
NX_API NX_MUST_CHECK nx_err nx_rsa_verify(const nx_rsa_public *key, nx_rsa_padding padding,
                                          nx_hash_kind kind, nx_bytes message, nx_bytes signature);

/* ---- X25519 (RFC 7748): two who have each other's public keys get the same secret */

typedef struct nx_x25519_public {
    uint8_t bytes[32];
} nx_x25519_public;
typedef struct nx_x25519_secret {
    uint8_t bytes[32];
} nx_x25519_secret;

NX_API nx_x25519_secret nx_x25519_new(void);
NX_API nx_x25519_public nx_x25519_public_of(const nx_x25519_secret *key);
/* What both get: no key yet, but nx_hkdf makes some of it, with both public keys in its info.
 * NX_EPROTO: the other's key is one of the few that make the secret known to everybody. */
NX_API NX_MUST_CHECK nx_err nx_x25519_agree(const nx_x25519_secret *key,
                                            const nx_x25519_public *other, uint8_t out[32]);

/* ---- Text and files */

/* Reads a key of the type that `out` points to: PEM (SPKI, PKCS #8; EC PRIVATE KEY), the DER in it,
 * or a JWK (RFC 7517, 8037). NX_EINVAL (damaged, or a key that the calls above refuse), NX_ETYPE (a
 * key of another type), NX_ENOTSUP (encrypted; a certificate), NX_ETOOBIG (over NX_KEY_MOST).
 * nx_rsa_public key; NX_TRY(nx_key_read(text, &key)); */
#define nx_key_read(text, out) nx_key_read_as((text), (out), NX__KEY_TYPE(out))
#define NX_KEY_MOST            ((size_t)16384)

typedef enum nx_key_form {
    NX_KEY_PEM = 1, /* SPKI, or PKCS #8 for a secret key */
    NX_KEY_DER,     /* the same, not as text */
    NX_KEY_JWK
} nx_key_form;

/* Writes the key that `key` points to, into memory of the current scope, with a NUL behind. That is
 * not wiped: a program that writes secret keys opens a scope for it, and wipes the text. NX_EINVAL
 * (a key that the calls above refuse). */
#define nx_key_write(key, form, out) nx_key_write_as((key), NX__KEY_TYPE(key), (form), (out))

typedef enum nx_key_type {
    NX_KEY_ED25519_SECRET = 1,
    NX_KEY_ED25519_PUBLIC,
    NX_KEY_P256_SECRET,
    NX_KEY_P256_PUBLIC,
    NX_KEY_RSA_PUBLIC,
    NX_KEY_X25519_SECRET,
    NX_KEY_X25519_PUBLIC
} nx_key_type;

#define NX__KEY_TYPE(key)                                                                          \
    _Generic((key), nx_ed25519_secret *: NX_KEY_ED25519_SECRET,                                    \
        const nx_ed25519_secret *: NX_KEY_ED25519_SECRET,                                          \
        nx_ed25519_public *: NX_KEY_ED25519_PUBLIC,                                                \
        const nx_ed25519_public *: NX_KEY_ED25519_PUBLIC, nx_p256_secret *: NX_KEY_P256_SECRET,    \
        const nx_p256_secret *: NX_KEY_P256_SECRET, nx_p256_public *: NX_KEY_P256_PUBLIC,          \
        const nx_p256_public *: NX_KEY_P256_PUBLIC, nx_rsa_public *: NX_KEY_RSA_PUBLIC,            \
        const nx_rsa_public *: NX_KEY_RSA_PUBLIC, nx_x25519_secret *: NX_KEY_X25519_SECRET,        \
        const nx_x25519_secret *: NX_KEY_X25519_SECRET, nx_x25519_public *: NX_KEY_X25519_PUBLIC,  \
        const nx_x25519_public *: NX_KEY_X25519_PUBLIC)

/* The same where the type is only known at run time; `key` and `out` point to one of it. */
NX_API NX_MUST_CHECK nx_err nx_key_read_as(nx_bytes text, void *out, nx_key_type type);
NX_API NX_MUST_CHECK nx_err nx_key_write_as(const void *key, nx_key_type type, nx_key_form form,
                                            nx_bytes *out);

/* ---- NX_AUTO */

static inline void nx_ed25519_secret_auto(nx_ed25519_secret *key)
{
    nx_wipe(key, sizeof *key);
}
static inline void nx_p256_secret_auto(nx_p256_secret *key)
{
    nx_wipe(key, sizeof *key);
}
static inline void nx_x25519_secret_auto(nx_x25519_secret *key)
{
    nx_wipe(key, sizeof *key);
}

#ifdef __cplusplus
}
#endif

#endif
