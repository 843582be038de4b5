/* SipHash-1-3: a keyed hash for tables whose keys come from peers. */
#ifndef NX__SIPHASH_H
#define NX__SIPHASH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint64_t nx__siphash_rotate(uint64_t x, int bits)
{
    return x << bits | x >> (64 - bits);
}

static inline void nx__siphash_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = nx__siphash_rotate(v[1], 13) ^ v[0];
    v[0] = nx__siphash_rotate(v[0], 32);
    v[2] += v[3];
    v[3] = nx__siphash_rotate(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = nx__siphash_rotate(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = nx__siphash_rotate(v[1], 17) ^ v[2];
    v[2] = nx__siphash_rotate(v[2], 32);
}

/* The hash of the bytes; who does not know the key can't find two with the same. */
static inline uint64_t nx__siphash(const uint64_t key[2], const void *data, size_t len)
{
    uint64_t v[4] = {key[0] ^ 0x736f6d6570736575, key[1] ^ 0x646f72616e646f6d,
                     key[0] ^ 0x6c7967656e657261, key[1] ^ 0x7465646279746573};
    const unsigned char *at = data;
    uint64_t last = (uint64_t)len << 56, word;
    for (; len >= 8; at += 8, len -= 8) {
        memcpy(&word, at, 8);
        v[3] ^= word;
        nx__siphash_round(v);
        v[0] ^= word;
    }
    for (size_t i = 0; i < len; i++) last |= (uint64_t)at[i] << (8 * i);
    v[3] ^= last;
    nx__siphash_round(v);
    v[0] ^= last;
    v[2] ^= 0xff;
    for (int i = 0; i < 3; i++) nx__siphash_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

#endif
