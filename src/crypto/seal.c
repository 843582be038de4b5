/* Sealing and opening at once. */
#include "crypto/seal.h"

#include <openssl/err.h>

#define SEALED_MOST (((uint64_t)1 << 36) - 64) /* 2^32 - 2 blocks of AES, and of ChaCha20 more */

const EVP_AEAD *nx__aead(nx_cipher cipher)
{
    nx__crypto_ready();
    switch (cipher) {
    case NX_AES_256_GCM: return EVP_aead_aes_256_gcm();
    case NX_CHACHA20_POLY1305: return EVP_aead_chacha20_poly1305();
    case NX_XCHACHA20_POLY1305: return EVP_aead_xchacha20_poly1305();
    }
    NX_IGNORE(nx__error_set(NX_EINVAL, "there is no cipher number %d", (int)cipher));
    return NULL;
}

nx_cipher_key nx_cipher_key_new(nx_cipher cipher)
{
    nx_cipher_key key = {.cipher = cipher};
    nx_random(key.bytes, sizeof key.bytes);
    return key;
}

nx_err nx_cipher_key_from(nx_cipher_key *out, nx_cipher cipher, nx_bytes bytes)
{
    *out = (nx_cipher_key){0};
    if (!nx__aead(cipher)) return NX_EINVAL;
    if (bytes.len != sizeof out->bytes)
        return nx__error_set(NX_EINVAL, "a key has 32 bytes, not %zu", bytes.len);
    out->cipher = cipher;
    memcpy(out->bytes, bytes.data, bytes.len);
    return NX_OK;
}

struct job {
    const nx_cipher_key *key;
    const EVP_AEAD *aead;
    nx_bytes nonce, context, in;
    uint8_t *out;
    size_t room, len;
    bool opening;
};

static nx_err work(void *arg)
{
    struct job *j = arg;
    EVP_AEAD_CTX ctx;
    if (!EVP_AEAD_CTX_init(&ctx, j->aead, j->key->bytes, sizeof j->key->bytes, NX__TAG, NULL))
        return nx__crypto_failed("use a key");
    int good = (j->opening ? EVP_AEAD_CTX_open : EVP_AEAD_CTX_seal)(
        &ctx, j->out, &j->len, j->room, nx__crypto_data(j->nonce), j->nonce.len,
        nx__crypto_data(j->in), j->in.len, nx__crypto_data(j->context), j->context.len);
    EVP_AEAD_CTX_cleanup(&ctx);
    nx_wipe(&ctx, sizeof ctx);
    if (good) return NX_OK;
    if (!j->opening) return nx__crypto_failed("seal");
    ERR_clear_error();
    return nx__error_set(NX_EPROTO, "cannot open what was sealed: it was changed, or the key or "
                                    "the context is another");
}

/* Fills in what both ways share. */
static nx_err prepare(struct job *j, const nx_seal_options *o)
{
    j->aead = nx__aead(j->key->cipher);
    if (!j->aead) return NX_EINVAL;
    j->context = o->context;
    j->nonce = o->nonce;
    size_t nonce = EVP_AEAD_nonce_length(j->aead);
    if (o->nonce.data && o->nonce.len != nonce)
        return nx__error_set(NX_EINVAL, "the cipher's nonce has %zu bytes, not %zu", nonce,
                             o->nonce.len);
    if (j->in.len > SEALED_MOST)
        return nx__error_set(NX_ETOOBIG, "a message that is sealed at once has less than 64 GiB; "
                                         "nx_sealing takes more");
    return NX_OK;
}

nx_err nx_seal_with(const nx_cipher_key *key, nx_bytes plain, nx_bytes *out,
                    const nx_seal_options *options)
{
    NX__OPTIONS(nx_seal_options, o, options);
    struct job j = {.key = key, .in = plain};
    *out = (nx_bytes){0};
    NX_TRY(prepare(&j, &o));
    size_t front = j.nonce.data ? 0 : EVP_AEAD_nonce_length(j.aead);
    j.room = plain.len + NX__TAG;
    uint8_t *sealed = nx_alloc(front + j.room);
    if (!sealed) return NX_ENOMEM;
    if (front) {
        nx_random(sealed, front);
        j.nonce = nx_slice(sealed, front);
    }
    j.out = sealed + front;
    NX_TRY(nx__crypto_run(plain.len, work, &j));
    *out = nx_slice(sealed, front + j.len);
    return NX_OK;
}

nx_err nx_open_with(const nx_cipher_key *key, nx_bytes sealed, nx_bytes *out,
                    const nx_seal_options *options)
{
    NX__OPTIONS(nx_seal_options, o, options);
    struct job j = {.key = key, .in = sealed, .opening = true};
    *out = (nx_bytes){0};
    NX_TRY(prepare(&j, &o));
    size_t front = j.nonce.data ? 0 : EVP_AEAD_nonce_length(j.aead);
    if (sealed.len < front + NX__TAG)
        return nx__error_set(NX_EPROTO, "cannot open what was sealed: %zu bytes are too few",
                             sealed.len);
    if (front) j.nonce = nx_slice(sealed.data, front);
    j.in = nx_slice(sealed.data + front, sealed.len - front);
    j.room = j.in.len - NX__TAG;
    j.out = nx_alloc(j.room + 1);
    if (!j.out) return NX_ENOMEM;
    NX_TRY(nx__crypto_run(j.in.len, work, &j));
    j.out[j.len] = '\0';
    *out = nx_slice(j.out, j.len);
    return NX_OK;
}
