/* Content hashes: BLAKE3. */
#include "module/internal.h"

#include <blake3.h>
#include <errno.h>
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
    blake3_hasher hasher;
    blake3_hasher_init(&hasher);
    blake3_hasher_update(&hasher, data, len);
    blake3_hasher_finalize(&hasher, hash, sizeof hash);
    text(hash, out);
}

int nx__hash_file(int fd, char out[NX__HASH_TEXT])
{
    return nx__hash_part(fd, UINT64_MAX, out);
}

int nx__hash_part(int fd, uint64_t size, char out[NX__HASH_TEXT])
{
    blake3_hasher hasher;
    blake3_hasher_init(&hasher);
    char chunk[16384];
    uint64_t total = 0;
    while (total < size) {
        size_t want = size - total < sizeof chunk ? (size_t)(size - total) : sizeof chunk;
        ssize_t n = pread(fd, chunk, want, (off_t)total);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return -errno;
        if (n == 0) break;
        total += (uint64_t)n;
        if (total > NX__SOURCE_MOST) return -EFBIG;
        blake3_hasher_update(&hasher, chunk, (size_t)n);
    }
    unsigned char hash[NX__HASH_BYTES];
    blake3_hasher_finalize(&hasher, hash, sizeof hash);
    text(hash, out);
    return 0;
}
