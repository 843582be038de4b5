/* Content hashes: BLAKE2b-256 by libsodium. */
#include "module/internal.h"

#include <errno.h>
#include <sodium/crypto_generichash.h>
#include <unistd.h>

static void text(const unsigned char *hash, char out[NX__HASH_TEXT])
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < NX__HASH_BYTES; i++) {
        out[2 * i] = digits[hash[i] >> 4];
        out[2 * i + 1] = digits[hash[i] & 15];
    }
    out[NX__HASH_TEXT - 1] = '\0';
}

void nx__hash_bytes(const void *data, size_t len, char out[NX__HASH_TEXT])
{
    unsigned char hash[NX__HASH_BYTES];
    (void)crypto_generichash(hash, sizeof hash, data, len, NULL, 0);
    text(hash, out);
}

int nx__hash_file(int fd, char out[NX__HASH_TEXT])
{
    crypto_generichash_state state;
    (void)crypto_generichash_init(&state, NULL, 0, NX__HASH_BYTES);
    char chunk[16384];
    uint64_t total = 0;
    for (;;) {
        ssize_t n = pread(fd, chunk, sizeof chunk, (off_t)total);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return -errno;
        if (n == 0) break;
        total += (uint64_t)n;
        if (total > NX__SOURCE_MOST) return -EFBIG;
        (void)crypto_generichash_update(&state, (const unsigned char *)chunk,
                                        (unsigned long long)n);
    }
    unsigned char hash[NX__HASH_BYTES];
    (void)crypto_generichash_final(&state, hash, sizeof hash);
    text(hash, out);
    return 0;
}
