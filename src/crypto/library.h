/* What all of this room knows of libcrypto (AWS-LC). */
#ifndef NX__CRYPTO_LIBRARY_H
#define NX__CRYPTO_LIBRARY_H

#include "base/error.h"
#include <nexus/crypto.h>
#include <openssl/digest.h>

/* Has libcrypto look at the processor, unless it has; before any other call of it. Programs that
 * use no cryptography do not pay for it. */
void nx__crypto_ready(void);

/* The hash as libcrypto knows it, NULL where it does not (NX_BLAKE3, and what is none). */
const EVP_MD *nx__crypto_md(nx_hash_kind kind);

/* Records that libcrypto failed where nothing but want of memory makes it fail, and forgets what it
 * has to say about it. */
NX_MUST_CHECK nx_err nx__crypto_failed(const char *what);

/* Whether it was want of memory that made libcrypto's last call fail; forgets what it has to say.
 */
bool nx__crypto_starved(void);

/* Records that libcrypto takes a signature for none, or that there was no memory to see. */
NX_MUST_CHECK nx_err nx__crypto_forged(void);

/* Runs fn(arg): here for less than NX_CRYPTO_BIG bytes, on the pool for more. */
NX_MUST_CHECK nx_err nx__crypto_run(size_t bytes, nx_err (*fn)(void *arg), void *arg);

static inline const uint8_t *nx__crypto_data(nx_bytes bytes)
{
    return (const uint8_t *)bytes.data;
}

#endif
