/* Tokens: nothing is taken that the key has not signed, and what the key has signed is read the
 * same again. The input is a token, and then claims that a token is made of. */
#include "loop/loop.h"
#include <nexus/encode.h>
#include <nexus/jwt.h>
#include <stdlib.h>

static void check(bool good)
{
    if (!good) abort();
}

static const char secret[] = "0123456789abcdef0123456789abcdef";

static void verify(nx_bytes text)
{
    nx_json claims;
    nx_bytes id;
    nx_jwt_verifier verifier = nx_jwt_verifier_hs256(nx_slice(secret, 32));
    nx_err err = nx_jwt_verify(verifier, text, &claims, .now = 1, .endless = true);
    check(err == NX_EPROTO || err == NX_ETOOBIG);
    check(!nx_json_is(claims));
    err = nx_jwt_key_id(text, &id);
    check(err == NX_OK || err == NX_EPROTO || err == NX_ETOOBIG);
}

/* The input as the header, and as the claims, of a token that is well signed. */
static void sign(nx_bytes header, nx_bytes claims)
{
    nx_digest digest;
    nx_json read;
    if (nx_base64_encode(header, &header, .url = true, .no_padding = true) ||
        nx_base64_encode(claims, &claims, .url = true, .no_padding = true))
        abort();
    char *text = nx_format("%s.%s", header.data, claims.data);
    if (!text || nx_mac_of(NX_SHA256, nx_slice(secret, 32), nx_str(text), &digest)) abort();
    nx_bytes signature = nx_digest_bytes(&digest);
    if (nx_base64_encode(signature, &signature, .url = true, .no_padding = true)) abort();
    text = nx_format("%s.%s", text, signature.data);
    nx_err err = nx_jwt_verify(nx_jwt_verifier_hs256(nx_slice(secret, 32)), nx_str(text), &read,
                               .now = 1, .endless = true);
    check(err == NX_OK || err == NX_EPROTO || err == NX_ETOOBIG || err == NX_ETIMEDOUT);
    check((err == NX_OK) == nx_json_is(read));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    nx_bytes input = nx_slice(data, size), plain = nx_str("{\"alg\":\"HS256\"}");
    static struct nx_loop loop;
    nx__loop_current = &loop;
    verify(input);
    sign(plain, input);
    sign(input, nx_str("{}"));
    nx__arena_reset(&loop.root.arena);
    return 0;
}
