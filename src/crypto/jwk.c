/* Keys as JSON: RFC 7517, RFC 7518 section 6, RFC 8037 section 2. */
#include "crypto/keys.h"

#include <nexus/encode.h>
#include <nexus/json.h>
#include <openssl/curve25519.h>

static nx_err is_not(nx_key_type type)
{
    return nx__error_set(NX_ETYPE, "the JWK is another kind of key, not %s",
                         nx__key_type_name(type));
}

/* A member in base64url, of `least` to `most` bytes, which `out` has room for. */
static nx_err member_of(nx_json jwk, const char *name, size_t least, size_t most, uint8_t *out,
                        size_t *len)
{
    nx_bytes bytes = {0};
    nx_json json = nx_json_get(jwk, name);
    if (nx_json_kind_of(json) != NX_JSON_STRING)
        return nx__error_set(NX_EINVAL, "the JWK has no \"%s\"", name);
    nx_err err =
        nx_base64_decode(nx_json_string(json, ""), &bytes, .url = true, .no_padding = true);
    if (err == NX_ENOMEM) return err;
    if (err || !bytes.data || bytes.len < least || bytes.len > most)
        return nx__error_set(NX_EINVAL, "the \"%s\" of the JWK is damaged", name);
    memcpy(out, bytes.data, bytes.len);
    *len = bytes.len;
    nx_wipe((char *)(uintptr_t)bytes.data, bytes.len);
    return NX_OK;
}

/* One of 32 bytes. */
static nx_err member(nx_json jwk, const char *name, uint8_t out[32])
{
    size_t len;
    return member_of(jwk, name, 32, 32, out, &len);
}

static bool member_is(nx_json jwk, const char *name, const char *value)
{
    return nx_bytes_is(nx_json_string(nx_json_get(jwk, name), ""), value);
}

static nx_err read_rsa(nx_json jwk, nx_rsa_public *out)
{
    uint8_t exponent[8] = {0};
    size_t len = 0;
    NX_TRY(member_of(jwk, "n", 1, sizeof out->modulus, out->modulus, &out->modulus_len));
    NX_TRY(member_of(jwk, "e", 1, sizeof exponent, exponent, &len));
    for (size_t i = 0; i < len; i++) out->exponent = out->exponent << 8 | exponent[i];
    return NX_OK;
}

static nx_err read_p256(nx_json jwk, void *out, nx_key_type type)
{
    nx_p256_public public = {.bytes = {4}}, computed;
    NX_TRY(member(jwk, "x", public.bytes + 1));
    NX_TRY(member(jwk, "y", public.bytes + 33));
    if (type == NX_KEY_P256_PUBLIC) {
        *(nx_p256_public *)out = public;
        return NX_OK;
    }
    NX_TRY(member(jwk, "d", ((nx_p256_secret *)out)->bytes));
    NX_TRY(nx_p256_public_of(out, &computed));
    if (memcmp(computed.bytes, public.bytes, sizeof public.bytes) != 0)
        return nx__error_set(NX_EINVAL, "the \"d\" of the JWK belongs to another public key");
    return NX_OK;
}

static nx_err read_okp(nx_json jwk, void *out, nx_key_type type)
{
    uint8_t said[32] = {0}, public[32], secret[32] = {0};
    NX_TRY(member(jwk, "x", said));
    if (type == NX_KEY_ED25519_PUBLIC || type == NX_KEY_X25519_PUBLIC) {
        memcpy(out, said, sizeof said);
        return NX_OK;
    }
    NX_TRY(member(jwk, "d", secret));
    if (type == NX_KEY_ED25519_SECRET) {
        nx_ed25519_secret *key = out;
        *key = nx_ed25519_from_seed(secret);
        memcpy(public, key->bytes + 32, sizeof public);
    } else {
        memcpy(out, secret, sizeof secret);
        X25519_public_from_private(public, secret);
    }
    nx_wipe(secret, sizeof secret);
    if (memcmp(public, said, sizeof said) != 0)
        return nx__error_set(NX_EINVAL, "the \"d\" of the JWK belongs to another public key");
    return NX_OK;
}

nx_err nx__jwk_read(nx_bytes text, void *out, nx_key_type type)
{
    nx_json jwk;
    NX_TRY(nx_json_parse(text, &jwk, .max_depth = 8));
    switch (type) {
    case NX_KEY_RSA_PUBLIC: return member_is(jwk, "kty", "RSA") ? read_rsa(jwk, out) : is_not(type);
    case NX_KEY_P256_SECRET:
    case NX_KEY_P256_PUBLIC:
        return member_is(jwk, "kty", "EC") && member_is(jwk, "crv", "P-256")
                   ? read_p256(jwk, out, type)
                   : is_not(type);
    case NX_KEY_ED25519_SECRET:
    case NX_KEY_ED25519_PUBLIC:
    case NX_KEY_X25519_SECRET:
    case NX_KEY_X25519_PUBLIC: break;
    }
    bool ed25519 = type == NX_KEY_ED25519_SECRET || type == NX_KEY_ED25519_PUBLIC;
    return member_is(jwk, "kty", "OKP") && member_is(jwk, "crv", ed25519 ? "Ed25519" : "X25519")
               ? read_okp(jwk, out, type)
               : is_not(type);
}

/* ---- Writing */

static nx_err text_of(const void *bytes, size_t len, nx_bytes *out)
{
    return nx_base64_encode(nx_slice(bytes, len), out, .url = true, .no_padding = true);
}

static nx_err write_rsa(const nx_rsa_public *key, nx_bytes *out)
{
    uint8_t exponent[8];
    nx_bytes n, e;
    size_t front = 0;
    for (unsigned i = 0; i < 8; i++) exponent[i] = (uint8_t)(key->exponent >> (56 - 8 * i));
    while (front < 7 && !exponent[front]) front++;
    NX_TRY(text_of(key->modulus, key->modulus_len, &n));
    NX_TRY(text_of(exponent + front, 8 - front, &e));
    return nx_json_write(nx_obj("kty", "RSA", "n", n, "e", e), out);
}

static nx_err write_p256(const void *key, nx_key_type type, nx_bytes *out)
{
    nx_p256_public public;
    nx_bytes x, y, d;
    if (type == NX_KEY_P256_PUBLIC)
    public = *(const nx_p256_public *)key;
    else NX_TRY(nx_p256_public_of(key, &public));
    NX_TRY(text_of(public.bytes + 1, 32, &x));
    NX_TRY(text_of(public.bytes + 33, 32, &y));
    if (type == NX_KEY_P256_PUBLIC)
        return nx_json_write(nx_obj("kty", "EC", "crv", "P-256", "x", x, "y", y), out);
    NX_TRY(text_of(key, 32, &d));
    return nx_json_write(nx_obj("kty", "EC", "crv", "P-256", "x", x, "y", y, "d", d), out);
}

static nx_err write_okp(const void *key, nx_key_type type, nx_bytes *out)
{
    bool ed25519 = type == NX_KEY_ED25519_SECRET || type == NX_KEY_ED25519_PUBLIC;
    const char *curve = ed25519 ? "Ed25519" : "X25519";
    uint8_t public[32];
    nx_bytes x, d;
    if (type == NX_KEY_ED25519_SECRET)
        memcpy(public, ((const nx_ed25519_secret *)key)->bytes + 32, 32);
    else if (type == NX_KEY_X25519_SECRET)
        X25519_public_from_private(public, key);
    else
        memcpy(public, key, 32);
    NX_TRY(text_of(public, 32, &x));
    if (type == NX_KEY_ED25519_PUBLIC || type == NX_KEY_X25519_PUBLIC)
        return nx_json_write(nx_obj("kty", "OKP", "crv", curve, "x", x), out);
    NX_TRY(text_of(key, 32, &d));
    return nx_json_write(nx_obj("kty", "OKP", "crv", curve, "x", x, "d", d), out);
}

nx_err nx__jwk_write(const void *key, nx_key_type type, nx_bytes *out)
{
    switch (type) {
    case NX_KEY_RSA_PUBLIC: return write_rsa(key, out);
    case NX_KEY_P256_SECRET:
    case NX_KEY_P256_PUBLIC: return write_p256(key, type, out);
    case NX_KEY_ED25519_SECRET:
    case NX_KEY_ED25519_PUBLIC:
    case NX_KEY_X25519_SECRET:
    case NX_KEY_X25519_PUBLIC: break;
    }
    return write_okp(key, type, out);
}
