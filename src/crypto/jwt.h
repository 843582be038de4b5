/* Signatures of tokens. */
#ifndef NX__CRYPTO_JWT_H
#define NX__CRYPTO_JWT_H

#include "base/error.h"
#include <nexus/jwt.h>

/* "HS256"; NULL, with NX_EINVAL recorded, for what is no algorithm. */
const char *nx__jwt_name(nx_jwt_algorithm algorithm);

/* The signature of what stands before the second dot, in memory of the current scope. */
NX_MUST_CHECK nx_err nx__jwt_signature(nx_jwt_signer signer, nx_bytes signed_text, nx_bytes *out);

/* NX_EPROTO where it is none. */
NX_MUST_CHECK nx_err nx__jwt_check(nx_jwt_verifier verifier, nx_bytes signed_text,
                                   nx_bytes signature);

#endif
