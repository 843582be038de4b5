/* Looking for what ends a field. */
#ifndef NX__CSV_SCAN_H
#define NX__CSV_SCAN_H

#include <stddef.h>
#include <stdint.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

/* Which of the 16 bytes at `s` is the first that is one of three; 16 if none is. */
static inline size_t nx__csv_find_16(const char *s, char a, char b, char c)
{
#if defined(__SSE2__)
    __m128i x = _mm_loadu_si128((const __m128i *)(const void *)s);
    __m128i found = _mm_or_si128(
        _mm_cmpeq_epi8(x, _mm_set1_epi8(a)),
        _mm_or_si128(_mm_cmpeq_epi8(x, _mm_set1_epi8(b)), _mm_cmpeq_epi8(x, _mm_set1_epi8(c))));
    return (size_t)__builtin_ctz((unsigned)_mm_movemask_epi8(found) | 0x10000);
#elif defined(__aarch64__)
    uint8x16_t x = vld1q_u8((const uint8_t *)s);
    uint8x16_t found = vorrq_u8(
        vceqq_u8(x, vdupq_n_u8((uint8_t)a)),
        vorrq_u8(vceqq_u8(x, vdupq_n_u8((uint8_t)b)), vceqq_u8(x, vdupq_n_u8((uint8_t)c))));
    /* Four bits of the mask for each byte. */
    uint64_t mask =
        vget_lane_u64(vreinterpret_u64_u8(vshrn_n_u16(vreinterpretq_u16_u8(found), 4)), 0);
    return mask ? (size_t)__builtin_ctzll(mask) / 4 : 16;
#else
    size_t n = 0;
    while (n < 16 && s[n] != a && s[n] != b && s[n] != c) n++;
    return n;
#endif
}

/* The same in `len` bytes, behind which 16 more can be read; `len` if none is. */
static inline size_t nx__csv_find(const char *s, size_t len, char a, char b, char c)
{
    for (size_t at = 0; at < len; at += 16) {
        size_t n = nx__csv_find_16(s + at, a, b, c);
        if (n != 16) return at + n < len ? at + n : len;
    }
    return len;
}

#endif
