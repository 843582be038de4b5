/* UTF-8, and copying text up to what JSON has to escape. */
#ifndef NX__UTF8_H
#define NX__UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

/* Length of the valid sequence (RFC 3629: no surrogates, nothing overlong) at `s`, which is before
 * `end`; 0 if there is none. */
static inline size_t nx__utf8_sequence(const char *s, const char *end)
{
    const unsigned char *u = (const unsigned char *)s;
    size_t have = (size_t)(end - s);
    if (u[0] < 0x80) return 1;
    if (u[0] < 0xc2 || u[0] > 0xf4 || have < 2) return 0;
    if (u[0] < 0xe0) return (u[1] & 0xc0) == 0x80 ? 2 : 0;
    /* The second byte has a narrower range behind these four. */
    unsigned least = u[0] == 0xe0 ? 0xa0 : u[0] == 0xf0 ? 0x90 : 0x80;
    unsigned most = u[0] == 0xed ? 0x9f : u[0] == 0xf4 ? 0x8f : 0xbf;
    size_t len = u[0] < 0xf0 ? 3 : 4;
    if (have < len || u[1] < least || u[1] > most || (u[2] & 0xc0) != 0x80) return 0;
    return len == 3 || (u[3] & 0xc0) == 0x80 ? len : 0;
}

/* Whether all of it is valid UTF-8. */
static inline bool nx__utf8_valid(const char *s, size_t len)
{
    if (!len) return true; /* and `s` may be NULL */
    const char *end = s + len;
    for (size_t n; s < end; s += n)
        if (!(n = nx__utf8_sequence(s, end))) return false;
    return true;
}

/* Whether the byte stands for itself in a JSON string: ASCII, no control, no quote, no backslash.
 */
static inline bool nx__json_plain(char c)
{
    return (unsigned char)c >= 0x20 && (unsigned char)c < 0x80 && c != '"' && c != '\\';
}

/* How many of the first `len` bytes are plain before one is not. */
static inline size_t nx__json_plain_scalar(const char *s, size_t len)
{
    size_t n = 0;
    while (n < len && nx__json_plain(s[n])) n++;
    return n;
}

/* The same for 16 bytes. */
static inline size_t nx__json_plain_16(const char *s)
{
#if defined(__SSE2__)
    __m128i x = _mm_loadu_si128((const __m128i *)(const void *)s);
    /* Compared signed, what is not ASCII is below a space too. */
    __m128i bad = _mm_or_si128(_mm_cmplt_epi8(x, _mm_set1_epi8(0x20)),
                               _mm_or_si128(_mm_cmpeq_epi8(x, _mm_set1_epi8('"')),
                                            _mm_cmpeq_epi8(x, _mm_set1_epi8('\\'))));
    return (size_t)__builtin_ctz((unsigned)_mm_movemask_epi8(bad) | 0x10000);
#elif defined(__aarch64__)
    int8x16_t x = vld1q_s8((const int8_t *)s);
    uint8x16_t bad =
        vorrq_u8(vcltq_s8(x, vdupq_n_s8(0x20)),
                 vorrq_u8(vceqq_s8(x, vdupq_n_s8('"')), vceqq_s8(x, vdupq_n_s8('\\'))));
    /* Four bits of the mask for each byte. */
    uint64_t mask =
        vget_lane_u64(vreinterpret_u64_u8(vshrn_n_u16(vreinterpretq_u16_u8(bad), 4)), 0);
    return mask ? (size_t)__builtin_ctzll(mask) / 4 : 16;
#else
    return nx__json_plain_scalar(s, 16);
#endif
}

/* Whether all eight bytes of the word are plain. */
static inline bool nx__json_plain_word(uint64_t x)
{
    const uint64_t ones = UINT64_MAX / 0xff, high = ones * 0x80;
    uint64_t quote = x ^ (ones * '"'), slash = x ^ (ones * '\\');
    /* A byte below n borrows from its high bit when n is taken off; not ASCII has the bit itself.
     */
    return !(((x - ones * 0x20) | (quote - ones) | (slash - ones) | x) & high);
}

/* Copies `len` bytes as far as they are plain; `out` holds `len` bytes, and those past the result
 * may be overwritten too. Returns how many are plain. */
static inline size_t nx__json_copy_plain(char *out, const char *s, size_t len)
{
    if (len >= 16 && len <= 32) {
        size_t last = len - 16, n = nx__json_plain_16(s), m = nx__json_plain_16(s + last);
        memcpy(out + last, s + last, 16);
        memcpy(out, s, 16);
        return n != 16 ? n : last + m;
    }
    if (len > 32) {
        size_t at = 0;
        for (;; at += 16) {
            if (at > len - 16) {
                if (at == len) return len;
                at = len - 16; /* the last block overlaps the one before */
            }
            size_t n = nx__json_plain_16(s + at);
            memcpy(out + at, s + at, 16);
            if (n != 16) return at + n;
        }
    }
    /* Two words that overlap hold 8 to 15 bytes, two halves 4 to 7. */
    if (len >= 8) {
        uint64_t a, b;
        memcpy(&a, s, 8);
        memcpy(&b, s + len - 8, 8);
        memcpy(out, &a, 8);
        memcpy(out + len - 8, &b, 8);
        if (nx__json_plain_word(a) && nx__json_plain_word(b)) return len;
        return nx__json_plain_scalar(s, len);
    }
    if (len >= 4) {
        uint32_t a, b;
        memcpy(&a, s, 4);
        memcpy(&b, s + len - 4, 4);
        memcpy(out, &a, 4);
        memcpy(out + len - 4, &b, 4);
        if (nx__json_plain_word((uint64_t)a << 32 | b)) return len;
        return nx__json_plain_scalar(s, len);
    }
    size_t n = 0;
    for (; n < len && nx__json_plain(s[n]); n++) out[n] = s[n];
    return n;
}

/* Ends the text at `size`, and puts "?" where it has a control character or is no UTF-8: what came
 * from outside must not steer the terminal. */
static inline void nx__utf8_clean(char *text, size_t size)
{
    text[size - 1] = '\0';
    const char *end = text + strlen(text);
    for (size_t n; text < end; text += n) {
        n = nx__utf8_sequence(text, end);
        unsigned char first = (unsigned char)text[0], second = (unsigned char)text[1];
        bool control = first < 0x20 || first == 0x7f || (first == 0xc2 && second < 0xa0);
        if (!n) n = control = 1;
        if (control) memset(text, '?', n);
    }
}

#endif
