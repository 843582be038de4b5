/* Signing and verifying with each algorithm (RFC 7518, section 3; RFC 8037, section 3). */
#include "crypto/jwt.h"

static const struct {
    const char *name;
    nx_hash_kind hash; /* of HMAC */
    size_t secret;     /* bytes that it has at least: RFC 7518, section 3.2 */
} algorithms[] = {
    [NX_JWT_HS256] = {"HS256", NX_SHA256, 32}, [NX_JWT_HS384] = {"HS384", NX_SHA384, 48},
    [NX_JWT_HS512] = {"HS512", NX_SHA512, 64}, [NX_JWT_ES256] = {"ES256", 0, 0},
    [NX_JWT_EDDSA] = {"EdDSA", 0, 0},          [NX_JWT_RS256] = {"RS256", 0, 0},
    [NX_JWT_PS256] = {"PS256", 0, 0}};

const char *nx__jwt_name(nx_jwt_algorithm algorithm)
{
    if ((unsigned)algorithm < sizeof algorithms / sizeof *algorithms && algorithms[algorithm].name)
        return algorithms[algorithm].name;
    NX_IGNORE(
        nx__error_set(NX_EINVAL, "there is no algorithm of tokens number %d", (int)algorithm));
    return NULL;
}

static nx_err mac(nx_jwt_algorithm algorithm, nx_bytes secret, nx_bytes text, nx_digest *out)
{
    size_t least = algorithms[algorithm].secret;
    if (secret.len < least)
        return nx__error_set(NX_EINVAL, "a secret for %s has %zu bytes or more, not %zu",
                             algorithms[algorithm].name, least, secret.len);
    return nx_mac_of(algorithms[algorithm].hash, secret, text, out);
}

static nx_err copied(nx_bytes bytes, nx_bytes *out)
{
    char *copy = nx_copy(bytes);
    *out = nx_slice(copy, copy ? bytes.len : 0);
    return copy ? NX_OK : NX_ENOMEM;
}

nx_err nx__jwt_signature(nx_jwt_signer signer, nx_bytes signed_text, nx_bytes *out)
{
    nx_signature signature;
    nx_digest digest = {.len = 0};
    switch (signer.algorithm) {
    case NX_JWT_HS256:
    case NX_JWT_HS384:
    case NX_JWT_HS512:
        NX_TRY(mac(signer.algorithm, signer.secret, signed_text, &digest));
        return copied(nx_digest_bytes(&digest), out);
    case NX_JWT_ES256: NX_TRY(nx_p256_sign(signer.key, signed_text, &signature)); break;
    case NX_JWT_EDDSA: NX_TRY(nx_ed25519_sign(signer.key, signed_text, &signature)); break;
    case NX_JWT_RS256:
    case NX_JWT_PS256: return nx__error_set(NX_EINVAL, "RSA only verifies tokens here");
    }
    return copied(nx_signature_bytes(&signature), out);
}

nx_err nx__jwt_check(nx_jwt_verifier verifier, nx_bytes signed_text, nx_bytes signature)
{
    nx_digest digest = {.len = 0};
    switch (verifier.algorithm) {
    case NX_JWT_HS256:
    case NX_JWT_HS384:
    case NX_JWT_HS512: break;
    case NX_JWT_ES256: return nx_p256_verify(verifier.key, signed_text, signature);
    case NX_JWT_EDDSA: return nx_ed25519_verify(verifier.key, signed_text, signature);
    case NX_JWT_RS256:
    case NX_JWT_PS256:
        return nx_rsa_verify(verifier.key,
                             verifier.algorithm == NX_JWT_PS256 ? NX_RSA_PSS : NX_RSA_PKCS1,
                             NX_SHA256, signed_text, signature);
    }
    NX_TRY(mac(verifier.algorithm, verifier.secret, signed_text, &digest));
    return nx_secret_eq(signature, nx_digest_bytes(&digest))
               ? NX_OK
               : nx__error_set(NX_EPROTO, "the signature is not of this message with this key");
}
