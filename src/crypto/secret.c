/* Secrets in memory. */
#include "crypto/library.h"

#include <openssl/mem.h>

bool nx_secret_equal(nx_bytes a, nx_bytes b)
{
    return a.len == b.len && CRYPTO_memcmp(a.data, b.data, a.len) == 0;
}

void nx_wipe(void *data, size_t len)
{
    if (len) OPENSSL_cleanse(data, len);
}
