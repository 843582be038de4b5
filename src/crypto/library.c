/* libcrypto, as this room uses it. */
#include "crypto/library.h"

#include <nexus/runtime.h>
#include <openssl/crypto.h>
#include <openssl/err.h>

void nx__crypto_ready(void)
{
    CRYPTO_library_init();
}

const EVP_MD *nx__crypto_md(nx_hash_kind kind)
{
    nx__crypto_ready();
    switch (kind) {
    case NX_SHA256: return EVP_sha256();
    case NX_SHA384: return EVP_sha384();
    case NX_SHA512: return EVP_sha512();
    case NX_SHA3_256: return EVP_sha3_256();
    case NX_SHA3_512: return EVP_sha3_512();
    case NX_SHA1_FOR_LEGACY: return EVP_sha1();
    case NX_BLAKE3: break;
    }
    return NULL;
}

nx_err nx__crypto_failed(const char *what)
{
    ERR_clear_error();
    return nx__error_set(NX_ENOMEM, "cannot %s: out of memory", what);
}

bool nx__crypto_starved(void)
{
    /* A thread's first error is kept only if there is memory to keep it in. */
    ERR_put_error(ERR_LIB_USER, 0, 1, __FILE__, __LINE__);
    bool starved = ERR_peek_error() == 0;
    for (uint32_t error; (error = ERR_get_error()) != 0;)
        starved |= ERR_GET_REASON(error) == ERR_R_MALLOC_FAILURE;
    return starved;
}

nx_err nx__crypto_forged(void)
{
    if (nx__crypto_starved()) return nx__crypto_failed("verify a signature");
    return nx__error_set(NX_EPROTO, "the signature is not of this message with this key");
}

nx_err nx__crypto_run(size_t bytes, nx_err (*fn)(void *arg), void *arg)
{
    return bytes < NX_CRYPTO_BIG ? fn(arg) : nx_blocking(fn, arg);
}
