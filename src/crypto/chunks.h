/* A stream that is sealed in chunks: the STREAM construction of Hoang, Reyhanitabar, Rogaway and
 * Vizár, with a key of its own for each stream. docs/crypto.md has the format. Pure: no memory of
 * its own, no waiting. */
#ifndef NX__CRYPTO_CHUNKS_H
#define NX__CRYPTO_CHUNKS_H

#include "crypto/seal.h"

enum {
    NX__CHUNK = 64 * 1024, /* bytes of all chunks but the last, before sealing */
    NX__CHUNK_SEALED = NX__CHUNK + NX__TAG,
    NX__CHUNKS_HEADER = 40
};
/* How many a stream has at most: as far as AES-GCM goes with one key, and more than anybody has. */
#define NX__CHUNKS_MOST ((uint64_t)1 << 32)

struct nx__chunks {
    EVP_AEAD_CTX cipher;
    size_t nonce;
    uint64_t done;
    bool ended; /* with the last chunk, or an error */
};

/* Begins a stream, whose header comes first. NX_EINVAL (no such cipher), NX_ENOMEM. */
NX_MUST_CHECK nx_err nx__chunks_seal_begin(struct nx__chunks *chunks, const nx_cipher_key *key,
                                           nx_bytes context, uint8_t header[NX__CHUNKS_HEADER]);
/* The same with a header that was read. NX_EPROTO too: it is none, or the key is of another cipher.
 */
NX_MUST_CHECK nx_err nx__chunks_open_begin(struct nx__chunks *chunks, const nx_cipher_key *key,
                                           nx_bytes context,
                                           const uint8_t header[NX__CHUNKS_HEADER]);

/* Seals NX__CHUNK bytes, or the last, up to so many, into plain.len + NX__TAG bytes. NX_ELIMIT;
 * NX_ESTATE behind the last one. */
NX_MUST_CHECK nx_err nx__chunks_seal(struct nx__chunks *chunks, nx_bytes plain, bool last,
                                     uint8_t *out);
/* Opens NX__CHUNK_SEALED bytes, or the last, up to so many, into sealed.len - NX__TAG bytes.
 * NX_EPROTO; NX_ESTATE behind that or the last one. */
NX_MUST_CHECK nx_err nx__chunks_open(struct nx__chunks *chunks, nx_bytes sealed, bool last,
                                     uint8_t *out);

/* Wipes it; once, if it has begun. */
void nx__chunks_end(struct nx__chunks *chunks);

#endif
