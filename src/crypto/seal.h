/* Authenticated encryption, as libcrypto has it. */
#ifndef NX__CRYPTO_SEAL_H
#define NX__CRYPTO_SEAL_H

#include "crypto/library.h"

#include <openssl/aead.h>

enum { NX__TAG = 16, NX__NONCE_MOST = 24 };

/* The cipher; NULL is recorded as NX_EINVAL. */
const EVP_AEAD *nx__aead(nx_cipher cipher);

#endif
