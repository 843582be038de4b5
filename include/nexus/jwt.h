/* JSON Web Tokens, signed (RFC 7519, 7515, 8725). */
#ifndef NEXUS_JWT_H
#define NEXUS_JWT_H

#include <nexus/json.h>
#include <nexus/keys.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The key says how a token is signed; what the token says of it has only to agree. Nothing here
 * suspends. */

typedef enum nx_jwt_algorithm {
    NX_JWT_HS256 = 1,
    NX_JWT_HS384,
    NX_JWT_HS512,
    NX_JWT_ES256,
    NX_JWT_EDDSA,
    NX_JWT_RS256, /* verifying alone, like the next */
    NX_JWT_PS256
} nx_jwt_algorithm;

/* What signs tokens, and what verifies them: an algorithm with a key, which has to last as long.
 * Made by the functions below. */
typedef struct nx_jwt_signer {
    nx_jwt_algorithm algorithm;
    nx_bytes secret;
    const void *key;
} nx_jwt_signer;
typedef struct nx_jwt_verifier {
    nx_jwt_algorithm algorithm;
    nx_bytes secret;
    const void *key;
} nx_jwt_verifier;

/* A token of more bytes is neither made nor read. */
#define NX_JWT_MOST ((size_t)8192)

/* Zero means the default. */
typedef struct nx_jwt_sign_options {
    size_t size;
    nx_duration lifetime; /* 15 minutes; NX_FOREVER: it does not end */
    const char *key_id;   /* "kid", for a reader that has several keys */
    const char *type;     /* "typ": "JWT" */
    nx_time now;          /* instead of the clock */
} nx_jwt_sign_options;

/* Signs an object of claims, into memory of the current scope. "iat" and "exp" are added, unless
 * they are among the claims. NX_EINVAL: no object, a secret that is shorter than the hash, a
 * lifetime beside an "exp", a key that is none, or what nx_json_write refuses. NX_ETOOBIG,
 * NX_ENOMEM. nx_jwt_sign(nx_jwt_signer_eddsa(&key), nx_obj("sub", "17"), &token) */
NX_API NX_MUST_CHECK nx_err nx_jwt_sign_with(nx_jwt_signer signer, nx_value claims, nx_bytes *out,
                                             const nx_jwt_sign_options *options);
#define nx_jwt_sign(signer, claims, out, ...)                                                      \
    nx_jwt_sign_with((signer), (claims), (out),                                                    \
                     &(nx_jwt_sign_options){.size = sizeof(nx_jwt_sign_options), __VA_ARGS__})

/* Zero means the default. */
typedef struct nx_jwt_options {
    size_t size;
    const char *issuer;   /* "iss" has to be this one */
    const char *audience; /* "aud" has to be this one, or have it; without, there may be no "aud" */
    const char *type;     /* "typ" has to be this one */
    nx_duration leeway;   /* how far clocks may be apart: 30 seconds; 1 for none */
    bool endless;         /* a token without "exp" is taken, too */
    nx_time now;          /* instead of the clock */
} nx_jwt_options;

/* Verifies a token and gives its claims, which last as long as the current scope; none with any
 * error. NX_EPROTO: it is none, or is not signed by this key with this algorithm, has extensions
 * that are not known ("crit"), is not valid yet, or is not for this reader. NX_ETIMEDOUT: it has
 * ended. A handler that returns one of these answers 401. NX_ETOOBIG, NX_ENOMEM; NX_EINVAL: a
 * secret that is shorter than the hash, or a key that is none. */
NX_API NX_MUST_CHECK nx_err nx_jwt_verify_with(nx_jwt_verifier verifier, nx_bytes token,
                                               nx_json *claims, const nx_jwt_options *options);
#define nx_jwt_verify(verifier, token, claims, ...)                                                \
    nx_jwt_verify_with((verifier), (token), (claims),                                              \
                       &(nx_jwt_options){.size = sizeof(nx_jwt_options), __VA_ARGS__})

/* The "kid" that a token names, empty if it names none: for choosing the key to verify it with. It
 * is whatever the sender likes. NX_EPROTO (no token), NX_ETOOBIG, NX_ENOMEM. */
NX_API NX_MUST_CHECK nx_err nx_jwt_key_id(nx_bytes token, nx_bytes *out);

/* ---- By key. A secret has as many bytes as the hash, or more: 32, 48, 64, of nx_random. */

static inline nx_jwt_signer nx_jwt__signer(nx_jwt_algorithm algorithm, nx_bytes secret,
                                           const void *key)
{
    nx_jwt_signer signer;
    signer.algorithm = algorithm;
    signer.secret = secret;
    signer.key = key;
    return signer;
}
static inline nx_jwt_signer nx_jwt_signer_hs256(nx_bytes secret)
{
    return nx_jwt__signer(NX_JWT_HS256, secret, NULL);
}
static inline nx_jwt_signer nx_jwt_signer_hs384(nx_bytes secret)
{
    return nx_jwt__signer(NX_JWT_HS384, secret, NULL);
}
static inline nx_jwt_signer nx_jwt_signer_hs512(nx_bytes secret)
{
    return nx_jwt__signer(NX_JWT_HS512, secret, NULL);
}
static inline nx_jwt_signer nx_jwt_signer_es256(const nx_p256_secret *key)
{
    return nx_jwt__signer(NX_JWT_ES256, nx_str(NULL), key);
}
static inline nx_jwt_signer nx_jwt_signer_eddsa(const nx_ed25519_secret *key)
{
    return nx_jwt__signer(NX_JWT_EDDSA, nx_str(NULL), key);
}

static inline nx_jwt_verifier nx_jwt__verifier(nx_jwt_algorithm algorithm, nx_bytes secret,
                                               const void *key)
{
    nx_jwt_verifier verifier;
    verifier.algorithm = algorithm;
    verifier.secret = secret;
    verifier.key = key;
    return verifier;
}
static inline nx_jwt_verifier nx_jwt_verifier_hs256(nx_bytes secret)
{
    return nx_jwt__verifier(NX_JWT_HS256, secret, NULL);
}
static inline nx_jwt_verifier nx_jwt_verifier_hs384(nx_bytes secret)
{
    return nx_jwt__verifier(NX_JWT_HS384, secret, NULL);
}
static inline nx_jwt_verifier nx_jwt_verifier_hs512(nx_bytes secret)
{
    return nx_jwt__verifier(NX_JWT_HS512, secret, NULL);
}
static inline nx_jwt_verifier nx_jwt_verifier_es256(const nx_p256_public *key)
{
    return nx_jwt__verifier(NX_JWT_ES256, nx_str(NULL), key);
}
static inline nx_jwt_verifier nx_jwt_verifier_eddsa(const nx_ed25519_public *key)
{
    return nx_jwt__verifier(NX_JWT_EDDSA, nx_str(NULL), key);
}
static inline nx_jwt_verifier nx_jwt_verifier_rs256(const nx_rsa_public *key)
{
    return nx_jwt__verifier(NX_JWT_RS256, nx_str(NULL), key);
}
static inline nx_jwt_verifier nx_jwt_verifier_ps256(const nx_rsa_public *key)
{
    return nx_jwt__verifier(NX_JWT_PS256, nx_str(NULL), key);
}

#ifdef __cplusplus
}
#endif

#endif
