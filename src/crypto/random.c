/* Randomness: libcrypto's generator, which each thread has one of and the kernel seeds. */
#include "crypto/library.h"

#include <openssl/rand.h>

void nx_random(void *out, size_t len)
{
    nx__crypto_ready();
    /* It ends the program rather than fail. */
    (void)RAND_bytes(out, len);
}

uint64_t nx_random_u64(void)
{
    uint64_t n;
    nx_random(&n, sizeof n);
    return n;
}

uint64_t nx_random_below(uint64_t limit)
{
    if (!limit) return 0;
    /* 2^64 modulo the limit: so many numbers at the low end would make some results likelier. */
    uint64_t uneven = (0 - limit) % limit, n;
    do n = nx_random_u64();
    while (n < uneven);
    return n % limit;
}
