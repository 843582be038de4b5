/* Secrets in memory. */
#include "crypto/library.h"

#include <openssl/mem.h>

bool nx_secret_eq(nx_bytes given, nx_bytes secret)
{
    /* Always as many steps as `given` has bytes; volatile, so that no compiler sees an early end.
     */
    volatile size_t difference = given.len ^ secret.len;
    const char *other = secret.len ? secret.data : "";
    for (size_t i = 0; i < given.len; i++) {
        size_t at = i < secret.len ? i : 0;
        difference |= (size_t)(unsigned char)(given.data[i] ^ other[at]);
    }
    return !difference;
}

void nx_wipe(void *data, size_t len)
{
    if (len) OPENSSL_cleanse(data, len);
}
