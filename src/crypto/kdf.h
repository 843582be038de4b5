/* Argon2id, as passwords use it too. */
#ifndef NX__CRYPTO_KDF_H
#define NX__CRYPTO_KDF_H

#include "crypto/library.h"

enum {
    NX__ARGON2_MEMORY_KIB = 19456,
    NX__ARGON2_PASSES = 2,
    NX__ARGON2_LANES = 1,
    NX__ARGON2_LANES_MOST = 255,
    NX__ARGON2_SALT_LEAST = 8
};

/* Puts the defaults where nothing is said, and records NX_EINVAL for costs past the caps. */
NX_MUST_CHECK nx_err nx__argon2id_costs(nx_argon2id_options *o);

#endif
