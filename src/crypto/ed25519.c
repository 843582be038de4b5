/* Ed25519 and X25519. */
#include "crypto/library.h"

#include <nexus/keys.h>
#include <openssl/curve25519.h>
#include <openssl/err.h>

nx_ed25519_secret nx_ed25519_new(void)
{
    nx_ed25519_secret key;
    uint8_t public[32];
    nx__crypto_ready();
    ED25519_keypair(public, key.bytes);
    return key;
}

nx_ed25519_secret nx_ed25519_from_seed(const uint8_t seed[32])
{
    nx_ed25519_secret key;
    uint8_t public[32];
    nx__crypto_ready();
    ED25519_keypair_from_seed(public, key.bytes, seed);
    return key;
}

nx_ed25519_public nx_ed25519_public_of(const nx_ed25519_secret *key)
{
    nx_ed25519_public public;
    memcpy(public.bytes, key->bytes + 32, sizeof public.bytes);
    return public;
}

struct job {
    const nx_ed25519_secret *secret;
    const nx_ed25519_public *public;
    nx_bytes message, signature;
    uint8_t *out;
};

static nx_err sign(void *arg)
{
    const struct job *j = arg;
    return ED25519_sign(j->out, nx__crypto_data(j->message), j->message.len, j->secret->bytes)
               ? NX_OK
               : nx__crypto_failed("sign");
}

nx_err nx_ed25519_sign(const nx_ed25519_secret *key, nx_bytes message, nx_signature *out)
{
    *out = (nx_signature){0};
    nx__crypto_ready();
    return nx__crypto_run(message.len, sign,
                          &(struct job){.secret = key, .message = message, .out = out->bytes});
}

static nx_err verify(void *arg)
{
    const struct job *j = arg;
    if (j->signature.len == 64 && ED25519_verify(nx__crypto_data(j->message), j->message.len,
                                                 nx__crypto_data(j->signature), j->public->bytes))
        return NX_OK;
    return nx__crypto_forged();
}

nx_err nx_ed25519_verify(const nx_ed25519_public *key, nx_bytes message, nx_bytes signature)
{
    nx__crypto_ready();
    return nx__crypto_run(message.len, verify,
                          &(struct job){.public = key, .message = message, .signature = signature});
}

/* ---- X25519 */

nx_x25519_secret nx_x25519_new(void)
{
    nx_x25519_secret key;
    uint8_t public[32];
    nx__crypto_ready();
    X25519_keypair(public, key.bytes);
    return key;
}

nx_x25519_public nx_x25519_public_of(const nx_x25519_secret *key)
{
    nx_x25519_public public;
    nx__crypto_ready();
    X25519_public_from_private(public.bytes, key->bytes);
    return public;
}

nx_err nx_x25519_agree(const nx_x25519_secret *key, const nx_x25519_public *other, uint8_t out[32])
{
    nx__crypto_ready();
    if (X25519(out, key->bytes, other->bytes)) return NX_OK;
    ERR_clear_error();
    memset(out, 0, 32);
    return nx__error_set(NX_EPROTO, "the other's X25519 key makes a secret that everybody knows");
}
