/* Keys as libcrypto has them. Each is the caller's to free; NULL, with the error recorded, for what
 * is none. */
#ifndef NX__CRYPTO_KEYS_H
#define NX__CRYPTO_KEYS_H

#include "crypto/library.h"

#include <nexus/keys.h>
#include <openssl/ec_key.h>
#include <openssl/rsa.h>

EC_KEY *nx__p256_secret_key(const nx_p256_secret *key);
EC_KEY *nx__p256_public_key(const nx_p256_public *key);
RSA *nx__rsa_public_key(const nx_rsa_public *key);

/* The other way round. NX_EINVAL for an RSA key that is too short or too long. */
NX_MUST_CHECK nx_err nx__p256_secret_of(const EC_KEY *key, nx_p256_secret *out);
NX_MUST_CHECK nx_err nx__p256_public_point(const EC_KEY *key, nx_p256_public *out);
NX_MUST_CHECK nx_err nx__rsa_public_of(const RSA *key, nx_rsa_public *out);

/* JWK: `text` begins with "{". Whether the key is one that can be used is not looked at. */
NX_MUST_CHECK nx_err nx__jwk_read(nx_bytes text, void *out, nx_key_type type);
NX_MUST_CHECK nx_err nx__jwk_write(const void *key, nx_key_type type, nx_bytes *out);

/* "an Ed25519 secret key" */
const char *nx__key_type_name(nx_key_type type);

/* NX_OK for a key that the calls on it take. */
NX_MUST_CHECK nx_err nx__key_check(const void *key, nx_key_type type);

#endif
