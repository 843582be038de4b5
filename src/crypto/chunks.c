/* Chunks that are sealed and opened. */
#include "crypto/chunks.h"

#include <openssl/err.h>
#include <openssl/hkdf.h>
#include <openssl/sha.h>

/* The header: what it is and which version, the cipher, a salt. */
enum { MARK = 7, CIPHER = MARK, SALT = 8, SALT_LEN = NX__CHUNKS_HEADER - SALT };
static const char mark[MARK + 1] = "nxseal\x01";
static const char purpose[] = "nexus sealed stream 1";

/* The stream's own key: HKDF-SHA-256 of the caller's with the salt, for the purpose, the cipher and
 * the context. */
static nx_err derive(const nx_cipher_key *key, nx_bytes context,
                     const uint8_t header[NX__CHUNKS_HEADER], uint8_t out[32])
{
    uint8_t info[sizeof purpose + SHA256_DIGEST_LENGTH], *end = info + sizeof purpose;
    memcpy(info, purpose, sizeof purpose - 1);
    info[sizeof purpose - 1] = header[CIPHER];
    SHA256(nx__crypto_data(context), context.len, end);
    return HKDF(out, 32, EVP_sha256(), key->bytes, sizeof key->bytes, header + SALT, SALT_LEN, info,
                sizeof info)
               ? NX_OK
               : nx__crypto_failed("derive a key");
}

static nx_err begin(struct nx__chunks *chunks, const nx_cipher_key *key, nx_bytes context,
                    const uint8_t header[NX__CHUNKS_HEADER])
{
    uint8_t own[32];
    const EVP_AEAD *aead = nx__aead(key->cipher);
    if (!aead) return NX_EINVAL;
    nx_err err = derive(key, context, header, own);
    if (!err && !EVP_AEAD_CTX_init(&chunks->cipher, aead, own, sizeof own, NX__TAG, NULL))
        err = nx__crypto_failed("use a key");
    nx_wipe(own, sizeof own);
    chunks->nonce = EVP_AEAD_nonce_length(aead);
    chunks->done = 0;
    chunks->ended = false;
    return err;
}

nx_err nx__chunks_seal_begin(struct nx__chunks *chunks, const nx_cipher_key *key, nx_bytes context,
                             uint8_t header[NX__CHUNKS_HEADER])
{
    memcpy(header, mark, MARK);
    header[CIPHER] = (uint8_t)key->cipher;
    nx_random(header + SALT, SALT_LEN);
    return begin(chunks, key, context, header);
}

nx_err nx__chunks_open_begin(struct nx__chunks *chunks, const nx_cipher_key *key, nx_bytes context,
                             const uint8_t header[NX__CHUNKS_HEADER])
{
    if (memcmp(header, mark, MARK) != 0)
        return nx__error_set(NX_EPROTO, "this is no sealed stream: it begins with something else");
    if (header[CIPHER] != key->cipher)
        return nx__error_set(NX_EPROTO,
                             "the stream is sealed with cipher number %d, the key is "
                             "for number %d",
                             (int)header[CIPHER], (int)key->cipher);
    return begin(chunks, key, context, header);
}

/* The last 12 bytes are the chunk's number and whether it is the last; what is before is zero. */
static void nonce_of(const struct nx__chunks *chunks, bool last, uint8_t nonce[NX__NONCE_MOST])
{
    memset(nonce, 0, NX__NONCE_MOST);
    for (unsigned i = 0; i < 8; i++)
        nonce[chunks->nonce - 2 - i] = (uint8_t)(chunks->done >> 8 * i);
    nonce[chunks->nonce - 1] = last;
}

static nx_err next(const struct nx__chunks *chunks)
{
    if (chunks->ended) return nx__error_set(NX_ESTATE, "the sealed stream has ended");
    return chunks->done == NX__CHUNKS_MOST
               ? nx__error_set(NX_ELIMIT, "a sealed stream has less than 256 TiB")
               : NX_OK;
}

nx_err nx__chunks_seal(struct nx__chunks *chunks, nx_bytes plain, bool last, uint8_t *out)
{
    uint8_t nonce[NX__NONCE_MOST];
    size_t len;
    NX_TRY(next(chunks));
    nonce_of(chunks, last, nonce);
    chunks->ended = last;
    chunks->done++;
    return EVP_AEAD_CTX_seal(&chunks->cipher, out, &len, plain.len + NX__TAG, nonce, chunks->nonce,
                             nx__crypto_data(plain), plain.len, NULL, 0)
               ? NX_OK
               : nx__crypto_failed("seal");
}

static nx_err refused(struct nx__chunks *chunks)
{
    chunks->ended = true;
    ERR_clear_error();
    if (!chunks->done)
        return nx__error_set(NX_EPROTO, "cannot open the sealed stream: it was changed, or the key "
                                        "or the context is another");
    return nx__error_set(NX_EPROTO,
                         "cannot open the sealed stream: chunk %llu was changed, or is "
                         "in another place, or what is behind it is missing",
                         (unsigned long long)chunks->done + 1);
}

nx_err nx__chunks_open(struct nx__chunks *chunks, nx_bytes sealed, bool last, uint8_t *out)
{
    uint8_t nonce[NX__NONCE_MOST];
    size_t len;
    NX_TRY(next(chunks));
    /* Only what is empty altogether has an empty chunk. */
    if (sealed.len < NX__TAG + (chunks->done ? 1 : 0) || sealed.len > NX__CHUNK_SEALED ||
        (!last && sealed.len < NX__CHUNK_SEALED))
        return refused(chunks);
    nonce_of(chunks, last, nonce);
    if (!EVP_AEAD_CTX_open(&chunks->cipher, out, &len, sealed.len - NX__TAG, nonce, chunks->nonce,
                           nx__crypto_data(sealed), sealed.len, NULL, 0))
        return refused(chunks);
    chunks->ended = last;
    chunks->done++;
    return NX_OK;
}

void nx__chunks_end(struct nx__chunks *chunks)
{
    EVP_AEAD_CTX_cleanup(&chunks->cipher);
    nx_wipe(chunks, sizeof *chunks);
}
